import type { ErrorWriter } from '../error_body.ts'
import type { Exchange } from '../front/exchange.ts'
import { grpcAnswer, isGrpc } from '../grpc.ts'
import { HeaderList } from '../headers.ts'
import type { WriteBuffer } from '../http1/write_buffer.ts'
import { BadMessage } from '../http1/grammar.ts'
import type { ResponseHead } from '../http1/head.ts'
import { escapePath } from '../path.ts'
import { TRACE } from '../explain_key.ts'
import { explain } from '../log.ts'
import { BodyTooLarge, type Exit, type Log, type ResponseContext } from '../pdk.ts'
import type { Trace } from '../trace.ts'
import { encodeTrace } from '../trace_record.ts'
import type { Tracing } from '../tracing.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import type { UpstreamError } from '../upstream/errors.ts'
import { type AccessLog, withoutTokens } from './access_log.ts'
import { answerTo, logOf } from './answer.ts'
import type { ClientAddress } from './client_address.ts'
import { ConditionFailed } from './condition.ts'
import { ProxiedRequest, RequestContext } from './context.ts'
import { ALLOWED, MESSAGES } from './errors.ts'
import {
  type FieldSettings,
  nameOf,
  ownFields,
  peerFields,
  writeRequestFields,
  writeResponseFields,
} from './fields.ts'
import { Forwarding, type ForwardingOwner, type Times } from './forwarding.ts'
import { runAccess, runBodyFilter, runHeaderFilter, runLog, watchersOf } from './pipeline.ts'
import type { Instance, Plan } from './plan.ts'
import type { Snapshot } from './snapshot.ts'
import { nearestRoute, tellExit, tellForwarding, tellRequest, tellRoute } from './tell.ts'

export interface RequestHandlerOptions {
  readonly client: UpstreamClient
  readonly log: Log
  readonly accessLog: AccessLog
  readonly fields: FieldSettings
  readonly clientAddress: ClientAddress
  readonly nextRequestId: () => string
  /** nginx's `client_max_body_size`, in bytes; 0 is no limit. */
  readonly maxBodySize: number
  /** The form of an error that nginx raises in Kong, for a client that names none. */
  readonly errorType: string
  readonly writeError: ErrorWriter
  /** Whether a request with the field `Kong-Debug` is told its route and service. */
  readonly showsRoutes: boolean
  readonly tracing: Tracing
}

/** The whole life of a request: found a route, passed the plugins, sent to the service, answered. */
export class RequestHandler implements ForwardingOwner {
  /** What requests are handled by from now on. */
  snapshot: Snapshot
  /** How many requests came, and how many of them are answered. */
  readonly count = { begun: 0, over: 0 }
  readonly #options: RequestHandlerOptions
  readonly #peers = new WeakMap<object, string>()
  #date = ''
  #dateUntil = 0

  constructor(options: RequestHandlerOptions, snapshot: Snapshot) {
    this.#options = options
    this.snapshot = snapshot
  }

