import { type Cookies, deletedCookie, type SetCookies } from './cookies.ts'

/** What a browser keeps of one cookie at least (RFC 6265 §6.1): its name, value and attributes. */
const MAX_COOKIE = 4096
const MAX_CHUNKS = 9

/** The names of all cookies that one text may be cut into: `session`, `session2`, up to `session9`. */
export function chunkNames(name: string): readonly string[] {
  return Array.from({ length: MAX_CHUNKS }, (_, i) => (i === 0 ? name : `${name}${i + 1}`))
}

/**
 * Cuts a text into the cookies of these names, and deletes those that `brought` has beside them, which were of a longer
 * text. Nothing if the text is too long. `lasting` are the attributes that say until when the browser keeps them.
 */
export function writeChunks(
  names: readonly string[],
  text: string,
  attributes: string,
  lasting: string,
  brought: Cookies,
): SetCookies | undefined {
  const cookies: string[] = []
  let at = 0
  for (const name of names) {
    if (at < text.length) {
      const room = roomOf(name, attributes + lasting)
      if (room <= 0) return undefined
      cookies.push(`${name}=${text.slice(at, at + room)}${attributes}${lasting}`)
      at += room
    } else if (brought.has(name)) cookies.push(deletedCookie(name, attributes))
  }
  return at < text.length ? undefined : cookies
}

/**
 * The first of these cookies alone, where nothing but its beginning has changed; all of them if the text was cut
 * elsewhere, as by other attributes. None if it is too long for these.
 */
export function writeFirstChunk(
  names: readonly string[],
  text: string,
  attributes: string,
  brought: Cookies,
): SetCookies {
  const name = names[0]!
  const first = text.slice(0, roomOf(name, attributes))
  const isCutThere = brought.get(name)?.every(({ length }) => length === first.length)
  if (isCutThere) return [`${name}=${first}${attributes}`]
  return writeChunks(names, text, attributes, '', brought) ?? []
}

function roomOf(name: string, attributes: string): number {
  return MAX_COOKIE - name.length - 1 - attributes.length
}

/**
 * The texts that cookies of these names may be chunks of: usually one. `lengthOf` says how long a text is by its first
 * chunk, so that what is left of a longer one is not read.
 */
export function* readChunks(
  names: readonly string[],
  brought: Cookies,
  lengthOf: (first: string) => number | undefined,
): Iterable<string> {
  const [firsts = [], ...rest] = names.map((name) => brought.get(name) ?? [])
  for (const [i, first] of firsts.entries()) {
    const length = lengthOf(first)
    if (length === undefined) continue
    let text = first
    for (const values of rest) {
      const part = values[Math.min(i, values.length - 1)]
      if (text.length >= length || part === undefined) break
      text += part
    }
    yield text
  }
}
