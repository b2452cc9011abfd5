import type { ExchangeConnection } from '../front/exchange.ts'
import type { HeaderField, HeaderList } from '../headers.ts'
import type { WriteBuffer } from '../http1/write_buffer.ts'
import { hasWord, type ResponseHead } from '../http1/head.ts'
import { PRODUCT } from '../version.ts'
import type { ProxiedRequest, RequestContext } from './context.ts'

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

const KEEP_ALIVE = 'Connection: keep-alive\r\n'
const UPGRADE = 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'
const SERVER = `Server: ${PRODUCT}\r\n`
const VIA = `Via: 1.1 ${PRODUCT}\r\n`

export interface Forwarded {
  /** The line of the field `Host`. */
  readonly host: string
  /** What `peerFields` gives. */
  readonly peer: string
  readonly prefix: string
  /** Whether the peer's own `X-Forwarded-*` are believed. */
  readonly trusted: boolean
}

/** Writes the header fields of a request to a service, each with its CRLF; `framing` says how long its body is. */
export function writeRequestFields(
  out: WriteBuffer,
  { request, upstream }: RequestContext,
  forwarded: Forwarded,
  framing: string,
  settings: FieldSettings,
): void {
  const { head } = request.exchange
  out.text(forwarded.host)
  for (const field of upstream.headers.fields) {
    if (!NOT_SENT_UPSTREAM.has(field.lower) && !isDisguised(field)) out.text(field.line)
  }
  const te = request.headers.get('te')
  if (te !== undefined && hasWord(te, 'trailers')) out.text('TE: trailers\r\n')
  out.text(head.upgradesToWebSocket ? UPGRADE : KEEP_ALIVE)
  writeForwarded(out, request, forwarded)
  if (settings.upstreamRequestId) write(out, 'X-Kong-Request-Id: ', request.id)
  writeVia(out, request.headers, request.exchange.httpVersion)
  out.text(framing)
}

/** Writes who asked for what, as a trusted peer says, or as the gateway saw it. */
function writeForwarded(out: WriteBuffer, request: ProxiedRequest, forwarded: Forwarded): void {
  const { headers } = request
  const from = forwarded.trusted ? headers : undefined
  if (from || headers.has('x-forwarded-for')) writeChain(out, request, from)
  else out.text(forwarded.peer)
  const host = from?.get('x-forwarded-host') ?? nameOf(request.host)
  if (host !== '') write(out, 'X-Forwarded-Host: ', host)
  write(out, 'X-Forwarded-Path: ', from?.get('x-forwarded-path') ?? request.rawPath)
  const prefix = from?.get('x-forwarded-prefix') ?? forwarded.prefix
  if (prefix !== '' && prefix !== '/') write(out, 'X-Forwarded-Prefix: ', prefix)
}

function writeChain(out: WriteBuffer, request: ProxiedRequest, from: HeaderList | undefined): void {
  const { remoteAddress, localPort } = request.exchange.connection
  const before = request.headers.all('x-forwarded-for')
  // As in Kong: the client itself begins a chain, and the peer that told of it goes on with one.
  const chain = before.length === 0 ? request.ip : [...before, remoteAddress].join(', ')
  const scheme = from?.get('x-forwarded-proto') ?? request.scheme
  const port = from?.get('x-forwarded-port') ?? localPort
  out.text(chainFields(chain, scheme, port, request.ip))
}

/** What is said of a client that asks the gateway itself: the same for every request of its connection. */
export function peerFields(connection: ExchangeConnection, scheme: string): string {
  const { remoteAddress, localPort } = connection
  return chainFields(remoteAddress, scheme, localPort, remoteAddress)
}

function chainFields(chain: string, scheme: string, port: string | number, ip: string): string {
  return (
    `X-Forwarded-For: ${chain}\r\nX-Forwarded-Proto: ${scheme}\r\n` +
    `X-Forwarded-Port: ${port}\r\nX-Real-IP: ${ip}\r\n`
  )
}

export interface Latencies {
  /** Milliseconds from the request's head to the service's connection, and from there to its answer's head. */
  readonly proxy: number
  readonly upstream: number
}

/** Writes the header fields of a service's answer for the client, each with its CRLF. */
export function writeResponseFields(
  out: WriteBuffer,
  head: ResponseHead,
  { method, id }: ProxiedRequest,
  latencies: Latencies,
  settings: FieldSettings,
  date: string,
): void {
  const { headers } = head
  const listed = listedInConnection(headers)
  for (const { lower, line } of headers.fields) {
    if (!NOT_SENT_DOWNSTREAM.has(lower) && !listed?.includes(lower)) out.text(line)
  }
  // The length of a body that a HEAD or a 304 leaves out is passed on as well; a 204 must have none (RFC 9110 §8.6).
  const hasLength = (head.length >= 0 || method === 'HEAD') && head.status !== 204
  const length = hasLength ? headers.get('content-length') : undefined
  if (length !== undefined) write(out, 'Content-Length: ', length)
  if (!headers.has('date')) write(out, 'Date: ', date)
  if (settings.server && !headers.has('server')) out.text(SERVER)
  if (settings.via) writeVia(out, headers, head.minor === 0 ? '1.0' : '1.1')
  else for (const each of headers.all('via')) write(out, 'Via: ', each)
  if (settings.upstreamStatus) write(out, 'X-Kong-Upstream-Status: ', String(head.status))
  if (settings.upstreamLatency) write(out, 'X-Kong-Upstream-Latency: ', String(latencies.upstream))
  if (settings.proxyLatency) write(out, 'X-Kong-Proxy-Latency: ', String(latencies.proxy))
  if (settings.requestId) write(out, 'X-Kong-Request-Id: ', id)
}

/** The header fields of an answer of the gateway's own. */
export function ownFields(
  headers: HeaderList,
  requestId: string,
  latency: number,
  settings: FieldSettings,
  date: string,
): string {
  let text = `Date: ${date}\r\n`
  for (const { line } of headers.fields) text += line
  if (settings.server) text += SERVER
  if (settings.responseLatency) text += `X-Kong-Response-Latency: ${latency}\r\n`
  if (settings.requestId) text += `X-Kong-Request-Id: ${requestId}\r\n`
  return text
}

/** A name such as `X_Forwarded_For`, which a backend may read as the gateway's own word. */
function isDisguised({ lower, spelling }: HeaderField): boolean {
  return spelling !== lower && NOT_SENT_UPSTREAM.has(spelling)
}

/** `Connection` may name further fields that end here; `close` and `keep-alive`, as nearly always, name none. */
export function listedInConnection(headers: HeaderList): string[] | undefined {
  let listed: string[] | undefined
  for (const { lower, value } of headers.fields) {
    if (lower !== 'connection' || value === 'close' || value === 'keep-alive') continue
    const names = value.toLowerCase().split(',')
    listed = [...(listed ?? []), ...names.map((name) => name.trim())]
  }
  return listed
}

function writeVia(out: WriteBuffer, headers: HeaderList, version: string): void {
  const before = headers.has('via') ? `${headers.all('via').join(', ')}, ` : ''
  if (before === '' && version === '1.1') out.text(VIA)
  else write(out, 'Via: ', `${before}${version === '2.0' ? '2' : version} ${PRODUCT}`)
}

/** `name` with its colon and blank. */
function write(out: WriteBuffer, name: string, value: string): void {
  out.text(name)
  out.text(value)
  out.text('\r\n')
}

/** A host without its port. */
export function nameOf(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon > 0 && !host.endsWith(']') ? host.slice(0, colon) : host
}
