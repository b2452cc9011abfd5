import type { Consumer, ConsumerGroup, Route, Service } from '../entities/index.ts'
import type { ErrorWriter } from '../error_body.ts'
import type { Exchange } from '../front/exchange.ts'
import { fieldValue, type HeaderList } from '../headers.ts'
import type {
  AccessContext,
  ClientCertificate,
  ClientRequest,
  Credential,
  Exit,
  ResponseContext,
  Try,
  UpstreamRequest,
} from '../pdk.ts'
import { escapePath, escapeQuery, normalizePath } from '../path.ts'
import type { Trace } from '../trace.ts'
import type { Match } from '../router/router.ts'
import { upstreamPath } from '../router/upstream_path.ts'
import type { ClientAddress } from './client_address.ts'
import { listedInConnection } from './fields.ts'
import type { Instance } from './plan.ts'
import type { PreparedRoute } from './snapshot.ts'

/** How much of a body a plugin reads unless it says otherwise; bytes. */
const BODY_LIMIT = 1024 * 1024

/** The request as the client sent it, as plugins and the router see it. */
export class ProxiedRequest implements ClientRequest {
  readonly id: string
  readonly method: string
  readonly host: string
  /** The path as sent, without the query. */
  readonly rawPath: string
  readonly path: string
  readonly query: string
  readonly headers: HeaderList
  readonly ip: string
  readonly writeError: ErrorWriter
  readonly exchange: Exchange
  /** Where it is told what happens to it, if somebody asks. */
  readonly trace: Trace | undefined
  /** What answers a body that gets too large, if it is a plugin's limit. */
  bodyRefusal: (() => Exit) | undefined
  /** The answer as plugins see it, if no route was found, and those that do. */
  answer: ResponseContext | undefined
  watchers: readonly Instance[] | undefined

  readonly #clientAddress: ClientAddress

  constructor(
    exchange: Exchange,
    id: string,
    clientAddress: ClientAddress,
    writeError: ErrorWriter,
    trace?: Trace,
  ) {
    const { head } = exchange
    this.exchange = exchange
    this.trace = trace
    this.id = id
    this.ip = clientAddress.of(head, exchange.connection)
    this.#clientAddress = clientAddress
    this.writeError = writeError
    this.method = head.method
    this.host = head.host
    this.headers = head.headers
    const mark = head.target.indexOf('?')
    this.rawPath = mark < 0 ? head.target : head.target.slice(0, mark)
    this.path = normalizePath(this.rawPath)
    this.query = mark < 0 ? '' : head.target.slice(mark + 1)
  }

  get httpVersion(): '1.0' | '1.1' | '2.0' {
    return this.exchange.httpVersion
  }

  get scheme(): string {
    return this.exchange.connection.origin.scheme
  }

  get sni(): string | undefined {
    return this.exchange.connection.origin.serverName
  }

  get isPeerTrusted(): boolean {
    return this.#clientAddress.isTrusted(this.exchange.connection.remoteAddress)
  }

  get remotePort(): number | undefined {
    return this.exchange.connection.remotePort
  }

  get localIp(): string | undefined {
    return this.exchange.connection.localAddress
  }

  get clientCertificate(): ClientCertificate | undefined {
    return this.exchange.connection.origin.clientCertificate
  }

  /** The port that the request came to. */
  get port(): number {
    return this.exchange.connection.localPort
  }

  get connection(): object {
    return this.exchange.connection
  }

  get hasBody(): boolean {
    return this.exchange.hasBody
  }

  limitBody(bytes: number, refusal: () => Exit): boolean {
    if (bytes < this.exchange.bodyLimit) this.bodyRefusal = refusal
    return this.exchange.limitBody(bytes)
  }

  body(limit = BODY_LIMIT): Promise<Uint8Array> {
    return this.exchange.readBody(limit)
  }
}

/** The request as it will be sent on. */
export class OutgoingRequest implements UpstreamRequest {
  readonly headers: HeaderList
  body: Uint8Array | undefined
  #method: string
  #path: string | undefined
  #query: string
  #host: string | undefined

  constructor(request: ProxiedRequest) {
    this.headers = request.headers.copy()
    this.#method = request.method
    this.#query = request.query
    // Before the plugins, not after: or a client could name `X-Consumer-ID` there, and be rid of what is said of it.
    for (const name of listedInConnection(this.headers) ?? []) this.headers.delete(name)
  }

  get method(): string {
    return this.#method
  }

  // What a plugin sets may come from the client or from a claim: none of it may begin a line or a request of its own.

  set method(method: string) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(method)) throw new Error(`${method} is no method`)
    this.#method = method
  }

  get path(): string | undefined {
    return this.#path
  }

  set path(path: string | undefined) {
    this.#path = path === undefined ? undefined : escapePath(path)
  }

  get query(): string {
    return this.#query
  }

  set query(query: string) {
    this.#query = escapeQuery(query)
  }

  get host(): string | undefined {
    return this.#host
  }

  set host(host: string | undefined) {
    this.#host = host === undefined ? undefined : fieldValue(host)
  }

  setBody(body: Uint8Array): void {
    this.body = body
  }
}

