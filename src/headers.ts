/**
 * The header fields of one message, in their order and spelling, repeated ones apart: what `Headers` of the web
 * platform forgets. Names are found in any case.
 */
export class HeaderList {
  /** Name, value, name, value … as they stand on the wire. */
  readonly raw: string[]
  /** The names again, in lower case: one for each pair of `raw`. */
  readonly names: string[]

  constructor(raw: string[] = [], names: string[] = []) {
    this.raw = raw
    this.names = names
  }

  /** Makes a list from pairs. */
  static of(pairs: Iterable<readonly [string, string]>): HeaderList {
    const list = new HeaderList()
    for (const [name, value] of pairs) list.append(name, value)
    return list
  }

  /** The first value of a field; `name` in lower case. */
  get(name: string): string | undefined {
    const i = this.names.indexOf(name)
    return i < 0 ? undefined : this.raw[2 * i + 1]
  }

  /** All values of a field, in order; `name` in lower case. */
  all(name: string): string[] {
    if (!this.names.includes(name)) return []
    return this.raw.filter((_, i) => i % 2 === 1 && this.names[i >> 1] === name)
  }

  has(name: string): boolean {
    return this.names.includes(name)
  }

  /** Adds a field at the end. What cannot stand in a value is made to: see `fieldValue`. */
  append(name: string, value: string): void {
    this.raw.push(name, fieldValue(value))
    this.names.push(name.toLowerCase())
  }

  /** Adds the fields of another list at the end: what was made ready once is not made ready again. */
  appendList({ raw, names }: HeaderList): void {
    for (const each of raw) this.raw.push(each)
    for (const each of names) this.names.push(each)
  }

  /** Replaces every field of that name, in any case, by one. */
  set(name: string, value: string): void {
    const lower = name.toLowerCase()
    const i = this.names.indexOf(lower)
    if (i < 0) return this.append(name, value)
    this.raw[2 * i] = name
    this.raw[2 * i + 1] = fieldValue(value)
    if (this.names.indexOf(lower, i + 1) >= 0) this.#drop((each, at) => at > i && each === lower)
  }

  /** Drops every field of that name; `name` in lower case. */
  delete(name: string): void {
    if (this.names.includes(name)) this.#drop((each) => each === name)
  }

  /**
   * Drops a field in every spelling that a backend may read as the same name (`X_Auth-User`, `X.Auth.User`; CGI and
   * its heirs fold `-`, `_` and `.`): for names by which the gateway says who the caller is. `name` as `spelling` gives it.
   */
  deleteSpellings(name: string): void {
    if (this.names.some((each) => isSpelled(each, name)))
      this.#drop((each) => isSpelled(each, name))
  }

  /** The first value of a field in any spelling; `name` as `spelling` gives it. */
  getSpelling(name: string): string | undefined {
    const i = this.names.findIndex((each) => isSpelled(each, name))
    return i < 0 ? undefined : this.raw[2 * i + 1]
  }

  copy(): HeaderList {
    return new HeaderList(this.raw.slice(), this.names.slice())
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let i = 0; i < this.raw.length; i += 2) yield [this.raw[i]!, this.raw[i + 1]!]
  }

  #drop(unwanted: (name: string, at: number) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.names.length; i++) {
      if (unwanted(this.names[i]!, i)) continue
      this.names[kept] = this.names[i]!
      this.raw[2 * kept] = this.raw[2 * i]!
      this.raw[2 * kept + 1] = this.raw[2 * i + 1]!
      kept++
    }
    this.names.length = kept
    this.raw.length = 2 * kept
  }
}

const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * A value as it may stand on the wire, one character a byte. A control character becomes a space (RFC 9110 §5.5): a line
 * break in a claim would begin a field of its own. So would U+010A, if it were cut to a byte; such text becomes UTF-8.
 */
function fieldValue(text: string): string {
  if (FIELD_VALUE.test(text)) return text
  const bytes = /[^\x00-\xff]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
  return bytes.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ')
}

/** The one spelling that stands for all of a header's: lower case, `_` and `.` as `-` (Kong takes `_` and `-` as equal). */
export function spelling(name: string): string {
  return name.toLowerCase().replace(/[_.]/g, '-')
}

/** Whether a name in lower case has that spelling. Nearly every name is decided by its length. */
function isSpelled(lower: string, name: string): boolean {
  return lower.length === name.length && (lower === name || spelling(lower) === name)
}
