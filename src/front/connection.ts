import type { Socket } from 'bun'
import type { Deadlines, Waiter } from '../http1/deadlines.ts'
import { BadMessage, MAX_HEAD, parseRequestHead } from '../http1/head.ts'
import { Outbox } from '../http1/outbox.ts'
import { Exchange, type ExchangeConnection } from './exchange.ts'

/** nginx's limits, in milliseconds: for a head, between two parts of a body or of an answer, and between requests. */
const HEAD_TIMEOUT = 60_000
const BODY_TIMEOUT = 60_000
const SEND_TIMEOUT = 60_000
const IDLE_TIMEOUT = 75_000
/** How long a refused body is read past, so that the client can read why it was refused. */
const LINGER_TIMEOUT = 5_000
/** How much of the requests that a client sends ahead is kept. */
const AHEAD_BYTES = 64 * 1024

export interface ConnectionOwner {
  readonly deadlines: Deadlines
  /** Set while the gateway drains: answers say `Connection: close`. */
  readonly isDraining: boolean
  handle(exchange: Exchange): void
  /** A message so broken that there is no request to handle. */
  refuse(connection: ClientConnection, fault: BadMessage): void
}

/** One client's connection: reads requests, one after the other, and writes their answers. */
export class ClientConnection implements ExchangeConnection, Waiter {
  deadline: number
  readonly remoteAddress: string
  readonly localPort: number
  readonly #socket: Socket<ClientConnection>
  readonly #owner: ConnectionOwner
  readonly #outbox: Outbox
  #exchange: Exchange | undefined
  /** Bytes that no request has taken yet, and how far they were searched for the end of a head. */
  #ahead: Buffer | undefined
  #searched = 0
  #isPaused = false
  #isClosing = false
  #isReading = false

  constructor(socket: Socket<ClientConnection>, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    this.#outbox = new Outbox(socket)
    this.remoteAddress = plainAddress(socket.remoteAddress)
    this.localPort = socket.localPort
    this.deadline = performance.now() + HEAD_TIMEOUT
    owner.deadlines.add(this)
  }

  /** Whether a request is being answered. */
  get isBusy(): boolean {
    return this.#exchange !== undefined || this.#ahead !== undefined
  }

  // ---- what the socket tells

  data(bytes: Buffer): void {
    if (this.#isClosing) return
    const exchange = this.#exchange
    try {
      if (!exchange) this.#read(this.#ahead ? Buffer.concat([this.#ahead, bytes]) : bytes)
      else if (exchange.bodyDone) this.#keep(bytes, 0)
      else {
        const rest = exchange.receive(bytes, 0)
        this.deadline =
          exchange.bodyDone || exchange.isTunnel ? Infinity : performance.now() + BODY_TIMEOUT
        this.#keep(bytes, rest)
      }
    } catch (error) {
      this.#fault(error)
    }
  }

  drain(): void {
    if (!this.#outbox.flush()) return void (this.deadline = performance.now() + SEND_TIMEOUT)
    if (this.#isClosing) return void this.#linger()
    this.deadline = this.#exchange ? Infinity : performance.now() + IDLE_TIMEOUT
    this.#exchange?.onDrain?.()
  }

  closed(): void {
    this.#owner.deadlines.delete(this)
    this.#isClosing = true
    this.#exchange?.gone()
  }

  expire(): void {
    const exchange = this.#exchange
    const waitsForBody = exchange && exchange.status === 0 && !exchange.bodyDone
    if (waitsForBody || (!exchange && this.#ahead))
      this.#fault(new BadMessage('the request took too long', 408))
    else if (exchange || this.#isClosing) this.abort()
    else this.#socket.end()
  }

  /** No further request is taken; what is being answered goes on. */
  closeWhenIdle(): void {
    if (!this.isBusy) this.#socket.end()
  }

  // ---- what an exchange asks for

  send(text: string, bytes?: Uint8Array, tail?: string): boolean {
    const ready = this.#outbox.writeText(text, bytes, tail)
    if (!ready) this.deadline = performance.now() + SEND_TIMEOUT
    return ready
  }

  pauseReading(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.deadline = Infinity
    this.#socket.pause()
  }

  resumeReading(): void {
    const exchange = this.#exchange
    if (exchange && !exchange.bodyDone) this.deadline = performance.now() + BODY_TIMEOUT
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  finished(close: boolean): void {
    this.#exchange = undefined
    if (close || this.#owner.isDraining) return this.#close()
    this.resumeReading()
    if (this.#outbox.isEmpty) this.deadline = performance.now() + IDLE_TIMEOUT
    // A client may have sent its next request already; if we are inside `#read`, that loop goes on with it.
    if (this.#ahead && !this.#isReading) {
      try {
        this.#read(this.#ahead)
      } catch (error) {
        this.#fault(error)
      }
    }
  }

  abort(): void {
    this.#isClosing = true
    this.#socket.terminate()
  }

  // ----

  #read(bytes: Buffer): void {
    this.#isReading = true
    let at = 0
    while (!this.#exchange && !this.#isClosing) {
      // RFC 9112 §2.2: empty lines before a request are passed over.
      while (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2
      const end = bytes.indexOf('\r\n\r\n', Math.max(at, this.#searched - 3), 'latin1')
      if (end < 0 || end - at > MAX_HEAD) {
        if (bytes.length - at > MAX_HEAD) throw new BadMessage('Request header or cookie too large')
        break
      }
      this.#searched = 0
      const exchange = new Exchange(this, parseRequestHead(bytes.toString('latin1', at, end)))
      this.#exchange = exchange
      this.deadline = Infinity
      at = end + 4
      if (exchange.hasBody) {
        this.deadline = performance.now() + BODY_TIMEOUT
        if (at < bytes.length) at = exchange.receive(bytes, at)
      }
      this.#owner.handle(exchange)
    }
    this.#isReading = false
    this.#ahead = undefined
    if (this.#isClosing || at >= bytes.length) return
    if (!this.#exchange) {
      if (this.#searched === 0) this.deadline = performance.now() + HEAD_TIMEOUT
      this.#searched = bytes.length - at
    }
    this.#keep(bytes, at)
  }

  #keep(bytes: Buffer, at: number): void {
    if (at >= bytes.length) return
    const rest = Buffer.from(bytes.subarray(at))
    this.#ahead = this.#ahead ? Buffer.concat([this.#ahead, rest]) : rest
    if (this.#exchange && this.#ahead.length > AHEAD_BYTES) this.pauseReading()
  }

  #fault(error: unknown): void {
    this.#isReading = false
    const exchange = this.#exchange
    if (!(error instanceof BadMessage)) {
      this.abort()
      throw error
    }
    this.#exchange = undefined
    if (exchange) {
      const began = exchange.status !== 0
      exchange.gone()
      if (began) return this.abort()
    }
    this.#owner.refuse(this, error)
    this.#close()
  }

  #close(): void {
    this.#isClosing = true
    this.#exchange = undefined
    if (this.#outbox.isEmpty) this.#linger()
    else this.deadline = performance.now() + SEND_TIMEOUT
  }

  #linger(): void {
    this.deadline = performance.now() + LINGER_TIMEOUT
    if (this.#isPaused) this.#socket.resume()
    // Sends FIN, and goes on reading: closing with unread bytes would be a reset, and the answer lost.
    this.#socket.shutdown()
  }
}

/** An IPv4 client of a dual-stack socket is an IPv4 client. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
