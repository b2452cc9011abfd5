import { Directory } from './balancer/directory.ts'
import type { Loaded } from './declarative/load.ts'
import { DEFAULT_DNS } from './dns/settings.ts'
import type { PluginEntity } from './entities/index.ts'
import type { GatewaySettings } from './gateway.ts'
import { HeaderList } from './headers.ts'
import { normalizePath } from './path.ts'
import type { Finding, Log, Online, OutboundRequest, Plugin } from './pdk.ts'
import { type Instance, type Plan, Plans } from './proxy/plan.ts'
import { createRouter } from './router/router.ts'
import { UpstreamClient } from './upstream/client.ts'
import { UpstreamError } from './upstream/errors.ts'
import { createFetch } from './upstream/fetch.ts'
import { lookAtCertificate } from './upstream/server_certificate.ts'

type LoadedEntities = Extract<Loaded, { entities: unknown }>

export interface OnlineOptions {
  readonly settings: GatewaySettings
  readonly plugins: ReadonlyMap<string, Plugin>
  readonly log: Log
  readonly triesClients: boolean
  /** How long all of it may take; milliseconds. */
  readonly limit: number
}

/** A finding, and the plugin entity that it is of. */
export interface PlacedFinding extends Finding {
  readonly entity: PluginEntity
}

/** Has the plugins of a configuration ask whom they rely on, all at the same time. Gives nothing where none has anybody to ask. */
export async function checkOnline(
  loaded: LoadedEntities,
  { settings, plugins, log, triesClients, limit }: OnlineOptions,
): Promise<readonly PlacedFinding[] | undefined> {
  const { entities } = loaded
  const asking = entities.plugins.flatMap((entity) => {
    const online = entity.enabled ? plugins.get(entity.name)?.online : undefined
    return online ? [{ entity, online }] : []
  })
  if (asking.length === 0) return undefined
  const until = performance.now() + limit
  const client = new UpstreamClient(settings)
  const directory = new Directory({ dns: DEFAULT_DNS, ...settings, client, log })
  const locate = (host: string, port: number) => directory.locate(host, port)
  const fetch = createFetch(client, settings.ca, locate)
  const kept = new Map<string, object>()
  const certificates = new Map(entities.certificates.map((each) => [each.id, each]))
  const destinationOf = createDestinations(loaded, plugins, settings)
  const shared: Omit<Online, 'id' | 'destinationOf'> = {
    log,
    triesClients,
    now: Date.now,
    prefix: settings.prefix,
    findCertificate: (id) => certificates.get(id),
    keep<T extends object>(name: string, create: () => T): T {
      const it = kept.get(name) ?? create()
      kept.set(name, it)
      return it as T
    },
    fetch(url: string, request: OutboundRequest) {
      const left = Math.floor(until - performance.now())
      if (left < 1) return Promise.reject(new UpstreamError('read_timeout', 'the time was over'))
      return fetch(url, { ...request, timeout: Math.min(request.timeout, left) })
    },
    async findServerCertificate({ hostname, port }, timeout) {
      const name = hostname.replace(/^\[|\]$/g, '')
      try {
        const [place] = await locate(name, Number(port) || 443)
        const left = Math.min(timeout, until - performance.now())
        return place && (await lookAtCertificate(place, name, settings.ca, left))
      } catch (error) {
        if (error instanceof UpstreamError) return undefined
        throw error
      }
    },
  }
  try {
    const found = await Promise.all(
      asking.map(async ({ entity, online }) => {
        const gateway = { ...shared, id: entity.id, destinationOf: destinationOf(entity) }
        const findings = await inTime(online(entity.config, gateway), limit)
        return findings.map((finding): PlacedFinding => ({ ...finding, entity }))
      }),
    )
    return found.flat()
  } finally {
    directory.stop()
    client.close()
  }
}

/** How much longer than its requests a check may take to say that they were not answered; milliseconds. */
const GRACE = 500

/** What a check finds, or that it took too long. */
function inTime(findings: Promise<readonly Finding[]>, limit: number): Promise<readonly Finding[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Finding[]>()
  const message = `not everybody answered within ${limit / 1000} s`
  const late: Finding = { level: 'error', code: 'check_too_slow', field: [], message }
  const timer = setTimeout(() => resolve([late]), limit + GRACE)
  findings.then(resolve, reject)
  return promise.finally(() => clearTimeout(timer))
}

/** Finds out where requests would go, by the router and the plans that a gateway would have. */
function createDestinations(
  { entities, place }: LoadedEntities,
  plugins: ReadonlyMap<string, Plugin>,
  { router_flavor }: GatewaySettings,
) {
  const services = new Map(entities.services.map((service) => [service.id, service]))
  const plans = new Plans(
    entities.plugins.flatMap((entity): Instance[] => {
      const plugin = plugins.get(entity.name)
      if (!plugin || !entity.enabled) return []
      const nowhere = { place: () => place(entity), findField: () => undefined }
      return [{ plugin, entity, handler: {}, condition: undefined, ...nowhere }]
    }),
  )
  const router = createRouter<Plan>(
    router_flavor,
    entities.routes.flatMap((route) => {
      const service = route.service && services.get(route.service.id)
      return service && !service.enabled ? [] : [[route, plans.for(route, service)] as const]
    }),
  )
  return (entity: PluginEntity): Online['destinationOf'] =>
    (method, url) => {
      const isTls = url.protocol === 'https:'
      const match = router.match({
        method,
        host: url.host,
        port: Number(url.port) || (isTls ? 443 : 80),
        path: normalizePath(url.pathname),
        headers: HeaderList.of([['Host', url.host]]),
        scheme: isTls ? 'https' : 'http',
        ...(isTls && { sni: url.hostname }),
        query: url.search.slice(1),
        ip: '127.0.0.1',
      })
      if (!match) return 'nowhere'
      const slot = match.value.slots.find(({ plugin }) => plugin.name === entity.name)
      if (!slot?.always) return 'unguarded'
      return slot.always.entity.id === entity.id ? 'here' : 'another'
    }
}
