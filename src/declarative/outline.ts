/** A key or an item of a YAML text, with the offsets of its beginning and of its value's. */
export interface OutlineNode {
  readonly key: string | number
  readonly at: number
  readonly parent: OutlineNode | undefined
  valueAt: number
}

/** What a parser of YAML does not tell: where things stand, which keys come twice, which words are YAML 1.1's booleans. */
export interface Outline {
  readonly nodes: readonly OutlineNode[]
  readonly duplicates: readonly OutlineNode[]
  /** Keys with a tag, an anchor or a question mark, or that are aliases: what they are called is not known. */
  readonly oddKeys: readonly OutlineNode[]
  readonly booleans: readonly { readonly at: number; readonly word: string }[]
  /** Where a second document begins. */
  readonly secondDocument: number | undefined
  /** Where and why it could not be followed: the lists lack what comes after. */
  readonly broken: { readonly why: Why; readonly at: number } | undefined
  /** An alias that may stand inside of what it is an alias of. */
  readonly cycle: number | undefined
}

/** The levels of a file that are followed; Kong's files have about ten. */
export const MAX_DEPTH = 100

/** Reads the outline of `text`, block and flow style (so JSON too). Never throws; what is no YAML is `broken`. */
export function readOutline(text: string): Outline {
  const scanner = new Scanner(text)
  const broken = scanner.run()
  const { nodes, duplicates, oddKeys, booleans, secondDocument, cycle } = scanner
  return { nodes, duplicates, oddKeys, booleans, secondDocument, broken, cycle }
}

/** Finds the node at a path, or its nearest ancestor; `exact` tells which. */
export class OutlineIndex {
  readonly #children = new Map<OutlineNode | undefined, Map<string | number, OutlineNode>>()

  constructor({ nodes }: Outline) {
    for (const node of nodes) {
      const siblings = this.#children.get(node.parent)
      if (siblings) siblings.set(node.key, node)
      else this.#children.set(node.parent, new Map([[node.key, node]]))
    }
  }

  find(path: readonly (string | number)[]): { node: OutlineNode | undefined; exact: boolean } {
    let node: OutlineNode | undefined
    for (const key of path) {
      const next = this.#children.get(node)?.get(key)
      if (!next) return { node, exact: false }
      node = next
    }
    return { node, exact: true }
  }
}

/** Deeper than `MAX_DEPTH`, indented with a tab or between two levels, a quote or a bracket or an alias without its other, or another form. */
type Why = 'depth' | 'tab' | 'indentation' | 'quote' | 'bracket' | 'alias' | 'form'

