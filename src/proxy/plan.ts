import type { Consumer, PluginEntity, Route, Service } from '../entities/index.ts'
import type { Handler, Plugin } from '../pdk.ts'

/** One plugin entity, prepared. */
export interface Instance {
  readonly plugin: Plugin
  readonly entity: PluginEntity
  readonly handler: Handler
  /** Where it stands in the configuration, as `kong.yaml:12`. */
  place(): string
}

/** A plugin's place in the order of a route: which of its entities runs may depend on the consumer. */
export interface Slot {
  readonly always: Instance | undefined
  readonly byConsumer: ReadonlyMap<string, Instance> | undefined
}

/** What is done to the requests of one route, made at load: slots in the order in which they run. */
export interface Plan {
  readonly slots: readonly Slot[]
  /** Whether a plugin here says who the caller is: then nobody else may. */
  readonly authenticates: boolean
  /** Whether a plugin here wants to see the answer: then the instances that ran are remembered. */
  readonly watchesAnswer: boolean
  /** Whether one of them may change the answer's body. */
  readonly filtersBody: boolean
}

/** Kong's precedence of scopes, the first that fits wins: route, service, consumer. */
const PRECEDENCE: readonly string[] = ['rsc', 'rc', 'sc', 'rs', 'c', 'r', 's', '']

/** Resolves which plugin entities run for a route (or for no route at all), and in which order. */
export function makePlan(
  instances: readonly Instance[],
  route: Route | undefined,
  service: Service | undefined,
): Plan {
  const inReach = instances.filter(
    ({ entity }) => fits(entity.route, route) && fits(entity.service, service),
  )
  const byPlugin = Object.groupBy(inReach, ({ plugin }) => plugin.name)
  const groups = (Object.values(byPlugin) as Instance[][]).sort(byPriority)
  return {
    slots: groups.map(slotOf),
    authenticates: inReach.some(({ plugin }) => plugin.authenticates),
    watchesAnswer: inReach.some(
      ({ handler }) => handler.header_filter || handler.body_filter || handler.log,
    ),
    filtersBody: inReach.some(({ handler }) => handler.body_filter),
  }
}

function fits(scope: { id: string } | undefined, entity: { id: string } | undefined): boolean {
  return scope === undefined || scope.id === entity?.id
}

/** The higher number first; equal numbers in reverse alphabetical order, as in Kong. */
function byPriority([a]: Instance[], [b]: Instance[]): number {
  return b!.plugin.priority - a!.plugin.priority || (a!.plugin.name < b!.plugin.name ? 1 : -1)
}

function slotOf(instances: Instance[]): Slot {
  const ranked = instances.toSorted((a, b) => rank(a.entity) - rank(b.entity))
  const always = ranked.find(({ entity }) => !entity.consumer)
  const consumers = new Set(ranked.flatMap(({ entity }) => entity.consumer?.id ?? []))
  const first = (id: string) =>
    ranked.find(({ entity }) => !entity.consumer || entity.consumer.id === id)!
  const byConsumer = new Map([...consumers].map((id) => [id, first(id)]))
  return { always, byConsumer: byConsumer.size > 0 ? byConsumer : undefined }
}

function rank({ route, service, consumer }: PluginEntity): number {
  return PRECEDENCE.indexOf(`${route ? 'r' : ''}${service ? 's' : ''}${consumer ? 'c' : ''}`)
}

/** The entity that runs in a slot, picked when its turn comes: the consumer may be known only then. */
export function instanceFor(slot: Slot, consumer: Consumer | undefined): Instance | undefined {
  return (consumer && slot.byConsumer?.get(consumer.id)) ?? slot.always
}
