/**
 * Paths as Kong reads them (`kong/tools/uri.lua`). A path here is text of one character a byte, as it is on the wire, so
 * that no two spellings of a character can be told apart by one part of the gateway and not by another.
 */

/** What RFC 3986 reserves stays escaped: `%2F` is not a `/`. */
const RESERVED = new Set("!*'();:@&=+$,/?%#[]")

/** Decodes what needs no escape, removes dot segments, merges slashes: the one form in which paths are matched. */
export function normalizePath(path: string): string {
  if (!NEEDS_WORK.test(path)) return path
  return removeDotSegments(decode(path)).replace(/\/{2,}/g, '/')
}

const NEEDS_WORK = /%|\/\/|\/\./

function decode(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (escape, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    return RESERVED.has(char) ? escape.toUpperCase() : char
  })
}

/** RFC 3986 §5.2.4. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  segments.forEach((segment, i) => {
    if (segment === '.' || segment === '..') {
      if (segment === '..' && kept.length > 1) kept.pop()
      if (i === last) kept.push('')
    } else kept.push(segment)
  })
  return kept.join('/')
}

/** Escapes again what must not stand in a request line. */
export function escapePath(path: string): string {
  if (!NEEDS_ESCAPE.test(path)) return path
  return path.replace(new RegExp(NEEDS_ESCAPE, 'gu'), escapeChar)
}

const NEEDS_ESCAPE = /[^!#$&'()*+,\-./0-9:;=?@A-Z[\]_a-z~%]/

/** The same for a query, which may hold more: only what would end the request line is escaped. */
export function escapeQuery(query: string): string {
  return query.replace(/[^\x21-\x7e]|#/gu, escapeChar)
}

/** A character of a byte, or of several. */
function escapeChar(char: string): string {
  const bytes = char.charCodeAt(0) > 0xff ? Buffer.from(char) : Buffer.from(char, 'latin1')
  return [...bytes].map(escapeByte).join('')
}

/** A byte as it stands where it must not stand itself: `%2F`. */
export function escapeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

/** Text as its UTF-8 bytes, one character each: how a path of a configuration meets a path of the wire. */
export function wireText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** `normalizePath` for a path as people write it, in characters. */
export function normalizeText(path: string): string {
  return Buffer.from(normalizePath(wireText(path)), 'latin1').toString('utf8')
}
