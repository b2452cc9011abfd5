import { Duplex } from 'node:stream'
import type { Socket } from 'bun'
import type { Guest } from './greeting.ts'

/** A socket as the stream that Node's HTTP/2 reads and writes. */
export class SocketStream extends Duplex {
  readonly #socket: Socket<Guest>
  #waiting: Uint8Array | undefined
  #done: (() => void) | undefined

  constructor(socket: Socket<Guest>) {
    super()
    this.#socket = socket
  }

  /** Whether the socket has taken all that was written. */
  get isEmpty(): boolean {
    return this.writableLength === 0
  }

  receive(bytes: Buffer): void {
    if (this.destroyed) return
    // A view of a buffer that Bun uses again.
    if (!this.push(Buffer.from(bytes))) this.#socket.pause()
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(bytes: Uint8Array, _: string, done: () => void): void {
    this.#waiting = bytes
    this.#done = done
    this.flush()
  }

  flush(): void {
    if (!this.#waiting) return
    const sent = Math.max(this.#socket.write(this.#waiting), 0)
    if (sent < this.#waiting.length) return void (this.#waiting = this.#waiting.subarray(sent))
    const done = this.#done
    this.#waiting = this.#done = undefined
    done?.()
  }

  override _final(done: () => void): void {
    this.#socket.shutdown()
    done()
  }
}
