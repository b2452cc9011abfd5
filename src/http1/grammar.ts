/** A message that breaks RFC 9112 (or our limits): `status` is what a client is told; a service's becomes 502. */
export class BadMessage extends Error {
  override readonly name = 'BadMessage'
  readonly status: number
  constructor(message: string, status = 400) {
    super(message)
    this.status = status
  }
}

/** Too large a head, by nginx's number for it; the client is told 400. */
export function tooLarge(): BadMessage {
  return new BadMessage('Request header or cookie too large', 494)
}

/** nginx's `large_client_header_buffers 4 8k`, which Kong keeps; bytes. */
export const MAX_HEAD = 32 * 1024
export const MAX_LINE = 8 * 1024

const TOKEN = new Uint8Array(65_536)
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[char.charCodeAt(0)] = 1
}

/** Whether a character may stand in a token (RFC 9110 §5.6.2). */
export function isTokenChar(code: number): boolean {
  return TOKEN[code] === 1
}

/** Where the token that begins at `from` ends. */
export function endOfToken(text: string, from: number): number {
  let i = from
  while (i < text.length && TOKEN[text.charCodeAt(i)] === 1) i++
  return i
}

/** Where the line that `from` is in ends: the place of its CRLF. */
export function endOfLine(text: string, from: number): number {
  // Single characters are found much faster than two. Whatever stands for itself alone, CR or LF, is how a request is
  // smuggled into another (RFC 9112 §2.2): no line holds one.
  const cr = text.indexOf('\r', from)
  const lf = text.indexOf('\n', from)
  if (cr < 0 || lf !== cr + 1) throw new BadMessage('a carriage return or line feed on its own')
  return cr
}