// YAML 1.1 (Kong's and decK's readers) has these words for booleans; YAML 1.2 has not.
const BOOLEAN = /^(?:yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/

/** Keys that may be written otherwise and be the same: `1` and `0x1`, `null` and `~`. */
const NO_TEXT = /^(?:[-+.\d].*|~?|null|true|false)$/i

class Scanner {
  readonly nodes: OutlineNode[] = []
  readonly duplicates: OutlineNode[] = []
  readonly oddKeys: OutlineNode[] = []
  readonly booleans: { at: number; word: string }[] = []
  secondDocument: number | undefined
  cycle: number | undefined
  readonly #text: string
  readonly #anchors = new Map<string, OutlineNode | undefined>()
  #at = 0
  #lineStart = 0
  #depth = 0
  #flows = 0

  constructor(text: string) {
    this.#text = text
  }

  run(): Outline['broken'] {
    try {
      if (this.#text.charCodeAt(0) === 0xfeff) this.#at = this.#lineStart = 1
      this.#toToken()
      while (this.#looksAt('%')) this.#endLine()
      if (this.#isMarker('---')) this.#at += 3
      this.#value(undefined, -1, 'document')
      this.#toToken()
      if (this.#isMarker('...')) {
        this.#at += 3
        this.#toToken()
      }
      if (this.#isMarker('---')) this.secondDocument = this.#at
      if (this.#ended() || this.secondDocument !== undefined) return undefined
      return { why: this.#misplaced(), at: this.#at }
    } catch (error) {
      if (error instanceof Unfollowed) return { why: error.why, at: error.at ?? this.#at }
      throw error
    }
  }

  /** A value after a key's colon, an item's dash or at the start; `indent` is the column of what it belongs to. */
  #value(node: OutlineNode | undefined, indent: number, of: 'key' | 'item' | 'document'): void {
    if (++this.#depth > MAX_DEPTH) throw new Unfollowed('depth')
    const line = this.#lineStart
    let tagged = false
    let properties = { at: -1, line: -1 }
    for (;;) {
      this.#toToken()
      const property = this.#match(/[&!][^\s,[\]{}]*(?=\s|$)/y)
      if (property === undefined) break
      if (properties.line !== this.#lineStart) properties = { at: this.#at, line: this.#lineStart }
      tagged = this.#property(property, node) || tagged
    }
    // On the line of a key they are the key's own.
    const mayBegin = this.#lineStart !== line || of !== 'key'
    if (properties.line === this.#lineStart && mayBegin && this.#isKey()) this.#at = properties.at
    const column = this.#at - this.#lineStart
    const sameLine = this.#lineStart === line
    const belongs = column > indent || (column === indent && of === 'key' && this.#isDash())
    if (
      !this.#ended() &&
      !this.#isMarker('---') &&
      !this.#isMarker('...') &&
      (sameLine || belongs)
    ) {
      if (node) node.valueAt = this.#at
      if (this.#isDash() && mayBegin) this.#sequence(node, column)
      else if (mayBegin && this.#isKey()) this.#mapping(node, column)
      else this.#scalar(node, indent, tagged)
    }
    this.#depth--
  }

  #sequence(parent: OutlineNode | undefined, column: number): void {
    for (let i = 0; this.#at - this.#lineStart === column && this.#isDash(); i++) {
      const node = this.#add(parent, i, this.#at)
      this.#at += 1
      this.#value(node, column, 'item')
      this.#toToken()
    }
    if (!this.#ended() && this.#at - this.#lineStart > column)
      throw new Unfollowed(this.#misplaced())
  }

  #mapping(parent: OutlineNode | undefined, column: number): void {
    const keys = new Set<string>()
    while (!this.#ended() && this.#at - this.#lineStart === column && this.#isKey()) {
      const isExplicit = this.#isQuestion()
      const node = this.#keyNode(parent, keys, () => this.#plainLine())
      if (isExplicit) this.#toToken()
      else this.#at += this.#match(/[ \t]*/y)!.length
      if (this.#looksAt(':')) {
        this.#at += 1
        this.#value(node, column, isExplicit ? 'item' : 'key')
      } else if (!isExplicit) throw new Unfollowed('form')
      this.#toToken()
    }
    if (this.#ended() || this.#isMarker('---') || this.#isMarker('...')) return
    const next = this.#at - this.#lineStart
    if (next > column || (next === column && !this.#isDash()))
      throw new Unfollowed(this.#misplaced())
  }

  #scalar(node: OutlineNode | undefined, indent: number, tagged: boolean): void {
    const char = this.#text[this.#at]
    if (char === '{' || char === '[') return this.#flow(node)
    if (char === '"' || char === "'") return void this.#quoted()
    if (char === '|' || char === '>') return this.#block(indent)
    if (char === '*') return this.#alias(node)
    const at = this.#at
    const word = this.#plainLine()
    const line = this.#lineStart
    this.#toToken()
    // A plain scalar goes on in the lines that are indented deeper.
    let several = false
    while (
      this.#lineStart > line &&
      !this.#ended() &&
      this.#at - this.#lineStart > indent &&
      !this.#isMarker('---')
    ) {
      several = true
      this.#endLine()
      this.#toToken()
    }
    if (!several && !tagged) this.#noteBoolean(at, word)
  }

  #alias(node: OutlineNode | undefined): void {
    const alias = this.#match(/\*[^\s,[\]{}]*/y)!
    const name = alias.slice(1)
    if (!this.#anchors.has(name)) throw new Unfollowed('alias')
    const anchored = this.#anchors.get(name)
    for (let each = node; each; each = each.parent) if (each === anchored) this.cycle ??= this.#at
    this.#at += alias.length
  }

  #block(indent: number): void {
    this.#endLine()
    while (!this.#ended()) {
      const blank = this.#match(/[ \t]*(?=\r?\n|$)/y)
      const spaces = this.#match(/ */y)!.length
      if (spaces <= indent) {
        if (blank === undefined) return
        if (blank.includes('\t')) throw new Unfollowed('tab')
      }
      this.#endLine()
    }
  }

  #flow(node: OutlineNode | undefined): void {
    if (++this.#depth > MAX_DEPTH) throw new Unfollowed('depth')
    this.#flows++
    const isMap = this.#text[this.#at] === '{'
    const keys = new Set<string>()
    const opening = this.#at
    this.#at += 1
    for (let i = 0; ; i++) {
      this.#toToken()
      if (this.#ended()) throw new Unfollowed('bracket', opening)
      if (this.#looksAt(isMap ? '}' : ']')) break
      const at = this.#at
      if (isMap) {
        const child = this.#keyNode(node, keys, () => this.#flowPlain())
        this.#toToken()
        if (this.#looksAt(':')) {
          this.#at += 1
          this.#flowValue(child)
        }
      } else this.#flowValue(this.#add(node, i, at))
      this.#toToken()
      if (this.#looksAt(',')) this.#at += 1
      else if (!this.#looksAt(isMap ? '}' : ']')) throw new Unfollowed('bracket', opening)
    }
    this.#at += 1
    this.#flows--
    this.#depth--
  }

  #flowValue(node: OutlineNode): void {
    this.#toToken()
    node.valueAt = this.#at
    let tagged = false
    for (
      let property;
      (property = this.#match(/[&!][^\s,[\]{}]*/y)) !== undefined;
      this.#toToken()
    ) {
      tagged = this.#property(property, node) || tagged
    }
    const char = this.#text[this.#at]
    if (char === '{' || char === '[') return this.#flow(node)
    if (char === '"' || char === "'") return void this.#quoted()
    if (char === '*') return this.#alias(node)
    const at = this.#at
    const word = this.#flowPlain()
    if (!tagged) this.#noteBoolean(at, word)
  }

  /** Goes over an anchor or a tag; gives true for a tag. */
  #property(property: string, node: OutlineNode | undefined): boolean {
    if (property.startsWith('&')) this.#anchors.set(property.slice(1), node)
    this.#at += property.length
    return property.startsWith('!')
  }

  /** Reads a key, up to what is before its colon. */
  #keyNode(
    parent: OutlineNode | undefined,
    keys: Set<string | number>,
    readPlain: () => string,
  ): OutlineNode {
    const at = this.#at
    const isOdd = this.#isQuestion() || /[&!*]/.test(this.#text[at] ?? '')
    if (this.#isQuestion()) {
      this.#at += 1
      this.#toToken()
    }
    for (let property; (property = this.#match(/[&!*][^\s,[\]{}]*[ \t]*/y)) !== undefined;)
      this.#at += property.length
    const char = this.#text[this.#at]
    if (char === '{' || char === '[' || char === '|' || char === '>') throw new Unfollowed('form')
    const isAlias = isOdd && char === ':'
    const key = isAlias
      ? this.#text.slice(at, this.#at).trim()
      : char === '"' || char === "'"
        ? quotedKey(this.#quoted())
        : plainKey(readPlain())
    const node = this.#add(parent, key, at)
    if (isOdd) this.oddKeys.push(node)
    else if (keys.has(key)) this.duplicates.push(node)
    keys.add(key)
    return node
  }

  /** Reads over a quoted scalar, which may have several lines; gives it with its quotes. */
  #quoted(): string {
    const end = this.#quoteEnd()
    if (end === undefined) throw new Unfollowed('quote')
    const raw = this.#text.slice(this.#at, end)
    const lastBreak = raw.lastIndexOf('\n')
    if (lastBreak >= 0) this.#lineStart = this.#at + lastBreak + 1
    this.#at = end
    return raw
  }

  /** Where the quoted scalar ends that opens here. The engine of patterns gives up on megabytes. */
  #quoteEnd(): number | undefined {
    const text = this.#text
    const quote = text[this.#at]!
    for (let from = this.#at + 1; ;) {
      const at = text.indexOf(quote, from)
      if (at < 0) return undefined
      from = at + 1
      if (quote === "'") {
        if (text[from] !== quote) return from
        from++
      } else {
        let escapes = 0
        while (text[at - 1 - escapes] === '\\') escapes++
        if (escapes % 2 === 0) return from
      }
    }
  }

  /** A plain scalar up to its colon, a comment or the end of its line. */
  #plainLine(): string {
    const text = this.#match(/(?:[^\s:#]|:(?=[^\s])|(?<=\S)#|[ \t]+(?=[^\s#:]|:(?=[^\s])))+/y) ?? ''
    if (text === '') throw new Unfollowed('form')
    this.#at += text.length
    return text
  }

  #flowPlain(): string {
    const text =
      this.#match(/(?:[^\s:#,[\]{}]|:(?=[^\s,[\]{}])|(?<=\S)#|\s+(?=[^\s#:,[\]{}]))*/y) ?? ''
    const lastBreak = text.lastIndexOf('\n')
    if (lastBreak >= 0) this.#lineStart = this.#at + lastBreak + 1
    this.#at += text.length
    return text
  }

  #isKey(): boolean {
    return (
      this.#isQuestion() ||
      this.#isQuotedKey() ||
      this.#match(/[^\s"'[\]{}#|>@`%,](?:[^\s:#]|:(?=\S)|(?<=\S)#|[ \t]+(?=[^\s#]))*:(?=\s|$)/y) !==
        undefined
    )
  }

  #isQuotedKey(): boolean {
    if (!this.#looksAt('"') && !this.#looksAt("'")) return false
    const end = this.#quoteEnd()
    if (end === undefined || this.#text.slice(this.#at, end).includes('\n')) return false
    return this.#match(/[ \t]*:(?=\s|$)/y, end) !== undefined
  }

  /** What begins a line and is a key or an item, but belongs to none of the levels above, is badly indented. */
  #misplaced(): Why {
    const begins = this.#text.slice(this.#lineStart, this.#at).trim() === ''
    return begins && (this.#isDash() || this.#isKey()) ? 'indentation' : 'form'
  }

  #isDash(): boolean {
    return this.#match(/-(?=\s|$)/y) !== undefined
  }

  #isQuestion(): boolean {
    return this.#match(/\?(?=\s|$)/y) !== undefined
  }

  #isMarker(marker: string): boolean {
    return this.#at === this.#lineStart && this.#match(/(?:---|\.\.\.)(?=\s|$)/y) === marker
  }

  /** Goes over blanks, line ends and comments. */
  #toToken(): void {
    for (;;) {
      const blank = this.#match(/[ \t\r]*/y)!
      // Kong's reader and decK's refuse it even where nothing else is on the line; inside brackets it may.
      if (this.#at === this.#lineStart && this.#flows === 0 && blank.includes('\t'))
        throw new Unfollowed('tab', this.#at + blank.indexOf('\t'))
      this.#at += blank.length
      const comment = this.#at === this.#lineStart || /\s/.test(this.#text[this.#at - 1] ?? ' ')
      if (this.#looksAt('#') && comment) this.#endLine()
      else if (this.#looksAt('\n')) this.#lineStart = ++this.#at
      else return
    }
  }

  #endLine(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = this.#lineStart = end < 0 ? this.#text.length : end + 1
  }

  #match(pattern: RegExp, at = this.#at): string | undefined {
    pattern.lastIndex = at
    return pattern.exec(this.#text)?.[0]
  }

  #looksAt(char: string): boolean {
    return this.#text[this.#at] === char
  }

  #ended(): boolean {
    return this.#at >= this.#text.length
  }

  #add(parent: OutlineNode | undefined, key: string | number, at: number): OutlineNode {
    const node = { key, at, parent, valueAt: at }
    this.nodes.push(node)
    return node
  }

  #noteBoolean(at: number, word: string): void {
    if (BOOLEAN.test(word)) this.booleans.push({ at, word })
  }
}

/** A quoted key as its reader calls it. */
function quotedKey(raw: string): string {
  if (/^'[^'\n]*'$|^"[^"\\\n]*"$/.test(raw)) return raw.slice(1, -1)
  return decoded(raw) ?? raw.slice(1, -1)
}

/** A plain key as its reader calls it. */
function plainKey(written: string): string {
  const text = written.replace(/\s*\n\s*/g, ' ')
  return NO_TEXT.test(text) ? (decoded(text) ?? text) : text
}

/** A scalar as the reader of the file reads it; nothing for what it does not read. */
function decoded(scalar: string): string | undefined {
  try {
    return String(Bun.YAML.parse(scalar))
  } catch {
    return undefined
  }
}

class Unfollowed extends Error {
  readonly why: Why
  readonly at: number | undefined

  constructor(why: Why, at?: number) {
    super(why)
    this.why = why
    this.at = at
  }
}
