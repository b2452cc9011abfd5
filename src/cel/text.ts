import { CelError } from './node.ts'

const ESCAPED: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
}

const ESCAPE =
  /\\(?:(?:[xX]([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8}))|([0-3][0-7]{2})|([^]?))/g

/**
 * What a text in quotes says: in one of either kind, or in three; with escapes, or raw behind an `r`. `at` is where it
 * begins. Throws a `CelError` for an escape that there is not.
 */
export function readText(literal: string, at: number): string {
  const isRaw = /^r/i.test(literal)
  const quoted = isRaw ? literal.slice(1) : literal
  const quotes = /^(?:"""|'''|.)/.exec(quoted)![0].length
  const inner = quoted.slice(quotes, -quotes)
  if (isRaw || !inner.includes('\\')) return inner
  return inner.replace(ESCAPE, (escape, x, u, U, octal, char: string) => {
    const hex: string | undefined = x ?? u ?? U
    if (hex !== undefined) return character(Number.parseInt(hex, 16), at)
    if (octal !== undefined) return character(Number.parseInt(octal, 8), at)
    const known = Object.hasOwn(ESCAPED, char) ? ESCAPED[char] : undefined
    if (known === undefined) throw new CelError(`unknown escape ${escape}`, at)
    return known
  })
}

function character(code: number, at: number): string {
  // Half a pair of UTF-16 is no character, and has no bytes in UTF-8.
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw new CelError('an escape that is no character', at)
  return String.fromCodePoint(code)
}
