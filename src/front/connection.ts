import type { Deadlines, Waiter } from '../http1/deadlines.ts'
import { FieldReader } from '../http1/field_reader.ts'
import { BadMessage, MAX_HEAD, tooLarge } from '../http1/grammar.ts'
import { checkRequestBeginning, parseRequestHead } from '../http1/head.ts'
import { type HeadWriter, Outbox } from '../http1/outbox.ts'
import type { ClientSocket } from './client_socket.ts'
import { Exchange, type ExchangeConnection } from './exchange.ts'
import type { Guest } from './greeting.ts'
import { type Origin, PLAIN } from './origin.ts'

/** nginx's `send_timeout`: how long a client may take nothing of an answer that waits; milliseconds. */
export const SEND_TIMEOUT = 60_000
/** nginx's other limits: for a head, between two parts of a body, and between requests. */
const HEAD_TIMEOUT = 60_000
const BODY_TIMEOUT = 60_000
const IDLE_TIMEOUT = 75_000
/** How long a refused body is read past, so that the client can read why it was refused. */
const LINGER_TIMEOUT = 5_000
/** How much of the requests that a client sends ahead is kept. */
const AHEAD_BYTES = 64 * 1024

export interface ClientConnectionOwner {
  readonly deadlines: Deadlines
  /** Set while the gateway drains: answers say `Connection: close`. */
  readonly isDraining: boolean
  /** The port that clients know, where it is not the one that we listen on. */
  readonly publicPort?: number | undefined
  handle(exchange: Exchange): void
  /** A message so broken that there is no request to handle. */
  refuse(connection: ClientConnection, fault: BadMessage): void
}

/** One client's connection: reads requests, one after the other, and writes their answers. */
export class ClientConnection implements ExchangeConnection, Guest, Waiter {
  deadline: number
  readonly remoteAddress: string
  readonly localPort: number
  readonly origin: Origin
  readonly #socket: ClientSocket
  readonly #owner: ClientConnectionOwner
  readonly #outbox: Outbox
  readonly #fields = new FieldReader()
  #exchange: Exchange | undefined
  /** Bytes that no request has taken yet, and how far they were searched for the end of a head. */
  #ahead: Buffer | undefined
  #searched = 0
  #isPaused = false
  #isClosing = false
  #isReading = false

  constructor(socket: ClientSocket, owner: ClientConnectionOwner, origin = PLAIN) {
    this.#socket = socket
    this.#owner = owner
    this.#outbox = new Outbox(socket)
    this.remoteAddress = plainAddress(socket.remoteAddress ?? UNIX)
    this.localPort = owner.publicPort ?? socket.localPort
    this.origin = origin
    this.deadline = performance.now() + HEAD_TIMEOUT
    owner.deadlines.add(this)
  }

  /** Whether a request is being answered. */
  get isBusy(): boolean {
    return this.#exchange !== undefined || this.#ahead !== undefined || !this.#outbox.isEmpty
  }

  // ---- what the socket tells

