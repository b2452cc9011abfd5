import { type Result, resultOf } from '../balancer/active_checks.ts'
import type { Choice, Peer, Peers } from '../balancer/peers.ts'
import type { Answer, BodySink } from '../front/exchange.ts'
import type { WriteBuffer } from '../http1/write_buffer.ts'
import type { HeaderList } from '../headers.ts'
import { chunkHead, chunkTail } from '../http1/chunk.ts'
import { CHUNKED, type ResponseHead } from '../http1/head.ts'
import type { HeadWriter } from '../http1/outbox.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import type { Receiver, Timeouts, UpstreamConnection } from '../upstream/connection.ts'
import { UpstreamError } from '../upstream/errors.ts'
import { BodyTooLarge, type Try } from '../pdk.ts'
import type { Journey, RequestContext } from './context.ts'

/** Where the requests of a service go, prepared at load. */
export interface ServiceTarget {
  readonly peers: Peers
  readonly timeouts: Timeouts
  /** How often a request is sent once more after the first time. */
  readonly retries: number
}

/** On the clock of `performance.now()`. */
export interface Times {
  /** When the request began to be sent. */
  readonly sentAt: number
  /** When the answer's head had come. */
  readonly heardAt: number
}

/** Who is told of the answer. */
export interface ForwardingOwner {
  /** Writes the request's line and fields, with the given framing, and the empty line. `host`: the line that says who is asked. */
  writeRequest(out: WriteBuffer, ctx: RequestContext, framing: string, host: string): void
  /** Shows the answer to the plugins; gives the status that the client is told. */
  filter(ctx: RequestContext, head: ResponseHead): number
  /** Passes a part of the answer's body through the plugins; undefined if one of them failed. */
  filterBody(ctx: RequestContext, part: Uint8Array, last: boolean): Uint8Array | undefined
  /** Writes the answer's fields for the client. */
  writeFields(out: WriteBuffer, ctx: RequestContext, head: ResponseHead, times: Times): void
  /** There is no answer. Nothing was sent to the client yet. */
  failed(ctx: RequestContext, error: UpstreamError): void
  /** The request's body got too large on its way. Nothing was sent to the client yet. */
  refused(ctx: RequestContext): void
  /** A fault of our own. Nothing was sent to the client yet. */
  crashed(ctx: RequestContext, cause: unknown): void
  /** It is over: answered whole, cut short (`error`), or left by the client. */
  finished(ctx: RequestContext, error?: UpstreamError): void
}

const EMPTY = new Uint8Array(0)
const NONE: readonly Peer[] = []
const MAX_STATUS = 599

/** Sending such a request twice is not more than sending it once (RFC 9110 §9.2.2); nginx draws the line here too. */
const NOT_REPEATED = new Set(['POST', 'PATCH', 'LOCK'])

/** One request on its way to the service and the answer on its way back, both streamed at the slower side's pace. */
export class Forwarding implements Receiver, BodySink, HeadWriter, Answer, Journey {
  /** The status, reason and length of the answer. */
  status = 0
  reason = ''
  length = 0
  sentAt = 0
  heardAt = 0
  readonly #ctx: RequestContext
  readonly #service: ServiceTarget
  readonly #client: UpstreamClient
  readonly #owner: ForwardingOwner
  readonly #choice: Choice
  #connection: UpstreamConnection | undefined
  /** Who is asked now; who was asked before; and when the present one began to be. */
  #peer: Peer | undefined
  #tried: readonly Peer[] = NONE
  #isAsking = false
  #triedAt = 0
  #triesLeft: number
  #isReused = false
  /** A body that came with the head, or that a plugin read or replaced, can be sent again; a stream cannot. */
  #body: Uint8Array | undefined
  #streams = false
  #isChunked = false
  /** How the request's body is framed: the fields that say so. */
  #framing = ''
  #answer: ResponseHead | undefined
  #isAnswering = false
  #isGone = false

  constructor(
    ctx: RequestContext,
    service: ServiceTarget,
    client: UpstreamClient,
    owner: ForwardingOwner,
  ) {
    this.#ctx = ctx
    this.#service = service
    this.#client = client
    this.#owner = owner
    this.#triesLeft = service.retries
    this.#choice = service.peers.choose(ctx)
    ctx.request.exchange.onGone = () => this.#gone()
  }

  /** Begins. `body` if all of it is here already. */
  start(body: Uint8Array | undefined): void {
    this.#body = body
    this.#next(performance.now())
  }

  /** Asks who gets the request, for the first time or after a failed try; most of the time that is known at once. */
  #next(now: number): void {
    this.#triedAt = now
    let peer: Peer | undefined | Promise<Peer | undefined>
    try {
      peer = this.#choice.next(now)
    } catch (error) {
      return this.#refused(error)
    }
    if (!(peer instanceof Promise)) return this.#ask(peer)
    peer
      .then(
        (late) => {
          this.#triedAt = performance.now()
          this.#ask(late)
        },
        (error) => this.#refused(error),
      )
      .catch((cause) => this.#crash(cause))
  }

