import type { Consumer, ConsumerGroup, PluginEntity, Route, Service } from '../entities/index.ts'
import type { Handler, Plugin } from '../pdk.ts'
import type { PluginCondition } from './condition.ts'

/** One plugin entity, prepared. */
export interface Instance {
  readonly plugin: Plugin
  readonly entity: PluginEntity
  readonly handler: Handler
  /** Whether it runs for a request; always without one. */
  readonly condition?: PluginCondition | undefined
  /** Where it stands in the configuration, as `kong.yaml:12`. */
  place(): string
  /** Where a field of it is written; nothing for one that is not. */
  findField?(path: readonly string[]): string | undefined
}

/** A plugin's place in the order of a route: which of its entities runs may depend on the consumer. */
export interface Slot {
  readonly plugin: Plugin
  /** The entity for those of whom nothing more special is configured. */
  readonly always: Instance | undefined
  readonly alwaysRank: number
  /** The entities for single consumers and for groups, by their ids; the lower `rank` goes first. */
  readonly byConsumer: ReadonlyMap<string, Ranked> | undefined
  readonly byGroup: ReadonlyMap<string, Ranked> | undefined
}

export interface Ranked {
  readonly instance: Instance
  readonly rank: number
}

/** The ids of the groups that each consumer is in, by the consumer's id, in the order of the groups' names. */
export type Memberships = ReadonlyMap<string, readonly string[]>

/** What is done to the requests of one route, made at load: slots in the order in which they run. */
export interface Plan {
  readonly slots: readonly Slot[]
  readonly memberships: Memberships
  /** Whether a plugin here says who the caller is: then nobody else may. */
  readonly authenticates: boolean
  /** Whether a plugin here wants to see the answer: then the instances that ran are remembered. */
  readonly watchesAnswer: boolean
  /** Whether the instances that ran are remembered: for those that watch, and for conditions, which may ask who did. */
  readonly remembersRan: boolean
  /** Whether one of them may change the answer's body. */
  readonly filtersBody: boolean
}

/** Kong's precedence of scopes, the first that fits wins: consumer, consumer group, service, route. */
const PRECEDENCE: readonly string[] = [
  'crs',
  'grs',
  'cr',
  'cs',
  'gr',
  'gs',
  'rs',
  'c',
  'g',
  'r',
  's',
  '',
]

/** Resolves which plugin entities run for a route, and in which order. */
export class Plans {
  readonly #byRoute: ReadonlyMap<string, readonly Instance[]>
  readonly #byService: ReadonlyMap<string, readonly Instance[]>
  readonly #elsewhere: readonly Instance[]
  readonly #memberships: Memberships
  /** Routes without plugins of their own share the plan of their service. */
  readonly #shared = new Map<string | undefined, Plan>()

  constructor(instances: readonly Instance[], memberships: Memberships = new Map()) {
    this.#byRoute = groupBy(instances, ({ route }) => route?.id)
    this.#byService = groupBy(instances, ({ route, service }) => (route ? undefined : service?.id))
    this.#elsewhere = instances.filter(({ entity }) => !entity.route && !entity.service)
    this.#memberships = memberships
  }

  /** The plan of a route, or of requests that have none. */
  for(route: Route | undefined, service: Service | undefined): Plan {
    const own = route ? this.#byRoute.get(route.id) : undefined
    if (own)
      return this.#make(
        own.filter(({ entity }) => fits(entity.service, service)),
        service,
      )
    let plan = this.#shared.get(service?.id)
    if (!plan) this.#shared.set(service?.id, (plan = this.#make([], service)))
    return plan
  }

  #make(own: readonly Instance[], service: Service | undefined): Plan {
    const ofService = service ? (this.#byService.get(service.id) ?? []) : []
    const inReach = [...own, ...ofService, ...this.#elsewhere]
    const byPlugin = Object.groupBy(inReach, ({ plugin }) => plugin.name)
    const groups = (Object.values(byPlugin) as Instance[][]).sort(byPriority)
    const watchesAnswer = inReach.some(
      ({ handler }) => handler.header_filter || handler.body_filter || handler.log,
    )
    return {
      slots: inOrder(groups).map(slotOf),
      memberships: this.#memberships,
      authenticates: inReach.some(({ plugin }) => plugin.authenticates),
      watchesAnswer,
      remembersRan: watchesAnswer || inReach.some(({ condition }) => condition),
      filtersBody: inReach.some(({ handler }) => handler.body_filter),
    }
  }
}

function groupBy(
  instances: readonly Instance[],
  idOf: (entity: PluginEntity) => string | undefined,
): Map<string, Instance[]> {
  const groups = new Map<string, Instance[]>()
  for (const instance of instances) {
    const id = idOf(instance.entity)
    if (id === undefined) continue
    const group = groups.get(id)
    if (group) group.push(instance)
    else groups.set(id, [instance])
  }
  return groups
}

