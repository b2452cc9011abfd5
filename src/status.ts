import { chmodSync } from 'node:fs'
import type { UpstreamHealth } from './balancer/balancer.ts'
import { balancerPage, targetsPage, upstreamAsked } from './balancer/health_pages.ts'
import type { KeyPair } from './front/certificates.ts'
import { removeAbandoned } from './front/listener.ts'
import type { ListenAddress } from './listen.ts'
import { type Awaitable, JSON_TYPE, type Node, type Page } from './pdk.ts'
import { PRODUCT } from './version.ts'

export interface StatusServer {
  /** 0 for a Unix socket. */
  readonly port: number
  stop(): Promise<void>
}

/** What the Status API tells of, and may ask for. */
export interface StatusOptions {
  /** Shown where an address says `ssl`. */
  readonly certificate?: KeyPair | undefined
  isReady(): boolean
  /** Says from now on that it is not ready, so that no more clients are sent here. */
  drain(): void
  readonly gateway: {
    readonly node: Node
    readonly upstreamHealth: readonly UpstreamHealth[]
    readonly configurationHash: string
    readonly pages: ReadonlyMap<string, () => Awaitable<Page>>
  }
}

/** Kong's Status API: `/status`, `/status/ready`, the health of upstreams and the plugins' pages. Throws Bun's error if the port is taken. */
export async function startStatus(
  address: ListenAddress,
  options: StatusOptions,
): Promise<StatusServer> {
  await removeAbandoned(address)
  const { host, port, unix, ssl = false, http2 = false } = address
  const manner = {
    ...(ssl && { tls: options.certificate }),
    // Otherwise a fault of ours would show its source to whoever asks.
    development: false,
    maxRequestBodySize: 64 * 1024,
    fetch: (request: Request) => answer(request, options),
  }
  const server =
    unix === undefined
      ? // Out of development Bun shares the port unless told not to.
        Bun.serve({ ...manner, hostname: host, port, http2, reusePort: false })
      : Bun.serve({ ...manner, unix })
  // As for clients: who may ask is told by the folder.
  if (unix !== undefined) chmodSync(unix, 0o666)
  return { port: server.port ?? 0, stop: () => server.stop(true) }
}

async function answer(request: Request, options: StatusOptions): Promise<Response> {
  // Without a host, as in HTTP/1.0, Bun gives the path alone.
  const url = URL.parse(request.url, 'http://status')
  const read = url && findReader(url, options)
  if (!read) return json(404, { message: 'Not found' })
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return read()
    case 'POST':
      if (url.pathname === '/status/ready') return drained(request, url, options)
  }
  return json(405, { message: 'Method not allowed' })
}

/** What answers whoever only asks. */
function findReader(
  url: URL,
  { isReady, gateway }: StatusOptions,
): (() => Awaitable<Response>) | undefined {
  switch (url.pathname) {
    case '/status/ready':
      return () =>
        isReady() ? json(200, { message: 'ready' }) : json(503, { message: 'draining' })
    case '/status':
      return () => status(url, gateway)
    case '/status/dns':
      return () => json(501, { message: 'not implemented with the legacy DNS client' })
  }
  if (upstreamAsked(url.pathname) !== undefined) return () => upstream(url, gateway)
  const page = gateway.pages.get(url.pathname)
  return page && (async () => text(200, await page()))
}

async function drained(request: Request, url: URL, { drain }: StatusOptions): Promise<Response> {
  // A page in somebody's browser could ask this of a gateway on the same machine; a browser then says whose page it is.
  if (request.headers.has('origin')) return json(403, { message: 'Forbidden' })
  if ((await statusGiven(request, url)) !== 'draining') return text(400)
  drain()
  return text(204)
}

/** The parameter `status`, in the query, a form or JSON. */
async function statusGiven(request: Request, url: URL): Promise<unknown> {
  const body = await request.text()
  const isJson = /^application\/json\b/i.test(request.headers.get('content-type') ?? '')
  if (!isJson) return new URLSearchParams(body).get('status') ?? url.searchParams.get('status')
  try {
    return (JSON.parse(body) as { status?: unknown } | null)?.status
  } catch {
    return undefined
  }
}

function status(url: URL, { node, configurationHash }: StatusOptions['gateway']): Response {
  const unit = url.searchParams.get('unit') ?? 'm'
  const scale = Number(url.searchParams.get('scale') ?? 2)
  if (!/^[bkmg]$/i.test(unit))
    return json(400, { message: `invalid unit '${unit}' (expected 'k/K', 'm/M', or 'g/G')` })
  if (!Number.isInteger(scale) || scale < 0 || scale > 20)
    return json(400, { message: 'scale must be equal or greater than 0' })
  const { heapUsed } = process.memoryUsage()
  return json(200, {
    memory: {
      workers_lua_vms: [{ http_allocated_gc: bytes(heapUsed, unit, scale), pid: process.pid }],
      lua_shared_dicts: {},
    },
    server: node.statistics(),
    configuration_hash: configurationHash,
  })
}

function upstream(url: URL, { node, upstreamHealth }: StatusOptions['gateway']): Response {
  const asked = upstreamAsked(url.pathname)
  const found = upstreamHealth.find(({ id, name }) => id === asked || name === asked)
  if (!found) return json(404, { message: 'Not found' })
  const isWhole = url.searchParams.get('balancer_health') === '1'
  return json(200, (isWhole ? balancerPage : targetsPage)(found, node.id))
}

const UNITS: Readonly<Record<string, number>> = { k: 10, m: 20, g: 30 }

/** A size as Kong tells it: `5.24 MiB`, or the number alone for bytes. */
function bytes(count: number, unit: string, scale: number): string | number {
  const power = UNITS[unit.toLowerCase()]
  if (power === undefined) return count
  return `${(count / 2 ** power).toFixed(scale)} ${unit.toUpperCase()}iB`
}

function json(status: number, body: unknown): Response {
  return text(status, { contentType: JSON_TYPE, body: JSON.stringify(body) })
}

function text(status: number, page?: Page): Response {
  const headers = { Server: PRODUCT, ...(page && { 'Content-Type': page.contentType }) }
  return new Response(page?.body ?? null, { status, headers })
}
