import { describe, expect, test } from 'bun:test'
import {
  createMemcachedStorage,
  fields as memcachedFields,
} from '../../src/plugins/openid-connect/session/memcached.ts'
import {
  createRedisStorage,
  fields as redisFields,
} from '../../src/plugins/openid-connect/session/redis.ts'
import type { SessionStorage } from '../../src/plugins/openid-connect/session/storage.ts'
import { check } from '../../src/schema/check.ts'
import { type Config, type Fields, record } from '../../src/schema/field.ts'
import { hasMemcached, memcachedServer } from './memcached.ts'
import { hasRedis, PASSWORD, redisCluster, redisServer, until } from './redis.ts'

/** What a storage needs of the gateway, in a node of its own; the clock can be moved. */
function node() {
  const kept = new Map<string, object>()
  let moved = 0
  return {
    ca: undefined,
    keep<T extends object>(name: string, create: () => T): T {
      if (!kept.has(name)) kept.set(name, create())
      return kept.get(name) as T
    },
    now: () => Date.now() + moved,
    move: (millis: number) => void (moved += millis),
    kept,
    [Symbol.dispose]() {
      for (const each of kept.values()) (each as Partial<Disposable>)[Symbol.dispose]?.()
    },
  }
}

type Node = ReturnType<typeof node>

/** A configuration with its defaults. */
function configured<F extends Fields>(fields: F, given: object): Config<F> {
  const { value, faults } = check(record('A test.', fields, { required: true }), given)
  if (faults) throw new Error(JSON.stringify(faults))
  return value as Config<F>
}

const redisAt = (redis: object) => (gateway: Node) =>
  createRedisStorage(configured(redisFields, { redis }), gateway)

interface Backend extends AsyncDisposable {
  open(gateway: Node): SessionStorage
  stop(): Promise<void>
}

type Backends = readonly (readonly [
  name: string,
  isThere: boolean,
  start: () => Promise<Backend>,
])[]

