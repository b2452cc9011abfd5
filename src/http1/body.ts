import { BadMessage } from './grammar.ts'
import { CHUNKED, UNTIL_CLOSE } from './head.ts'

/** The longest chunk extension, and the longest trailer section, that we read past. */
const MAX_ASIDE = 8 * 1024

const STATES = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailer: 6,
  trailerLine: 7,
  trailerLf: 8,
  endLf: 9,
} as const

/** RFC 9112 §7.1.1. What is no extension may be a size to another parser. */
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+(?:[ \t]*=[ \t]*(?:[\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?)+$/
const FIELD = /^[\w!#$%&'*+.^`|~-]+:/

/** Takes the body of one message apart (RFC 9112 §6, §7.1), in whatever pieces it arrives. Trailers are dropped, as nginx does. */
export class BodyDecoder {
  /** Whether the body is whole. A body that ends with the connection is never known to be. */
  done: boolean
  readonly length: number
  #left: number
  #state: number = STATES.size
  #digits = 0
  /** The extension or the trailer line that is being read, and how long the trailers before it were. */
  #text = ''
  #aside = 0

  constructor(length: number) {
    this.length = length
    this.#left = length > 0 ? length : 0
    this.done = length === 0
  }

  /** Reads `bytes` from `at`, hands each part of the body to `sink` (a view, not a copy), gives where the message goes no further. */
  feed(bytes: Uint8Array, at: number, sink: (part: Uint8Array) => void): number {
    if (this.done || at >= bytes.length) return at
    if (this.length === UNTIL_CLOSE) {
      sink(at === 0 ? bytes : bytes.subarray(at))
      return bytes.length
    }
    if (this.length === CHUNKED) return this.#feedChunked(bytes, at, sink)
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    this.done = this.#left === 0
    sink(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    return end
  }

  #feedChunked(bytes: Uint8Array, at: number, sink: (part: Uint8Array) => void): number {
    while (at < bytes.length && !this.done) {
      if (this.#state === STATES.data) {
        const end = Math.min(bytes.length, at + this.#left)
        this.#left -= end - at
        if (this.#left === 0) this.#state = STATES.dataCr
        sink(bytes.subarray(at, end))
        at = end
      } else this.#step(bytes[at++]!)
    }
    return at
  }

  #step(c: number): void {
    switch (this.#state) {
      case STATES.size: {
        const digit = hexDigit(c)
        if (digit >= 0) {
          // 13 digits are below 2^52: no size is ever cut short, as 32 bits once were in a well-known parser.
          if (++this.#digits > 13) throw new BadMessage('chunk too large')
          this.#left = this.#left * 16 + digit
        } else if (this.#digits === 0) throw new BadMessage('malformed chunk size')
        else if (c === 0x0d) this.#state = STATES.sizeLf
        else if (c === 0x3b || c === 0x20 || c === 0x09) {
          this.#state = STATES.extension
          this.#read(c)
        } else throw new BadMessage('malformed chunk size')
        return
      }
      case STATES.extension:
        if (c === 0x0d) {
          if (!EXTENSIONS.test(this.#text)) throw new BadMessage('malformed chunk extension')
          this.#state = STATES.sizeLf
        } else this.#read(c)
        return
      case STATES.sizeLf:
        this.#lineFeed(c)
        this.#digits = 0
        this.#text = ''
        this.#state = this.#left === 0 ? STATES.trailer : STATES.data
        return
      case STATES.dataCr:
        if (c !== 0x0d) throw new BadMessage('malformed chunk end')
        this.#state = STATES.dataLf
        return
      case STATES.dataLf:
        this.#lineFeed(c)
        this.#state = STATES.size
        return
      case STATES.trailer:
        if (c === 0x0d) this.#state = STATES.endLf
        else {
          this.#read(c)
          this.#state = STATES.trailerLine
        }
        return
      case STATES.trailerLine:
        if (c === 0x0d) {
          if (!FIELD.test(this.#text)) throw new BadMessage('malformed trailer field')
          this.#aside += this.#text.length
          this.#text = ''
          this.#state = STATES.trailerLf
        } else this.#read(c)
        return
      case STATES.trailerLf:
        this.#lineFeed(c)
        this.#state = STATES.trailer
        return
      case STATES.endLf:
        this.#lineFeed(c)
        this.done = true
    }
  }

  #read(c: number): void {
    if ((c < 0x20 && c !== 0x09) || c === 0x7f)
      throw new BadMessage('control character in a chunked body')
    if (this.#aside + this.#text.length === MAX_ASIDE)
      throw new BadMessage('chunk extensions or trailers too long')
    this.#text += String.fromCharCode(c)
  }

  #lineFeed(c: number): void {
    if (c !== 0x0a) throw new BadMessage('bare carriage return in a chunked body')
  }
}

/** Thrown to who reads a whole body, if it is over the limit: the client gets 413. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge'
}

/** The parts of a body that came together, which go on together: a thousand tiny chunks are not a thousand writes. */
export class Parts {
  #first: Uint8Array | undefined
  #all: Uint8Array[] | undefined

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  add(part: Uint8Array): void {
    if (this.#first === undefined) this.#first = part
    else (this.#all ??= [this.#first]).push(part)
  }

  /** All parts as one: a view if there is one part, else a copy. */
  whole(): Uint8Array {
    return this.#all ? Buffer.concat(this.#all) : (this.#first ?? EMPTY)
  }
}

const EMPTY = new Uint8Array(0)

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
