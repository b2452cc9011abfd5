import type { Socket } from 'bun'

/** The part of a socket that an outbox writes to. */
export type Writable = Pick<Socket<unknown>, 'write'>

/** One buffer for all heads: a head and what follows it leave in one system call, and nothing is allocated. */
const scratch = Buffer.allocUnsafe(128 * 1024)

/** Writes to a socket, and keeps what the kernel does not take at once. */
export class Outbox {
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
    const sent = this.isEmpty ? Math.max(this.#socket.write(bytes, 0, length), 0) : 0
    if (sent === length) return true
    this.#waiting.push(new Uint8Array(bytes.subarray(sent, length)))
    return false
  }

  /** Writes text of one byte a character, and `bytes` and `tail` after it. */
  writeText(text: string, bytes?: Uint8Array, tail?: string): boolean {
    const size = text.length + (bytes?.length ?? 0) + (tail?.length ?? 0)
    if (size > scratch.length) {
      this.write(Buffer.from(text, 'latin1'))
      if (bytes) this.write(bytes)
      return tail ? this.write(Buffer.from(tail, 'latin1')) : this.isEmpty
    }
    let end = scratch.write(text, 0, 'latin1')
    if (bytes) {
      scratch.set(bytes, end)
      end += bytes.length
    }
    if (tail) end += scratch.write(tail, end, 'latin1')
    return this.write(scratch, end)
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
