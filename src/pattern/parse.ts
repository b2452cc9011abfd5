import { type CharSet, charSet, escapeChar, type SetOptions, singleChar } from './charset.ts'
import type { Assertion, Tree } from './tree.ts'

/**
 * Whose meaning a regex has. `rust`: the crate `regex`, over characters, as Kong's routers have it since 3.0; what PCRE
 * does not read is refused, because Kong shows it each regex of a path as well. `pcre`: over bytes, as in Kong's older
 * router; what is possessive there is refused, since nothing here keeps what it has read.
 */
export type Dialect = 'rust' | 'pcre'

export interface Parsed {
  readonly tree: Tree
  /** The names of the groups, by number; the first has number 1. */
  readonly groups: readonly (string | undefined)[]
}

/** A regex that cannot be read, or not with the same meaning as in Kong; its message says why. */
export class PatternError extends Error {}

/** Reads a regex. Throws a `PatternError`. */
export function parsePattern(source: string, dialect: Dialect): Parsed {
  const parser = new Parser(source, dialect)
  const tree = parser.choice(0)
  if (!parser.atEnd) throw new PatternError('unmatched )')
  return { tree, groups: parser.groups }
}

interface Flags {
  readonly i: boolean
  readonly m: boolean
  readonly s: boolean
  readonly U: boolean
  readonly x: boolean
}

/** Rust's own limit: without one, a text of brackets would exhaust the stack. */
const DEEPEST = 250

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

const CLASSES: Readonly<Record<Dialect, Readonly<Record<string, string>>>> = {
  rust: {
    d: '\\p{Nd}',
    s: '\\p{White_Space}',
    w: '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}',
  },
  pcre: { d: '0-9', s: '\\t-\\r\\x20', v: '\\n-\\r\\x85', w: '0-9A-Z_a-z' },
}

/** POSIX classes, which are of ASCII in both dialects. */
const NAMED_CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t\\x20',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e',
  space: '\\t-\\r\\x20',
  upper: 'A-Z',
  word: '0-9A-Z_a-z',
  xdigit: '0-9A-Fa-f',
}

class Parser {
  readonly groups: (string | undefined)[] = []
  readonly #chars: readonly string[]
  readonly #dialect: Dialect
  #at = 0
  #flags: Flags = { i: false, m: false, s: false, U: false, x: false }

  constructor(source: string, dialect: Dialect) {
    this.#chars = Array.from(source)
    this.#dialect = dialect
  }

  get atEnd(): boolean {
    this.#skipBlanks()
    return this.#at >= this.#chars.length
  }

