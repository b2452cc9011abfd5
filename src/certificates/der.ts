/** What in a DER text is not as its format says, or goes on in a way that nobody here reads. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

/** The tags that are used here (X.690 §8). */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const

/** One value: what it is, its content, and both with its length as they were written. */
export interface Der {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

/** Reads values one after the other. All throw `DerError`. */
export class DerReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** Whether a value with that tag comes next. */
  has(tag: number): boolean {
    return this.#bytes[this.#at] === tag
  }

  next(tag?: number): Der {
    const start = this.#at
    const found = this.#byte()
    if (tag !== undefined && found !== tag) throw new DerError(`tag ${found} instead of ${tag}`)
    if ((found & 0x1f) === 0x1f) throw new DerError('a tag of several bytes')
    const length = this.#length()
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw new DerError('cut off')
    return {
      tag: found,
      content: this.#bytes.subarray(from, this.#at),
      whole: this.#bytes.subarray(start, this.#at),
    }
  }

  /** Reads what is inside the next value. */
  enter(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.next(tag).content)
  }

  /** The next value if it has that tag. */
  optional(tag: number): Der | undefined {
    return this.has(tag) ? this.next(tag) : undefined
  }

  /** The bytes of the next BIT STRING, which has to be one of whole bytes. */
  bits(): Buffer {
    const { content } = this.next(TAG.bitString)
    if (content[0] !== 0) throw new DerError('a text of bits that fills no bytes')
    return content.subarray(1)
  }

  /** The next time; milliseconds since the epoch. */
  time(): number {
    return timeOf(this.next())
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new DerError('cut off')
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 4) throw new DerError('a length that cannot be')
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte()
    return length
  }
}

/** RFC 5280 §4.1.2.5: both kinds end in `Z`, and have seconds. */
export function timeOf({ tag, content }: Der): number {
  const text = content.toString('latin1')
  const [, short, long, rest] = /^(?:(\d{2})|(\d{4}))(\d{10})Z$/.exec(text) ?? []
  const isLong = tag === TAG.generalizedTime
  if (rest === undefined || (!isLong && tag !== TAG.utcTime) || (long === undefined) === isLong)
    throw new DerError('a time that cannot be')
  const year = long ?? `${Number(short) < 50 ? 20 : 19}${short}`
  const [month, day, hour, minute, second] = rest.match(/../g)!
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(time)) throw new DerError('a time that cannot be')
  return time
}

/** An OBJECT IDENTIFIER as its content in hexadecimal, which is as good as with dots to tell two apart. */
export function oid(dotted: string): string {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return Buffer.from([first * 40 + second, ...rest.flatMap(base128)]).toString('hex')
}

function base128(value: number): number[] {
  const bytes = [value % 128]
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    bytes.unshift((left % 128) + 128)
  return bytes
}

/** Writes a value. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 + bytes.length]), bytes, content])
}