const BACKENDS: Backends = [
  [
    'Redis',
    hasRedis,
    async () => {
      const server = await redisServer()
      return {
        open: redisAt({ port: server.port, password: PASSWORD, prefix: 'gw' }),
        stop: server.kill,
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      }
    },
  ],
  [
    'a Redis cluster',
    hasRedis,
    async () => {
      const cluster = await redisCluster()
      const cluster_nodes = cluster.nodes.map(({ port }) => ({ port }))
      return {
        open: redisAt({ cluster_nodes, password: PASSWORD }),
        stop: async () => {
          for (const each of cluster.nodes) await each.kill()
        },
        [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
      }
    },
  ],
  [
    'memcached',
    hasMemcached,
    async () => {
      const server = await memcachedServer()
      return {
        open: (gateway) =>
          createMemcachedStorage(
            configured(memcachedFields, {
              session_memcached_port: server.port,
              session_memcached_prefix: 'a prefix with blanks',
            }),
            gateway,
          ),
        stop: server.kill,
        [Symbol.asyncDispose]: server[Symbol.asyncDispose],
      }
    },
  ],
]

for (const [name, isThere, start] of BACKENDS) {
  describe.skipIf(!isThere)(isThere ? name : `${name} (skipped: not on this machine)`, () => {
    const text = async (storage: SessionStorage, key: string) => {
      const value = await storage.get(key)
      return value && Buffer.from(value).toString()
    }
    const value = (said: string) => new TextEncoder().encode(said)

    test('what one node puts there another finds, until it is deleted', async () => {
      await using backend = await start()
      using first = node()
      using second = node()
      const [one, other] = [backend.open(first), backend.open(second)]
      expect(await other.get('a')).toBeUndefined()
      const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256)
      await one.set('a', bytes.subarray(7), 60, [])
      expect(Buffer.from((await other.get('a'))!).equals(bytes.subarray(7))).toBe(true)
      await one.set('a', value('new'), 60, [])
      expect(await text(other, 'a')).toBe('new')
      await other.delete('a', [])
      await other.delete('a', ['nobody'])
      expect(await one.get('a')).toBeUndefined()
    }, 30_000)

    test('a value ends with its time, and sooner where that is shortened, never later', async () => {
      await using backend = await start()
      using gateway = node()
      const storage = backend.open(gateway)
      await storage.set('short', value('x'), 1, [])
      await storage.set('ever', value('x'), 0, [])
      await storage.set('shortened', value('x'), 600, [])
      await storage.set('not-longer', value('x'), 1, [])
      await storage.set('twice', value('x'), 600, [])
      await storage.set('now', value('x'), 600, [])
      await storage.shorten('twice', 1)
      await storage.shorten('twice', 600)
      await storage.shorten('shortened', 1)
      await storage.shorten('not-longer', 600)
      await storage.shorten('nothing', 600)
      await storage.shorten('now', 0)
      expect(await storage.get('now')).toBeUndefined()
      expect(await storage.get('nothing')).toBeUndefined()
      for (const key of ['short', 'shortened', 'not-longer', 'twice'])
        await until(async () => (await storage.get(key)) === undefined)
      expect(await text(storage, 'ever')).toBe('x')
      await storage.set('ever', value('x'), 600, [])
      await storage.shorten('ever', 1)
      await until(async () => (await storage.get('ever')) === undefined)
    }, 30_000)

    test('what is gone is not replaced, if only what is there is to be', async () => {
      await using backend = await start()
      using gateway = node()
      const storage = backend.open(gateway)
      expect(await storage.set('a', value('x'), 60, ['alice'], true)).toBe(false)
      expect(await storage.get('a')).toBeUndefined()
      expect(await storage.set('a', value('x'), 60, ['alice'])).toBe(true)
      expect(await storage.set('a', value('y'), 60, ['alice'], true)).toBe(true)
      expect(await text(storage, 'a')).toBe('y')
      await storage.delete('a', ['alice'])
      expect(await storage.set('a', value('z'), 0, ['alice'], true)).toBe(false)
      expect(await storage.get('a')).toBeUndefined()
    }, 30_000)

    test('the sessions of an owner are listed, whoever began them and however many at once', async () => {
      await using backend = await start()
      using first = node()
      using second = node()
      const storages = [backend.open(first), backend.open(second)]
      const keys = Array.from({ length: 40 }, (_, i) => `session-${String(i).padStart(2, '0')}`)
      await Promise.all(
        keys.map((key, i) => storages[i % 2]!.set(key, value('x'), 60, ['alice', `sid-${i}`])),
      )
      await storages[0]!.set('bobs', value('x'), 60, ['bob'])
      expect([...(await storages[0]!.find('alice'))].sort()).toEqual(keys)
      expect(await storages[1]!.find('sid-7')).toEqual(['session-07'])
      await Promise.all(
        keys.slice(5).map((key, i) => storages[i % 2]!.delete(key, ['alice', `sid-${i + 5}`])),
      )
      expect([...(await storages[1]!.find('alice'))].sort()).toEqual(keys.slice(0, 5))
      expect(await storages[1]!.find('sid-7')).toEqual([])
      expect(await storages[0]!.find('bob')).toEqual(['bobs'])
      expect(await storages[0]!.find('nobody')).toEqual([])
    }, 30_000)

    test('three hundred sessions of one owner may begin at once', async () => {
      await using backend = await start()
      using first = node()
      using second = node()
      const storages = [backend.open(first), backend.open(second)]
      await Promise.all(
        Array.from({ length: 300 }, (_, i) =>
          storages[i % 2]!.set(`session-${i}`, value('x'), 60, ['alice']),
        ),
      )
      expect((await storages[0]!.find('alice')).length).toBe(300)
    }, 30_000)

    test('a session that has ended is not listed, and one that lasts keeps the list', async () => {
      await using backend = await start()
      using gateway = node()
      const storage = backend.open(gateway)
      await storage.set('long', value('x'), 600, ['alice'])
      await storage.set('short', value('x'), 60, ['alice'])
      expect([...(await storage.find('alice'))].sort()).toEqual(['long', 'short'])
      gateway.move(61_000)
      expect(await storage.find('alice')).toEqual(['long'])
      await storage.set('ever', value('x'), 0, ['alice'])
      gateway.move(600_000)
      expect(await storage.find('alice')).toEqual(['ever'])
    }, 30_000)

    test('an owner of very many sessions has the newest thousand listed', async () => {
      await using backend = await start()
      using gateway = node()
      const storage = backend.open(gateway)
      for (let i = 0; i < 1010; i++)
        await storage.set(`session-${i}`, value('x'), 60 + i, ['robot'])
      const keys = await storage.find('robot')
      expect(keys.length).toBe(1000)
      expect(keys).toContain('session-1009')
      expect(keys).not.toContain('session-9')
    }, 30_000)

    test('a storage that is gone is an error for everything, and soon', async () => {
      await using backend = await start()
      using gateway = node()
      const storage = backend.open(gateway)
      await storage.set('a', value('x'), 60, ['alice'])
      await backend.stop()
      const began = performance.now()
      const asked = [
        () => storage.get('a'),
        () => storage.set('a', value('x'), 60, ['alice']),
        () => storage.shorten('a', 1),
        () => storage.delete('a', ['alice']),
        () => storage.find('alice'),
      ]
      for (const ask of asked) {
        const error = await ask().then(
          () => expect.unreachable(),
          (fault: Error) => fault,
        )
        expect(error.name).toMatch(/^(?:Redis|Memcached)Error$/)
      }
      expect(performance.now() - began).toBeLessThan(3_000)
    }, 30_000)

    test('plugins with the same settings share a connection', async () => {
      await using backend = await start()
      using gateway = node()
      const storages = [backend.open(gateway), backend.open(gateway)]
      await storages[0]!.set('a', value('x'), 60, [])
      expect(await text(storages[1]!, 'a')).toBe('x')
      expect(gateway.kept.size).toBe(1)
    }, 30_000)
  })
}

test('the sentinels are told whole or not at all', () => {
  const faultsOf = (redis: object) => {
    try {
      configured(redisFields, { redis })
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  expect(faultsOf({ sentinel_master: 'm' })).toContain(
    "all or none of these fields must be set: 'sentinel_master', 'sentinel_role', 'sentinel_nodes'",
  )
  const sentinel = { sentinel_master: 'm', sentinel_role: 'any', sentinel_nodes: [{}] }
  expect(faultsOf(sentinel)).toBe('')
  expect(faultsOf({ ...sentinel, cluster_nodes: [{}] })).toContain('sentinel_master')
  expect(faultsOf({ cloud_authentication: { auth_provider: 'aws' } })).toContain('not built yet')
})
