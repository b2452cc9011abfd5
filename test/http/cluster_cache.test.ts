import { describe, expect, test } from 'bun:test'
import type { Log } from '../../src/pdk.ts'
import {
  type ClusterCache,
  clusterCacheWarnings,
  createClusterCache,
  fields,
} from '../../src/plugins/openid-connect/cluster_cache.ts'
import { check } from '../../src/schema/check.ts'
import { type Config, record } from '../../src/schema/field.ts'
import { hasRedis, PASSWORD, type RedisServer, redisServer, until } from './redis.ts'

const TOKEN = 'a-token-that-nobody-may-read'

/** A configuration as every node of a cluster has it. */
function configured(port: number, more: object = {}) {
  const given = {
    cluster_cache_strategy: 'redis',
    cluster_cache_items: ['introspection', 'tokens'],
    cluster_cache_redis: { port, password: PASSWORD, read_timeout: 300, connect_timeout: 300 },
  }
  const { value } = check(record('A test.', fields, { required: true }), given)
  const secrets = { issuer: 'https://provider.test', client_secret: ['s3cret'] }
  return { ...(value as Config<typeof fields>), ...secrets, ...more }
}

/** What the cache needs of the gateway; the clock can be moved. */
function node() {
  const kept = new Map<string, object>()
  const said: string[] = []
  let moved = 0
  const log = {
    warn: (message, facts) => void said.push(`${message}: ${(facts?.['cause'] as Error).message}`),
  } as Log
  return {
    ca: undefined,
    log,
    said,
    keep<T extends object>(name: string, create: () => T): T {
      if (!kept.has(name)) kept.set(name, create())
      return kept.get(name) as T
    },
    now: () => Date.now() + moved,
    move: (millis: number) => void (moved += millis),
    [Symbol.dispose]() {
      for (const each of kept.values()) (each as Partial<Disposable>)[Symbol.dispose]?.()
    },
  }
}

const open = (port: number, gateway = node(), more: object = {}): ClusterCache =>
  createClusterCache(configured(port, more), gateway)!

test('nothing is shared unless it is asked for, nor without a secret to encrypt it with', () => {
  using gateway = node()
  const off = [
    { cluster_cache_strategy: 'off' },
    { cluster_cache_items: [] },
    { client_secret: undefined, cache_tokens_salt: 'a salt' },
  ]
  for (const more of off) expect(createClusterCache(configured(1, more), gateway)).toBeUndefined()
  const warnings = off.map((more) => clusterCacheWarnings(configured(1, more)).length)
  expect(warnings).toEqual([0, 0, 1])
  const enough = [
    { client_secret: undefined, session_secret: 'a secret' },
    { client_secret: undefined, client_jwk: [{ d: 'a secret' }] },
  ]
  for (const more of enough) {
    expect(createClusterCache(configured(1, more), gateway)).toBeDefined()
    expect(clusterCacheWarnings(configured(1, more))).toEqual([])
  }
})

