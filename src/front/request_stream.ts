import { constants, type ServerHttp2Stream } from 'node:http2'
import { BodyDecoder } from '../http1/body.ts'
import { chunkHead, chunkTail } from '../http1/chunk.ts'
import type { Waiter } from '../http1/deadlines.ts'
import { FieldReader } from '../http1/field_reader.ts'
import { BadMessage } from '../http1/grammar.ts'
import { parseResponseHead } from '../http1/head.ts'
import type { ClientSocket } from './client_socket.ts'
import { ClientConnection, type ClientConnectionOwner, SEND_TIMEOUT } from './connection.ts'
import type { Origin } from './origin.ts'
import { answerFields, requestHead } from './stream_head.ts'

/** The largest frame that every client takes (RFC 9113 §4.2). Each that leaves is a sign of life. */
const FRAME = 16_384

export interface RequestStreamOwner extends ClientConnectionOwner {
  /** A fault of our own while a stream was answered. The stream is reset already. */
  crashed(error: unknown): void
}

type Ends = Pick<ClientSocket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>

/** One stream as the socket of a `ClientConnection`: bytes of HTTP/1.1 go in and come out. */
export class RequestStream implements ClientSocket, Waiter {
  deadline = Infinity
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly localPort: number
  readonly #stream: ServerHttp2Stream
  readonly #owner: RequestStreamOwner
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

  constructor(stream: ServerHttp2Stream, ends: Ends, owner: RequestStreamOwner) {
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
    const connection = new ClientConnection(this, this.#owner, origin)
    this.#connection = connection
    const head = requestHead(fields, isWhole)
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
      const [before, after] = [chunkHead(part.length), chunkTail(part.length, false)]
      return this.#connection?.data(Buffer.concat([Buffer.from(before), part, Buffer.from(after)]))
    }
    // RFC 9113 §8.1.1. What is more would be read as another request.
    this.#left -= part.length
    if (this.#left < 0) return this.#refuse()
    this.#connection?.data(part)
  }

  #received(): void {
    if (this.#left === undefined) this.#connection?.data(Buffer.from(chunkTail(0, true)))
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
    this.#stream.respond(answerFields(head), { endStream: body.done })
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
