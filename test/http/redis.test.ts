import { describe, expect, test } from 'bun:test'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Redis, RedisError, type RedisSettings } from '../../src/redis.ts'
import { Folder } from '../e2e/folder.ts'
import { createAuthority } from './authority.ts'
import {
  freePort,
  hasRedis,
  PASSWORD,
  redisCluster,
  redisSentinel,
  redisServer,
  redisServerAt,
  redisSettings,
  SENTINEL_PASSWORD,
  until,
} from './redis.ts'

const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.unreachable(),
    (error: unknown) => error as Error,
  )

/** How many milliseconds something takes. */
async function timed(asked: Promise<unknown>): Promise<number> {
  const began = performance.now()
  await asked
  return performance.now() - began
}

/** A way to a port on which what is sent over the connections of now can be lost, as by a firewall that forgot them. */
function lossyTo(to: number, port: number) {
  const pairs = new Set<{ isLost: boolean }>()
  const server = createServer((near) => {
    const pair = { isLost: false }
    pairs.add(pair)
    const far = connect(to, '127.0.0.1')
    near.on('data', (bytes) => pair.isLost || far.write(bytes))
    far.on('data', (bytes) => pair.isLost || near.write(bytes))
    for (const each of [near, far]) each.on('error', () => {})
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  }).listen(port, '127.0.0.1')
  return {
    loseAll() {
      for (const pair of pairs) pair.isLost = true
    },
    [Symbol.dispose]: () => void server.close(),
  }
}

test('a Redis that is not there is an error at once, without a secret in it', async () => {
  const port = await freePort()
  using redis = new Redis(redisSettings(port, { timeout: 5_000 }))
  const began = performance.now()
  const error = await failure(redis.send('GET', ['a']))
  expect(performance.now() - began).toBeLessThan(1_500)
  expect(error).toBeInstanceOf(RedisError)
  expect(error.message).toContain(`the Redis at 127.0.0.1:${port}: `)
  expect(error.message).toContain('ECONNREFUSED')
  expect(error.message).not.toContain(PASSWORD)
})

