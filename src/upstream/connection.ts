import type { Socket } from 'bun'
import { BodyDecoder, Parts } from '../http1/body.ts'
import type { Deadlines, Waiter } from '../http1/deadlines.ts'
import { FieldReader } from '../http1/field_reader.ts'
import { BadMessage, MAX_HEAD } from '../http1/grammar.ts'
import {
  checkResponseBeginning,
  parseResponseHead,
  type ResponseHead,
  UNTIL_CLOSE,
} from '../http1/head.ts'
import { type HeadWriter, Outbox } from '../http1/outbox.ts'
import { UpstreamError } from './errors.ts'
import type { Target } from './target.ts'

/** Milliseconds, as Kong's service has them: to connect; between two writes; between two reads. */
export interface Timeouts {
  readonly connect: number
  readonly write: number
  readonly read: number
}

/** Who receives one answer. After `fail`, or `data` with `last`, nothing more comes. */
export interface Receiver {
  /** The answer's head. `more`: bytes of the body follow at once. */
  head(head: ResponseHead, more: boolean): void
  /** A view of the connection's buffer: copy what you keep. False: no more until `resume`. */
  data(part: Uint8Array, last: boolean): boolean
  /** The server takes more of the request's body. */
  drain(): void
  fail(error: UpstreamError): void
}

export interface UpstreamConnectionOwner {
  readonly deadlines: Deadlines
  /** The connection is free for the next request. */
  release(connection: UpstreamConnection): void
  /** The connection is gone. */
  forget(connection: UpstreamConnection): void
}

type Waited = 'request' | 'write_timeout' | 'read_timeout'

const EMPTY = new Uint8Array(0)

/** One connection to a server, for one request after the other. */
export class UpstreamConnection implements Waiter {
  deadline = Infinity
  /** When the last request began to be sent, and when anything came back last; `performance.now()` milliseconds. */
  sentAt = 0
  heardAt = performance.now()
  requests = 0
  readonly target: Target
  readonly #owner: UpstreamConnectionOwner
  readonly #fields = new FieldReader()
  readonly #outbox: Outbox
  #socket: Socket | undefined
  #receiver: Receiver | undefined
  #timeouts: Timeouts = { connect: 0, write: 0, read: 0 }
  #method = ''
  #decoder: BodyDecoder | undefined
  #head: Buffer | undefined
  #keepAlive = true
  #sentAll = false
  #heardAny = false
  #isPaused = false
  #isLeaving = false
  #waitsFor: Waited = 'request'

  constructor(target: Target, socket: Socket, owner: UpstreamConnectionOwner) {
    this.target = target
    this.#socket = socket
    this.#outbox = new Outbox(socket)
    this.#owner = owner
    owner.deadlines.add(this)
  }

  /** Sends a request's head, with the whole body or the body's first part. False: wait for `receiver.drain`. */
  begin(
    method: string,
    head: HeadWriter | string,
    body: Uint8Array | undefined,
    last: boolean,
    timeouts: Timeouts,
    receiver: Receiver,
  ): boolean {
    this.requests++
    this.#method = method
    this.#timeouts = timeouts
    this.#receiver = receiver
    this.#decoder = undefined
    this.#heardAny = false
    this.#sentAll = last
    this.sentAt = performance.now()
    const ready = this.#outbox.send(head, body)
    this.#waitForServer(ready, last, this.sentAt)
    return ready
  }

  /** Sends more of the request's body, framed already by `before` and `after`. False: wait for `receiver.drain`. */
  send(before: string, part: Uint8Array | undefined, after: string, last: boolean): boolean {
    if (!this.#socket) return true
    this.#sentAll = last
    const ready = this.#outbox.send(before, part, after)
    this.#waitForServer(ready, last, performance.now())
    return ready
  }

  /** `ready`: the server has taken all that was sent. `last`: that was all there is. */
  #waitForServer(ready: boolean, last: boolean, now: number): void {
    if (!ready) this.#wait('write_timeout', this.#timeouts.write, now)
    else if (last && !this.#isPaused) this.#wait('read_timeout', this.#timeouts.read, now)
    // While the client is slow with its body, nobody waits for the server.
    else this.deadline = Infinity
  }

  pause(): void {
    if (this.#isPaused || !this.#socket) return
    this.#isPaused = true
    this.deadline = Infinity
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused || !this.#socket) return
    this.#isPaused = false
    this.#wait('read_timeout', this.#timeouts.read, performance.now())
    this.#socket.resume()
  }

  /** Waits for the next request, at most `timeout` milliseconds. */
  park(timeout: number): void {
    this.#wait('request', timeout, this.heardAt)
  }

  /** Gives the present request up. The connection cannot be used again. */
  abort(): void {
    this.#receiver = undefined
    this.#drop()
  }

  /** Leaves a tunnel: the server still gets all that was sent. */
  leave(): void {
    this.#receiver = undefined
    if (!this.#outbox.isEmpty) this.#isLeaving = true
    else this.#end()
  }

  expire(): void {
    const { host, port } = this.target
    const { write, read } = this.#timeouts
    switch (this.#waitsFor) {
      case 'write_timeout':
        return this.#fail(
          new UpstreamError('write_timeout', `${host}:${port} took no data for ${write} ms`),
        )
      case 'read_timeout':
        return this.#fail(
          new UpstreamError('read_timeout', `${host}:${port} sent nothing for ${read} ms`),
        )
      default:
        this.#drop()
    }
  }

  #wait(what: Waited, timeout: number, now: number): void {
    this.#waitsFor = what
    this.deadline = now + timeout
  }