/** What the gateway says of a caller to a service. A client's own are dropped where a plugin authenticates. */
const IDENTITY_HEADERS = new Set([
  'x-consumer-id',
  'x-consumer-username',
  'x-consumer-custom-id',
  'x-consumer-groups',
  'x-credential-identifier',
  'x-anonymous-consumer',
  'x-authenticated-groups',
  'x-authenticated-scope',
  'x-authenticated-userid',
])

/** What is known of a request's way to its service; times of `performance.now()`, 0 for what has not come to pass. */
export interface Journey {
  readonly sentAt: number
  readonly heardAt: number
  readonly upstreamStatus: number | undefined
  readonly tries: readonly Try[]
}

/** One request on its way through the plugins of its route. */
export class RequestContext implements AccessContext {
  readonly request: ProxiedRequest
  readonly upstream: OutgoingRequest
  readonly prepared: PreparedRoute
  /** The part of the path that the route's path matched. */
  readonly matchedPath: string
  consumer: Consumer | undefined
  credential: Credential | undefined
  authenticatedGroups: readonly string[] | undefined
  consumerGroups: readonly ConsumerGroup[] | undefined
  /** What plugins have added to what is logged. */
  serializeValues: Readonly<Record<string, string>> | undefined
  /** The plugin entities whose turn came, for the phases after the answer; only where one of them asks for it. */
  readonly ran: Instance[] = []
  /** The answer, as those see it. */
  answer: ResponseContext | undefined
  /** Its way to the service, once it is on it. */
  forwarding: Journey | undefined
  /** The one whose turn it is. */
  running: Instance | undefined

  readonly #match: Match<PreparedRoute>

  constructor(request: ProxiedRequest, match: Match<PreparedRoute>) {
    this.request = request
    this.upstream = new OutgoingRequest(request)
    this.prepared = match.value
    this.matchedPath = match.matchedPath
    this.#match = match
    if (match.value.plan.authenticates) dropIdentity(this.upstream.headers)
  }

  get uri_captures(): Readonly<Record<string, string>> | undefined {
    return this.#match.uriCaptures
  }

  get route(): Route {
    return this.prepared.route
  }

  get service(): Service | undefined {
    return this.prepared.service
  }

  get trace(): Trace | undefined {
    return this.request.trace
  }

  /** The path and query that the service is asked for. */
  get upstreamUri(): string {
    const { request, upstream, prepared, matchedPath } = this
    const path =
      upstream.path ?? escapePath(upstreamPath(prepared.pathRule, request.path, matchedPath))
    const isEmpty = upstream.query === '' && !request.exchange.head.target.endsWith('?')
    return isEmpty ? path : `${path}?${upstream.query}`
  }

  setSerializeValue(name: string, value: string): void {
    this.serializeValues = { ...this.serializeValues, [name]: value }
  }

  authenticate(
    consumer: Consumer | undefined,
    credential: Credential | undefined,
    anonymous = false,
  ): void {
    this.consumer = consumer
    this.credential = credential
    const { headers } = this.upstream
    dropIdentity(headers)
    if (consumer) {
      headers.append('X-Consumer-ID', consumer.id)
      appendText(headers, 'X-Consumer-Custom-ID', consumer.custom_id)
      appendText(headers, 'X-Consumer-Username', consumer.username)
    }
    appendText(headers, 'X-Credential-Identifier', credential?.identifier ?? credential?.id)
    if (anonymous) headers.append('X-Anonymous-Consumer', 'true')
    if (this.trace) tellCaller(this.trace, consumer, anonymous)
  }
}

/** Drops Kong's identity headers in every spelling. */
function dropIdentity(headers: HeaderList): void {
  for (const { spelling } of headers.fields) {
    if (spelling.charCodeAt(0) === 0x78 && IDENTITY_HEADERS.has(spelling)) {
      for (const each of IDENTITY_HEADERS) headers.deleteSpellings(each)
      return
    }
  }
}

/** Adds a name or a claim in its UTF-8 bytes. One with a control character is not told: without it, it would be another's. */
function appendText(headers: HeaderList, name: string, text: string | undefined): void {
  if (text === undefined || /[\x00-\x1f\x7f]/.test(text)) return
  headers.append(name, PRINTABLE.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1'))
}

const PRINTABLE = /^[\x20-\x7e]*$/

function tellCaller(trace: Trace, consumer: Consumer | undefined, anonymous: boolean): void {
  const name = consumer && (consumer.username ?? consumer.custom_id ?? consumer.id)
  const who = name === undefined ? 'nobody that the configuration names' : `the consumer ${name}`
  const text = `${trace.plugin}: the caller is ${who}${anonymous ? ', as the anonymous one' : ''}`
  trace.add({ step: 'caller', text, facts: { consumer: consumer?.id, anonymous } })
}
