import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import type { Consumer, PluginEntity, Route, Service } from '../../../src/entities/index.ts'
import type { Plugin } from '../../../src/pdk.ts'
import { type Instance, instanceFor, makePlan } from '../../../src/proxy/plan.ts'

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
  } as PluginEntity
  return {
    plugin: { name: 'one', priority: 1, ...plugin } as Plugin,
    entity,
    handler: {},
    place: () => scope,
  }
}

function running(configured: readonly string[], request: string): string | undefined {
  const has = (name: string) => request.split('+').includes(name)
  const plan = makePlan(
    configured.map((scope) => instance(scope)),
    has('route') ? route : undefined,
    has('service') ? service : undefined,
  )
  const [slot] = plan.slots
  return slot && instanceFor(slot, has('consumer') ? consumer : undefined)?.place()
}

// prettier-ignore
test.each([
  [['global', 'service', 'route'],                   'route+service',           'route'],
  [['global', 'service'],                            'route+service',           'service'],
  [['global', 'consumer', 'route+service'],          'route+service+consumer',  'route+service'],
  [['global', 'consumer', 'route'],                  'route+service+consumer',  'consumer'],
  [['consumer'],                                     'route+service',           undefined],
  [['route+consumer', 'global'],                     'route+service',           'global'],
])('of %j a request with %s runs %s', (configured, request, expected) => {
  expect(running(configured, request)).toBe(expected!)
})

test('a plugin for another route, service or consumer does not run', () => {
  const other = { ...instance('route'), entity: { route: { id: 'other' } } as PluginEntity }
  expect(makePlan([other], route, service).slots).toEqual([])
  const [slot] = makePlan([instance('consumer')], route, service).slots
  expect(instanceFor(slot!, { id: 'other' } as Consumer)).toBeUndefined()
})

test('the higher priority runs first; of equals the last in the alphabet', () => {
  const names = makePlan(
    [
      instance('global', { name: 'b', priority: 1 }),
      instance('global', { name: 'c', priority: 1 }),
      instance('route', { name: 'a', priority: 9 }),
      instance('service', { name: 'd', priority: -1 }),
    ],
    route,
    service,
  ).slots.map(({ always }) => always?.plugin.name)
  expect(names).toEqual(['a', 'c', 'b', 'd'])
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