  #ask(peer: Peer | undefined): void {
    this.#peer = peer
    this.#isAsking = peer !== undefined
    if (this.#isGone) return this.#ended(undefined)
    if (!peer) return this.#refused(new UpstreamError('no_peer', 'no target can take the request'))
    // After a failed try, not on a kept connection, which may be as old as that of the try before.
    const idle = this.#tried.length === 0 ? this.#client.take(peer.target) : undefined
    if (!idle) return this.#connect()
    this.#isReused = true
    this.#send(idle)
  }

  #connect(): void {
    this.#isReused = false
    const { timeouts } = this.#service
    this.#client
      .connect(this.#peer!.target, timeouts.connect)
      .then(
        (connection) => (this.#isGone ? this.#client.release(connection) : this.#send(connection)),
        (error: UpstreamError) => this.fail(error),
      )
      .catch((cause) => this.#crash(cause))
  }

  /** The try with the present peer is over; without a result if it says nothing of the peer. */
  #ended(result: Result | undefined, isLast = true): void {
    if (!this.#isAsking) return
    this.#isAsking = false
    const now = performance.now()
    this.#choice.ended(result, now - this.#triedAt, now, isLast)
  }

  #send(connection: UpstreamConnection): void {
    const { exchange } = this.#ctx.request
    const { method } = this.#ctx.upstream
    const { timeouts } = this.#service
    this.#connection = connection
    if (this.#body || !exchange.hasBody) {
      const isEmpty = exchange.head.headers.has('content-length')
      const length = this.#body?.length ?? (isEmpty ? 0 : undefined)
      this.#framing = length === undefined ? '' : `Content-Length: ${length}\r\n`
      connection.begin(method, this, this.#body, true, timeouts, this)
      return
    }
    this.#isChunked = exchange.head.length === CHUNKED
    this.#framing = this.#isChunked
      ? 'Transfer-Encoding: chunked\r\n'
      : `Content-Length: ${exchange.head.length}\r\n`
    connection.begin(method, this, undefined, false, timeouts, this)
    this.#streams = true
    exchange.pipeBody(this)
  }

  get upstreamStatus(): number | undefined {
    return this.#answer?.status
  }

  /** The addresses that were tried, in order. */
  get tries(): readonly Try[] {
    const peers = this.#peer ? [...this.#tried, this.#peer] : this.#tried
    return peers.map(({ target: { host, port } }) => ({ ip: host, port }))
  }

  /** Writes the head of the request. */
  writeTo(out: WriteBuffer): void {
    this.#owner.writeRequest(out, this.#ctx, this.#framing, this.#peer!.host)
  }

  // ---- the request's body, from the client

  part(bytes: Uint8Array, last: boolean): boolean {
    const connection = this.#connection
    if (!connection) return true
    // What goes through a tunnel is always the last to be said for now: the other side may answer, or has `read_timeout`.
    if (this.#ctx.request.exchange.isTunnel) return connection.send('', bytes, '', true)
    if (!this.#isChunked) return connection.send('', bytes, '', last)
    const { length } = bytes
    if (length === 0 && !last) return true
    return connection.send(chunkHead(length), bytes, chunkTail(length, last), last)
  }

  drain(): void {
    this.#ctx.request.exchange.resumeBody()
  }

  // ---- the answer, from the service

  head(head: ResponseHead, more: boolean): void {
    const { exchange } = this.#ctx.request
    // HTTP/2 has no such status (RFC 9110 §15), and nothing here could send it.
    if (head.status > MAX_STATUS && exchange.httpVersion === '2.0')
      return this.#refuse(new UpstreamError('invalid_response', `a status of ${head.status}`))
    if (head.status === 101) {
      if (!exchange.head.upgradesToWebSocket)
        return this.#refuse(new UpstreamError('invalid_response', 'an unasked change of protocol'))
      this.#begin(head)
      this.#isAnswering = true
      exchange.onDrain = () => this.#connection?.resume()
      exchange.switchProtocols(this, head.headers.get('upgrade') ?? '', this)
      return
    }
    this.#begin(head)
    if (!more) this.data(EMPTY, false)
  }

  #begin(head: ResponseHead): void {
    this.#answer = head
    this.sentAt = this.#connection!.sentAt
    this.heardAt = this.#connection!.heardAt
    const { setCookie } = this.#choice
    if (setCookie !== undefined) setCookieOf(head.headers, setCookie)
    this.status = this.#owner.filter(this.#ctx, head)
    this.reason = head.reason
    // A plugin that took the length away makes the body shorter or longer.
    const isKept = head.length <= 0 || head.headers.has('content-length')
    this.length = isKept ? head.length : CHUNKED
  }

  /** Writes the fields of the answer. */
  writeFields(out: WriteBuffer): void {
    this.#owner.writeFields(out, this.#ctx, this.#answer!, this)
  }

  data(part: Uint8Array, last: boolean): boolean {
    const { exchange } = this.#ctx.request
    if (last) {
      this.#connection = undefined
      exchange.onGone = undefined
      this.#ended(this.#answer!.status)
    }
    const filtered = this.#owner.filterBody(this.#ctx, part, last)
    if (!filtered) return this.#cut()
    const ready = this.#pass(filtered, last)
    if (last) this.#owner.finished(this.#ctx)
    return ready
  }

  /** What a plugin would have changed must not pass unchanged: the client sees that the answer was cut. */
  #cut(): boolean {
    const { exchange } = this.#ctx.request
    this.#isGone = true
    this.#connection?.abort()
    this.#connection = undefined
    exchange.onGone = undefined
    exchange.abort()
    this.#owner.finished(this.#ctx)
    return true
  }

  #pass(part: Uint8Array, last: boolean): boolean {
    const { exchange } = this.#ctx.request
    if (exchange.isTunnel) return this.#passTunnel(part, last)
    if (this.#isAnswering) return exchange.write(part, last)
    this.#isAnswering = true
    exchange.onDrain = () => this.#connection?.resume()
    return exchange.start(this, part, last)
  }

  #passTunnel(part: Uint8Array, last: boolean): boolean {
    const { exchange } = this.#ctx.request
    const ready = exchange.write(part, false)
    if (last) exchange.closeTunnel()
    return ready
  }

  fail(error?: UpstreamError | BodyTooLarge): void {
    if (!error) return this.#gone()
    if (error instanceof BodyTooLarge) return this.#tooLarge()
    this.#connection = undefined
    if (this.#isGone) return
    if (this.#isAnswering) {
      this.#ended(this.upstreamStatus)
      this.#ctx.request.exchange.abort()
      return this.#owner.finished(this.#ctx, error)
    }
    const mayRepeat = this.#mayRepeat(error)
    // A kept connection that the service closed meanwhile says nothing about the service: that one is free. Not on the
    // next kept connection, which may be as old: one request would be sent as often as there are any.
    if (mayRepeat && this.#isReused && error.code === 'closed') return this.#connect()
    const isLast = !mayRepeat || this.#triesLeft-- <= 0
    this.#ended(resultOf(error), isLast)
    if (isLast) return this.#refused(error)
    this.#tried = [...this.#tried, this.#peer!]
    this.#peer = undefined
    this.#next(performance.now())
  }

  /** nginx's rule: not after any of the answer came, not once a body was streamed, POST and its like only if unsent. */
  #mayRepeat(error: UpstreamError): boolean {
    if (this.#streams || error.code === 'invalid_response' || error.partial) return false
    return error.unsent || !NOT_REPEATED.has(this.#ctx.upstream.method)
  }

  /** Nobody answers. */
  #refused(error: unknown): void {
    if (this.#isGone) return
    if (!(error instanceof UpstreamError)) return this.#crash(error)
    this.#ctx.request.exchange.onGone = undefined
    this.#owner.failed(this.#ctx, error)
  }

  /** A fault of our own, where nobody above would answer in our place. */
  #crash(cause: unknown): void {
    this.#connection?.abort()
    this.#connection = undefined
    this.#ended(undefined)
    this.#ctx.request.exchange.onGone = undefined
    this.#owner.crashed(this.#ctx, cause)
  }

  #refuse(error: UpstreamError): void {
    this.#connection?.abort()
    this.fail(error)
  }

  /** The service must not take what it has of the body for all of it. */
  #tooLarge(): void {
    this.#isGone = true
    this.#connection?.abort()
    this.#connection = undefined
    this.#ended(this.upstreamStatus)
    const { exchange } = this.#ctx.request
    exchange.onGone = undefined
    if (!this.#isAnswering) return this.#owner.refused(this.#ctx)
    exchange.abort()
    this.#owner.finished(this.#ctx)
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    if (this.#ctx.request.exchange.isTunnel) this.#connection?.leave()
    else this.#connection?.abort()
    this.#connection = undefined
    this.#ended(this.upstreamStatus)
    this.#owner.finished(
      this.#ctx,
      new UpstreamError('closed', 'the client left before the answer was whole'),
    )
  }
}

/** Sets a cookie in place of the service's own of that name, if it has one, as Kong does. */
function setCookieOf(headers: HeaderList, cookie: string): void {
  const prefix = cookie.slice(0, cookie.indexOf('=') + 1)
  const others = headers.all('set-cookie').filter((each) => !each.startsWith(prefix))
  headers.delete('set-cookie')
  for (const each of [...others, cookie]) headers.append('Set-Cookie', each)
}
