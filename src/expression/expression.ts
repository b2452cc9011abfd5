import { Pattern, PatternError } from '../pattern/pattern.ts'
import { type Condition, fieldsOf, type Operator, type Predicate, type Value } from './condition.ts'
import { isNetwork, readCidr, readIp } from './ip.ts'

/** An expression that cannot be read, or that compares what cannot be compared; its message says why. */
export class ExpressionError extends Error {}

/** Says what is wrong with an expression of a route, if anything. */
export function checkExpression(source: string): string | undefined {
  try {
    for (const field of fieldsOf(parseExpression(source))) checkSegments(field)
    return undefined
  } catch (error) {
    if (error instanceof ExpressionError) return error.message
    throw error
  }
}

/**
 * Reads an expression of Kong's language for routes. `||` binds more strongly than `&&` there. Throws an
 * `ExpressionError`.
 */
export function parseExpression(source: string): Condition {
  // The older name of a field, which Kong still takes in front of a comparison.
  const parser = new Parser(source.replace(/net\.port(?=\s*[=><!])/g, 'net.dst.port'))
  return parser.whole()
}

/** Which type each field has; `*` stands for a name. */
const FIELDS: Readonly<Record<string, Value['type']>> = {
  'net.protocol': 'String',
  'tls.sni': 'String',
  'http.method': 'String',
  'http.host': 'String',
  'http.path': 'String',
  'http.path.segments.*': 'String',
  'http.headers.*': 'String',
  'http.queries.*': 'String',
  'net.src.port': 'Int',
  'net.dst.port': 'Int',
  'http.path.segments.len': 'Int',
  'net.src.ip': 'IpAddr',
  'net.dst.ip': 'IpAddr',
}

/** Each operator with the type that stands on its right; nothing where that is the field's own. */
const OPERATORS: Readonly<Record<Operator, Value['type'] | undefined>> = {
  '==': undefined,
  '!=': undefined,
  '~': 'Regex',
  '^=': 'String',
  '=^': 'String',
  '>': 'Int',
  '>=': 'Int',
  '<': 'Int',
  '<=': 'Int',
  in: 'IpCidr',
  'not in': 'IpCidr',
  contains: 'String',
}

/** Brackets within brackets: more would exhaust the stack. */
const DEEPEST = 200

class Parser {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  whole(): Condition {
    const condition = this.#expression(0)
    this.#skipBlanks()
    if (this.#at < this.#source.length) throw this.#error('expected && or ||')
    return condition
  }

  #expression(depth: number): Condition {
    const all: Condition[] = []
    do {
      const some = [this.#term(depth)]
      while (this.#take(/\|\|/y)) some.push(this.#term(depth))
      all.push(some.length === 1 ? some[0]! : { is: 'some', parts: some })
    } while (this.#take(/&&/y))
    return all.length === 1 ? all[0]! : { is: 'all', parts: all }
  }

  #term(depth: number): Condition {
    if (depth > DEEPEST) throw this.#error('too many brackets within each other')
    const start = this.#at
    const negated = this.#take(/!/y) !== undefined
    if (this.#take(/\(/y)) {
      const part = this.#expression(depth + 1)
      if (!this.#take(/\)/y)) throw this.#error('expected )')
      return negated ? { is: 'not', part } : part
    }
    if (negated) {
      this.#at = start
      throw this.#error('expected a comparison, or ( behind !')
    }
    return this.#predicate()
  }

  #predicate(): Predicate {
    const { field, lower, any } = this.#left()
    const start = this.#at
    const operator = this.#operator()
    const value = this.#value(operator)
    const type = FIELDS[field] ?? FIELDS[field.replace(/[^.]*$/, '*')]
    const fail = (message: string) => {
      this.#at = start
      return this.#error(message)
    }
    if (type === undefined) throw fail(`unknown field ${field}`)
    if (lower && type !== 'String') throw fail(`lower() is for texts, and ${field} is none`)
    const wanted = OPERATORS[operator] ?? type
    if (wanted !== value.type) throw fail(`${field} ${operator} expects ${NAMES[wanted]}`)
    const compared = wanted === 'Regex' ? 'String' : wanted === 'IpCidr' ? 'IpAddr' : wanted
    if (compared !== type) throw fail(`${operator} does not compare ${field}`)
    return { is: 'predicate', field, lower, any, operator, value }
  }

  #left(): { field: string; lower: boolean; any: boolean } {
    let lower = false
    let any = false
    let brackets = 0
    for (;;) {
      const name = this.#take(/[A-Za-z][\w.]*/y)
      if (name === undefined) throw this.#error('expected a field')
      if (!this.#take(/\(/y)) {
        for (; brackets > 0; brackets--) if (!this.#take(/\)/y)) throw this.#error('expected )')
        return { field: name, lower, any }
      }
      if (name === 'lower') lower = true
      else if (name === 'any') any = true
      else throw this.#error(`unknown function ${name}`)
      brackets++
    }
  }

  #operator(): Operator {
    const text = this.#take(/==|!=|~|\^=|=\^|>=|>|<=|<|in|not\s+in|contains/y)
    if (text === undefined) throw this.#error('expected an operator')
    return text.replace(/\s+/, ' ') as Operator
  }

