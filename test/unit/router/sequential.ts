import type { RouterFlavor } from '../../../src/entities/route.ts'
import type { Condition, Predicate } from '../../../src/expression/condition.ts'
import { isSameIp, isWithin } from '../../../src/expression/ip.ts'
import { Facts } from '../../../src/router/facts.ts'
import { type RoutedRequest, type RouteRule, sortedRules } from '../../../src/router/router.ts'

/** What is tried one after the other, without an index and nothing compiled: what the router must answer as well. */
export class SequentialRouter<T> {
  readonly #rules

  constructor(
    routes: Iterable<readonly [RouteRule, T]>,
    flavor: Exclude<RouterFlavor, 'traditional'>,
  ) {
    this.#rules = sortedRules(routes, flavor)
  }

  match(request: RoutedRequest): { value: T; matchedPath: string } | undefined {
    for (const { condition, value } of this.#rules) {
      const found = { path: '' }
      if (holds(condition, request, found)) return { value, matchedPath: found.path }
    }
    return undefined
  }
}

function holds(condition: Condition, request: RoutedRequest, found: { path: string }): boolean {
  switch (condition.is) {
    case 'not':
      return !holds(condition.part, request, found)
    case 'all':
      return condition.parts.every((part) => holds(part, request, found))
    case 'some':
      return condition.parts.some((part) => holds(part, request, found))
    case 'predicate': {
      const values = valuesOf(condition.field, request)
      const fits = (value: string | number) => {
        const matched = compare(condition, value)
        if (matched !== undefined && condition.field === 'http.path') found.path = matched
        return matched !== undefined
      }
      return condition.any ? values.some(fits) : values.length > 0 && values.every(fits)
    }
  }
}

function valuesOf(field: string, request: RoutedRequest): (string | number)[] {
  const facts = new Facts(request, request.path)
  const header = field.startsWith('http.headers.') && field.slice('http.headers.'.length)
  if (header) return request.headers.all(header.replaceAll('_', '-'))
  const value = {
    'http.path': request.path,
    'http.method': request.method,
    'http.host': facts.host,
    'net.dst.port': facts.port,
    'net.src.ip': request.ip,
    'net.protocol': request.scheme ?? 'http',
    'tls.sni': request.sni,
  }[field]
  return value === undefined ? [] : [value]
}

/** What matched of a value; nothing if it does not. */
function compare({ operator, value, lower }: Predicate, given: string | number) {
  const text = lower ? String(given).toLowerCase() : String(given)
  const yes = (fits: boolean, matched = '') => (fits ? matched : undefined)
  switch (value.type) {
    case 'Regex':
      return value.pattern.captures(text)?.[0]
    case 'Int':
      return yes(Number(given) === value.number)
    case 'IpAddr':
      return yes(isSameIp(ipOf(text), value.ip))
    case 'IpCidr':
      return yes(isWithin(ipOf(text), value.network))
    case 'String':
      if (operator === '!=') return yes(text !== value.text)
      if (operator === '==') return yes(text === value.text, value.text)
      if (operator === '^=') return yes(text.startsWith(value.text), value.text)
      if (operator === '=^') return yes(text.endsWith(value.text), value.text)
      return yes(text.includes(value.text))
  }
}

function ipOf(text: string) {
  return {
    bits: 32,
    value: BigInt(`0x${Buffer.from(text.split('.').map(Number)).toString('hex')}`),
  } as const
}
