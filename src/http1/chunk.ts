/** What comes before the bytes of a chunk (RFC 9112 §7.1): their number. None for no bytes, which would end the body. */
export function chunkHead(length: number): string {
  return length > 0 ? `${length.toString(16)}\r\n` : ''
}

/** What comes after the bytes of a chunk, and after the last one the end of the body. */
export function chunkTail(length: number, isLast: boolean): string {
  return (length > 0 ? '\r\n' : '') + (isLast ? '0\r\n\r\n' : '')
}
