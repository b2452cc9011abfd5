/** Which characters may stand at a place of a text. */
export interface CharSet {
  /** 1 for each of the 128 characters of ASCII that is in it. */
  readonly ascii: Uint8Array
  /** Whether a character beyond ASCII, given as its code point, is in it. */
  readonly hasOther: (codePoint: number) => boolean
  /** The character, if there is only one. */
  readonly single: string | undefined
}

export interface SetOptions {
  readonly ignoreCase: boolean
  /** The text is bytes, one character each: what lies beyond ASCII has no case and is no letter. */
  readonly bytes: boolean
}

/**
 * Makes a set of the inside of a class of JavaScript, in its `v` mode: it has the operations on sets that Rust's has,
 * and the same tables of Unicode. One character is compared at a time, so nothing can run back. Throws a `SyntaxError`
 * for what JavaScript does not know, such as a property of that name.
 */
export function charSet(inside: string, { ignoreCase, bytes }: SetOptions): CharSet {
  const pattern = new RegExp(`^[${inside}]$`, ignoreCase ? 'vi' : 'v')
  const other = bytes && ignoreCase ? new RegExp(`^[${inside}]$`, 'v') : pattern
  let ascii: Uint8Array | undefined
  // A set that is repeated is asked for one character many times.
  let asked = -1
  let answer = false
  return {
    get ascii() {
      ascii ??= Uint8Array.from({ length: 128 }, (_, code) =>
        pattern.test(String.fromCharCode(code)) ? 1 : 0,
      )
      return ascii
    },
    hasOther(codePoint) {
      if (codePoint !== asked) {
        asked = codePoint
        answer = other.test(String.fromCodePoint(codePoint))
      }
      return answer
    },
    single: undefined,
  }
}

/** The set of one character. */
export function singleChar(char: string, options: SetOptions): CharSet {
  const code = char.codePointAt(0)!
  if (options.ignoreCase && (code < 128 ? /[a-z]/i.test(char) : !options.bytes))
    return charSet(escapeChar(code), options)
  const ascii = new Uint8Array(128)
  if (code < 128) ascii[code] = 1
  return { ascii, hasOther: (codePoint) => codePoint === code, single: char }
}

/** A character as it may stand in a class of JavaScript, whatever it means there otherwise. */
export function escapeChar(code: number): string {
  return `\\u{${code.toString(16)}}`
}

export function isIn(set: CharSet, codePoint: number): boolean {
  return codePoint < 128 ? set.ascii[codePoint] === 1 : set.hasOther(codePoint)
}
