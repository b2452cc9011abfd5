import { indexConsumers } from './consumers.ts'
import type { Loaded } from './declarative/load.ts'
import type { Service } from './entities/index.ts'
import type { Gateway as PluginGateway, Plugin } from './pdk.ts'
import { secretArguments } from './proxy/access_log.ts'
import type { ServiceTarget } from './proxy/forwarding.ts'
import { type Instance, Plans } from './proxy/plan.ts'
import type { PreparedRoute, Snapshot } from './proxy/snapshot.ts'
import { wireText } from './path.ts'
import { type RouteRule, Router } from './router/router.ts'

type LoadedEntities = Extract<Loaded, { entities: unknown }>

export interface TlsSettings {
  readonly ca: string | undefined
  readonly tls_certificate_verify: boolean
}

/** Makes of a loaded configuration all that requests need, so that a request finds only prepared things. */
export function prepare(
  loaded: LoadedEntities,
  shared: Omit<PluginGateway, 'consumers' | 'id' | 'scope' | 'place'>,
  tls: TlsSettings,
  plugins: ReadonlyMap<string, Plugin>,
): Snapshot {
  const { entities } = loaded
  const consumers = indexConsumers(entities)
  const services = new Map(entities.services.map((service) => [service.id, service]))
  const targets = new Map(entities.services.map((service) => [service.id, targetOf(service, tls)]))
  const instances = entities.plugins
    .filter(({ enabled }) => enabled)
    .map((entity): Instance => {
      const plugin = plugins.get(entity.name)
      if (!plugin) throw new Error(`the plugin ${entity.name} was loaded, and is not there`)
      const place = () => loaded.place(entity)
      const { id } = entity
      const gateway = { ...shared, consumers, id, scope: entity, place }
      return { plugin, entity, place, handler: plugin.create(entity.config, gateway) }
    })
  const plans = new Plans(instances)
  const routes = entities.routes.flatMap((route): [RouteRule, PreparedRoute][] => {
    const service = route.service && services.get(route.service.id)
    // A disabled service has no routes, as in Kong: 404, not 503.
    if (service && !service.enabled) return []
    const prepared: PreparedRoute = {
      route,
      service,
      plan: plans.for(route, service),
      target: service && targets.get(service.id),
      host: service ? `Host: ${hostOf(service)}\r\n` : '',
      pathRule: { base: wireText(service?.path ?? '/'), strip: route.strip_path },
    }
    return [[route, prepared]]
  })
  return {
    router: new Router(routes),
    instances,
    globalPlan: plans.for(undefined, undefined),
    secretArguments: secretArguments(
      instances.flatMap(({ handler }) => handler.secretArguments ?? []),
    ),
  }
}

function targetOf(service: Service, { ca, tls_certificate_verify }: TlsSettings): ServiceTarget {
  const { port, protocol } = service
  const host = service.host.replace(/^\[|\]$/g, '')
  const verify = service.tls_verify ?? tls_certificate_verify
  const tls =
    protocol === 'https' ? { serverName: host, verify, ca: verify ? ca : undefined } : undefined
  return {
    target: { host, port, tls, key: `${protocol}://${host}:${port} ${verify}` },
    timeouts: {
      connect: service.connect_timeout,
      write: service.write_timeout,
      read: service.read_timeout,
    },
    retries: service.retries,
  }
}

/** The `Host` field: with the port unless it is the protocol's own. */
function hostOf({ protocol, host, port }: Service): string {
  // RFC 3986 §3.2.2: an address of IPv6 stands in brackets, or its end could not be told from the port.
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return port === (protocol === 'https' ? 443 : 80) ? name : `${name}:${port}`
}
