import { isRecord } from '../schema/check.ts'

/** The members of a JSON object, or the arguments of a form or a query, while a transformer changes them. */
export class Members {
  readonly #values: Map<string, unknown>
  isChanged = false

  /** Of arguments that are there several times the value is a list, of one without a value it is `true`. */
  constructor(values: Iterable<readonly [string, unknown]> = []) {
    this.#values = new Map(values)
  }

  /** Reads a JSON object; undefined for any other JSON, or text that is none. Numbers stay as they were written. */
  static parseJson(text: string): Members | undefined {
    try {
      const value: unknown = JSON.parse(text, keepNumber)
      return isRecord(value) && !isRawJson(value) ? new Members(Object.entries(value)) : undefined
    } catch {
      return undefined
    }
  }

  toJson(): string {
    return JSON.stringify(Object.fromEntries(this.#values))
  }

  entries(): IterableIterator<[string, unknown]> {
    return this.#values.entries()
  }

  get(name: string): unknown {
    return this.#values.get(name)
  }

  /** Whether a member is there for Lua: `false` counts as absent. */
  has(name: string): boolean {
    const value = this.#values.get(name)
    return value !== undefined && value !== false
  }

  remove(name: string): void {
    if (this.#values.delete(name)) this.isChanged = true
  }

  /** Moves a value, over one that is there under the other name. */
  rename(from: string, to: string): void {
    if (!this.#values.has(from)) return
    this.set(to, this.#values.get(from))
    this.remove(from)
  }

  replace(name: string, value: unknown): void {
    if (this.has(name)) this.set(name, value)
  }

  add(name: string, value: unknown): void {
    if (!this.has(name)) this.set(name, value)
  }

  /** Makes a list of a text that is there, lengthens a list, and begins one in the place of anything else. */
  append(name: string, value: unknown): void {
    const before = this.#values.get(name)
    // Kong would give an object a member named 1.
    if (isRecord(before) && !isRawJson(before)) return
    const list = typeof before === 'string' ? [before] : Array.isArray(before) ? before : []
    this.set(name, [...list, value])
  }

  set(name: string, value: unknown): void {
    this.#values.set(name, value)
    this.isChanged = true
  }
}

/** Keeps a number as it was written: a body that is sent on must not lose digits that JavaScript cannot hold. */
function keepNumber(_name: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return rawJson(context.source)
}

// TypeScript does not know these of ECMAScript 2026 yet.
const { rawJSON: rawJson, isRawJSON: isRawJson } = JSON as unknown as {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): boolean
}