  data(bytes: Buffer): void {
    if (this.#isClosing) return
    const exchange = this.#exchange
    try {
      if (exchange && !exchange.bodyDone) {
        const rest = exchange.receive(bytes, 0)
        // Too large a body was answered, and is read past now.
        if (this.#isClosing) return
        this.#watchClient()
        this.#keep(bytes, rest)
      } else if (exchange || !this.#outbox.isEmpty) this.#keep(bytes, 0)
      else this.#read(this.#ahead ? Buffer.concat([this.#ahead, bytes]) : bytes)
    } catch (error) {
      this.#fault(error)
    }
  }

  drain(): void {
    if (!this.#outbox.flush()) return void (this.deadline = performance.now() + SEND_TIMEOUT)
    if (this.#isClosing) return void this.#linger()
    if (!this.#exchange) return this.#next()
    this.#watchClient()
    this.#exchange.onDrain?.()
  }

  closed(): void {
    this.#owner.deadlines.delete(this)
    this.#isClosing = true
    this.#exchange?.gone()
  }

  expire(): void {
    const exchange = this.#exchange
    const waitsForRequest = exchange ? exchange.status === 0 : this.#ahead !== undefined
    if (this.#isClosing || !this.#outbox.isEmpty) this.abort()
    else if (waitsForRequest) this.#fault(new BadMessage('the request took too long', 408))
    else if (exchange) this.abort()
    else this.#socket.end()
  }

  /** Answers that there is no request to handle, and closes. */
  refuse(fault: BadMessage): void {
    this.#fault(fault)
  }

  /** No further request is taken; what is being answered goes on. */
  closeWhenIdle(): void {
    if (!this.isBusy) this.#socket.end()
  }

  // ---- what an exchange asks for

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  get localAddress(): string | undefined {
    const { localAddress } = this.#socket
    return localAddress && plainAddress(localAddress)
  }

  get isDraining(): boolean {
    return this.#owner.isDraining
  }

  get bytesWritten(): number {
    return this.#outbox.written
  }

  send(head: HeadWriter | string, bytes?: Uint8Array, tail?: string): boolean {
    const waited = !this.#outbox.isEmpty
    const ready = this.#outbox.send(head, bytes, tail)
    // Only `drain` shows that the client takes something: one that takes nothing must not gain time by asking more.
    if (!ready && !waited) this.deadline = performance.now() + SEND_TIMEOUT
    return ready
  }

  pauseReading(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#watchClient()
    this.#socket.pause()
  }

  resumeReading(): void {
    const wasPaused = this.#isPaused
    this.#isPaused = false
    this.#watchClient()
    if (wasPaused) this.#socket.resume()
  }

  takeAhead(): Uint8Array | undefined {
    const ahead = this.#ahead
    this.#ahead = undefined
    this.resumeReading()
    return ahead
  }

  finished(close: boolean): void {
    this.#exchange = undefined
    if (close) return this.#close()
    // If we are inside `#read`, that loop goes on with the next request; if the answer still waits, `drain` does.
    if (this.#outbox.isEmpty && !this.#isReading) this.#next()
  }

  abort(): void {
    this.#isClosing = true
    this.#socket.terminate()
  }

  // ----

  /** Goes on with what the client sent ahead, or waits for its next request. */
  #next(): void {
    if (this.#owner.isDraining) return this.#close()
    this.resumeReading()
    this.deadline = performance.now() + IDLE_TIMEOUT
    if (!this.#ahead) return
    try {
      this.#read(this.#ahead)
    } catch (error) {
      this.#fault(error)
    }
  }

  /** Sets how long a request in progress may wait for its client. */
  #watchClient(): void {
    // As long as an answer waits to be taken, its deadline is the one.
    if (!this.#outbox.isEmpty) return
    const exchange = this.#exchange
    const waitsForBody = exchange && !exchange.bodyDone && !exchange.isTunnel && !this.#isPaused
    this.deadline = waitsForBody ? performance.now() + BODY_TIMEOUT : Infinity
  }

  #read(bytes: Buffer): void {
    this.#isReading = true
    let at = 0
    // An answer that its client does not take holds up the next: else the answers of a thousand requests would wait here.
    while (!this.#exchange && !this.#isClosing && this.#outbox.isEmpty) {
      // RFC 9112 §2.2: empty lines before a request are passed over.
      while (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2
      const end = bytes.indexOf('\r\n\r\n', Math.max(at, this.#searched - 3), 'latin1')
      if (end < 0 || end - at > MAX_HEAD) {
        checkRequestBeginning(bytes, at, Math.max(at, this.#searched))
        if (bytes.length - at > MAX_HEAD) throw tooLarge()
        break
      }
      this.#searched = 0
      const head = parseRequestHead(bytes.toString('latin1', at, end + 2), this.#fields)
      const exchange = new Exchange(this, head, end + 4 - at)
      this.#exchange = exchange
      this.deadline = Infinity
      at = end + 4
      if (exchange.hasBody) {
        if (at < bytes.length) at = exchange.receive(bytes, at)
        this.#watchClient()
      }
      this.#owner.handle(exchange)
    }
    this.#isReading = false
    this.#ahead = undefined
    if (this.#isClosing) return
    if (!this.#exchange && this.#outbox.isEmpty) {
      // A large body that came whole had paused the socket, and was answered before anybody asked for it.
      if (this.#isPaused) this.resumeReading()
      if (at >= bytes.length) return void (this.deadline = performance.now() + IDLE_TIMEOUT)
      if (this.#searched === 0) this.deadline = performance.now() + HEAD_TIMEOUT
      this.#searched = bytes.length - at
    }
    this.#keep(bytes, at)
  }

  #keep(bytes: Buffer, at: number): void {
    if (at >= bytes.length) return
    const rest = Buffer.from(bytes.subarray(at))
    this.#ahead = this.#ahead ? Buffer.concat([this.#ahead, rest]) : rest
    if (this.#ahead.length > AHEAD_BYTES) this.pauseReading()
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
      // Whoever logs the request logs what the client is told.
      if (!began) exchange.status = error.status
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

/** nginx's name for whoever comes by a Unix socket, and so the one that `trusted_ips` may have. */
const UNIX = 'unix:'

/** An IPv4 client of a dual-stack socket is an IPv4 client. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
