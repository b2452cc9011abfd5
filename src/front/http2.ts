import { Duplex } from 'node:stream'
import { constants, createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'bun'
import type { Waiter } from '../http1/deadlines.ts'
import { BodyDecoder } from '../http1/body.ts'
import { FieldReader } from '../http1/field_reader.ts'
import { BadMessage, MAX_HEAD } from '../http1/grammar.ts'
import { parseResponseHead, type ResponseHead } from '../http1/head.ts'
import { ClientConnection, type ClientConnectionOwner } from './connection.ts'
import type { Guest } from './greeting.ts'
import type { Origin } from './origin.ts'

/** nginx's `http2_max_concurrent_streams`. */
const MAX_STREAMS = 128
/** How long a connection without streams is kept, as one of HTTP/1.1; milliseconds. */
const IDLE_TIMEOUT = 75_000
/** nginx's `send_timeout`: how long a stream waits for its client to take something of its answer; milliseconds. */
const SEND_TIMEOUT = 60_000
/** The largest frame that every client takes (RFC 9113 §4.2). Each that leaves is a sign of life. */
const FRAME = 16_384
/** More than a head may have, so that one which is too large is answered as in HTTP/1.1; bytes, and 32 for each field. */
const MAX_HEADER_LIST = 4 * MAX_HEAD
/** How long a client has to read that its connection ends. */
const FAREWELL_TIMEOUT = 5_000

export interface Http2ConnectionOwner extends ClientConnectionOwner {
  /** A fault of our own while a stream was answered. The stream is reset already. */
  crashed(error: unknown): void
}

/**
 * A client that speaks HTTP/2. Each stream is handed on as a connection of HTTP/1.1 with one request, so that one set of
 * rules, limits and handlers serves both.
 */
export class Http2Connection implements Guest, Waiter {
  deadline = performance.now() + IDLE_TIMEOUT
  readonly #socket: Socket<Guest>
  readonly #owner: Http2ConnectionOwner
  readonly #origin: Origin
  readonly #bytes: SocketStream
  readonly #streams = new Set<RequestStream>()
  #session: Http2Session | undefined
  #isClosing = false

  constructor(socket: Socket<Guest>, owner: Http2ConnectionOwner, origin: Origin) {
    this.#socket = socket
    this.#owner = owner
    this.#origin = origin
    this.#bytes = new SocketStream(socket)
    owner.deadlines.add(this)
    const server = createServer({
      settings: {
        enablePush: false,
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

/** A socket as the stream that Node's HTTP/2 reads and writes. */
class SocketStream extends Duplex {
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

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>

/** One stream as the socket of a `ClientConnection`: bytes of HTTP/1.1 go in and come out. */
class RequestStream implements Waiter {
  deadline = Infinity
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #stream: ServerHttp2Stream
  readonly #owner: Http2ConnectionOwner
  #connection: ClientConnection | undefined
  #method = ''
  /** How much of the body is still to come; nothing where the client did not say. */
  #left: number | undefined
  /** The answer's head, until it is whole. */
  #head = Buffer.alloc(0)
  #body: BodyDecoder | undefined
  #isBlocked = false
  /** Parts of the answer that the client's window does not let out. */
  #waiting = 0

  constructor(stream: ServerHttp2Stream, ends: Ends, owner: Http2ConnectionOwner) {
    this.#stream = stream
    this.#owner = owner
    this.remoteAddress = ends.remoteAddress
    this.remotePort = ends.remotePort
    this.localAddress = ends.localAddress
    this.localPort = ends.localPort
    owner.deadlines.add(this)
    // Node's own would give up all that waits as one part, of which nothing is told until its last byte has left.
    stream._writev = undefined
    stream.on('error', () => {})
    stream.on('drain', () => {
      this.#isBlocked = false
      this.#connection?.drain()
    })
  }

  begin(origin: Origin, fields: readonly string[], isWhole: boolean): void {
    const connection = new ClientConnection(this as unknown as Socket<Guest>, this.#owner, origin)
    this.#connection = connection
    const head = headOf(fields, isWhole)
    if (!head) return connection.refuse(new BadMessage('a malformed stream of HTTP/2'))
    this.#method = head.method
    this.#left = head.length
    connection.data(Buffer.from(head.text, 'latin1'))
    if (isWhole) return
    this.#stream.on('data', (part: Buffer) => this.#receive(part))
    this.#stream.on('end', () => this.#received())
  }

  #receive(part: Buffer): void {
    if (this.#left === undefined) {
      const size = Buffer.from(`${part.length.toString(16)}\r\n`, 'latin1')
      return this.#connection?.data(Buffer.concat([size, part, LINE_END]))
    }
    // RFC 9113 §8.1.1. What is more would be read as another request.
    this.#left -= part.length
    if (this.#left < 0) return this.#refuse()
    this.#connection?.data(part)
  }

  #received(): void {
    if (this.#left === undefined) this.#connection?.data(LAST_CHUNK)
    else if (this.#left > 0) this.#refuse()
  }

  /** The body is not as long as was said. */
  #refuse(): void {
    this.#stream.removeAllListeners('data')
    this.#connection?.refuse(new BadMessage('a body of HTTP/2 has another length than it says'))
  }

  /** The client takes nothing of its answer. */
  expire(): void {
    this.terminate()
  }

  closed(): void {
    this.#owner.deadlines.delete(this)
    const connection = this.#connection
    this.#connection = undefined
    connection?.closed()
  }

  // ---- what a `ClientConnection` asks of its socket

  write(bytes: Uint8Array, from = 0, length = bytes.length - from): number {
    if (this.#isBlocked) return 0
    if (this.#stream.destroyed) return length
    const part = bytes.subarray(from, from + length)
    try {
      if (this.#body) this.#send(this.#body, part, 0)
      else this.#begun(part)
    } catch (error) {
      // Who writes counts on a socket, which does not throw. That the stream is closed is told to it later, as one does.
      this.#stream.destroy(new Error('the answer cannot be sent'))
      this.#owner.crashed(error)
    }
    return length
  }

  /** Reads the head of the answer, which may follow one of 100. */
  #begun(part: Uint8Array): void {
    this.#head = Buffer.concat([this.#head, part])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    const rest = this.#head.subarray(end + 4)
    const text = this.#head.toString('latin1', 0, end + 2)
    const head = parseResponseHead(text, this.#method, new FieldReader())
    this.#head = Buffer.alloc(0)
    if (head.status < 200) {
      this.#stream.additionalHeaders({ ':status': head.status })
      if (rest.length > 0) this.#begun(rest)
      return
    }
    const body = new BodyDecoder(head.length)
    this.#body = body
    this.#stream.respond(fieldsOf(head), { endStream: body.done })
    if (!body.done) this.#send(body, rest, 0)
  }

  #send(body: BodyDecoder, bytes: Uint8Array, at: number): void {
    if (body.done) return
    body.feed(bytes, at, (part) => {
      const bytes = Buffer.from(part)
      for (let from = 0; from < bytes.length; from += FRAME)
        this.#sendFrame(bytes.subarray(from, from + FRAME))
    })
    if (body.done) this.#stream.end()
  }

  #sendFrame(bytes: Buffer): void {
    // Only what leaves gives more time, not what is added.
    if (this.#waiting++ === 0) this.deadline = performance.now() + SEND_TIMEOUT
    const isReady = this.#stream.write(bytes, () => {
      this.#waiting--
      this.deadline = this.#waiting > 0 ? performance.now() + SEND_TIMEOUT : Infinity
    })
    if (!isReady) this.#isBlocked = true
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** The answer is whole, and no more of the request is read (RFC 9113 §8.1). */
  shutdown(): void {
    const close = () => this.#stream.close(constants.NGHTTP2_NO_ERROR)
    if (this.#waiting === 0) close()
    // Closing now would take back what the client's window has not let out yet.
    else this.#stream.once('finish', close)
  }

  end(): void {
    this.shutdown()
  }

  /** RST_STREAM, so that a cut answer cannot look whole. */
  terminate(): void {
    this.#stream.destroy(new Error('the answer was cut'))
    this.closed()
  }
}

const LINE_END = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** RFC 9113 §8.2.2: they belong to a connection, and here there is none of theirs. */
const OF_CONNECTIONS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path'])
/** RFC 9113 §8.2.1. The values are looked at by the reader of HTTP/1.1, but for line ends, which it would believe. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const LINE_BREAK = /[\r\n\0]/

interface TranslatedHead {
  readonly method: string
  readonly text: string
  /** The announced length of the body. */
  readonly length: number | undefined
}

/** The head of a request in HTTP/1.1; nothing for one that is malformed (RFC 9113 §8.1.1, §8.3.1). */
function headOf(raw: readonly string[], isWhole: boolean): TranslatedHead | undefined {
  const pseudo = new Map<string, string>()
  const fields: [string, string][] = []
  const cookies: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i]!, raw[i + 1]!]
    if (LINE_BREAK.test(value)) return undefined
    if (name.startsWith(':')) {
      if (!PSEUDO.has(name) || pseudo.has(name) || fields.length > 0) return undefined
      pseudo.set(name, value)
    } else if (!NAME.test(name) || OF_CONNECTIONS.has(name)) return undefined
    else if (name === 'te' && value !== 'trailers') return undefined
    else if (name === 'cookie') cookies.push(value)
    else fields.push([name, value])
  }
  // RFC 9113 §8.2.3: what HPACK has taken apart is one field again.
  if (cookies.length > 0) fields.push(['cookie', cookies.join('; ')])
  const method = pseudo.get(':method')
  const target = pseudo.get(':path') ?? pseudo.get(':authority')
  const hosts = [pseudo.get(':authority'), ...valuesOf(fields, 'host')].filter((each) => each)
  const lengths = valuesOf(fields, 'content-length')
  if (method === undefined || target === undefined || !pseudo.has(':scheme')) return undefined
  if (new Set(hosts).size !== 1 || lengths.length > 1) return undefined
  const length = lengths[0] === undefined ? undefined : Number(lengths[0])
  if (length !== undefined && (!/^\d{1,15}$/.test(lengths[0]!) || (isWhole && length > 0)))
    return undefined
  const framing = isWhole || length !== undefined ? [] : [['transfer-encoding', 'chunked']]
  const lines = [['host', hosts[0]!], ...fields.filter(([name]) => name !== 'host'), ...framing]
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return { method, length, text: `${method} ${target} HTTP/1.1\r\n${text}\r\n` }
}

function valuesOf(fields: readonly (readonly [string, string])[], name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value)
}

/** An answer's fields, name and value in turn, in the order and number that they came in. */
function fieldsOf({ status, headers }: ResponseHead): string[] {
  const fields = [':status', String(status)]
  for (const { lower, value } of headers.fields) {
    // `TE` is a request's; a client takes it in an answer for a fault of the stream (RFC 9113 §8.2.2).
    if (!OF_CONNECTIONS.has(lower) && lower !== 'te') fields.push(lower, value)
  }
  return fields
}
