import { createHash } from 'node:crypto'
import { type ResponseHead } from '../http1/head.ts'
import type { OutboundRequest } from '../pdk.ts'
import { PRODUCT } from '../version.ts'
import type { UpstreamClient } from './client.ts'
import type { UpstreamConnection } from './connection.ts'
import { UpstreamError } from './errors.ts'
import type { Address, Target } from './target.ts'
import { connectThrough, type Proxy } from './tunnel.ts'

const MAX_BYTES = 1024 * 1024
/** How many requests one server is sent at once; more wait. A server that hangs keeps only its own waiting. */
const MAX_AT_ONCE = 128

/** Asks a server for one whole, bounded answer: for an identity provider and its like. */
export type Fetch = (url: string, request: OutboundRequest) => Promise<Response>

/** Finds the addresses of a host, at least one. Throws `UpstreamError`. */
export type Locate = (host: string, port: number) => Promise<readonly Address[]>

/**
 * A `fetch` over the gateway's own client: no environment proxy, no redirects, limits of its own for each server. Without
 * `locate` the system finds the hosts.
 */
export function createFetch(
  client: UpstreamClient,
  ca: string | undefined,
  locate: Locate = async (host, port) => [{ host, port }],
): Fetch {
  const queues = new Map<string, Queue>()
  return async (url, request) => {
    const parsed = new URL(url)
    const way = wayTo(parsed, request, ca)
    const { target } = way
    let queue = queues.get(target.key)
    if (!queue) queues.set(target.key, (queue = new Queue(MAX_AT_ONCE)))
    const until = performance.now() + request.timeout
    await queue.enter(request.timeout)
    try {
      // Timers count whole milliseconds.
      if (until - performance.now() < 1) throw tooManyWait()
      return await ask(client, locate, way, parsed, request, until)
    } finally {
      queue.leave()
      if (queue.isEmpty) queues.delete(target.key)
    }
  }
}

/** How a server is reached: what the connection is to, and the proxy that makes it or, for plain HTTP, takes its place. */
interface Way {
  readonly target: Target
  readonly tunnel: Proxy | undefined
  /** What a proxy is sent with each request; without a proxy that takes requests, nothing. */
  readonly proxy: Pick<Proxy, 'authorization'> | undefined
}

function wayTo(url: URL, request: OutboundRequest, ca: string | undefined): Way {
  const { ssl_verify: verify = true, certificate } = request
  const proxy = request.proxy && proxyOf(request.proxy)
  const server = addressOf(url)
  const { host, port } = server
  const through = proxy
    ? ` by ${proxy.host}:${proxy.port} ${digest(proxy.authorization ?? '')}`
    : ''
  const key = `${url.protocol}//${host}:${port} ${verify} fetch${through}`
  if (url.protocol !== 'https:')
    return { target: { ...(proxy ?? server), tls: undefined, key }, tunnel: undefined, proxy }
  const pair = certificate && { cert: certificate.cert, key: certificate.key }
  const shown = pair ? ` as ${digest(pair.cert + pair.key)}` : ''
  const tls = { serverName: host, verify, ca, ...(pair && { certificate: pair }) }
  return { target: { host, port, tls, key: `${key}${shown}` }, tunnel: proxy, proxy: undefined }
}

function addressOf(url: URL): Address {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) }
}