  // ---- what the socket tells

  data(bytes: Buffer): void {
    // Bytes that nobody asked for: whatever they are, they must not be the next request's answer.
    if (!this.#receiver) return this.#drop()
    this.#heardAny = true
    this.heardAt = performance.now()
    if (this.#sentAll && !this.#isPaused) this.deadline = this.heardAt + this.#timeouts.read
    try {
      let at = 0
      if (!this.#decoder) {
        if (this.#head) bytes = Buffer.concat([this.#head, bytes])
        at = this.#readHead(bytes)
        this.#head = at < 0 ? Buffer.from(bytes) : undefined
        if (at < 0) return
      }
      this.#readBody(bytes, at)
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error
      this.#fail(new UpstreamError('invalid_response', error.message, { cause: error }))
    }
  }

  /** Gives where the body begins, or -1 while the head is not whole. Answers before the final one are passed over. */
  #readHead(bytes: Buffer): number {
    let from = 0
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n', from, 'latin1')
      if (end - from > MAX_HEAD || (end < 0 && bytes.length > MAX_HEAD))
        throw new BadMessage('the header is too large')
      if (end < 0) {
        checkResponseBeginning(bytes, from)
        return -1
      }
      const text = bytes.toString('latin1', from, end + 2)
      const head = parseResponseHead(text, this.#method, this.#fields)
      from = end + 4
      if (head.status < 200 && head.status !== 101) continue
      const isSwitch = head.status === 101
      this.#keepAlive = head.keepAlive && head.length !== UNTIL_CLOSE && !isSwitch
      this.#decoder = new BodyDecoder(isSwitch ? UNTIL_CLOSE : head.length)
      this.#receiver!.head(head, this.#decoder.done || from < bytes.length)
      return from
    }
  }

  #readBody(bytes: Buffer, at: number): void {
    const decoder = this.#decoder!
    if (decoder.done) return this.#finish(EMPTY, at < bytes.length)
    const parts = new Parts()
    const end = decoder.feed(bytes, at, (part) => parts.add(part))
    if (decoder.done) this.#finish(parts.whole(), end < bytes.length)
    else if (!parts.isEmpty && this.#receiver && !this.#receiver.data(parts.whole(), false))
      this.pause()
  }

  /** The answer is whole. `surplus`: the server went on sending, so the connection is not to be trusted. */
  #finish(part: Uint8Array, surplus: boolean): void {
    const receiver = this.#receiver
    if (!receiver) return
    this.#receiver = undefined
    this.deadline = Infinity
    // A server that answers before it has read the whole request may never read the rest.
    const isClean = this.#sentAll && this.#outbox.isEmpty && !surplus
    if (this.#keepAlive && isClean && this.#socket) {
      if (this.#isPaused) this.#socket.resume()
      this.#isPaused = false
      this.#owner.release(this)
    } else this.#drop()
    receiver.data(part, true)
  }

  drain(): void {
    const now = performance.now()
    if (!this.#outbox.flush()) return this.#wait('write_timeout', this.#timeouts.write, now)
    if (this.#isLeaving) return this.#end()
    this.deadline = Infinity
    if (this.#sentAll && !this.#isPaused) this.#wait('read_timeout', this.#timeouts.read, now)
    this.#receiver?.drain()
  }

  closed(error: Error | undefined): void {
    this.#socket = undefined
    this.#owner.deadlines.delete(this)
    this.#owner.forget(this)
    if (this.#receiver && this.#decoder?.length === UNTIL_CLOSE && !error) {
      const receiver = this.#receiver
      this.#receiver = undefined
      receiver.data(EMPTY, true)
    } else {
      const { host, port } = this.target
      const when = this.#heardAny ? 'in the middle of its answer' : 'without an answer'
      this.#fail(
        new UpstreamError('closed', `${host}:${port} closed the connection ${when}`, {
          partial: this.#heardAny,
        }),
      )
    }
  }

  /** A fault of our own while an answer was read. */
  crashed(cause: unknown): void {
    this.#fail(new UpstreamError('invalid_response', 'the answer failed here', { cause }))
  }

  #fail(error: UpstreamError): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    this.#drop()
    receiver?.fail(error)
  }

  #drop(): void {
    this.#forgotten()?.terminate()
  }

  #end(): void {
    this.#forgotten()?.end()
  }

  #forgotten(): Socket | undefined {
    const socket = this.#socket
    this.#socket = undefined
    this.deadline = Infinity
    this.#owner.deadlines.delete(this)
    this.#owner.forget(this)
    return socket
  }
}