function fits(scope: { id: string } | undefined, entity: { id: string } | undefined): boolean {
  return scope === undefined || scope.id === entity?.id
}

/** The higher number first; equal numbers in reverse alphabetical order, as in Kong. */
function byPriority([a]: Instance[], [b]: Instance[]): number {
  return b!.plugin.priority - a!.plugin.priority || (a!.plugin.name < b!.plugin.name ? 1 : -1)
}

/** An order that nobody can keep, and who asks for it. */
export class CircularOrdering extends Error {
  override readonly name = 'CircularOrdering'
  readonly entities: readonly PluginEntity[]
  constructor(instances: readonly Instance[]) {
    const names = [...new Set(instances.map(({ plugin }) => plugin.name))].join(', ')
    super(`the plugins ${names} are to run before each other`)
    this.entities = instances.map(({ entity }) => entity).filter(({ ordering }) => ordering)
  }
}

/**
 * The order of the access phase: by priority, as `groups` come, but that whoever is to run before another is drawn up to
 * it. Nobody is pushed down, so that no plugin comes before one that authenticates for it. Throws `CircularOrdering`.
 */
function inOrder(groups: Instance[][]): Instance[][] {
  if (!groups.some((group) => group.some(({ entity }) => entity.ordering))) return groups
  const byName = new Map(groups.map((group) => [group[0]!.plugin.name, group]))
  const before = new Map<string, Set<string>>([...byName.keys()].map((name) => [name, new Set()]))
  for (const { plugin, entity } of groups.flat()) {
    for (const other of entity.ordering?.before?.access ?? []) before.get(other)?.add(plugin.name)
    for (const other of entity.ordering?.after?.access ?? []) before.get(plugin.name)!.add(other)
  }
  const ordered: Instance[][] = []
  const above: string[] = []
  const add = (name: string): void => {
    const group = byName.get(name)
    if (!group || ordered.includes(group)) return
    if (above.includes(name)) throw new CircularOrdering(above.flatMap((each) => byName.get(each)!))
    above.push(name)
    for (const other of before.get(name)!) add(other)
    above.pop()
    ordered.push(group)
  }
  for (const name of byName.keys()) add(name)
  return ordered
}

function slotOf(instances: Instance[]): Slot {
  const ranked = instances
    .map((instance): Ranked => ({ instance, rank: rankOf(instance.entity) }))
    .sort((a, b) => a.rank - b.rank)
  const isFor = ({ instance: { entity } }: Ranked) => entity.consumer ?? entity.consumer_group
  const always = ranked.find((each) => !isFor(each))
  return {
    plugin: instances[0]!.plugin,
    always: always?.instance,
    alwaysRank: always?.rank ?? PRECEDENCE.length,
    byConsumer: firstBy(ranked, ({ consumer }) => consumer?.id),
    byGroup: firstBy(ranked, ({ consumer_group }) => consumer_group?.id),
  }
}

/** The first for each id, if there is any. */
function firstBy(
  ranked: readonly Ranked[],
  idOf: (entity: PluginEntity) => string | undefined,
): Map<string, Ranked> | undefined {
  const first = new Map<string, Ranked>()
  for (const each of ranked) {
    const id = idOf(each.instance.entity)
    if (id !== undefined && !first.has(id)) first.set(id, each)
  }
  return first.size > 0 ? first : undefined
}

function rankOf({ consumer, consumer_group, route, service }: PluginEntity): number {
  const scope = [consumer && 'c', consumer_group && 'g', route && 'r', service && 's']
  return PRECEDENCE.indexOf(scope.filter(Boolean).join(''))
}

/** Who a request is from, as far as it is known yet. */
export interface Caller {
  readonly consumer: Consumer | undefined
  readonly consumerGroups: readonly ConsumerGroup[] | undefined
}

/** The entity that runs in a slot, picked when its turn comes: the caller may be known only then. */
export function instanceFor(
  slot: Slot,
  caller: Caller,
  memberships: Memberships,
): Instance | undefined {
  const { consumer, consumerGroups } = caller
  if ((!consumer && !consumerGroups) || (!slot.byConsumer && !slot.byGroup)) return slot.always
  let best = consumer && slot.byConsumer?.get(consumer.id)
  for (const group of slot.byGroup ? groupsOf(caller, memberships) : NONE) {
    const ranked = slot.byGroup?.get(group)
    // Of equals the first group by name wins.
    if (ranked && (!best || ranked.rank < best.rank)) best = ranked
  }
  return best && best.rank < slot.alwaysRank ? best.instance : slot.always
}

/** The ids of the groups that a caller counts for: those that a plugin found, or those of the consumer. */
function groupsOf({ consumer, consumerGroups }: Caller, memberships: Memberships) {
  if (consumerGroups) return consumerGroups.map(({ id }) => id)
  return (consumer && memberships.get(consumer.id)) ?? NONE
}

const NONE: readonly string[] = []
