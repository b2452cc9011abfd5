import { STATUS_CODES } from 'node:http'
import { BodyDecoder, BodyTooLarge, Parts } from '../http1/body.ts'
import { chunkHead, chunkTail } from '../http1/chunk.ts'
import type { WriteBuffer } from '../http1/write_buffer.ts'
import { BadMessage } from '../http1/grammar.ts'
import { type RequestHead, UNTIL_CLOSE } from '../http1/head.ts'
import type { HeadWriter } from '../http1/outbox.ts'
import type { Origin } from './origin.ts'

/** Who takes a request's body as it comes. */
export interface BodySink {
  /** A view of the connection's buffer: copy what you keep. Give false to be sent no more until `resumeBody`. */
  part(bytes: Uint8Array, last: boolean): boolean
  /** The client left, or broke the rules, before the body was whole; `BodyTooLarge` if an answer is still owed to it. */
  fail(error?: BodyTooLarge): void
}

/** An answer whose body comes part by part. */
export interface Answer {
  readonly status: number
  readonly reason: string
  /** How long the body is: bytes, or `CHUNKED` or `UNTIL_CLOSE` where its sender does not know it. */
  readonly length: number
  /** Writes the header fields, each with its CRLF; Content-Length among them if it is known. */
  writeFields(out: WriteBuffer): void
}

/** What an exchange needs of the connection that it lives on. */
export interface ExchangeConnection {
  /** The peer's address; `unix:` for a Unix socket. */
  readonly remoteAddress: string
  /** The port that the client asked, as far as we know. */
  readonly localPort: number
  /** The client's port, and the address that it connected to; nothing for a Unix socket. */
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly origin: Origin
  /** All that was written to the client so far, in bytes. */
  readonly bytesWritten: number
  /** Set while the gateway drains: this answer is the connection's last. */
  readonly isDraining: boolean
  /** Sends a head or text (a byte a character), bytes and text, in one piece if it can. False: wait for `onDrain`. */
  send(head: HeadWriter | string, bytes?: Uint8Array, tail?: string): boolean
  pauseReading(): void
  resumeReading(): void
  /** Gives what the client sent after its request, and forgets it. */
  takeAhead(): Uint8Array | undefined
  /** The answer is whole: the next request may come, unless `close`. */
  finished(close: boolean): void
  /** Breaks the connection, so that a cut answer cannot look whole. */
  abort(): void
}

const EMPTY = new Uint8Array(0)
/** How much of a body is kept for whoever asks for it first, before the client has to wait. */
const EARLY_BYTES = 64 * 1024
/** Only the form of a URL and a method, for the framework: ours are read from the request line. */
const ANY_URL = 'http://gatehouse/'
/** Never the client's: a method such as `constructor` is no route of an object that the framework looks into. */
const ANY_METHOD = 'GET'
const OK = 'HTTP/1.1 200 OK\r\n'

/**
 * One request and its answer, on the wire. It stands in for the `Request` that Elysia's handler is given, and the
 * answer is written here rather than returned as a `Response`: those two forget the order, the spelling and the
 * repetition of fields, the framing and the pace, all of which a proxy has to keep.
 */
export class Exchange implements HeadWriter {
  readonly url = ANY_URL
  readonly method = ANY_METHOD
  readonly head: RequestHead
  readonly connection: ExchangeConnection
  /** The bytes of the head, with the empty line. */
  readonly headSize: number
  /** `performance.now()` when the head had arrived. */
  readonly startedAt = performance.now()
  /** Called once if the client leaves before the answer is whole. */
  onGone: (() => void) | undefined
  /** Called when a slow client takes more of the answer. */
  onDrain: (() => void) | undefined
  /** The answer's status once it has begun; 0 before. */
  status = 0
  bytesSent = 0
  isOver = false

  #decoder: BodyDecoder
  #sink: BodySink | undefined
  #early: Uint8Array[] | undefined
  #earlyBytes = 0
  #bodyBytes = 0
  readonly #writtenBefore: number
  #bodyLimit = Infinity
  #whole: Promise<Uint8Array> | undefined
  #continueOwed: boolean
  /** The answer whose head has not been sent yet. */
  #answer: Answer | undefined
  #chunkSize = 0
  #chunked = false
  #bodiless = false
  #closes: boolean
  #isTunnel = false

  constructor(connection: ExchangeConnection, head: RequestHead, headSize: number) {
    this.connection = connection
    this.head = head
    this.headSize = headSize
    this.#writtenBefore = connection.bytesWritten
    this.#decoder = new BodyDecoder(head.length)
    this.#continueOwed = head.expectsContinue
    this.#closes = !head.keepAlive
  }

