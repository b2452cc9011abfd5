import type { Condition, Predicate } from '../expression/condition.ts'
import type { Facts } from './facts.ts'
import { type Ip, isSameIp, isWithin } from '../expression/ip.ts'

/** Says whether a request fits; what it matched by is noted in the facts, as in Kong even where the whole fails later. */
export type Test = (facts: Facts) => boolean

/** Makes a function of a condition. */
export function compileCondition(condition: Condition): Test {
  switch (condition.is) {
    case 'predicate':
      return compilePredicate(condition)
    case 'not': {
      const test = compileCondition(condition.part)
      return (facts) => !test(facts)
    }
    case 'all': {
      const tests = condition.parts.map(compileCondition)
      if (tests.length === 1) return tests[0]!
      return (facts) => {
        for (const test of tests) if (!test(facts)) return false
        return true
      }
    }
    case 'some': {
      const tests = condition.parts.map(compileCondition)
      if (tests.length === 1) return tests[0]!
      return (facts) => {
        for (const test of tests) if (test(facts)) return true
        return false
      }
    }
  }
}

function compilePredicate(predicate: Predicate): Test {
  const { field, any } = predicate
  if (field === 'http.path') return compilePath(predicate)
  const number = NUMBERS[field]
  if (number) return compileNumber(predicate, number)
  const ip = ADDRESSES[field]
  if (ip) return compileIp(predicate, ip)
  const test = compileText(predicate)
  const [, list, name] = /^http\.(headers|queries)\.(.*)$/s.exec(field) ?? []
  if (list !== undefined && name !== undefined) {
    const valuesOf =
      list === 'headers'
        ? (facts: Facts) => facts.headerValues(name)
        : (facts: Facts) => facts.queryValues(name)
    return (facts) => {
      const values = valuesOf(facts)
      if (any) return values.some((value) => test(value, facts))
      return values.length > 0 && values.every((value) => test(value, facts))
    }
  }
  const textOf = TEXTS[field] ?? segmentsOf(field)
  return (facts) => {
    const value = textOf(facts)
    return value !== undefined && test(value, facts)
  }
}

const TEXTS: Readonly<Record<string, (facts: Facts) => string | undefined>> = {
  'http.method': ({ request }) => request.method,
  'http.host': ({ host }) => host,
  'net.protocol': ({ request }) => request.scheme ?? 'http',
  'tls.sni': ({ request }) => request.sni,
}

const NUMBERS: Readonly<Record<string, (facts: Facts) => number | undefined>> = {
  'net.src.port': ({ request }) => request.remotePort,
  'net.dst.port': ({ port }) => port,
  'http.path.segments.len': ({ segments }) => segments.length,
}

const ADDRESSES: Readonly<Record<string, (facts: Facts) => Ip | undefined>> = {
  'net.src.ip': ({ clientIp }) => clientIp,
  'net.dst.ip': ({ localIp }) => localIp,
}

/** `http.path.segments.1`, or `.1_3` for several with their slashes. No request has what is written otherwise. */
function segmentsOf(field: string): (facts: Facts) => string | undefined {
  const [, first, last] = /^http\.path\.segments\.(\d+)(?:_(\d+))?$/.exec(field) ?? []
  if (first === undefined) return () => undefined
  const from = Number(first)
  if (last === undefined) return ({ segments }) => segments[from]
  const to = Number(last)
  return ({ segments }) =>
    from < to && to < segments.length ? segments.slice(from, to + 1).join('/') : undefined
}

/** The path, of which the part that matched is noted: it is what `strip_path` takes away. */
function compilePath(predicate: Predicate): Test {
  const { operator, value, lower } = predicate
  if (value.type === 'String' && (operator === '==' || operator === '^=' || operator === '=^')) {
    const { text } = value
    const fits = compileText(predicate)
    return (facts) => {
      if (!fits(facts.path, facts)) return false
      facts.matchedPath = text
      return true
    }
  }
  if (value.type === 'Regex') {
    const { pattern } = value
    return (facts) => {
      const path = lower ? facts.path.toLowerCase() : facts.path
      const matched = pattern.match(path)
      if (matched === undefined) return false
      facts.matchedPath = matched
      facts.remember(pattern, path)
      return true
    }
  }
  const fits = compileText(predicate)
  return (facts) => fits(facts.path, facts)
}

function compileText({
  operator,
  value,
  lower,
}: Predicate): (given: string, facts: Facts) => boolean {
  if (value.type === 'Regex') {
    const { pattern } = value
    return (given, facts) => {
      const text = lower ? given.toLowerCase() : given
      if (!pattern.test(text)) return false
      facts.remember(pattern, text)
      return true
    }
  }
  if (value.type !== 'String') throw new Error(`a text is not compared with ${value.type}`)
  const fits = compareText(operator, value.text)
  return lower ? (given) => fits(given.toLowerCase()) : fits
}

function compareText(operator: Predicate['operator'], text: string): (given: string) => boolean {
  switch (operator) {
    case '==':
      return (given) => given === text
    case '!=':
      return (given) => given !== text
    case '^=':
      return (given) => given.startsWith(text)
    case '=^':
      return (given) => given.endsWith(text)
    case 'contains':
      return (given) => given.includes(text)
    default:
      throw new Error(`no texts are compared by ${operator}`)
  }
}

function compileNumber(
  { operator, value }: Predicate,
  numberOf: (facts: Facts) => number | undefined,
): Test {
  if (value.type !== 'Int') throw new Error(`a number is not compared with ${value.type}`)
  const fits = compareNumber(operator, value.number)
  return (facts) => {
    const given = numberOf(facts)
    return given !== undefined && fits(given)
  }
}

function compareNumber(
  operator: Predicate['operator'],
  number: number,
): (given: number) => boolean {
  switch (operator) {
    case '==':
      return (given) => given === number
    case '!=':
      return (given) => given !== number
    case '>':
      return (given) => given > number
    case '>=':
      return (given) => given >= number
    case '<':
      return (given) => given < number
    case '<=':
      return (given) => given <= number
    default:
      throw new Error(`no numbers are compared by ${operator}`)
  }
}

function compileIp({ operator, value }: Predicate, ipOf: (facts: Facts) => Ip | undefined): Test {
  const fits = compareIp(operator, value)
  return (facts) => {
    const given = ipOf(facts)
    return given !== undefined && fits(given)
  }
}

function compareIp(
  operator: Predicate['operator'],
  value: Predicate['value'],
): (given: Ip) => boolean {
  if (value.type === 'IpAddr') {
    const { ip } = value
    return operator === '==' ? (given) => isSameIp(given, ip) : (given) => !isSameIp(given, ip)
  }
  if (value.type !== 'IpCidr') throw new Error(`an address is not compared with ${value.type}`)
  const { network } = value
  return operator === 'in'
    ? (given) => isWithin(given, network)
    : (given) => !isWithin(given, network)
}
