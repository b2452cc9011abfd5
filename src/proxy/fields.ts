import { type HeaderList, spelling } from '../headers.ts'
import { hasWord, type ResponseHead } from '../http1/head.ts'
import { PRODUCT } from '../version.ts'
import type { RequestContext } from './context.ts'

/** Which of its own header fields the gateway sends: Kong's settings `headers` and `headers_upstream`. */
export interface FieldSettings {
  readonly server: boolean
  readonly via: boolean
  readonly requestId: boolean
  readonly proxyLatency: boolean
  readonly upstreamLatency: boolean
  readonly responseLatency: boolean
  readonly upstreamStatus: boolean
  readonly upstreamRequestId: boolean
}

/** What belongs to one connection and never crosses the gateway (RFC 9110 §7.6.1), in both directions. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'trailer',
  'upgrade',
]

/** Beside those: what the gateway writes itself, and `Proxy`, which CGI programs take for the setting `HTTP_PROXY`. */
const NOT_SENT_UPSTREAM = new Set([
  ...HOP_BY_HOP,
  'te',
  'host',
  'content-length',
  'expect',
  'proxy',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-path',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-kong-request-id',
  'x-real-ip',
])

const NOT_SENT_DOWNSTREAM = new Set([
  ...HOP_BY_HOP,
  'content-length',
  'via',
  'x-kong-proxy-latency',
  'x-kong-request-id',
  'x-kong-upstream-latency',
  'x-kong-upstream-status',
])

export interface Forwarded {
  readonly host: string
  readonly prefix: string
  /** Whether the peer's own `X-Forwarded-*` are believed. */
  readonly trusted: boolean
}

/** The header fields of a request to a service, each with its CRLF; `framing` says how long its body is. */
export function requestFields(
  ctx: RequestContext,
  forwarded: Forwarded,
  framing: string,
  settings: FieldSettings,
): string {
  const { request, upstream } = ctx
  const { exchange } = request
  const { headers } = upstream
  let text = `Host: ${forwarded.host}\r\n`
  for (let i = 0; i < headers.names.length; i++) {
    const name = headers.names[i]!
    if (NOT_SENT_UPSTREAM.has(name) || isDisguised(name)) continue
    text += `${headers.raw[2 * i]}: ${headers.raw[2 * i + 1]}\r\n`
  }
  const te = request.headers.get('te')
  if (te !== undefined && hasWord(te, 'trailers')) text += 'TE: trailers\r\n'
  text += exchange.head.upgradesToWebSocket
    ? 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'
    : 'Connection: keep-alive\r\n'

  const from = forwarded.trusted ? request.headers : undefined
  const peer = exchange.connection.remoteAddress
  const chain = request.headers.all('x-forwarded-for')
  const port = from?.get('x-forwarded-port') ?? exchange.connection.localPort
  text += `X-Forwarded-For: ${chain.length > 0 ? `${chain.join(', ')}, ${peer}` : peer}\r\n`
  text += `X-Forwarded-Proto: ${from?.get('x-forwarded-proto') ?? request.scheme}\r\n`
  const host = from?.get('x-forwarded-host') ?? nameOf(request.host)
  if (host !== '') text += `X-Forwarded-Host: ${host}\r\n`
  text += `X-Forwarded-Port: ${port}\r\n`
  text += `X-Forwarded-Path: ${from?.get('x-forwarded-path') ?? request.rawPath}\r\n`
  const prefix = from?.get('x-forwarded-prefix') ?? forwarded.prefix
  if (prefix !== '' && prefix !== '/') text += `X-Forwarded-Prefix: ${prefix}\r\n`
  text += `X-Real-IP: ${request.ip}\r\n`
  if (settings.upstreamRequestId) text += `X-Kong-Request-Id: ${request.id}\r\n`
  text += `Via: ${via(request.headers, exchange.head.minor)}\r\n`
  return text + framing
}

export interface Latencies {
  /** Milliseconds from the request's head to the service's connection, and from there to its answer's head. */
  readonly proxy: number
  readonly upstream: number
}

/** The header fields of a service's answer for the client, each with its CRLF. */
export function responseFields(
  head: ResponseHead,
  method: string,
  requestId: string,
  latencies: Latencies,
  settings: FieldSettings,
  date: string,
): string {
  const { headers } = head
  const listed = listedInConnection(headers)
  let text = ''
  for (let i = 0; i < headers.names.length; i++) {
    const name = headers.names[i]!
    if (NOT_SENT_DOWNSTREAM.has(name) || listed?.includes(name)) continue
    text += `${headers.raw[2 * i]}: ${headers.raw[2 * i + 1]}\r\n`
  }
  // The length of a body that a HEAD or a 304 leaves out is passed on as well; a 204 must have none (RFC 9110 §8.6).
  const hasLength = (head.length >= 0 || method === 'HEAD') && head.status !== 204
  const length = hasLength ? headers.get('content-length') : undefined
  if (length !== undefined) text += `Content-Length: ${length}\r\n`
  if (!headers.has('date')) text += `Date: ${date}\r\n`
  if (settings.server && !headers.has('server')) text += `Server: ${PRODUCT}\r\n`
  if (settings.via) text += `Via: ${via(headers, head.minor)}\r\n`
  else for (const each of headers.all('via')) text += `Via: ${each}\r\n`
  if (settings.upstreamStatus) text += `X-Kong-Upstream-Status: ${head.status}\r\n`
  if (settings.upstreamLatency) text += `X-Kong-Upstream-Latency: ${latencies.upstream}\r\n`
  if (settings.proxyLatency) text += `X-Kong-Proxy-Latency: ${latencies.proxy}\r\n`
  if (settings.requestId) text += `X-Kong-Request-Id: ${requestId}\r\n`
  return text
}

/** The header fields of an answer of the gateway's own. */
export function ownFields(
  fields: Iterable<readonly [string, string]>,
  requestId: string,
  latency: number,
  settings: FieldSettings,
  date: string,
): string {
  let text = `Date: ${date}\r\n`
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`
  if (settings.server) text += `Server: ${PRODUCT}\r\n`
  if (settings.responseLatency) text += `X-Kong-Response-Latency: ${latency}\r\n`
  if (settings.requestId) text += `X-Kong-Request-Id: ${requestId}\r\n`
  return text
}

/** A name such as `X_Forwarded_For`, which a backend may read as the gateway's own word. */
function isDisguised(name: string): boolean {
  return /[_.]/.test(name) && NOT_SENT_UPSTREAM.has(spelling(name))
}

/** `Connection` may name further fields that end here; `close` and `keep-alive`, as nearly always, name none. */
export function listedInConnection(headers: HeaderList): string[] | undefined {
  const value = headers.get('connection')
  if (value === undefined || value === 'close' || value === 'keep-alive') return undefined
  return headers.all('connection').flatMap((each) =>
    each
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
}

function via(headers: HeaderList, minor: number): string {
  const before = headers.all('via')
  const own = `1.${minor} ${PRODUCT}`
  return before.length > 0 ? `${before.join(', ')}, ${own}` : own
}

/** A host without its port. */
export function nameOf(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon > 0 && !host.endsWith(']') ? host.slice(0, colon) : host
}