  /** As the client speaks it, though a stream of HTTP/2 is read as HTTP/1.1. */
  get httpVersion(): '1.0' | '1.1' | '2.0' {
    if (this.connection.origin.isHttp2) return '2.0'
    return this.head.minor === 0 ? '1.0' : '1.1'
  }

  // ---- the request's body

  get hasBody(): boolean {
    return this.head.length !== 0
  }

  /** What came and went for this request until now, in bytes; a chunked body without its frames. */
  get sizes(): { request: number; response: number } {
    return {
      request: this.headSize + this.#bodyBytes,
      response: this.connection.bytesWritten - this.#writtenBefore,
    }
  }

  /** The most that the body may be; bytes. */
  get bodyLimit(): number {
    return this.#bodyLimit
  }

  get bodyDone(): boolean {
    return this.#decoder.done
  }

  /**
   * Sets how large the body may be, in bytes; of several limits the least counts. False if it is larger already, or
   * announced to be; whoever takes a chunked one is told when it gets there.
   */
  limitBody(limit: number): boolean {
    this.#bodyLimit = Math.min(this.#bodyLimit, limit)
    return this.head.length <= limit && this.#bodyBytes <= limit
  }

  /** Whether the body has turned out to be larger than its limit. What comes of it is dropped. */
  get isBodyTooLarge(): boolean {
    return this.#bodyBytes > this.#bodyLimit && !this.#isTunnel
  }