describe.skipIf(!hasRedis)(
  hasRedis ? 'a Redis' : 'a Redis (skipped: there is no redis-server)',
  () => {
    test('gives text and bytes, and says no without losing the connection', async () => {
      await using server = await redisServer()
      using redis = new Redis(redisSettings(server.port))
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      const sent = [
        redis.send('SET', ['k', bytes, 'EX', 100]),
        redis.sendForBytes('GET', ['k']),
        redis.send('TTL', ['k']),
        redis.send('GET', ['nothing']),
        redis.sendForBytes('GET', ['nothing']),
      ]
      expect(await Promise.all(sent)).toEqual(['OK', bytes, 100, null, null])
      const id = await redis.send('CLIENT', ['ID'])
      const refused = await failure(redis.send('LPUSH', ['k', 'v']))
      expect(refused.message).toBe(
        `the Redis at 127.0.0.1:${server.port}: WRONGTYPE Operation against a key holding the wrong kind of value`,
      )
      const unknown = await failure(redis.send('NOSUCH', ['a-secret']))
      expect(unknown.message).toContain("ERR unknown command 'NOSUCH'")
      expect(unknown.message).not.toContain('a-secret')
      expect(await redis.send('CLIENT', ['ID'])).toBe(id)
    })

    test('a wrong password is told as such', async () => {
      await using server = await redisServer()
      using redis = new Redis(redisSettings(server.port, { password: 'wrong' }))
      const { message } = await failure(redis.send('PING', []))
      expect(message).toContain('WRONGPASS')
      expect(message).not.toContain('wrong')
    })

    test('by its Unix socket, in a database of its own, as a user', async () => {
      using folder = new Folder({})
      const socket = join(folder.path, 'redis.sock')
      await using server = await redisServer('--unixsocket', socket)
      await server.ask('ACL', 'SETUSER', 'alice', 'on', '>w0nder', '~*', '+@all')
      const login = { socket, username: 'alice', password: 'w0nder', database: 3 }
      using redis = new Redis(redisSettings(1, login))
      expect(await redis.send('ACL', ['WHOAMI'])).toBe('alice')
      await redis.send('SET', ['here', '1'])
      expect(await server.ask('DBSIZE')).toBe(0)
      expect(String(await server.ask('INFO', 'keyspace'))).toContain('db3:keys=1')
    })

    test('where a proxy knows keys and values alone, nothing else is asked', async () => {
      await using server = await redisServer()
      await server.ask('ACL', 'SETUSER', 'default', '-@all', '+get', '+set', '+auth')
      using redis = new Redis(redisSettings(server.port, { connection_is_proxied: true }))
      expect(await redis.send('SET', ['a', 'b'])).toBe('OK')
      expect(await redis.send('GET', ['a'])).toBe('b')
    })

    test('one that was killed is an error at once, and is used again when it is back', async () => {
      const first = await redisServer()
      const { port } = first
      using redis = new Redis(redisSettings(port, { timeout: 5_000 }))
      expect(await redis.send('PING', [])).toBe('PONG')
      await first[Symbol.asyncDispose]()
      for (let i = 0; i < 3; i++)
        expect(await timed(failure(redis.send('PING', [])))).toBeLessThan(1_000)
      await using _ = await redisServerAt(port)
      expect(await redis.send('PING', [])).toBe('PONG')
    })

    test('one that was started again while nobody asked costs no request', async () => {
      const first = await redisServer()
      const { port } = first
      using redis = new Redis(redisSettings(port))
      expect(await redis.send('PING', [])).toBe('PONG')
      await first[Symbol.asyncDispose]()
      await using _ = await redisServerAt(port)
      expect(await redis.send('PING', [])).toBe('PONG')
    })

    test('what is under way when it is killed fails at once', async () => {
      await using server = await redisServer()
      using redis = new Redis(redisSettings(server.port, { timeout: 10_000 }))
      await redis.send('PING', [])
      const blocked = failure(redis.send('BLPOP', ['nothing', '0']))
      await until(async () => String(await server.ask('CLIENT', 'LIST')).includes('cmd=blpop'))
      await server.kill()
      expect(await timed(blocked)).toBeLessThan(1_000)
    })

    test('one that hangs keeps a command no longer than read_timeout, and after that connecting as long once', async () => {
      await using server = await redisServer()
      const times = { timeout: undefined, read_timeout: 150, connect_timeout: 250 }
      using redis = new Redis(redisSettings(server.port, times))
      expect(await redis.send('PING', [])).toBe('PONG')
      server.freeze()
      expect(await timed(failure(redis.send('PING', [])))).toBeWithin(140, 245)
      expect(await timed(failure(redis.send('PING', [])))).toBeWithin(240, 700)
      const at = performance.now()
      for (let i = 0; i < 5; i++) await failure(redis.send('PING', []))
      expect(performance.now() - at).toBeLessThan(100)
      server.thaw()
      await until(async () => (await redis.send('PING', []).catch(() => '')) === 'PONG')
    })

    const tls = async (server: { port: number }, more: Partial<RedisSettings>) => {
      using redis = new Redis(redisSettings(server.port, { ssl: true, ssl_verify: true, ...more }))
      return await redis.send('PING', []).catch((error: Error) => error.name)
    }

    test('over TLS, the certificate is checked for its authority and for its name or address', async () => {
      using authority = createAuthority()
      if (!authority) return console.log('skipped: there is no openssl')
      const { cert, key } = authority.issue('DNS:redis.test,IP:127.0.0.1')
      using files = new Folder({ 'cert.pem': cert, 'key.pem': key })
      const at = (name: string) => join(files.path, name)
      const port = await freePort()
      await using _ = await redisServer(
        ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', at('cert.pem'), '--tls-key-file', at('key.pem')],
        ...['--tls-ca-cert-file', at('cert.pem')],
      )
      const ca = authority.cert
      expect(await tls({ port }, { ca })).toBe('PONG')
      expect(await tls({ port }, { ca, server_name: 'redis.test' })).toBe('PONG')
      expect(await tls({ port }, { ca, server_name: 'other.test' })).toBe('RedisError')
      expect(await tls({ port }, {})).toBe('RedisError')
      expect(await tls({ port }, { ssl_verify: false })).toBe('PONG')
    })
  },
)

