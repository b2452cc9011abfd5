/** A value of a template, `undefined` being Lua's nil. What came several times is a list, an argument without a value `true`. */
export type Value = string | number | boolean | undefined | readonly Value[]

/** What a template may ask of a request. */
export interface RequestValues {
  headers(name: string): Value
  query_params(name: string): Value
  uri_captures(name: string): Value
}

export type Expression = (request: RequestValues) => Value

/** Why a template cannot be read, for who has written it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/**
 * Reads what stands between `$(` and `)`: Lua's expressions as far as they pick values of a request. There are names with
 * an index, texts, numbers, `and`, `or`, `not`, `==`, `~=`, `..`, parentheses and `type()`, with Lua's precedence and
 * meaning. Nothing is ever run as Lua.
 */
export function parseExpression(source: string): Expression {
  return new Parser(source).parse()
}

const TABLES = ['headers', 'query_params', 'uri_captures'] as const
type Table = (typeof TABLES)[number]

const KNOWN =
  'a template knows headers, query_params, uri_captures, texts, numbers, and, or, not, ==, ~=, .., type() and parentheses'

const TOKEN =
  /\s*(?:([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|"((?:[^"\\\n]|\\[^])*)"|'((?:[^'\\\n]|\\[^])*)'|(==|~=|<=|>=|\.\.\.|\.\.|[^\s\w]))/y

type Token =
  | { readonly is: 'name' | 'operator'; readonly text: string }
  | { readonly is: 'literal'; readonly value: string | number }

function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  const text = source.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text)
    if (!match) throw new TemplateError(`it cannot be read; ${KNOWN}`)
    const [, name, number, double, single, operator] = match
    if (name !== undefined) tokens.push({ is: 'name', text: name })
    else if (number !== undefined) tokens.push({ is: 'literal', value: Number(number) })
    else if (operator !== undefined) tokens.push({ is: 'operator', text: operator })
    else tokens.push({ is: 'literal', value: unescape(double ?? single ?? '') })
  }
  return tokens
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

function unescape(text: string): string {
  return text.replace(/\\([^])/g, (_, char: string) => ESCAPES[char] ?? char)
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(source: string) {
    this.#tokens = tokensOf(source)
  }

  parse(): Expression {
    const expression = this.#or()
    const rest = this.#tokens[this.#at]
    if (rest) throw refusal(rest)
    return expression
  }

  #or(): Expression {
    let left = this.#and()
    while (this.#takes('or')) {
      const [a, b] = [left, this.#and()]
      left = (request) => {
        const value = a(request)
        return isTrue(value) ? value : b(request)
      }
    }
    return left
  }

  #and(): Expression {
    let left = this.#comparison()
    while (this.#takes('and')) {
      const [a, b] = [left, this.#comparison()]
      left = (request) => {
        const value = a(request)
        return isTrue(value) ? b(request) : value
      }
    }
    return left
  }

  #comparison(): Expression {
    let left = this.#concatenation()
    for (;;) {
      const isEqual = this.#takes('==')
      if (!isEqual && !this.#takes('~=')) return left
      const [a, b] = [left, this.#concatenation()]
      left = (request) => (a(request) === b(request)) === isEqual
    }
  }

  #concatenation(): Expression {
    const left = this.#unary()
    if (!this.#takes('..')) return left
    const right = this.#concatenation()
    return (request) => joined(left(request)) + joined(right(request))
  }

  #unary(): Expression {
    if (!this.#takes('not')) return this.#indexed()
    const operand = this.#unary()
    return (request) => !isTrue(operand(request))
  }

  #indexed(): Expression {
    let value = this.#primary()
    for (;;) {
      const index = this.#index()
      if (!index) return value
      const indexedValue = value
      value = (request) => element(indexedValue(request), index(request))
    }
  }

  #primary(): Expression {
    const token = this.#tokens[this.#at++]
    if (!token) throw new TemplateError(`something is missing at the end; ${KNOWN}`)
    if (token.is === 'literal') return () => token.value
    if (token.text === '(') {
      const inner = this.#or()
      this.#expect(')')
      return inner
    }
    if (token.is === 'operator') throw refusal(token)
    if (token.text === 'nil') return () => undefined
    if (token.text === 'true') return () => true
    if (token.text === 'false') return () => false
    if (token.text === 'type') return this.#type()
    const table = TABLES.find((each) => each === token.text)
    if (!table) throw refusal(token)
    return this.#lookUp(table)
  }

  #lookUp(table: Table): Expression {
    const index = this.#index()
    if (!index) throw new TemplateError(`${table} must be followed by a name, as in ${table}.name`)
    return (request) => {
      const name = index(request)
      return typeof name === 'string' || typeof name === 'number'
        ? request[table](String(name))
        : undefined
    }
  }

  #type(): Expression {
    this.#expect('(')
    const operand = this.#or()
    this.#expect(')')
    return (request) => {
      const value = operand(request)
      if (value === undefined) return 'nil'
      return Array.isArray(value) ? 'table' : typeof value
    }
  }

  /** `.name` or `[…]`. */
  #index(): Expression | undefined {
    if (this.#takes('[')) {
      const index = this.#or()
      this.#expect(']')
      return index
    }
    if (!this.#takes('.')) return undefined
    const token = this.#tokens[this.#at++]
    if (token?.is !== 'name')
      throw token ? refusal(token) : new TemplateError(`a name is missing after the dot`)
    return () => token.text
  }

  #takes(text: string): boolean {
    const token = this.#tokens[this.#at]
    if (!token || token.is === 'literal' || token.text !== text) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (this.#takes(text)) return
    const token = this.#tokens[this.#at]
    throw token ? refusal(token) : new TemplateError(`a '${text}' is missing`)
  }
}

function refusal(token: Token): TemplateError {
  if (token.is === 'literal')
    return new TemplateError(`'${token.value}' is not expected there; ${KNOWN}`)
  const { text } = token
  if (text === 'shared')
    return new TemplateError('shared is filled by plugins in Lua, and none run here')
  return new TemplateError(`'${text}' is Lua that is not run here; ${KNOWN}`)
}

function isTrue(value: Value): boolean {
  return value !== undefined && value !== false
}

/** An element of a list, counted from 1 as in Lua. A text has none. Throws where Lua would. */
function element(value: Value, index: Value): Value {
  if (Array.isArray(value)) return typeof index === 'number' ? value[index - 1] : undefined
  if (typeof value === 'string') return undefined
  throw new Error('a template asks for a part of what has none')
}

/** An operand of `..`. Throws where Lua would. */
function joined(value: Value): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new Error('a template joins what is no text')
}
