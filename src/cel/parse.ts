import { CelError, type Node, type Operator } from './node.ts'
import { readText } from './text.ts'

/** Expressions within each other: more would exhaust the stack. */
const DEEPEST = 100

/** Operators and members in all: each holds what stands before it, so that a chain of them is deep as well. */
const MOST_LINKS = 1000

/** The words that CEL keeps for itself. */
const RESERVED = new Set(
  `as break const continue else for function if import let loop package namespace return var void while`.split(
    ' ',
  ),
)

const TEXT =
  /[rR]?(?:"""[^]*?"""|'''[^]*?''')|[rR](?:"[^"\r\n]*"|'[^'\r\n]*')|"(?:[^"\\\r\n]|\\[^])*"|'(?:[^'\\\r\n]|\\[^])*'/y
const BLANKS = /(?:[ \t\r\n\f]|\/\/[^\n]*)+/y

/** Reads an expression of CEL, as far as Kong documents the language. Throws a `CelError`. */
export function parse(source: string): Node {
  return new Parser(source).whole()
}

class Parser {
  readonly #source: string
  #at = 0
  #depth = 0
  #links = 0

  constructor(source: string) {
    this.#source = source
  }

  whole(): Node {
    const node = this.#expression()
    if (this.#start() < this.#source.length) throw this.#error('expected an operator, or the end')
    return node
  }

  #expression(): Node {
    if (++this.#depth > DEEPEST) throw this.#error('too many expressions within each other')
    const test = this.#either()
    let node = test
    if (this.#take(/\?/y)) {
      const yes = this.#either()
      this.#expect(':')
      node = { is: 'choice', at: test.at, test, yes, no: this.#expression() }
    }
    this.#depth--
    return node
  }

  #either(): Node {
    let left = this.#both()
    while (this.#takeLink(/\|\|/y)) left = { is: 'either', at: left.at, left, right: this.#both() }
    return left
  }

  #both(): Node {
    let left = this.#relation()
    while (this.#takeLink(/&&/y)) left = { is: 'both', at: left.at, left, right: this.#relation() }
    return left
  }

  #relation(): Node {
    let left = this.#sum()
    for (;;) {
      const operator = this.#takeLink(/[=!]=|<=?|>=?|in\b/y) as Operator | undefined
      if (operator === undefined) return left
      left = { is: 'binary', at: left.at, operator, left, right: this.#sum() }
    }
  }

  #sum(): Node {
    let left = this.#unary()
    for (;;) {
      const operator = this.#takeLink(/[-+*/%]/y)
      if (operator === undefined) return left
      if (operator !== '+') throw this.#error(`conditions have no ${operator}`, this.#at - 1)
      left = { is: 'binary', at: left.at, operator, left, right: this.#unary() }
    }
  }

  #unary(): Node {
    const at = this.#start()
    let isNegated: boolean | undefined
    while (this.#take(/!(?!=)/y)) isNegated = !isNegated
    const of = this.#member()
    if (isNegated === undefined) return of
    const not: Node = { is: 'not', at, of }
    return isNegated ? not : { is: 'not', at, of: not }
  }

  #member(): Node {
    let node = this.#primary()
    for (;;) {
      if (this.#takeLink(/\./y)) {
        const name = this.#take(/[A-Za-z_]\w*/y)
        if (name === undefined) throw this.#error('expected a name behind the dot')
        node = this.#take(/\(/y)
          ? { is: 'call', at: node.at, on: node, name, args: this.#list(')') }
          : { is: 'member', at: node.at, of: node, name }
      } else if (this.#takeLink(/\[/y)) {
        node = { is: 'index', at: node.at, of: node, key: this.#expression() }
        this.#expect(']')
      } else return node
    }
  }

  #primary(): Node {
    const at = this.#start()
    const text = this.#take(TEXT)
    if (text !== undefined) return { is: 'literal', at, value: readText(text, at) }
    const number = this.#take(/-?(?:0[xX][\dA-Fa-f]+|\d+)/y)
    if (number !== undefined) return { is: 'literal', at, value: this.#number(number, at) }
    if (this.#take(/\(/y)) {
      const inner = this.#expression()
      this.#expect(')')
      return inner
    }
    if (this.#take(/\[/y)) return { is: 'list', at, items: this.#list(']') }
    const name = this.#take(/[A-Za-z_]\w*/y)
    if (name === undefined) throw this.#error('expected a field, a value or (')
    return this.#named(name, at)
  }

  #named(name: string, at: number): Node {
    if (name === 'true' || name === 'false') return { is: 'literal', at, value: name === 'true' }
    if (name === 'null') return { is: 'literal', at, value: null }
    if (name === 'in' || RESERVED.has(name)) throw this.#error(`${name} is no field`, at)
    if (/^["']/.test(this.#source.slice(this.#at)))
      throw this.#error(`there are no texts with ${name} before their quotes`, at)
    return this.#take(/\(/y)
      ? { is: 'call', at, on: undefined, name, args: this.#list(')') }
      : { is: 'name', at, name }
  }

  #number(text: string, at: number): number {
    if (/[.\w]/.test(this.#source[this.#at] ?? ''))
      throw this.#error('numbers are whole, without a suffix', at)
    const value = Number(text.replace('-', ''))
    // All numbers of a request are far smaller, so the rest of the 64 bits could only be compared with each other.
    if (!Number.isSafeInteger(value)) throw this.#error(`${text} is too large a number`, at)
    return text.startsWith('-') ? 0 - value : value
  }

  /** What stands between commas, up to `end`, which is taken too. */
  #list(end: ')' | ']'): Node[] {
    const items: Node[] = []
    if (this.#take(CLOSING[end])) return items
    do items.push(this.#expression())
    while (this.#take(/,/y))
    this.#expect(end)
    return items
  }

  #expect(char: keyof typeof CLOSING): void {
    if (!this.#take(CLOSING[char])) throw this.#error(`expected ${char}`)
  }

  #takeLink(pattern: RegExp): string | undefined {
    const found = this.#take(pattern)
    if (found !== undefined && ++this.#links > MOST_LINKS) throw this.#error('too many operators')
    return found
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#start()
    const found = pattern.exec(this.#source)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  /** Where the next token begins. */
  #start(): number {
    BLANKS.lastIndex = this.#at
    this.#at += BLANKS.exec(this.#source)?.[0].length ?? 0
    return this.#at
  }

  #error(message: string, at = this.#start()): CelError {
    return new CelError(message, at)
  }
}

const CLOSING = { ')': /\)/y, ']': /\]/y, ':': /:/y } as const
