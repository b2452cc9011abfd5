import { constants, createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'bun'
import type { Waiter } from '../http1/deadlines.ts'
import { MAX_HEAD } from '../http1/grammar.ts'
import { SEND_TIMEOUT } from './connection.ts'
import type { Guest } from './greeting.ts'
import type { Origin } from './origin.ts'
import { RequestStream, type RequestStreamOwner } from './request_stream.ts'
import { SocketStream } from './socket_stream.ts'

/** nginx's `http2_max_concurrent_streams`. */
const MAX_STREAMS = 128
/**
 * How much a client may send before it hears that it was taken, in one stream and in all: what is less makes an upload
 * slow for who is far, what is more is memory that a service which reads nothing costs us.
 */
const STREAM_WINDOW = 256 * 1024
const WINDOW = 1024 * 1024
/** How long a connection without streams is kept, as one of HTTP/1.1; milliseconds. */
const IDLE_TIMEOUT = 75_000
/** More than a head may have, so that one which is too large is answered as in HTTP/1.1; bytes, and 32 for each field. */
const MAX_HEADER_LIST = 4 * MAX_HEAD
/** How long a client has to read that its connection ends. */
const FAREWELL_TIMEOUT = 5_000

/**
 * A client that speaks HTTP/2. Each stream is handed on as a connection of HTTP/1.1 with one request, so that one set of
 * rules, limits and handlers serves both.
 */
export class Http2Connection implements Guest, Waiter {
  deadline = performance.now() + IDLE_TIMEOUT
  readonly #socket: Socket<Guest>
  readonly #owner: RequestStreamOwner
  readonly #origin: Origin
  readonly #bytes: SocketStream
  readonly #streams = new Set<RequestStream>()
  #session: Http2Session | undefined
  #lastStream = 0
  #isClosing = false

  constructor(socket: Socket<Guest>, owner: RequestStreamOwner, origin: Origin) {
    this.#socket = socket
    this.#owner = owner
    this.#origin = origin
    this.#bytes = new SocketStream(socket)
    owner.deadlines.add(this)
    const server = createServer({
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxConcurrentStreams: MAX_STREAMS,
        maxHeaderListSize: MAX_HEADER_LIST,
      },
      // As many as the size allows (RFC 9113 §6.5.2). A stream above either limit is reset without an answer.
      maxHeaderListPairs: MAX_HEADER_LIST / 32,
      // What a service repeats is repeated to its client, whatever it is.
      strictSingleValueFields: false,
    })
    server.on('session', (session) => {
      this.#session = session
      // Before the client has heard of the settings, the library would lose count.
      session.once('localSettings', () => session.setLocalWindowSize(WINDOW))
      session.on('error', () => this.#over())
      session.on('close', () => this.#over())
    })
    server.on('stream', (stream, _, flags, raw: unknown) =>
      this.#begin(stream as ServerHttp2Stream, flags, raw),
    )
    server.on('sessionError', () => this.#over())
    this.#bytes.on('error', () => (this.#bytes.isEmpty ? this.#over() : this.abort()))
    server.emit('connection', this.#bytes)
  }

  #begin(stream: ServerHttp2Stream, flags: number, raw: unknown): void {
    // RFC 9113 §5.1.1: what has no higher number than all before is no new stream.
    if (stream.id! <= this.#lastStream) return this.#refuse()
    this.#lastStream = stream.id!
    // RFC 9113 §6.2: the request ends with its head.
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const { remoteAddress, remotePort, localAddress, localPort } = this.#socket
    const ends = { remoteAddress, remotePort, localAddress, localPort }
    const its = new RequestStream(stream, ends, this.#owner)
    this.#streams.add(its)
    this.deadline = Infinity
    stream.once('close', () => {
      this.#streams.delete(its)
      its.closed()
      this.#wait()
    })
    its.begin(this.#origin, raw as readonly string[], isWhole)
  }

  data(bytes: Buffer): void {
    this.#bytes.receive(bytes)
  }

  drain(): void {
    this.#bytes.flush()
    this.#wait()
  }

  /** Without streams, the client has to take what is left of the answers, then to leave, or to ask again. */
  #wait(): void {
    if (this.#streams.size > 0) return
    if (!this.#bytes.isEmpty) this.deadline = performance.now() + SEND_TIMEOUT
    else if (this.#isClosing) this.#farewell()
    else this.deadline = performance.now() + IDLE_TIMEOUT
  }

  closed(): void {
    this.#owner.deadlines.delete(this)
    this.#bytes.destroy()
    for (const stream of this.#streams) stream.closed()
    this.#streams.clear()
    this.#session?.destroy()
  }

  expire(): void {
    if (this.#isClosing || !this.#bytes.isEmpty) return this.abort()
    this.closeWhenIdle()
  }

  /** The session is over, or its client broke the rules; it is told so by GOAWAY, if it reads. */
  #over(): void {
    this.#isClosing = true
    this.deadline = performance.now() + SEND_TIMEOUT
    // What is said of the fault is written in this turn.
    setImmediate(() => this.#wait())
  }

  /** The client broke the rules where the library does not see it. */
  #refuse(): void {
    this.#session?.goaway(constants.NGHTTP2_PROTOCOL_ERROR)
    this.#over()
  }

  /** Sends FIN, and goes on reading: closing with unread bytes would be a reset, and the last words lost. */
  #farewell(): void {
    this.deadline = performance.now() + FAREWELL_TIMEOUT
    this.#socket.resume()
    this.#socket.shutdown()
  }

  /** GOAWAY: streams that have begun are answered. */
  closeWhenIdle(): void {
    this.#isClosing = true
    if (!this.#session) return void this.#socket.end()
    this.#session.close()
    setImmediate(() => this.#wait())
  }

  abort(): void {
    this.#socket.terminate()
  }
}
