import type { Answer, BodySink } from '../front/exchange.ts'
import type { Draft } from '../http1/draft.ts'
import { CHUNKED, type ResponseHead } from '../http1/head.ts'
import type { Head } from '../http1/outbox.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import type { Receiver, Timeouts, UpstreamConnection } from '../upstream/connection.ts'
import type { Target } from '../upstream/target.ts'
import { UpstreamError } from '../upstream/errors.ts'
import type { Try } from '../pdk.ts'
import type { Journey, RequestContext } from './context.ts'

/** Where the requests of a service go, prepared at load. */
export interface ServiceTarget {
  readonly target: Target
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
  /** Writes the request's line and fields, with the given framing, and the empty line. */
  writeRequest(draft: Draft, ctx: RequestContext, framing: string): void
  /** Shows the answer to the plugins; gives the status that the client is told. */
  filter(ctx: RequestContext, head: ResponseHead): number
  /** Passes a part of the answer's body through the plugins. */
  filterBody(ctx: RequestContext, part: Uint8Array, last: boolean): Uint8Array
  /** Writes the answer's fields for the client. */
  writeFields(draft: Draft, ctx: RequestContext, head: ResponseHead, times: Times): void
  /** There is no answer. Nothing was sent to the client yet. */
  failed(ctx: RequestContext, error: UpstreamError): void
  /** A fault of our own. Nothing was sent to the client yet. */
  crashed(ctx: RequestContext, cause: unknown): void
  /** It is over: answered whole, cut short (`error`), or left by the client. */
  finished(ctx: RequestContext, error?: UpstreamError): void
}

const EMPTY = new Uint8Array(0)

/** Sending such a request twice is not more than sending it once (RFC 9110 §9.2.2); nginx draws the line here too. */
const NOT_REPEATED = new Set(['POST', 'PATCH', 'LOCK'])

/** One request on its way to the service and the answer on its way back, both streamed at the slower side's pace. */
export class Forwarding implements Receiver, BodySink, Head, Answer, Journey {
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
  #connection: UpstreamConnection | undefined
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
    ctx.request.exchange.onGone = () => this.#gone()
  }

  /** Begins. `body` if all of it is here already. */
  start(body: Uint8Array | undefined): void {
    this.#body = body
    const idle = this.#client.take(this.#service.target)
    if (!idle) return this.#connect()
    this.#isReused = true
    this.#send(idle)
  }

  #connect(): void {
    this.#isReused = false
    const { target, timeouts } = this.#service
    this.#client
      .connect(target, timeouts.connect)
      .then(
        (connection) => (this.#isGone ? this.#client.release(connection) : this.#send(connection)),
        (error: UpstreamError) => this.fail(error),
      )
      .catch((cause) => this.#crash(cause))
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
    const { host, port } = this.#service.target
    return this.sentAt > 0 ? [{ ip: host, port }] : []
  }

  /** Writes the head of the request. */
  writeTo(draft: Draft): void {
    this.#owner.writeRequest(draft, this.#ctx, this.#framing)
  }

  // ---- the request's body, from the client

  part(bytes: Uint8Array, last: boolean): boolean {
    const connection = this.#connection
    if (!connection) return true
    // What goes through a tunnel is always the last to be said for now: the other side may answer, or has `read_timeout`.
    if (this.#ctx.request.exchange.isTunnel) return connection.send('', bytes, '', true)
    if (!this.#isChunked) return connection.send('', bytes, '', last)
    if (bytes.length === 0) return last ? connection.send('0\r\n\r\n', undefined, '', true) : true
    return connection.send(
      `${bytes.length.toString(16)}\r\n`,
      bytes,
      last ? '\r\n0\r\n\r\n' : '\r\n',
      last,
    )
  }

  drain(): void {
    this.#ctx.request.exchange.resumeBody()
  }

  // ---- the answer, from the service

  head(head: ResponseHead, more: boolean): void {
    const { exchange } = this.#ctx.request
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
    this.status = this.#owner.filter(this.#ctx, head)
    this.reason = head.reason
    // A plugin that took the length away makes the body shorter or longer.
    const isKept = head.length <= 0 || head.headers.has('content-length')
    this.length = isKept ? head.length : CHUNKED
  }

  /** Writes the fields of the answer. */
  writeFields(draft: Draft): void {
    this.#owner.writeFields(draft, this.#ctx, this.#answer!, this)
  }

  data(part: Uint8Array, last: boolean): boolean {
    const { exchange } = this.#ctx.request
    if (last) {
      this.#connection = undefined
      exchange.onGone = undefined
    }
    const ready = this.#pass(this.#owner.filterBody(this.#ctx, part, last), last)
    if (last) this.#owner.finished(this.#ctx)
    return ready
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

  fail(error?: UpstreamError): void {
    if (!error) return this.#gone()
    this.#connection = undefined
    if (this.#isGone) return
    if (this.#isAnswering) {
      this.#ctx.request.exchange.abort()
      return this.#owner.finished(this.#ctx, error)
    }
    // Not on the next kept connection, which may be as old: one request would be sent as often as there are any.
    if (this.#mayRepeat(error)) return this.#connect()
    this.#ctx.request.exchange.onGone = undefined
    this.#owner.failed(this.#ctx, error)
  }

  /** nginx's rule: not after any of the answer came, not once a body was streamed, POST and its like only if unsent. */
  #mayRepeat(error: UpstreamError): boolean {
    if (this.#streams || error.code === 'invalid_response' || error.code === 'tls_failed')
      return false
    if (error.code === 'name_resolution_failed' || error.partial) return false
    if (!error.unsent && NOT_REPEATED.has(this.#ctx.upstream.method)) return false
    // A kept connection that the service closed meanwhile says nothing about the service: that one is free.
    if (this.#isReused && error.code === 'closed') return true
    return this.#triesLeft-- > 0
  }

  /** A fault of our own, where nobody above would answer in our place. */
  #crash(cause: unknown): void {
    this.#connection?.abort()
    this.#connection = undefined
    this.#ctx.request.exchange.onGone = undefined
    this.#owner.crashed(this.#ctx, cause)
  }

  #refuse(error: UpstreamError): void {
    this.#connection?.abort()
    this.fail(error)
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    if (this.#ctx.request.exchange.isTunnel) this.#connection?.leave()
    else this.#connection?.abort()
    this.#connection = undefined
    this.#owner.finished(
      this.#ctx,
      new UpstreamError('closed', 'the client left before the answer was whole'),
    )
  }
}