  /** Takes bytes off the connection; gives where this request's body ends in them. Throws `BadMessage`. */
  receive(bytes: Uint8Array, at: number): number {
    this.#continueOwed = false
    const parts = new Parts()
    const end = this.#decoder.feed(bytes, at, (part) => parts.add(part))
    if (!parts.isEmpty || this.#decoder.done) this.#take(parts.whole(), this.#decoder.done)
    return end
  }

  #take(part: Uint8Array, last: boolean): void {
    if (this.isBodyTooLarge) return
    this.#bodyBytes += part.length
    if (this.isBodyTooLarge) {
      this.#closes = true
      return this.#sink?.fail(overLimit(this.#bodyLimit))
    }
    if (this.#sink) {
      if (!this.#sink.part(part, last)) this.connection.pauseReading()
      return
    }
    this.#early ??= []
    this.#early.push(new Uint8Array(part))
    this.#earlyBytes += part.length
    if (this.#earlyBytes > EARLY_BYTES) this.connection.pauseReading()
  }

  /** The whole body if it came together with the head, or there is none: the way without a promise. */
  bodyAtOnce(): Uint8Array | undefined {
    if (!this.#decoder.done || this.#whole) return undefined
    const early = this.#early ?? []
    return early.length === 1 ? early[0]! : Buffer.concat(early)
  }

  /** Sends the body to `sink`, from its beginning. Once only. */
  pipeBody(sink: BodySink): void {
    this.#sink = sink
    if (this.isBodyTooLarge) return sink.fail(overLimit(this.#bodyLimit))
    if (this.#continueOwed) {
      this.#continueOwed = false
      this.connection.send('HTTP/1.1 100 Continue\r\n\r\n')
    }
    const early = this.#early ?? []
    this.#early = undefined
    let ready = true
    early.forEach(
      (part, i) => (ready = sink.part(part, this.#decoder.done && i === early.length - 1)),
    )
    if (ready) this.connection.resumeReading()
  }

  resumeBody(): void {
    this.connection.resumeReading()
  }

  /** The whole body, at most `limit` bytes (`BodyTooLarge` above). It can be asked for again, and is then replayed. */
  readBody(limit: number): Promise<Uint8Array> {
    if (!this.#whole) return (this.#whole = this.#collectBody(limit))
    // Who asked before may have allowed more.
    return this.#whole.then((body) => {
      if (body.length > limit) throw overLimit(limit)
      return body
    })
  }

  #collectBody(limit: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.head.length === 0) return resolve(EMPTY)
      // Whoever asks after the client has left is told so: no part will come, nor the word that none will.
      if (this.isOver) return reject(new BadMessage('the request body ended early'))
      if (this.head.length > limit) return reject(overLimit(limit))
      const parts: Uint8Array[] = []
      let size = 0
      this.pipeBody({
        part: (bytes, last) => {
          size += bytes.length
          if (size > limit) {
            reject(overLimit(limit))
            return false
          }
          parts.push(new Uint8Array(bytes))
          if (last) resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
          return true
        },
        fail: (error) => reject(error ?? new BadMessage('the request body ended early')),
      })
    })
  }

  /** Whether `readBody` was called: then the body is in its promise, not on the wire. */
  get bodyWasRead(): boolean {
    return this.#whole !== undefined
  }

  // ---- the answer

  /** Answers with a whole body. `fields` are header lines, each with its CRLF. */
  respond(status: number, fields: string, body: Uint8Array): void {
    const length = status === 204 || status === 304 ? '' : `Content-Length: ${body.length}\r\n`
    this.#begin(status, 0)
    this.connection.send(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}${length}${this.#connectionField()}\r\n`,
      this.#bodiless ? undefined : body,
    )
    this.bytesSent = this.#bodiless ? 0 : body.length
    this.#end()
  }

  /** Begins an answer, with the first part of its body. False: wait for `onDrain`. */
  start(answer: Answer, first: Uint8Array, last: boolean): boolean {
    this.#begin(answer.status, answer.length)
    this.#answer = answer
    this.#chunked = answer.length < 0 && this.head.minor === 1
    return this.write(first, last)
  }

  /** Sends the next part of the body. False: wait for `onDrain`. */
  write(part: Uint8Array, last: boolean): boolean {
    this.bytesSent += part.length
    const hasPart = !this.#bodiless && part.length > 0
    const isFramed = this.#chunked && !this.#bodiless
    this.#chunkSize = isFramed ? part.length : 0
    const tail = isFramed ? chunkTail(part.length, last) : ''
    const isNothing = this.#answer === undefined && !hasPart && tail === ''
    const ready = isNothing || this.connection.send(this, hasPart ? part : undefined, tail)
    if (last) this.#end()
    return ready
  }

  /** Writes what comes before a part of the body: the answer's head once, the size of a chunk. */
  writeTo(out: WriteBuffer): void {
    if (this.#answer) this.#writeHead(out, this.#answer)
    this.#answer = undefined
    if (this.#chunkSize > 0) out.text(chunkHead(this.#chunkSize))
  }

  #writeHead(out: WriteBuffer, answer: Answer): void {
    const { status, reason } = answer
    out.text(status === 200 && reason === 'OK' ? OK : `HTTP/1.1 ${status} ${reason}\r\n`)
    answer.writeFields(out)
    if (this.#chunked) out.text('Transfer-Encoding: chunked\r\n')
    out.text(this.#connectionField())
    out.text('\r\n')
  }

  /** Whether the connection is a plain two-way pipe by now. */
  get isTunnel(): boolean {
    return this.#isTunnel
  }

  /** Turns the connection into a plain two-way pipe, after `101 Switching Protocols`. */
  switchProtocols(answer: Answer, protocol: string, sink: BodySink): void {
    this.status = 101
    this.#isTunnel = true
    this.#decoder = new BodyDecoder(UNTIL_CLOSE)
    this.#sink = sink
    this.connection.send({
      writeTo(out) {
        out.text('HTTP/1.1 101 Switching Protocols\r\n')
        answer.writeFields(out)
        out.text(`Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
      },
    })
    const ahead = this.connection.takeAhead()
    if (ahead) this.receive(ahead, 0)
  }

  /** The service has left the tunnel. */
  closeTunnel(): void {
    this.isOver = true
    this.connection.finished(true)
  }

  /** Cannot be finished: the client must see that the answer was cut. */
  abort(): void {
    if (this.isOver) return
    this.isOver = true
    this.connection.abort()
  }

  /** The connection is gone, from the client's side. */
  gone(): void {
    if (this.isOver) return
    this.isOver = true
    this.#sink?.fail()
    this.onGone?.()
  }

  #begin(status: number, length: number): void {
    this.status = status
    this.#bodiless = this.head.method === 'HEAD' || status === 204 || status === 304
    // What is left of a body that nobody read would be taken for the next request.
    if (!this.#decoder.done || this.connection.isDraining) this.#closes = true
    if (length < 0 && this.head.minor === 0) this.#closes = true
  }

  #connectionField(): string {
    return this.#closes ? 'Connection: close\r\n' : 'Connection: keep-alive\r\n'
  }

  #end(): void {
    this.isOver = true
    this.connection.finished(this.#closes)
  }
}

function overLimit(limit: number): BodyTooLarge {
  return new BodyTooLarge(`the body is larger than ${limit} bytes`)
}
