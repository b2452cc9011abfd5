import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import type {
  Consumer,
  ConsumerGroup,
  PluginEntity,
  Route,
  Service,
} from '../../../src/entities/index.ts'
import type { Plugin } from '../../../src/pdk.ts'
import {
  type Caller,
  CircularOrdering,
  type Instance,
  instanceFor,
  Plans,
} from '../../../src/proxy/plan.ts'

const VECTORS = `${import.meta.dir}/../../../../shared/data/core-vectors.jsonl`
const route = { id: 'r' } as Route
const service = { id: 's' } as Service
const consumer = { id: 'c' } as Consumer

/** A plugin for what its scope names, as `route+consumer`; `global` names nothing. */
function instance(scope: string, plugin: Partial<Plugin> = {}): Instance {
  const has = (name: string) => scope.split('+').includes(name)
  const entity = {
    ...(has('route') && { route: { id: route.id } }),
    ...(has('service') && { service: { id: service.id } }),
    ...(has('consumer') && { consumer: { id: consumer.id } }),
    ...(has('one') && { consumer_group: { id: 'one' } }),
    ...(has('two') && { consumer_group: { id: 'two' } }),
  } as PluginEntity
  return {
    plugin: { name: 'one', priority: 1, ...plugin } as Plugin,
    entity,
    handler: {},
    place: () => scope,
  }
}

const callerOf = (consumer: Consumer | undefined) => ({ consumer, consumerGroups: undefined })

function running(configured: readonly string[], request: string): string | undefined {
  const has = (name: string) => request.split('+').includes(name)
  const groups = ['one', 'two'].filter(has)
  const plan = new Plans(
    configured.map((scope) => instance(scope)),
    new Map([[consumer.id, groups]]),
  ).for(has('route') ? route : undefined, has('service') ? service : undefined)
  const [slot] = plan.slots
  return (
    slot &&
    instanceFor(slot, callerOf(has('consumer') ? consumer : undefined), plan.memberships)?.place()
  )
}

// prettier-ignore
test.each([
  [['global', 'service', 'route'],                   'route+service',           'route'],
  [['global', 'service'],                            'route+service',           'service'],
  [['global', 'consumer', 'route+service'],          'route+service+consumer',  'route+service'],
  [['global', 'consumer', 'route'],                  'route+service+consumer',  'consumer'],
  [['consumer'],                                     'route+service',           undefined],
  [['route+consumer', 'global'],                     'route+service',           'global'],
  [['global', 'one'],                                'route+service+consumer+one', 'one'],
  [['global', 'one'],                                'route+service+consumer',  'global'],
  [['one', 'consumer'],                              'route+service+consumer+one', 'consumer'],
  [['route+one', 'consumer'],                        'route+service+consumer+one', 'route+one'],
  [['route+service', 'one'],                         'route+service+consumer+one', 'route+service'],
  [['service+one', 'route+one', 'route+service'],    'route+service+consumer+one', 'route+one'],
  [['route+service+one', 'route+consumer'],          'route+service+consumer+one', 'route+service+one'],
  [['two', 'one'],                                   'route+service+consumer+one+two', 'one'],
  [['route+two', 'one'],                             'route+service+consumer+one+two', 'route+two'],
])('of %j a request with %s runs %s', (configured, request, expected) => {
  expect(running(configured, request)).toBe(expected!)
})

test('a plugin for another route, service or consumer does not run', () => {
  const other = { ...instance('route'), entity: { route: { id: 'other' } } as PluginEntity }
  expect(new Plans([other]).for(route, service).slots).toEqual([])
  const { slots, memberships } = new Plans([instance('consumer')]).for(route, service)
  expect(instanceFor(slots[0]!, callerOf({ id: 'other' } as Consumer), memberships)).toBeUndefined()
})

test('groups that a plugin found go before those of the consumer, and need none', () => {
  const plan = new Plans([instance('one'), instance('two')], new Map([['c', ['one']]])).for(
    undefined,
    undefined,
  )
  const run = (caller: Partial<Caller>) =>
    instanceFor(
      plan.slots[0]!,
      { consumer: undefined, consumerGroups: undefined, ...caller },
      plan.memberships,
    )?.place()
  const found = [{ id: 'two' } as ConsumerGroup]
  expect(run({ consumer })).toBe('one')
  expect(run({ consumer, consumerGroups: found })).toBe('two')
  expect(run({ consumerGroups: found })).toBe('two')
  expect(run({ consumer, consumerGroups: [] })).toBeUndefined()
})

test('the higher priority runs first; of equals the last in the alphabet', () => {
  const plans = new Plans([
    instance('global', { name: 'b', priority: 1 }),
    instance('global', { name: 'c', priority: 1 }),
    instance('route', { name: 'a', priority: 9 }),
    instance('service', { name: 'd', priority: -1 }),
  ])
  const names = plans.for(route, service).slots.map(({ always }) => always?.plugin.name)
  expect(names).toEqual(['a', 'c', 'b', 'd'])
})

type Ordering = PluginEntity['ordering']

describe('ordering', () => {
  const plugin = (name: string, priority: number, ordering?: Ordering) => {
    const each = instance('global', { name, priority })
    return { ...each, entity: { ...each.entity, name, ordering } as PluginEntity }
  }
  const order = (...instances: Instance[]) =>
    new Plans(instances).for(route, service).slots.map(({ always }) => always?.plugin.name)
  const before = (...access: string[]) => ({ before: { access } }) as unknown as Ordering
  const after = (...access: string[]) => ({ after: { access } }) as unknown as Ordering

  test('moves a plugin before or after others; the rest keep their priorities', () => {
    expect(order(plugin('a', 3), plugin('b', 2), plugin('c', 1, before('a')))).toEqual([
      'c',
      'a',
      'b',
    ])
    expect(order(plugin('a', 3, after('c')), plugin('b', 2), plugin('c', 1))).toEqual([
      'c',
      'a',
      'b',
    ])
    expect(order(plugin('a', 3, after('missing')), plugin('b', 2))).toEqual(['a', 'b'])
  })

  test('that nobody can keep is refused', () => {
    const circular = () =>
      order(plugin('a', 3, after('b')), plugin('b', 2, after('a')), plugin('c', 1))
    expect(circular).toThrow(CircularOrdering)
    expect(circular).toThrow('the plugins a, b are to run before each other')
  })
})

const vectors = (existsSync(VECTORS) ? readFileSync(VECTORS, 'utf8').trim().split('\n') : [])
  .map(
    (line) =>
      JSON.parse(line) as {
        kind: string
        configured: string[]
        request: string
        runs: string | null
      },
  )
  .filter(({ kind }) => kind === 'plugin_precedence')
if (vectors.length === 0)
  console.log("skipped: Kong's precedence of plugins, which is not in ../shared")

test('scopes go before each other as in Kong', () => {
  const wrong = vectors.filter(
    ({ configured, request, runs }) => running(configured, request) !== (runs ?? undefined),
  )
  expect(wrong).toEqual([])
})
