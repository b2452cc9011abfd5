import { WriteBuffer } from './write_buffer.ts'

/** The part of a socket that an outbox writes to. */
export interface Writable {
  /** Takes `length` bytes from `from` on; gives how many it took, or less than none if it is closed. */
  write(bytes: Uint8Array, from?: number, length?: number): number
}

/** Writes the head of a message, or what else comes before bytes. */
export interface HeadWriter {
  writeTo(out: WriteBuffer): void
}

/** One for all outboxes: each is filled and sent without a pause. */
const out = new WriteBuffer()

/** Writes to a socket, and keeps what the kernel does not take at once. */
export class Outbox {
  /** All bytes that were given to it. */
  written = 0
  readonly #socket: Writable
  #waiting: Uint8Array[] = []

  constructor(socket: Writable) {
    this.#socket = socket
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /**
   * Sends the first `length` of `bytes`. Gives false if the receiver is slower than we are: wait for `flush` to give true
   * before sending more.
   */
  write(bytes: Uint8Array, length = bytes.length): boolean {
    if (length === 0) return this.isEmpty
    this.written += length
    const sent = this.isEmpty ? Math.max(this.#socket.write(bytes, 0, length), 0) : 0
    if (sent === length) return true
    this.#waiting.push(new Uint8Array(bytes.subarray(sent, length)))
    return false
  }

  /** Writes a head, or text of one byte a character, and `bytes` and `tail` after it: in one piece if it can. */
  send(head: HeadWriter | string, bytes?: Uint8Array, tail = ''): boolean {
    out.clear()
    if (typeof head === 'string') out.text(head)
    else head.writeTo(out)
    if (bytes && !out.tryBytes(bytes)) {
      this.write(out.bytes, out.length)
      this.write(bytes)
      out.clear()
    }
    if (tail !== '') out.text(tail)
    return this.write(out.bytes, out.length)
  }

  /** Goes on when the socket takes more. Gives true when nothing waits. */
  flush(): boolean {
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!
      const sent = Math.max(this.#socket.write(bytes), 0)
      if (sent < bytes.length) {
        this.#waiting[0] = bytes.subarray(sent)
        return false
      }
      this.#waiting.shift()
    }
    return true
  }
}