  choice(depth: number): Tree {
    if (depth > DEEPEST) throw new PatternError('too many nested groups')
    const parts = [this.#sequence(depth)]
    while (this.#take('|')) parts.push(this.#sequence(depth))
    return parts.length === 1 ? parts[0]! : { is: 'choice', parts }
  }

  #sequence(depth: number): Tree {
    const parts: Tree[] = []
    while (!this.atEnd && this.#peek() !== '|' && this.#peek() !== ')') {
      const part = this.#atom(depth)
      if (part) parts.push(this.#repeated(part))
    }
    return parts.length === 1 ? parts[0]! : { is: 'sequence', parts }
  }

  /** One thing that a quantifier may follow; nothing where only flags were set. */
  #atom(depth: number): Tree | undefined {
    const char = this.#next()
    switch (char) {
      case '(':
        return this.#group(depth + 1)
      case '[':
        return this.#set(this.#bracket(depth + 1))
      case '.':
        return this.#set(this.#flags.s ? '\\u{0}-\\u{10ffff}' : '^\\n')
      case '^':
        return { is: 'assertion', assertion: this.#flags.m ? 'lineStart' : 'textStart' }
      case '$':
        return { is: 'assertion', assertion: this.#dollar() }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
      case '{':
        throw new PatternError(`nothing to repeat before ${char}`)
      default:
        return { is: 'set', set: singleChar(char, this.#setOptions) }
    }
  }

  #dollar(): Assertion {
    if (this.#flags.m) return 'lineEnd'
    return this.#dialect === 'pcre' ? 'textEndOrBreak' : 'textEnd'
  }

  #repeated(part: Tree): Tree {
    const range = part.is === 'assertion' ? undefined : this.#range()
    let tree = part
    if (range) {
      // In the mode `x` Rust takes a sign that stands apart for a second quantifier, and PCRE does not.
      const lazy = this.#takeRaw('?')
      tree = { is: 'repeat', part, ...range, greedy: lazy === this.#flags.U }
      // Possessive to PCRE, and to Rust a repetition of the repetition: both read it, and Rust is the one that matches.
      if (!lazy && this.#dialect === 'rust' && this.#takeRaw('+'))
        tree = { is: 'repeat', part: tree, min: 1, max: Infinity, greedy: !this.#flags.U }
    }
    // Rust's `regex` takes `a**` and `^*`, PCRE does not.
    const next = this.#peek() ?? ''
    if (/^[*+?{]$/.test(next)) throw new PatternError(`nothing to repeat before ${next}`)
    return tree
  }

  #range(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (!this.#take('{')) return undefined
    const [text = '', low, comma, high] = /^(\d{1,5})(,(\d{1,5})?)?\}/.exec(this.#rest(14)) ?? []
    if (low === undefined)
      throw new PatternError('a { must begin a quantifier such as {2} or {2,5}')
    this.#at += text.length
    const min = Number(low)
    const max = comma === undefined ? min : high === undefined ? Infinity : Number(high)
    if (max < min) throw new PatternError('numbers out of order in {} quantifier')
    return { min, max }
  }

  #group(depth: number): Tree | undefined {
    const outer = this.#flags
    if (!this.#takeRaw('?')) return this.#numbered(depth, undefined)
    const [lookAround] = /^<?[=!]/.exec(this.#rest(2)) ?? []
    if (lookAround) throw new PatternError(`look-around is not supported: (?${lookAround}`)
    const [opening = '', name] = /^P?<([A-Za-z_][A-Za-z0-9_]*)>/.exec(this.#rest(64)) ?? []
    if (name !== undefined) {
      if (this.groups.includes(name)) throw new PatternError(`two groups are named ${name}`)
      this.#at += opening.length
      return this.#numbered(depth, name)
    }
    const [text, flags = '', end] = /^((?:[imsUx]*-)?[imsUx]*)([:)])/.exec(this.#rest(16)) ?? []
    if (text === undefined || flags.endsWith('-') || text === ')')
      throw new PatternError('unrecognized character after (?')
    const [twice] = /([imsUx]).*\1/.exec(flags) ?? []
    if (twice) throw new PatternError(`a flag is given twice: (?${flags}`)
    this.#at += text.length
    this.#setFlags(flags)
    if (end === ')') return undefined
    const part = this.choice(depth)
    this.#flags = outer
    this.#close()
    return part
  }

  #numbered(depth: number, name: string | undefined): Tree {
    const outer = this.#flags
    this.groups.push(name)
    const number = this.groups.length
    const part = this.choice(depth)
    this.#flags = outer
    this.#close()
    return { is: 'group', part, number, name }
  }

  #close(): void {
    if (!this.#take(')')) throw new PatternError('missing )')
  }

  #setFlags(text: string): void {
    const [on = '', off = ''] = text.split('-')
    const flags = { ...this.#flags }
    for (const each of on) flags[each as keyof Flags] = true
    for (const each of off) flags[each as keyof Flags] = false
    this.#flags = flags
  }

  #escape(): Tree {
    const char = this.#nextRaw()
    const assertion = (
      { A: 'textStart', z: 'textEnd', b: 'word', B: 'noWord' } as Readonly<
        Record<string, Assertion>
      >
    )[char]
    if (assertion) {
      if (char === 'b' && this.#peek() === '{')
        throw new PatternError('this escape is not supported: \\b{')
      return { is: 'assertion', assertion }
    }
    if (/[1-9gk]/.test(char)) throw new PatternError(`a back-reference is not supported: \\${char}`)
    const inside = this.#classEscape(char)
    if (inside !== undefined) return this.#set(inside)
    return {
      is: 'set',
      set: singleChar(String.fromCodePoint(this.#charEscape(char)), this.#setOptions),
    }
  }

  /** `\d` and its like as the inside of a class; nothing for an escape that stands for one character. */
  #classEscape(char: string): string | undefined {
    const lower = char.toLowerCase()
    const simple = CLASSES[this.#dialect][lower]
    if (simple !== undefined) return char === lower ? simple : `^${simple}`
    if (lower !== 'p') return undefined
    const [text = '', letter, sign, name] =
      /^(?:([A-Z])|\{(\^?)([\w =:]+)\})/.exec(this.#rest(64)) ?? []
    if (text === '' || (sign === '^' && this.#dialect === 'rust'))
      throw new PatternError(`malformed \\${char}`)
    this.#at += text.length
    const property = propertyOf(letter ?? name!)
    return (char === 'P') !== (sign === '^') ? `^${property}` : property
  }

  /** The code of the character that an escape stands for; `char` is what follows the backslash. */
  #charEscape(char: string): number {
    const simple = SIMPLE_ESCAPES[char]
    if (simple !== undefined) return simple.charCodeAt(0)
    // In PCRE it is a class.
    if (char === 'v' && this.#dialect === 'rust') return 0x0b
    if (char === 'x') {
      const [text = '', two, braced] =
        /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(this.#rest(8)) ?? []
      const code = Number.parseInt(two ?? braced ?? '', 16)
      // PCRE reads bytes in Kong, and refuses more.
      if (!(code <= 0xff)) throw new PatternError('this escape is not supported: \\x')
      this.#at += text.length
      return code
    }
    // Letters and digits may come to mean something; and `\<`, `\>` are words' ends in Rust and nothing in PCRE.
    if (/[0-9A-Za-z<>]/.test(char) || char > '\x7f')
      throw new PatternError(`this escape is not supported: \\${char}`)
    return char.codePointAt(0)!
  }

  /** The inside of a class, as JavaScript's `v` mode writes it; the `[` was read. */
  #bracket(depth: number): string {
    if (depth > DEEPEST) throw new PatternError('too many nested classes')
    // PCRE refuses them wherever they stand, and Rust takes them for the characters that they are made of.
    const [posix] = /^([.=:])[^\]\\]*\1\]/.exec(this.#rest(32)) ?? []
    if (posix !== undefined)
      throw new PatternError(`a class such as this is not supported: [${posix}`)
    const negated = this.#take('^')
    const operands: { readonly operator: string; inside: string }[] = [{ operator: '', inside: '' }]
    // Rust takes dashes at the front for themselves, and both dialects a bracket there.
    const front = this.#dialect === 'rust' ? /^(?:-+|\])/ : /^\]/
    const [literal = ''] = front.exec(this.#rest(Infinity)) ?? []
    this.#at += literal.length
    operands[0]!.inside = literal === '' ? '' : escapeChar(literal.charCodeAt(0))
    while (!this.atEnd) {
      const operator = this.#dialect === 'rust' && /^(?:&&|--|~~)/.exec(this.#rest(2))?.[0]
      if (operator) {
        this.#at += 2
        operands.push({ operator, inside: '' })
      } else if (this.#take(']')) return close(negated, operands)
      else operands.at(-1)!.inside += this.#item(depth)
    }
    throw new PatternError('missing terminating ] for character class')
  }

  /** One character, range or class within a class. */
  #item(depth: number): string {
    if (this.#peek() === '[') {
      const [text, sign, name = ''] = /^\[:(\^?)(\w+):\]/.exec(this.#rest(16)) ?? []
      if (text !== undefined) {
        const named = NAMED_CLASSES[name]
        if (named === undefined) throw new PatternError(`unknown class name: ${text}`)
        this.#at += text.length
        return `[${sign}${named}]`
      }
      if (this.#dialect === 'rust') {
        this.#at++
        return `[${this.#bracket(depth + 1)}]`
      }
    }
    const low = this.#itemChar()
    const dashAhead = this.#peek() === '-' && this.#chars[this.#at + 1] !== ']'
    const isRange = dashAhead && !(this.#dialect === 'rust' && this.#chars[this.#at + 1] === '-')
    if (typeof low === 'string') {
      if (isRange && this.#dialect === 'rust')
        throw new PatternError('a range must begin with a character')
      return low
    }
    if (!isRange) return escapeChar(low)
    this.#at++
    const high = this.#itemChar()
    if (typeof high === 'string') {
      if (this.#dialect === 'rust') throw new PatternError('a range must end with a character')
      return `${escapeChar(low)}\\-${high}`
    }
    if (high < low) throw new PatternError('range out of order in character class')
    return `${escapeChar(low)}-${escapeChar(high)}`
  }

  /** A character's code, or a class such as `\d`. */
  #itemChar(): number | string {
    if (this.#at >= this.#chars.length)
      throw new PatternError('missing terminating ] for character class')
    const char = this.#next()
    if (char !== '\\') return char.codePointAt(0)!
    const escaped = this.#nextRaw()
    const inside = this.#classEscape(escaped)
    return inside === undefined ? this.#charEscape(escaped) : `[${inside}]`
  }

  #set(inside: string): Tree {
    return { is: 'set', set: this.#charSet(inside) }
  }

  #charSet(inside: string): CharSet {
    try {
      return charSet(inside, this.#setOptions)
    } catch {
      throw new PatternError('a character class could not be read')
    }
  }

  get #setOptions(): SetOptions {
    return { ignoreCase: this.#flags.i, bytes: this.#dialect === 'pcre' }
  }

  #peek(): string | undefined {
    this.#skipBlanks()
    return this.#chars[this.#at]
  }

  #next(): string {
    this.#skipBlanks()
    return this.#nextRaw()
  }

  #nextRaw(): string {
    const char = this.#chars[this.#at]
    if (char === undefined) throw new PatternError('\\ at end of pattern')
    this.#at++
    return char
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false
    this.#at++
    return true
  }

  #takeRaw(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false
    this.#at++
    return true
  }

  #rest(length: number): string {
    return this.#chars.slice(this.#at, this.#at + length).join('')
  }

  /** What stands between is not part of the pattern in the mode `x`. */
  #skipBlanks(): void {
    if (!this.#flags.x) return
    for (;;) {
      const char = this.#chars[this.#at]
      if (char === '#') {
        while (this.#at < this.#chars.length && this.#chars[this.#at] !== '\n') this.#at++
      } else if (char !== undefined && /\p{White_Space}/v.test(char)) this.#at++
      else return
    }
  }
}

/** Rust's operators work from left to right, after everything that stands side by side. */
function close(
  negated: boolean,
  operands: readonly { readonly operator: string; readonly inside: string }[],
): string {
  const inside = operands
    .map((each) => ({ ...each, inside: `[${each.inside}]` }))
    .reduce((left, { operator, inside: right }) => ({
      operator: '',
      inside:
        operator === '~~'
          ? `[[${left.inside}--${right}][${right}--${left.inside}]]`
          : `[${left.inside}${operator}${right}]`,
    })).inside
  return `${negated ? '^' : ''}${inside}`
}

/** A property of Unicode in the spelling of JavaScript. Rust knows looser ones; those are refused. */
function propertyOf(name: string): string {
  const [key = '', value] = name.split(/[=:]/)
  const candidates =
    value === undefined
      ? [`\\p{${key}}`, `\\p{Script=${key}}`]
      : [`\\p{${key}=${value}}`, `\\p{${SHORT_KEYS[key] ?? key}=${value}}`]
  for (const candidate of candidates) {
    try {
      // Not in the mode `v`, which has properties of whole strings as well.
      new RegExp(candidate, 'u')
      return candidate
    } catch {
      continue
    }
  }
  throw new PatternError(`unknown property: ${name}`)
}

const SHORT_KEYS: Readonly<Record<string, string>> = {
  gc: 'General_Category',
  sc: 'Script',
  scx: 'Script_Extensions',
}