  #value(operator: Operator): Value {
    this.#skipBlanks()
    const start = this.#at
    const text = this.#text()
    if (text !== undefined) return operator === '~' ? this.#regex(text) : { type: 'String', text }
    const address = this.#take(
      /\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?|(?::|[\dA-Fa-f]{1,4}):(?:[\dA-Fa-f]{1,4}|:)*(?:\/\d{1,3})?/y,
    )
    if (address !== undefined) return this.#address(address, start)
    const number = this.#take(/-?(?:0[0-7]+|0x[\dA-Fa-f]+|\d+)/y)
    if (number !== undefined) return this.#number(number, start)
    throw this.#error('expected a text, a number or an address')
  }

  /** A text in quotes, with escapes, or raw as `r#"…"#`. */
  #text(): string | undefined {
    const raw = this.#take(/r#"(?:(?!"#)[^])*"#/y)
    if (raw !== undefined) return raw.slice(3, -2)
    const quoted = this.#take(/"(?:[^"\\]|\\["\\nrt])*"/y)
    return quoted
      ?.slice(1, -1)
      .replace(/\\(.)/g, (_, char: string) => ({ n: '\n', r: '\r', t: '\t' })[char] ?? char)
  }

  #regex(source: string): Value {
    try {
      return { type: 'Regex', pattern: new Pattern(source) }
    } catch (error) {
      if (error instanceof PatternError)
        throw this.#error(`invalid regex: '${source}' (${error.message})`)
      throw error
    }
  }

  #address(text: string, start: number): Value {
    const network = text.includes('/') ? readCidr(text) : undefined
    if (network && isNetwork(network)) return { type: 'IpCidr', network }
    const ip = readIp(text)
    if (ip) return { type: 'IpAddr', ip }
    this.#at = start
    throw this.#error(
      network ? `${text} has bits set behind those of the network` : `invalid address ${text}`,
    )
  }

  #number(text: string, start: number): Value {
    const digits = text.replace('-', '')
    const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : decimal(digits))
    if (value >> 63n === 0n)
      return { type: 'Int', number: Number(text.startsWith('-') ? -value : value) }
    this.#at = start
    throw this.#error(`${text} is too large a number`)
  }

  #take(pattern: RegExp): string | undefined {
    this.#skipBlanks()
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#source)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #skipBlanks(): void {
    while (/[ \t\r\n]/.test(this.#source[this.#at] ?? '')) this.#at++
  }

  #error(message: string): ExpressionError {
    this.#skipBlanks()
    return new ExpressionError(`${message}, at character ${this.#at + 1} of the expression`)
  }
}

const NAMES: Readonly<Record<Value['type'], string>> = {
  String: 'a text in quotes',
  Int: 'a number',
  IpAddr: 'an address',
  IpCidr: 'a network, such as 10.0.0.0/8',
  Regex: 'a regex in quotes',
}

/** Numbers may begin with zeros that mean nothing, where an 8 or a 9 shows that they are not octal. */
function decimal(digits: string): string {
  return digits.startsWith('0x') ? digits : digits.replace(/^0+(?=\d)/, '')
}

function checkSegments(field: string): void {
  const [, range] = /^http\.path\.segments\.(.*)$/s.exec(field) ?? []
  if (range === undefined || range === 'len') return
  const [whole, first, last] = /^(0|[1-9]\d*)(?:_([1-9]\d*))?$/.exec(range) ?? []
  if (whole === undefined || (last !== undefined && Number(first) >= Number(last)))
    throw new ExpressionError('illformed http.path.segments.* field')
}
