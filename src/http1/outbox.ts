import type { Socket } from 'bun'
import { Draft } from './draft.ts'

/** The part of a socket that an outbox writes to. */
export type Writable = Pick<Socket<unknown>, 'write'>

/** Writes the head of a message, or what else comes before bytes. */
export interface Head {
  writeTo(draft: Draft): void
}

/** One for all outboxes: each is filled and sent without a pause. */
const draft = new Draft()

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
  send(head: Head | string, bytes?: Uint8Array, tail = ''): boolean {
    draft.clear()
    if (typeof head === 'string') draft.text(head)
    else head.writeTo(draft)
    if (bytes && !draft.tryBytes(bytes)) {
      this.write(draft.bytes, draft.length)
      this.write(bytes)
      draft.clear()
    }
    if (tail !== '') draft.text(tail)
    return this.write(draft.bytes, draft.length)
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
