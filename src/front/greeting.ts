import type { Socket } from 'bun'
import type { Deadlines, Waiter } from '../http1/deadlines.ts'
import { type ClientHello, HANDSHAKE, readClientHello } from './client_hello.ts'
import { BadProxyHeader, readProxyHeader } from './proxy_header.ts'

/** What HTTP/2 begins with (RFC 9113 §3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** nginx's limit for what comes before a request; milliseconds. */
const GREETING_TIMEOUT = 60_000
/** A PROXY header and a ClientHello are smaller together. */
const MAX_BYTES = 24 * 1024

/** Who is connected, as a listener sees it: first a greeting, then a client with requests. */
export interface Guest {
  data(bytes: Buffer): void
  drain(): void
  closed(): void
  closeWhenIdle(): void
  abort(): void
}

export interface GreetingOptions {
  readonly proxyProtocol: boolean
  readonly ssl: boolean
  /** Whether HTTP/2 without TLS may begin, by its preface (RFC 9113 §3.3). */
  readonly http2: boolean
  readonly deadlines: Deadlines
  /** Plain HTTP begins. */
  readonly plain: (greeting: Greeting, bytes: Buffer, isHttp2: boolean) => void
  /** TLS begins. */
  readonly hello: (greeting: Greeting, hello: ClientHello, bytes: Buffer) => void
  /** Something else was sent to a port for TLS. */
  readonly notTls: (greeting: Greeting) => void
  /** What cannot be a client of ours, in words. */
  readonly failed: (greeting: Greeting, reason: string) => void
}

/** A connection before its first request: what a proxy says of its client, and what a client says to begin TLS. */
export class Greeting implements Guest, Waiter {
  deadline = performance.now() + GREETING_TIMEOUT
  /** The client's address as the PROXY protocol told it. */
  proxiedAddress: string | undefined
  readonly socket: Socket<Guest>
  readonly #options: GreetingOptions
  #bytes: Buffer | undefined
  #hasProxyHeader: boolean
  /** What the connection is closed by once TLS has begun: the raw socket lets go of nothing then. */
  #secured: Socket<Guest> | undefined
  #isOver = false

  constructor(socket: Socket<Guest>, options: GreetingOptions) {
    this.socket = socket
    this.#options = options
    this.#hasProxyHeader = !options.proxyProtocol
    options.deadlines.add(this)
  }

  data(part: Buffer): void {
    // From here on this is the ciphertext, which Bun shows us a second time.
    if (this.#isOver) return
    const bytes = this.#bytes ? Buffer.concat([this.#bytes, part]) : part
    try {
      this.#read(bytes)
    } catch (error) {
      if (!(error instanceof BadProxyHeader)) throw error
      this.#fail(error.message)
    }
  }

  #read(bytes: Buffer): void {
    let rest = bytes
    if (!this.#hasProxyHeader) {
      const header = readProxyHeader(bytes)
      if (!header) return this.#keep(bytes)
      this.#hasProxyHeader = true
      this.proxiedAddress = header.address
      rest = bytes.subarray(header.length)
    }
    const { ssl, http2, plain, notTls, hello } = this.#options
    if (!ssl) {
      const isHttp2 =
        http2 && rest.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, rest.length))
      if (isHttp2 && rest.length < PREFACE.length) return this.#keep(rest)
      return this.#over(() => plain(this, rest, isHttp2))
    }
    if (rest.length > 0 && rest[0] !== HANDSHAKE) return this.#over(() => notTls(this))
    const read = readClientHello(rest)
    // Over its limit it is answered as TLS answers, not as we would.
    if (read) return this.#begin(() => hello(this, read, rest))
    this.#keep(rest)
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > MAX_BYTES) return this.#fail('the handshake is too long')
    // A view of a buffer that Bun uses again.
    this.#bytes = bytes.length > 0 ? Buffer.from(bytes) : undefined
  }

  /** The handshake has begun, and its deadline goes on. */
  #begin(then: () => void): void {
    this.#isOver = true
    this.#bytes = undefined
    then()
  }

  #over(then: () => void): void {
    this.finish()
    this.#begin(then)
  }

  #fail(reason: string): void {
    this.#over(() => this.#options.failed(this, reason))
    this.abort()
  }

  drain(): void {}

  closed(): void {
    this.#isOver = true
    this.finish()
  }

  /** TLS has begun on `socket`. */
  secure(socket: Socket<Guest>): void {
    this.#secured = socket
  }

  /** What follows has deadlines of its own. */
  finish(): void {
    this.#options.deadlines.delete(this)
  }

  expire(): void {
    this.abort()
  }

  /** Nobody waits for an answer yet. */
  closeWhenIdle(): void {
    this.abort()
  }

  abort(): void {
    this.#isOver = true
    const socket = this.#secured ?? this.socket
    socket.terminate()
  }
}
