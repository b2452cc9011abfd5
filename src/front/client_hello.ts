/** What a client says before it is answered, as far as a certificate is picked by it (RFC 8446 §4.1.2). */
export interface ClientHello {
  /** The host that the client wants, in lower case (RFC 6066 §3). */
  readonly serverName: string | undefined
  /** Whether the client can check signatures of elliptic curves. */
  readonly takesEcdsa: boolean
}

/** Of whom nothing is known; the handshake itself refuses what is no ClientHello. */
const UNKNOWN: ClientHello = { serverName: undefined, takesEcdsa: true }

/** RFC 8446 §5.1: a record's type, two bytes of version, two of length. */
const RECORD_HEAD = 5
export const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const SIGNATURE_ALGORITHMS = 13
/** More than any client sends; keys of the post-quantum kind take 2 kB. */
const MAX_HELLO = 16 * 1024

/** Reads the first message of a TLS connection. Gives nothing as long as more bytes may complete it. */
export function readClientHello(bytes: Buffer): ClientHello | undefined {
  const message = gather(bytes)
  if (message === undefined) return undefined
  try {
    return new Reader(message).hello()
  } catch (error) {
    if (error instanceof RangeError) return UNKNOWN
    throw error
  }
}

/** The message out of its records, of which it may need several: none yet is undefined, one that is none is empty. */
function gather(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let length = 0
  for (let at = 0; ;) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE) return Buffer.alloc(0)
    if (at + RECORD_HEAD > bytes.length) return undefined
    const size = bytes.readUInt16BE(at + 3)
    const part = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + size)
    if (size === 0) return Buffer.alloc(0)
    parts.push(part)
    length += part.length
    at += RECORD_HEAD + size
    const message = parts.length === 1 ? part : Buffer.concat(parts)
    if (message.length >= 4) {
      const needed = 4 + message.readUIntBE(1, 3)
      if (message[0] !== CLIENT_HELLO || needed > MAX_HELLO) return Buffer.alloc(0)
      if (length >= needed) return message.subarray(0, needed)
    }
    if (at > bytes.length) return undefined
  }
}

/** Reads forwards; throws `RangeError` at the end. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  hello(): ClientHello {
    // Type, length, version and random.
    this.#skip(1 + 3 + 2 + 32)
    this.#skip(this.#number(1))
    const suites = this.#part(2)
    this.#skip(this.#number(1))
    const extensions = this.#part(2)
    let serverName: string | undefined
    let signatures: Reader | undefined
    while (!extensions.isAtEnd) {
      const type = extensions.#number(2)
      const content = extensions.#part(2)
      if (type === SERVER_NAME) serverName = content.#serverName()
      else if (type === SIGNATURE_ALGORITHMS) signatures = content.#part(2)
    }
    return { serverName, takesEcdsa: takesEcdsa(suites.numbers(), signatures?.numbers()) }
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  #serverName(): string | undefined {
    const names = this.#part(2)
    while (!names.isAtEnd) {
      const type = names.#number(1)
      const name = names.#part(2)
      if (type === 0) return normalName(name.#bytes.toString('latin1'))
    }
    return undefined
  }

  numbers(): number[] {
    const numbers: number[] = []
    while (!this.isAtEnd) numbers.push(this.#number(2))
    return numbers
  }

  #number(size: 1 | 2): number {
    const number = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return number
  }

  /** What a length of so many bytes stands before. */
  #part(size: 1 | 2): Reader {
    const length = this.#number(size)
    const start = this.#at
    this.#skip(length)
    return new Reader(this.#bytes.subarray(start, this.#at))
  }

  #skip(length: number): void {
    this.#at += length
    if (this.#at > this.#bytes.length) throw new RangeError('the message ended early')
  }
}

/** A name as certificates are looked up by it: in lower case, without the dot that a full name may end with. */
export function normalName(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** Ciphers of TLS 1.3 leave the kind of certificate open; those of TLS 1.2 name it. */
function takesEcdsa(suites: readonly number[], signatures: readonly number[] | undefined): boolean {
  const mayUse = suites.some((suite) => suite >> 8 === 0x13 || ECDSA_SUITES.has(suite))
  // RFC 8446 §4.2.3: the low byte of a scheme with ECDSA is 3. Without the list, TLS 1.2 means SHA-1, which nobody signs with.
  return mayUse && (signatures ?? []).some((scheme) => (scheme & 0xff) === 3)
}

/** ECDHE_ECDSA with AES-GCM, ChaCha20 and AES-CBC. */
const ECDSA_SUITES = new Set([0xc02b, 0xc02c, 0xcca9, 0xc023, 0xc024, 0xc009, 0xc00a])
