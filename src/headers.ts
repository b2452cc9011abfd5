/** One header field. It never changes, so lists and messages may share it. */
export class HeaderField {
  /** As it was sent or is to be. */
  readonly name: string
  readonly value: string
  readonly lower: string
  /** What stands for every spelling of the name: see the function. */
  readonly spelling: string
  /** As it stands on the wire, with its CRLF. */
  readonly line: string

  constructor(name: string, value: string, line = `${name}: ${value}\r\n`) {
    this.name = name
    this.value = value
    this.lower = name.toLowerCase()
    this.spelling = spelling(name)
    this.line = line
  }
}

/**
 * The header fields of one message, in their order and spelling, repeated ones apart: what `Headers` of the web
 * platform forgets. Names are found in any case.
 */
export class HeaderList {
  readonly fields: HeaderField[]

  constructor(fields: HeaderField[] = []) {
    this.fields = fields
  }

  /** Makes a list from pairs. */
  static of(pairs: Iterable<readonly [string, string]>): HeaderList {
    const list = new HeaderList()
    for (const [name, value] of pairs) list.append(name, value)
    return list
  }

  /** The first value of a field; `name` in lower case. */
  get(name: string): string | undefined {
    for (const field of this.fields) if (field.lower === name) return field.value
    return undefined
  }

  /** All values of a field, in order; `name` in lower case. */
  all(name: string): string[] {
    const values: string[] = []
    for (const field of this.fields) if (field.lower === name) values.push(field.value)
    return values
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /** Adds a field at the end. What cannot stand in a value is made to: see `fieldValue`. */
  append(name: string, value: string): void {
    this.fields.push(new HeaderField(name, fieldValue(value)))
  }

  /** Adds the fields of another list at the end: what was made ready once is not made ready again. */
  appendList({ fields }: HeaderList): void {
    for (const field of fields) this.fields.push(field)
  }

  /** Replaces every field of that name, in any case, by one. */
  set(name: string, value: string): void {
    const field = new HeaderField(name, fieldValue(value))
    const at = this.fields.findIndex(({ lower }) => lower === field.lower)
    if (at < 0) return void this.fields.push(field)
    this.fields[at] = field
    this.#keep(({ lower }, i) => i <= at || lower !== field.lower)
  }

  /** Drops every field of that name; `name` in lower case. */
  delete(name: string): void {
    if (this.has(name)) this.#keep(({ lower }) => lower !== name)
  }

  /**
   * Drops a field in every spelling that a backend may read as the same name (`X_Auth-User`, `X.Auth.User`; CGI and
   * its heirs fold `-`, `_` and `.`): for names by which the gateway says who the caller is. `name` as `spelling` gives it.
   */
  deleteSpellings(name: string): void {
    if (this.getSpelling(name) !== undefined) this.#keep(({ spelling }) => spelling !== name)
  }

  /** The first value of a field in any spelling; `name` as `spelling` gives it. */
  getSpelling(name: string): string | undefined {
    for (const field of this.fields) if (field.spelling === name) return field.value
    return undefined
  }

  copy(): HeaderList {
    return new HeaderList(this.fields.slice())
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (const { name, value } of this.fields) yield [name, value]
  }

  #keep(isKept: (field: HeaderField, at: number) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.fields.length; i++) {
      const field = this.fields[i]!
      if (isKept(field, i)) this.fields[kept++] = field
    }
    this.fields.length = kept
  }
}

const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * A value as it may stand on the wire, one character a byte. A control character becomes a space (RFC 9110 §5.5): a line
 * break in a claim would begin a field of its own. So would U+010A, if it were cut to a byte; such text becomes UTF-8.
 */
export function fieldValue(text: string): string {
  if (FIELD_VALUE.test(text)) return text
  const bytes = /[^\x00-\xff]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
  return bytes.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ')
}

/** The one spelling that stands for all of a header's: lower case, `_` and `.` as `-` (Kong takes `_` and `-` as equal). */
export function spelling(name: string): string {
  const lower = name.toLowerCase()
  return /[_.]/.test(lower) ? lower.replace(/[_.]/g, '-') : lower
}