describe.skipIf(!hasRedis)(
  hasRedis ? 'a Redis cluster' : 'a Redis cluster (skipped: there is no redis-server)',
  () => {
    const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)

    test('keys of all nodes are found, and scripts run where their key is', async () => {
      await using cluster = await redisCluster()
      const cluster_nodes = [{ ip: '127.0.0.1', port: cluster.nodes[1]!.port }]
      using redis = new Redis(redisSettings(1, { cluster_nodes, database: 7 }))
      await Promise.all(keys.map((key) => redis.send('SET', [key, `of ${key}`, 'EX', 60])))
      const read = `return redis.call('get', KEYS[1])`
      const found = await Promise.all(keys.map((key) => redis.send('EVAL', [read, 1, key])))
      expect(found).toEqual(keys.map((key) => `of ${key}`))
      expect(await redis.sendForBytes('GET', [keys[0]!])).toEqual(Buffer.from('of key 0'))
      const sizes = await Promise.all(cluster.nodes.map((node) => node.ask('DBSIZE')))
      expect(sizes.reduce((sum: number, size) => sum + Number(size), 0)).toBe(60)
      expect(Math.min(...sizes.map(Number))).toBeGreaterThan(0)
    }, 30_000)

    test('without one node its keys are errors soon, the others go on', async () => {
      await using cluster = await redisCluster(['--cluster-require-full-coverage', 'no'])
      const [first, second, third] = cluster.nodes
      const cluster_nodes = [first!, second!].map(({ port }) => ({ ip: '127.0.0.1', port }))
      const times = { timeout: 3_000, read_timeout: 400 }
      using redis = new Redis(redisSettings(1, { cluster_nodes, ...times }))
      const ask = (key: string) =>
        redis.send('SET', [key, '1']).then(
          () => 'OK',
          (error: Error) => error.name,
        )
      expect(new Set(await Promise.all(keys.map(ask)))).toEqual(new Set(['OK']))
      const there = Number(await third!.ask('DBSIZE'))
      for (const stop of [() => third!.freeze(), () => third!.kill()]) {
        await stop()
        const began = performance.now()
        const said = await Promise.all(keys.map(ask))
        expect(performance.now() - began).toBeLessThan(2_900)
        expect(said.filter((each) => each === 'OK').length).toBe(keys.length - there)
        expect(said.filter((each) => each === 'RedisError').length).toBe(there)
      }
    }, 30_000)

    test('a connection to a node that has gone dumb is made anew', async () => {
      const announced = await freePort()
      using folder = new Folder()
      await using node = await redisServer(
        ...['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())],
        ...['--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', String(announced)],
        ...['--dir', folder.path],
      )
      await node.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await until(async () =>
        String(await node.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      )
      using between = lossyTo(node.port, announced)
      const cluster_nodes = [{ ip: '127.0.0.1', port: announced }]
      using redis = new Redis(
        redisSettings(1, { cluster_nodes, timeout: undefined, read_timeout: 200 }),
      )
      expect(await redis.send('SET', ['a', '1'])).toBe('OK')
      between.loseAll()
      expect(await failure(redis.send('GET', ['a']))).toBeInstanceOf(RedisError)
      await until(async () => (await redis.send('GET', ['a']).catch(() => '')) === '1')
    }, 30_000)

    test('nodes that are not there are an error at once, which names them', async () => {
      const port = await freePort()
      const cluster_nodes = [{ ip: '127.0.0.1', port }]
      using redis = new Redis(redisSettings(1, { cluster_nodes, timeout: 5_000 }))
      const began = performance.now()
      const { message } = await failure(redis.send('GET', ['a']))
      expect(performance.now() - began).toBeLessThan(1_500)
      expect(message).toContain(`the Redis cluster at 127.0.0.1:${port}: `)
    }, 30_000)

    test('over TLS all nodes are checked', async () => {
      using authority = createAuthority()
      if (!authority) return console.log('skipped: there is no openssl')
      const { cert, key } = authority.issue('IP:127.0.0.1')
      using files = new Folder({ 'cert.pem': cert, 'key.pem': key, 'ca.pem': authority.cert })
      const at = (name: string) => join(files.path, name)
      const words = [
        ...['--tls-auth-clients', 'no', '--tls-ca-cert-file', at('ca.pem')],
        ...['--tls-cert-file', at('cert.pem'), '--tls-key-file', at('key.pem')],
      ]
      const tlsPorts = [await freePort(), await freePort(), await freePort()]
      await using _ = await redisCluster(words, tlsPorts)
      const cluster_nodes = [{ ip: '127.0.0.1', port: tlsPorts[0]! }]
      const secure = { cluster_nodes, ssl: true, ssl_verify: true, ca: authority.cert }
      using redis = new Redis(redisSettings(1, secure))
      const said = await Promise.all(keys.map((key) => redis.send('SET', [key, '1'])))
      expect(new Set(said)).toEqual(new Set(['OK']))
      using strict = new Redis(redisSettings(1, { ...secure, server_name: 'other.test' }))
      expect(await failure(strict.send('GET', ['a']))).toBeInstanceOf(RedisError)
    }, 30_000)
  },
)

describe.skipIf(!hasRedis)(
  hasRedis ? 'sentinels' : 'sentinels (skipped: there is no redis-server)',
  () => {
    const settings = (port: number, more: Partial<RedisSettings> = {}) =>
      redisSettings(1, {
        sentinel_master: 'mymaster',
        sentinel_role: 'master',
        sentinel_nodes: [{ host: '127.0.0.1', port }],
        sentinel_password: SENTINEL_PASSWORD,
        ...more,
      })

    test('lead to the master or a replica, and after a failover to the new master', async () => {
      await using group = await redisSentinel()
      const [master, replica] = group.nodes
      const dead = { host: '127.0.0.1', port: await freePort() }
      const sentinel_nodes = [dead, { host: '127.0.0.1', port: group.port }]
      using redis = new Redis(settings(group.port, { sentinel_nodes }))
      using reader = new Redis(settings(group.port, { sentinel_role: 'slave' }))
      using any = new Redis(settings(group.port, { sentinel_role: 'any' }))
      using stranger = new Redis(settings(group.port, { sentinel_password: 'wrong' }))
      using nobody = new Redis(settings(group.port, { sentinel_master: 'other' }))
      expect(await redis.send('SET', ['a', '1'])).toBe('OK')
      expect(await reader.send('INFO', ['replication'])).toContain('role:slave')
      expect(await any.send('INFO', ['replication'])).toContain('role:master')
      expect((await failure(stranger.send('GET', ['a']))).message).toContain('WRONGPASS')
      expect((await failure(nobody.send('GET', ['a']))).message).toContain('the Redis other of ')
      await until(async () => (await replica!.ask('GET', 'a')) === '1')

      await master!.kill()
      expect(await timed(failure(redis.send('GET', ['a'])))).toBeLessThan(1_000)
      expect(await any.send('GET', ['a'])).toBe('1')
      await until(async () => (await redis.send('SET', ['a', '2']).catch(() => '')) === 'OK')
      expect(await replica!.ask('GET', 'a')).toBe('2')
    }, 30_000)

    test('a master that became a replica under an open connection is left, and nobody notices', async () => {
      await using old = await redisServer('--masterauth', PASSWORD)
      await using young = await redisServer()
      // A real sentinel would close the connection, if it can.
      let { port } = old
      const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
      using sentinel = Bun.listen({
        hostname: '127.0.0.1',
        port: 0,
        socket: {
          data(socket, bytes) {
            for (const command of bytes.toString().split(/(?=\*\d+\r\n)/)) {
              if (/get-master-addr-by-name/i.test(command))
                socket.write(`*2\r\n${bulk('127.0.0.1')}${bulk(String(port))}`)
              else socket.write(/sentinels/i.test(command) ? '*0\r\n' : '+OK\r\n')
            }
          },
        },
      })
      using redis = new Redis(settings(sentinel.port, { sentinel_password: undefined }))
      expect(await redis.send('SET', ['a', '1'])).toBe('OK')
      await old.ask('REPLICAOF', '127.0.0.1', String(young.port))
      port = young.port
      expect(await redis.send('SET', ['a', '2'])).toBe('OK')
      expect(await young.ask('GET', 'a')).toBe('2')
    })
  },
)