describe.skipIf(!hasRedis)(
  hasRedis ? 'two nodes' : 'two nodes (skipped: there is no redis-server)',
  () => {
    /** Two nodes on one Redis. */
    async function pair() {
      const server = await redisServer()
      const gateways = [node(), node()] as const
      return {
        server,
        gateways,
        one: open(server.port, gateways[0]),
        other: open(server.port, gateways[1]),
        async [Symbol.asyncDispose]() {
          for (const each of gateways) each[Symbol.dispose]()
          await server[Symbol.asyncDispose]()
        },
      }
    }

    const keysOf = async (server: RedisServer) => (await server.ask('KEYS', '*')) as string[]

    test('share what they keep, under names and in bytes that tell nobody anything', async () => {
      await using cluster = await pair()
      const { server, one, other } = cluster
      const value = { access_token: TOKEN, scope: null, list: [1, 'ä'] }
      expect(await other.get('tokens', 'hash')).toBeUndefined()
      await one.set('tokens', 'hash', value, 60.5)
      expect(await other.get('tokens', 'hash')).toEqual(value)
      expect(await other.get('introspection', 'hash')).toBeUndefined()
      const [key = '', ...rest] = await keysOf(server)
      expect(rest).toEqual([])
      expect(key).toMatch(/^gatehouse:openid-connect:tokens:[\w-]{43}$/)
      expect(String(await server.ask('GET', key))).not.toContain(TOKEN)
      expect(await server.ask('PTTL', key)).toBeWithin(59_000, 60_501)
    })

    test('keep nothing that has ended, and find nothing that has', async () => {
      await using cluster = await pair()
      const { server, one, other, gateways } = cluster
      for (const ttl of [0, -1, Number.NaN]) await one.set('tokens', 'a', TOKEN, ttl)
      expect(await keysOf(server)).toEqual([])
      await one.set('tokens', 'a', TOKEN, 60)
      gateways[1].move(61_000)
      expect(await other.get('tokens', 'a')).toBeUndefined()
    })

    test('do not find what was changed, moved to another name, or sealed with other secrets', async () => {
      await using cluster = await pair()
      const { server, one, other } = cluster
      using gateway = node()
      await one.set('tokens', 'alice', TOKEN, 60)
      const [alices = ''] = await keysOf(server)
      for (const more of [
        { client_secret: ['other'] },
        { issuer: 'https://other.test' },
        { cache_tokens_salt: 'salt' },
      ])
        expect(await open(server.port, gateway, more).get('tokens', 'alice')).toBeUndefined()
      await one.set('tokens', 'bob', 'of bob', 60)
      const bobs = (await keysOf(server)).find((key) => key !== alices)!
      await server.ask('COPY', alices, bobs, 'REPLACE')
      expect(await other.get('tokens', 'bob')).toBeUndefined()
      expect(await other.get('tokens', 'alice')).toBe(TOKEN)
      await server.ask('SETRANGE', alices, '20', '?')
      expect(await other.get('tokens', 'alice')).toBeUndefined()
      await server.ask('SET', alices, '')
      expect(await other.get('tokens', 'alice')).toBeUndefined()
    })

    test('share no kind that is not asked for', async () => {
      await using server = await redisServer()
      using gateway = node()
      const cache = open(server.port, gateway, { cluster_cache_items: ['introspection'] })
      expect([cache.shares('introspection'), cache.shares('tokens')]).toEqual([true, false])
      await cache.set('tokens', 'a', TOKEN, 60)
      expect(await keysOf(server)).toEqual([])
      const load = async () => ({ value: TOKEN, ttl: 60 })
      expect(await cache.once('tokens', 'a', 5, load)).toBe(TOKEN)
      expect(await keysOf(server)).toEqual([])
    })

    test('a lock is one node’s until it unlocks or its time is over, and nobody else’s to open', async () => {
      await using cluster = await pair()
      const { one, other } = cluster
      const first = await one.lock('a', 0.3)
      expect(await other.lock('a', 5)).toBe('held')
      expect(await one.lock('a', 5)).toBe('held')
      if (first === 'held' || !first) return expect.unreachable()
      let second: Awaited<ReturnType<ClusterCache['lock']>> = 'held'
      await until(async () => (second = await other.lock('a', 5)) !== 'held')
      await first.unlock()
      expect(await one.lock('a', 5)).toBe('held')
      await (second as unknown as typeof first).unlock()
      expect(await one.lock('a', 5)).not.toBe('held')
    })

    test('of forty requests on both with one refresh token, one asks the provider', async () => {
      await using cluster = await pair()
      const { one, other } = cluster
      let calls = 0
      const load = async () => {
        calls++
        await Bun.sleep(120)
        return { value: { access_token: TOKEN, n: calls }, ttl: 60 }
      }
      const asked = Array.from({ length: 40 }, (_, i) =>
        (i % 2 ? one : other).once('tokens', 'refresh', 5, load),
      )
      const answers = await Promise.all(asked)
      expect(calls).toBe(1)
      expect(answers).toEqual(Array(40).fill({ access_token: TOKEN, n: 1 }))
      // Who comes later finds it too.
      expect(await one.once('tokens', 'refresh', 5, load)).toEqual({ access_token: TOKEN, n: 1 })
      expect(calls).toBe(1)
    })

    test('where the first one fails, the next takes over, and only the first is told', async () => {
      await using cluster = await pair()
      let calls = 0
      const load = async () => {
        await Bun.sleep(60)
        if (++calls === 1) throw new Error('the provider hung up')
        return { value: TOKEN, ttl: 60 }
      }
      const asked = [cluster.one, cluster.other].map((each) =>
        each.once('tokens', 'refresh', 5, load).catch((error: Error) => error.message),
      )
      expect((await Promise.all(asked)).sort()).toEqual([TOKEN, 'the provider hung up'].sort())
      expect(calls).toBe(2)
    })

    test('a node that died with the lock keeps the others no longer than its limit', async () => {
      await using cluster = await pair()
      expect(await cluster.one.lock('tokens refresh', 0.4)).toBeDefined()
      const began = performance.now()
      const load = async () => ({ value: TOKEN, ttl: 60 })
      expect(await cluster.other.once('tokens', 'refresh', 5, load)).toBe(TOKEN)
      expect(performance.now() - began).toBeWithin(300, 1_500)
    })

    test('where nobody unlocks for ever, a node goes alone after twice its limit', async () => {
      await using cluster = await pair()
      expect(await cluster.one.lock('tokens refresh', 60)).toBeDefined()
      const began = performance.now()
      const load = async () => ({ value: TOKEN, ttl: 60 })
      expect(await cluster.other.once('tokens', 'refresh', 0.2, load)).toBe(TOKEN)
      expect(performance.now() - began).toBeWithin(2_390, 4_000)
    })

    test('a Redis that is killed in the middle fails no request, is told of once a minute, and is used again', async () => {
      await using cluster = await pair()
      const { server, one, other, gateways } = cluster
      let calls = 0
      const load = async () => {
        calls++
        if (calls === 1) await server.kill()
        return { value: TOKEN, ttl: 60 }
      }
      const asked = Array.from({ length: 40 }, (_, i) =>
        (i % 2 ? one : other).once('tokens', 'refresh', 5, load),
      )
      expect(new Set(await Promise.all(asked))).toEqual(new Set([TOKEN]))
      const began = performance.now()
      for (let i = 0; i < 20; i++) {
        expect(await one.get('tokens', 'a')).toBeUndefined()
        await one.set('tokens', 'a', TOKEN, 60)
        expect(await one.lock('a', 1)).toBeUndefined()
      }
      expect(performance.now() - began).toBeLessThan(1_000)
      expect(gateways[0].said.length).toBe(1)
      expect(gateways[0].said[0]).toContain(`the Redis at 127.0.0.1:${server.port}: `)
      gateways[0].move(30_000)
      await one.get('tokens', 'a')
      expect(gateways[0].said.length).toBe(1)
      gateways[0].move(31_000)
      await one.get('tokens', 'a')
      expect(gateways[0].said.length).toBe(2)
      expect(JSON.stringify(gateways[0].said)).not.toContain(PASSWORD)
    })

    test('a Redis that hangs keeps one request for a moment, and the next not at all', async () => {
      await using cluster = await pair()
      const { server, one, gateways } = cluster
      await one.set('tokens', 'a', TOKEN, 60)
      server.freeze()
      const began = performance.now()
      expect(await one.get('tokens', 'a')).toBeUndefined()
      expect(performance.now() - began).toBeWithin(290, 1_000)
      for (let i = 0; i < 10; i++) await one.get('tokens', 'a')
      expect(performance.now() - began).toBeLessThan(1_100)
      server.thaw()
      gateways[0].move(6_000)
      expect(await one.get('tokens', 'a')).toBe(TOKEN)
    })
  },
)
