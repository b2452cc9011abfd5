/** An entry of a transformer's list, as its UTF-8 bytes, one character each: that is how it meets a request. */
export interface Pair {
  readonly name: string
  /** Empty if there is none. */
  readonly value: string
}

/** Reads `name:value` as Kong does: further colons behind the first are passed over, later ones belong to the value. */
export function readPair(entry: string): Pair {
  const [, name = '', value = ''] = PAIR.exec(Buffer.from(entry).toString('latin1')) ?? []
  return { name, value }
}

const PAIR = /^([^:]+):*(.*)$/s

/** Text again of what `readPair` or a request gave as bytes. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** Kong would fail at each request; gives the message if an entry has no name. */
export function badName(entry: string): string | undefined {
  return readPair(entry).name === '' ? 'a name is missing before the colon' : undefined
}

/** Kong's rule for `name:value`. */
export const WITH_COLON = [/^[^:]+:.*$/s, 'expected name:value'] as const

/** Gives Kong's message for a name that cannot be a header's. */
export function badHeader(entry: string): string | undefined {
  const { name } = readPair(entry)
  return isHeaderName(name) ? undefined : `'${name}' is not a valid header`
}

/** The same for both names of `old:new`. */
export function badHeaders(entry: string): string | undefined {
  const { value } = readPair(entry)
  return badHeader(entry) ?? (isHeaderName(value) ? undefined : `'${value}' is not a valid header`)
}

function isHeaderName(name: string): boolean {
  return /^[a-zA-Z0-9_-]+$/.test(name)
}
