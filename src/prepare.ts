import type { LocatedFault } from './declarative/faults.ts'
import type { Directory } from './balancer/directory.ts'
import type { Peers } from './balancer/peers.ts'
import { gatherGroups, indexConsumers } from './consumers.ts'
import type { Loaded } from './declarative/load.ts'
import type { Service } from './entities/index.ts'
import { readCertificate } from './entities/pem.ts'
import type { RouterFlavor } from './entities/route.ts'
import type { Gateway as PluginGateway, Plugin } from './pdk.ts'
import { secretArguments } from './proxy/access_log.ts'
import { prepareCondition, type Surroundings } from './proxy/condition.ts'
import type { ServiceTarget } from './proxy/forwarding.ts'
import { CircularOrdering, type Instance, type Memberships, Plans } from './proxy/plan.ts'
import type { PreparedRoute, Snapshot } from './proxy/snapshot.ts'
import { wireText } from './path.ts'
import { createRouter, type RouteRule } from './router/router.ts'

type LoadedEntities = Extract<Loaded, { entities: unknown }>

/** A configuration that is made, and serves nobody yet. */
export interface Prepared {
  readonly instances: readonly Instance[]
  /** Has the directory take it over, and gives what requests need of it. Nothing that may throw is left for this. */
  takeOver(directory: Directory): Snapshot
}

/** Makes of a loaded configuration all that requests need, so that a request finds only prepared things. */
export function prepare(
  loaded: LoadedEntities,
  shared: Omit<
    PluginGateway,
    'consumers' | 'findAuthority' | 'findCertificate' | 'id' | 'scope' | 'place'
  >,
  plugins: ReadonlyMap<string, Plugin>,
  flavor: RouterFlavor = 'traditional_compatible',
): Prepared {
  const { entities } = loaded
  const consumers = indexConsumers(entities)
  const authorities = new Map(
    entities.ca_certificates.map(({ id, cert }) => [id, readCertificate(cert)]),
  )
  const findAuthority = (id: string) => authorities.get(id)
  const certificates = new Map(entities.certificates.map((each) => [each.id, each]))
  const findCertificate = (id: string) => certificates.get(id)
  const services = new Map(entities.services.map((service) => [service.id, service]))
  const memberships: Memberships = new Map(
    [...gatherGroups(entities)].map(([id, groups]) => [id, groups.map((group) => group.id)]),
  )
  const atWork = entities.plugins.filter(({ enabled }) => enabled)
  const surroundings: Surroundings = {
    log: shared.log,
    configured: new Set(atWork.map(({ name }) => name)),
    groupsOf: (consumer) => ({
      ids: memberships.get(consumer.id) ?? [],
      names: consumers.consumerGroupsOf(consumer),
    }),
  }
  const instances = atWork.map((entity): Instance => {
    const plugin = plugins.get(entity.name)
    if (!plugin) throw new Error(`the plugin ${entity.name} was loaded, and is not there`)
    const place = () => loaded.place(entity)
    const { id, name, condition: source } = entity
    const gateway = {
      ...shared,
      consumers,
      findAuthority,
      findCertificate,
      id,
      scope: entity,
      place,
    }
    const condition =
      source === undefined
        ? undefined
        : prepareCondition({ id, name, condition: source, place }, surroundings)
    const findField = (path: readonly string[]) => loaded.findField(entity, path)
    const handler = plugin.create(entity.config, gateway)
    return { plugin, entity, place, findField, condition, handler }
  })
  const plans = new Plans(instances, memberships)
  const routes = entities.routes.flatMap((route): [RouteRule, UntargetedRoute][] => {
    const service = route.service && services.get(route.service.id)
    // A disabled service has no routes, as in Kong: 404, not 503.
    if (service && !service.enabled) return []
    const prepared: UntargetedRoute = {
      route,
      service,
      plan: plans.for(route, service),
      target: undefined,
      pathRule: {
        base: wireText(service?.path ?? '/'),
        strip: route.strip_path,
        // The newer routers of Kong accept the other one, and take it for this one.
        handling: flavor === 'traditional' ? route.path_handling : 'v0',
      },
      place: () => loaded.place(route),
    }
    return [[route, prepared]]
  })
  const secrets = secretArguments(instances.flatMap(({ handler }) => handler.secretArguments ?? []))
  const secretHeaders = instances.flatMap(({ handler }) => handler.secretHeaders ?? [])
  const router = createRouter<PreparedRoute>(flavor, routes)
  const globalPlan = plans.for(undefined, undefined)
  return {
    instances,
    takeOver(directory) {
      const peersOf = directory.update(entities)
      const targets = new Map(
        entities.services.map((service) => [service.id, targetOf(service, peersOf(service))]),
      )
      for (const [, route] of routes) route.target = route.service && targets.get(route.service.id)
      return {
        router,
        routes: routes.map(([, prepared]) => prepared),
        routerFlavor: flavor,
        instances,
        globalPlan,
        secretArguments: secrets,
        secretNames: new Set([...secrets, ...secretHeaders.map((name) => name.toLowerCase())]),
      }
    },
  }
}

/** A route whose service's peers are not known yet. */
type UntargetedRoute = Omit<PreparedRoute, 'target'> & { target: PreparedRoute['target'] }

function targetOf(service: Service, peers: Peers): ServiceTarget {
  return {
    peers,
    timeouts: {
      connect: service.connect_timeout,
      write: service.write_timeout,
      read: service.read_timeout,
    },
    retries: service.retries,
  }
}

/** Plugins of a route that are to run before each other. */
export function checkOrdering(
  { entities, place }: LoadedEntities,
  plugins: ReadonlyMap<string, Plugin>,
): LocatedFault[] {
  if (!entities.plugins.some(({ ordering }) => ordering)) return []
  const services = new Map(entities.services.map((service) => [service.id, service]))
  const plans = new Plans(
    entities.plugins.flatMap((entity): Instance[] => {
      const plugin = plugins.get(entity.name)
      return plugin && entity.enabled
        ? [{ plugin, entity, handler: {}, place: () => place(entity) }]
        : []
    }),
  )
  const faults = new Map<string, LocatedFault>()
  for (const route of [undefined, ...entities.routes]) {
    try {
      plans.for(route, route?.service && services.get(route.service.id))
    } catch (error) {
      if (!(error instanceof CircularOrdering)) throw error
      for (const each of error.entities)
        faults.set(each.id, { file: place(each), path: 'ordering', message: error.message })
    }
  }
  return [...faults.values()]
}