  /** Answers a request, now or later. Never throws: nobody above would answer in our place. */
  handle(exchange: Exchange, given?: Trace): void {
    this.count.begun++
    const { tracing } = this.#options
    const isTraced = given !== undefined || tracing.isOn
    try {
      if (!isTraced) return this.#handle(exchange, undefined)
      const trace = given ?? tracing.begin(exchange.head, this.snapshot.secretNames)
      if (trace) tracing.run(trace, () => this.#handle(exchange, trace))
      else this.#handle(exchange, undefined)
    } catch (cause) {
      this.count.over++
      this.#options.log.error('a request failed', { code: 'internal_error', cause })
      exchange.abort()
    }
  }

  #handle(exchange: Exchange, trace: Trace | undefined): void {
    const { nextRequestId, clientAddress, maxBodySize, writeError } = this.#options
    const request = new ProxiedRequest(exchange, nextRequestId(), clientAddress, writeError, trace)
    if (trace) tellRequest(trace, request)
    if (NOT_ALLOWED.has(request.method)) return this.#error(request, 405, undefined, ALLOW)
    // RFC 9110 §9.3.7: `OPTIONS *` asks the gateway itself, and says no more than that it is there.
    if (request.rawPath === '*')
      return this.#respond(request, 200, new HeaderList(), EMPTY, 'error')
    const match = this.snapshot.router.match(request)
    if (trace) tellRoute(trace, request, this.snapshot, match?.value)
    if (!match) return this.#error(request, 404, 'no Route matched with those values')
    const ctx = new RequestContext(request, match)
    if (maxBodySize > 0 && !exchange.limitBody(maxBodySize)) return this.#error(ctx, 413)
    if (this.#wantsHttps(ctx)) return this.#refuseHttp(ctx)
    try {
      const exit = runAccess(match.value.plan, ctx)
      if (!(exit instanceof Promise)) return this.#afterAccess(ctx, exit)
      exit
        .then((late) => this.#afterAccess(ctx, late))
        .catch((error) => this.#failedAccess(ctx, error))
    } catch (error) {
      this.#failedAccess(ctx, error)
    }
  }

  #afterAccess(ctx: RequestContext, exit: Exit | undefined): void {
    const { exchange } = ctx.request
    if (exchange.isOver) return this.finished(ctx)
    if (exit) return this.#exit(ctx, exit)
    if (exchange.isBodyTooLarge) return this.refused(ctx)
    const { target } = ctx.prepared
    if (!target) return this.#error(ctx, 503, 'no Service found with those values')
    if (ctx.trace) {
      this.#tellForwarding(ctx.trace, ctx)
      if (ctx.trace.isRehearsal) return this.#rehearsed(ctx.trace, ctx)
    }
    const forwarding = new Forwarding(ctx, target, this.#options.client, this)
    ctx.forwarding = forwarding
    const { body } = ctx.upstream
    if (body || !exchange.hasBody) return forwarding.start(body)
    if (!exchange.bodyWasRead) return forwarding.start(exchange.bodyAtOnce())
    exchange
      .readBody(Infinity)
      .then((read) => forwarding.start(read))
      .catch((error) => this.#failedAccess(ctx, error))
  }

  #tellForwarding(trace: Trace, ctx: RequestContext): void {
    tellForwarding(trace, ctx, (out, host) => this.writeRequest(out, ctx, '', host))
  }

  /** All is done but to ask the service. Nobody is shown an answer that never came. */
  #rehearsed(trace: Trace, ctx: RequestContext): void {
    const { exchange } = ctx.request
    const headers = new HeaderList()
    if (trace.isShown) headers.set(TRACE, encodeTrace(trace.record))
    exchange.respond(204, this.#ownFields(headers, ctx.request), EMPTY)
    this.finished(ctx)
  }

  #failedAccess(ctx: RequestContext, error: unknown): void {
    if (error instanceof BodyTooLarge) return this.refused(ctx)
    if (error instanceof BadMessage) return this.#error(ctx, error.status)
    if (error instanceof ConditionFailed) return this.#error(ctx, 500, MESSAGES[500])
    this.#options.log.error('a plugin failed', {
      ...this.#facts(ctx),
      code: 'plugin_error',
      cause: error,
    })
    ctx.trace?.refused({
      status: 500,
      code: 'plugin_error',
      cause: explain(error),
      plugin: ctx.running?.plugin.name,
      place: ctx.running?.place(),
    })
    this.#error(ctx, 500, MESSAGES[500])
  }