function proxyOf({ url, authorization }: NonNullable<OutboundRequest['proxy']>): Proxy {
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:')
    throw new UpstreamError('connect_failed', `the proxy ${parsed.host} has to be one of http:`, {
      unsent: true,
    })
  const { username, password } = parsed
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const basic = username === '' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`
  return { ...addressOf(parsed), authorization: authorization ?? basic }
}

/** What tells two secrets apart in the name of a connection, without being one. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

/** How long ago a kept connection may have been used for a POST; milliseconds. Some servers close theirs after seconds. */
const FRESH = 1_000

/** `until`: when the time for all of it is over, on the clock of `performance.now()`. */
async function ask(
  client: UpstreamClient,
  locate: Locate,
  way: Way,
  url: URL,
  request: OutboundRequest,
  until: number,
): Promise<Response> {
  const { target, tunnel, proxy } = way
  const isRepeatable = (request.method ?? 'GET') === 'GET'
  const kept = isRepeatable ? client.take(target) : client.takeFresh(target, FRESH)
  if (kept) {
    try {
      return await exchange(kept, url, request, proxy, until)
    } catch (error) {
      if (!mayRepeat(error, request)) throw error
    }
  }
  const places = await inTime(locate, tunnel ?? target, until)
  const connection = await connect(client, places, way, until)
  return exchange(connection, url, request, proxy, until)
}

/** The addresses of a target, as far as they are known in time. */
function inTime(
  locate: Locate,
  { host, port }: Address,
  until: number,
): Promise<readonly Address[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Address[]>()
  const late = `the name ${host} was not resolved in time`
  const timer = setTimeout(
    () => reject(new UpstreamError('name_resolution_failed', late, { unsent: true })),
    until - performance.now(),
  )
  locate(host, port).then(resolve, reject)
  return promise.finally(() => clearTimeout(timer))
}

/** Tries one address after the other, from one of chance on, so that each has its part. */
async function connect(
  client: UpstreamClient,
  places: readonly Address[],
  { target, tunnel }: Way,
  until: number,
): Promise<UpstreamConnection> {
  const { tls } = target
  const first = Math.floor(Math.random() * places.length)
  let failure: unknown
  for (const place of [...places.slice(first), ...places.slice(0, first)]) {
    try {
      const left = until - performance.now()
      return await (tunnel && tls
        ? connectThrough({ ...tunnel, ...place }, { ...target, tls }, left, client)
        : client.connect({ ...target, ...place }, left))
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== 'connect_failed') throw error
      failure = error
    }
  }
  throw failure
}

/**
 * A connection that was kept may have been closed meanwhile; that says nothing about the server. But what a POST carries
 * may be for one use, such as a refresh token, and the server may have used it before it closed (RFC 9110 §9.2.2).
 */
function mayRepeat(error: unknown, { method = 'GET' }: OutboundRequest): boolean {
  if (!(error instanceof UpstreamError) || error.partial) return false
  return error.unsent || (error.code === 'closed' && (method === 'GET' || method === 'HEAD'))
}

function exchange(
  connection: UpstreamConnection,
  url: URL,
  request: OutboundRequest,
  proxy: Way['proxy'],
  until: number,
): Promise<Response> {
  const { method = 'GET', timeout, maxBytes = MAX_BYTES } = request
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  // One limit for the whole, so that a server which answers a byte at a time is no exception.
  const left = Math.max(until - performance.now(), 0)
  const timer = setTimeout(() => {
    connection.abort()
    reject(new UpstreamError('read_timeout', `${url.host} did not answer within ${timeout} ms`))
  }, left)
  let answer: ResponseHead | undefined
  const parts: Uint8Array[] = []
  let size = 0
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const timeouts = { connect: timeout, write: timeout, read: timeout }
  const refuse = (message: string) => {
    clearTimeout(timer)
    connection.abort()
    reject(new UpstreamError('invalid_response', `${url.host} ${message}`, { partial: true }))
  }
  const head = headOf(method, url, request, proxy, body)
  connection.begin(method, head, body, true, timeouts, {
    head(given) {
      answer = given
      // No protocol was offered, and `Response` has no room for the statuses above.
      if (answer.status === 101 || answer.status > 599) refuse(`answered ${answer.status}`)
      else if (answer.length > maxBytes) refuse(`sent more than ${maxBytes} bytes`)
    },
    data(part, last) {
      size += part.length
      if (size > maxBytes) {
        refuse(`sent more than ${maxBytes} bytes`)
        return true
      }
      parts.push(new Uint8Array(part))
      if (last) {
        clearTimeout(timer)
        resolve(responseOf(answer!, Buffer.concat(parts)))
      }
      return true
    },
    drain() {},
    fail(error) {
      clearTimeout(timer)
      reject(error)
    },
  })
  return promise
}

function headOf(
  method: string,
  url: URL,
  request: OutboundRequest,
  proxy: Way['proxy'],
  body: Uint8Array | undefined,
): string {
  const headers = new Headers(request.headers)
  headers.delete('content-length')
  headers.set('host', url.host)
  if (!headers.has('user-agent')) headers.set('user-agent', PRODUCT)
  headers.set('connection', request.keepalive === false ? 'close' : 'keep-alive')
  if (body) headers.set('content-length', String(body.length))
  if (proxy?.authorization !== undefined) headers.set('proxy-authorization', proxy.authorization)
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  // RFC 9112 §3.2.2: a proxy is told the whole address.
  const place = proxy ? `http://${url.host}` : ''
  const version = request.http_version ?? '1.1'
  return `${method} ${place}${url.pathname}${url.search} HTTP/${version}\r\n${fields}\r\n`
}

function responseOf(head: ResponseHead, body: Uint8Array): Response {
  const bodiless =
    head.status === 204 || head.status === 205 || head.status === 304 || head.status < 200
  return new Response(bodiless ? null : body, { status: head.status, headers: [...head.headers] })
}

function tooManyWait(): UpstreamError {
  const message = 'too many requests wait for the same server'
  return new UpstreamError('connect_timeout', message, { unsent: true })
}

/** Lets a number in at once; the others wait in line, each as long as it can. */
class Queue {
  #inside = 0
  readonly #line: (() => void)[] = []
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get isEmpty(): boolean {
    return this.#inside === 0 && this.#line.length === 0
  }

  async enter(timeout: number): Promise<void> {
    if (this.#inside < this.#limit) {
      this.#inside++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#line.splice(this.#line.indexOf(next), 1)
      reject(tooManyWait())
    }, timeout)
    const next = () => {
      clearTimeout(timer)
      resolve()
    }
    this.#line.push(next)
    return promise
  }

  /** Gives its place to the next in line. */
  leave(): void {
    const next = this.#line.shift()
    if (next) next()
    else this.#inside--
  }
}
