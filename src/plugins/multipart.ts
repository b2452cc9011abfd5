/** One part of a multipart form. */
export interface Part {
  readonly name: string | undefined
  /** Its bytes, one character each, as all text here. */
  readonly value: string
  /** As it stands between its delimiters. */
  readonly raw: string
}

export function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

/** RFC 2046 §5.1.1: a part stands between two delimiters, each at the beginning of a line. */
export function readParts(body: Uint8Array, boundary: string): Part[] {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`).slice(1)
  return pieces.filter((piece) => piece.startsWith('\r\n')).map((piece) => readPart(piece.slice(2)))
}

function readPart(raw: string): Part {
  const headEnd = raw.startsWith('\r\n') ? 0 : raw.indexOf('\r\n\r\n')
  const head = headEnd < 0 ? raw : raw.slice(0, headEnd)
  const disposition = /^content-disposition:.*?;\s*name="([^"]*)"/im.exec(head)
  return { name: disposition?.[1], value: headEnd < 0 ? '' : raw.slice(headEnd + 4), raw }
}

/** Makes a part that is a plain field. What would end its name is escaped as browsers do. */
export function makePart(name: string, value: string): Part {
  const escaped = name.replace(/[\r\n"]/g, encodeURIComponent)
  return {
    name,
    value,
    raw: `Content-Disposition: form-data; name="${escaped}"\r\n\r\n${value}`,
  }
}

export function writeParts(parts: readonly Part[], boundary: string): Uint8Array {
  const text = parts.map(({ raw }) => `--${boundary}\r\n${raw}\r\n`).join('')
  return Buffer.from(`${text}--${boundary}--\r\n`, 'latin1')
}