  /** Whether the route is for HTTPS alone, and neither we nor a trusted proxy before us took the request by it. */
  #wantsHttps(ctx: RequestContext): boolean {
    const { protocols } = ctx.route
    if (protocols.includes('http') || ctx.request.scheme === 'https') return false
    return this.#trusted(ctx, 'x-forwarded-proto') !== 'https'
  }

  /** 426, or a redirect with the status that the route asks for. */
  #refuseHttp(ctx: RequestContext): void {
    const status = ctx.route.https_redirect_status_code
    ctx.trace?.refused({
      status,
      code: undefined,
      cause: 'the route is for https alone (protocols)',
      place: ctx.prepared.place(),
    })
    if (status === 426) return this.#error(ctx, 426, 'Please use HTTPS protocol', UPGRADE)
    const { host, exchange } = ctx.request
    const name = this.#trusted(ctx, 'x-forwarded-host') ?? nameOf(host)
    const location = HeaderList.of([['Location', `https://${name}${exchange.head.target}`]])
    this.#respond(ctx, status, location, EMPTY, 'error')
  }

  /** What the peer says of its own client, if the peer is trusted. */
  #trusted({ request }: RequestContext, name: string): string | undefined {
    return request.isPeerTrusted ? request.headers.get(name) : undefined
  }

  /** Answers for a plugin. A refusal says why in the log, and only there. */
  #exit(ctx: RequestContext, exit: Exit): void {
    const { status, table, reason } = exit
    const { headers, body } =
      table && isGrpc(ctx.request) ? grpcAnswer(status, table.message, exit.headers) : exit
    if (ctx.trace) tellExit(ctx.trace, ctx, exit, explain)
    if (reason) {
      const facts = { code: reason.code, ...this.#facts(ctx), cause: reason.cause }
      this.#options.log.notice(`${status} ${asked(ctx.request)}`, facts)
    }
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    this.#respond(ctx, status, HeaderList.of(headers), bytes, 'exit')
  }

  /**
   * Answers as Kong does: one sentence and the request's id. Without a `message` it is an error that nginx raises in
   * Kong; then the form is text unless `Accept` or the request's own `Content-Type` asks for another.
   */
  #error(
    at: RequestContext | ProxiedRequest,
    status: number,
    message?: string,
    fields: readonly (readonly [string, string])[] = [],
  ): void {
    const request = at instanceof RequestContext ? at.request : at
    const accept = request.headers.get('accept')
    const wanted = message
      ? accept
      : (accept ?? request.headers.get('content-type') ?? this.#options.errorType)
    const sentence = message ?? MESSAGES[status] ?? 'An unexpected error occurred'
    if (request.trace) tellError(request.trace, status, sentence)
    if (isGrpc(request)) {
      // As in Kong, whose own errors have the name of the status, and those of nginx the sentence.
      const { headers } = grpcAnswer(status, message ? undefined : sentence, fields)
      return this.#respond(at, status, HeaderList.of(headers), EMPTY, 'error')
    }
    const { contentType, body } = request.writeError(sentence, request.id, wanted)
    const list = HeaderList.of([['Content-Type', contentType || 'application/grpc'], ...fields])
    this.#respond(at, status, list, Buffer.from(body), 'error')
  }

  #respond(
    at: RequestContext | ProxiedRequest,
    status: number,
    headers: HeaderList,
    body: Uint8Array,
    source: ResponseContext['source'],
  ): void {
    const request = at instanceof RequestContext ? at.request : at
    const { exchange } = request
    if (exchange.isOver) return this.finished(at)
    const given = this.#filter(at, status, headers, source)
    const bytes = this.#filterBody(at, body, true)
    if (request.trace?.isShown) headers.set(TRACE, encodeTrace(request.trace.record))
    exchange.respond(given, this.#ownFields(headers, request), bytes)
    this.finished(at)
  }

  #ownFields(headers: HeaderList, { id, exchange }: ProxiedRequest): string {
    const latency = Math.round(performance.now() - exchange.startedAt)
    return ownFields(headers, id, latency, this.#options.fields, this.#now())
  }

  /** Shows the head of an answer to the plugins; gives the status that they leave. */
  #filter(
    at: RequestContext | ProxiedRequest,
    status: number,
    headers: HeaderList,
    source: ResponseContext['source'],
  ): number {
    if (this.#options.showsRoutes && at instanceof RequestContext) addDebugFields(at, headers)
    if (!this.#planOf(at).watchesAnswer) return status
    const request = at instanceof RequestContext ? at.request : at
    const answer = answerTo(at, status, headers, source)
    at.answer = answer
    runHeaderFilter(this.#watchers(at), answer, (error) => this.#pluginFailed(request, error))
    return answer.status
  }

  #filterBody(at: RequestContext | ProxiedRequest, part: Uint8Array, last: boolean): Uint8Array {
    if (!this.#planOf(at).filtersBody || !at.answer) return part
    return runBodyFilter(this.#watchers(at), at.answer, part, last)
  }

  #planOf(at: RequestContext | ProxiedRequest): Plan {
    return at instanceof RequestContext ? at.prepared.plan : this.snapshot.globalPlan
  }

  #watchers(at: RequestContext | ProxiedRequest): readonly Instance[] {
    if (at instanceof RequestContext) return at.ran
    return (at.watchers ??= watchersOf(this.snapshot.globalPlan, at))
  }

  // ---- what the forwarding asks and tells

  writeRequest(out: WriteBuffer, ctx: RequestContext, framing: string, hostOfPeer: string): void {
    const { request, prepared, matchedPath, upstream } = ctx
    const { route, pathRule } = prepared
    out.text(upstream.method)
    out.text(' ')
    out.text(ctx.upstreamUri)
    out.text(' HTTP/1.1\r\n')
    const host = upstream.host ?? (route.preserve_host ? request.host : '')
    const forwarded = {
      host: host === '' ? hostOfPeer : `Host: ${host}\r\n`,
      peer: this.#peerFields(request),
      // Decoded, it may hold whatever a client likes, a line break too.
      prefix: pathRule.strip ? escapePath(matchedPath) : '',
      trusted: request.isPeerTrusted,
    }
    writeRequestFields(out, ctx, forwarded, framing, this.#options.fields)
    out.text('\r\n')
  }

  #peerFields({ exchange: { connection }, scheme }: ProxiedRequest): string {
    let text = this.#peers.get(connection)
    if (text === undefined) this.#peers.set(connection, (text = peerFields(connection, scheme)))
    return text
  }

  filter(ctx: RequestContext, head: ResponseHead): number {
    // A plugin asked with HEAD in the client's place: the length is that of a body which never comes.
    if (ctx.upstream.method === 'HEAD' && ctx.request.method !== 'HEAD')
      head.headers.set('Content-Length', '0')
    const status = this.#filter(ctx, head.status, head.headers, 'service')
    if (ctx.trace) {
      ctx.trace.answered(head.status, performance.now() - ctx.forwarding!.sentAt)
      if (ctx.trace.isShown) head.headers.set(TRACE, encodeTrace(ctx.trace.record))
    }
    return status
  }

  filterBody(ctx: RequestContext, part: Uint8Array, last: boolean): Uint8Array | undefined {
    try {
      return this.#filterBody(ctx, part, last)
    } catch (error) {
      this.#pluginFailed(ctx.request, error)
      return undefined
    }
  }

  writeFields(
    out: WriteBuffer,
    { request }: RequestContext,
    head: ResponseHead,
    times: Times,
  ): void {
    const latencies = {
      proxy: Math.round(times.sentAt - request.exchange.startedAt),
      upstream: Math.round(times.heardAt - times.sentAt),
    }
    writeResponseFields(out, head, request, latencies, this.#options.fields, this.#now())
  }

  failed(ctx: RequestContext, error: UpstreamError): void {
    const status = STATUS_OF[error.code] ?? 502
    const facts = { code: error.code, ...this.#facts(ctx), cause: causeOf(error) }
    this.#options.log.error(`${status} ${asked(ctx.request)}`, facts)
    ctx.trace?.refused({ status, code: error.code, cause: explain(facts.cause) })
    this.#error(ctx, status, SENTENCE_OF[error.code])
  }

  refused(ctx: RequestContext): void {
    const { exchange, bodyRefusal } = ctx.request
    if (exchange.isBodyTooLarge && bodyRefusal) this.#exit(ctx, bodyRefusal())
    else this.#error(ctx, 413)
  }

  crashed(ctx: RequestContext, cause: unknown): void {
    const facts = { ...this.#facts(ctx), code: 'internal_error', cause }
    this.#options.log.error('a request failed', facts)
    this.#error(ctx, 500, MESSAGES[500])
  }

  finished(at: RequestContext | ProxiedRequest, error?: UpstreamError): void {
    const request = at instanceof RequestContext ? at.request : at
    const { exchange } = request
    this.count.over++
    if (request.trace) this.#options.tracing.end(request.trace)
    if (error && at instanceof RequestContext) {
      const facts = { code: error.code, ...this.#facts(at), cause: error }
      this.#options.log.info(`${asked(request)} was cut`, facts)
    }
    // nginx's number for a client that left before it was answered.
    const status = exchange.status === 0 ? 499 : exchange.status
    const { secretArguments } = this.snapshot
    this.#options.accessLog.add(request, status, exchange.bytesSent, secretArguments)
    // Nobody is told of a request that was tried only.
    if (!this.#planOf(at).watchesAnswer || request.trace?.isRehearsal) return
    const answer = at.answer ?? answerTo(at, status, new HeaderList(), 'error')
    const told = logOf(at, answer, secretArguments)
    runLog(this.#watchers(at), told, (error) => this.#pluginFailed(request, error))
  }

  #pluginFailed({ id }: ProxiedRequest, cause: unknown): void {
    this.#options.log.error('a plugin failed', { request_id: id, code: 'plugin_error', cause })
  }

  #facts(ctx: RequestContext) {
    const { route, service, running, request } = ctx
    return {
      request_id: request.id,
      plugin: running?.plugin.name,
      config: running?.place(),
      route: route.name ?? route.id,
      service: service && (service.name ?? service.id),
    }
  }

  /** RFC 9110 §5.6.7, made once a second. */
  #now(): string {
    const now = Date.now()
    if (now >= this.#dateUntil) {
      this.#dateUntil = now - (now % 1000) + 1000
      this.#date = new Date(now).toUTCString()
    }
    return this.#date
  }
}

/** An answer of the gateway's own; whoever knows more of it has told it before. */
function tellError(trace: Trace, status: number, sentence: string): void {
  if (trace.isRefused) return
  const near = status === 404 ? nearestRoute(trace) : undefined
  const cause = near === undefined ? sentence : `${sentence}; ${near}`
  trace.refused({ status, code: undefined, cause })
}

/** Kong's answer to `Kong-Debug`, whatever its value. */
function addDebugFields({ request, route, service }: RequestContext, headers: HeaderList): void {
  if (!request.headers.has('kong-debug')) return
  for (const [kind, entity] of [
    ['Route', route],
    ['Service', service],
  ] as const) {
    if (entity) headers.set(`Kong-${kind}-Id`, entity.id)
    if (entity?.name) headers.set(`Kong-${kind}-Name`, entity.name)
  }
}

/** nginx answers these itself: TRACE would show a client what the gateway added, CONNECT asks for a tunnel. */
const NOT_ALLOWED = new Set(['TRACE', 'CONNECT'])

const STATUS_OF: Readonly<Record<string, number>> = {
  name_resolution_failed: 503,
  no_peer: 503,
  connect_timeout: 504,
  write_timeout: 504,
  read_timeout: 504,
}

/** What Kong says itself; for the others it is nginx that speaks. */
const SENTENCE_OF: Readonly<Record<string, string>> = {
  name_resolution_failed: 'name resolution failed',
  no_peer: 'failure to get a peer from the ring-balancer',
}

const ALLOW = [['Allow', ALLOWED]] as const
const UPGRADE = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'TLS/1.2, HTTP/1.1'],
] as const
const EMPTY = new Uint8Array(0)

/** What the log says of a service that gave no answer: with what to do, where a word of the configuration is the cause. */
function causeOf(error: UpstreamError): unknown {
  if (error.code !== 'name_resolution_failed') return error
  return `${error.message}; check the host of the service, and the resolver of this machine or container`
}

/** What a request asked for, fit for the log: a token may stand in a path as well. */
function asked({ method, rawPath }: ProxiedRequest): string {
  return `${method} ${withoutTokens(rawPath)}`
}
