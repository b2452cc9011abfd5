import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { Folder } from '../../e2e/folder.ts'
import { createAuthority } from '../authority.ts'
import { gateway, proxied, type TestGateway } from '../gateway.ts'
import { freePort, hasRedis, redisServer } from '../redis.ts'
import { answering, ok, type Service, service } from '../service.ts'

async function limited(target: Service, config: string): Promise<TestGateway> {
  return gateway(
    `${proxied(target.port)}plugins:\n  - { name: rate-limiting, config: ${config} }\n`,
  )
}

function get({ port }: TestGateway, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/`, { headers })
}

/** A second of a minute that leaves room for a test. */
async function earlyInTheMinute(): Promise<void> {
  while (new Date().getUTCSeconds() > 55) await Bun.sleep(100)
}

test('a client is told of its limit, and refused in the words of Kong', async () => {
  await earlyInTheMinute()
  using target = await service(answering(ok()))
  await using running = await limited(target, '{ minute: 1 }')
  const first = await get(running)
  expect(first.status).toBe(200)
  expect(first.headers.get('X-RateLimit-Limit-Minute')).toBe('1')
  expect(first.headers.get('X-RateLimit-Remaining-Minute')).toBe('0')
  expect(first.headers.get('RateLimit-Limit')).toBe('1')
  expect(first.headers.get('RateLimit-Remaining')).toBe('0')
  expect(Number(first.headers.get('RateLimit-Reset'))).toBeWithin(1, 61)
  expect(first.headers.has('Retry-After')).toBe(false)

  const second = await get(running)
  expect(second.status).toBe(429)
  expect(second.headers.get('Content-Type')).toBe('application/json; charset=utf-8')
  expect(second.headers.get('X-RateLimit-Remaining-Minute')).toBe('0')
  expect(second.headers.get('Retry-After')).toBe(second.headers.get('RateLimit-Reset'))
  const id = second.headers.get('X-Kong-Request-Id')
  expect(await second.text()).toBe(
    `{\n  "message":"API rate limit exceeded",\n  "request_id":"${id}"\n}`,
  )
  expect(target.requests.length).toBe(1)
})

test('a service cannot say other limits in the place of the gateway', async () => {
  await earlyInTheMinute()
  using target = await service(
    answering('HTTP/1.1 200 OK\r\nRateLimit-Limit: 999\r\nContent-Length: 0\r\n\r\n'),
  )
  await using running = await limited(target, '{ minute: 5 }')
  expect((await get(running)).headers.get('RateLimit-Limit')).toBe('5')
})

test('many at once are counted one by one', async () => {
  await earlyInTheMinute()
  using target = await service(answering(ok()))
  await using running = await limited(target, '{ minute: 10 }')
  const answers = await Promise.all(Array.from({ length: 30 }, () => get(running)))
  expect(answers.filter(({ status }) => status === 200).length).toBe(10)
  expect(answers.filter(({ status }) => status === 429).length).toBe(20)
})

describe.skipIf(!hasRedis)(
  hasRedis ? 'with a Redis' : 'with a Redis (skipped: there is no redis-server)',
  () => {
    const settings = (port: number, more = '') =>
      `{ host: 127.0.0.1, port: ${port}, password: "p@ss/word"${more && `, ${more}`} }`

    test('two gateways count together, by the keys of Kong', async () => {
      await earlyInTheMinute()
      await using redis = await redisServer()
      using target = await service(answering(ok()))
      const config = `{ minute: 3, policy: redis, redis: ${settings(redis.port)} }`
      await using one = await limited(target, config)
      await using other = await limited(target, config)
      const seen: unknown[] = []
      for (const each of [one, other, one, other]) {
        const { status, headers } = await get(each)
        seen.push([status, headers.get('RateLimit-Remaining')])
      }
      expect(seen).toEqual([
        [200, '2'],
        [200, '1'],
        [200, '0'],
        [429, '0'],
      ])
      const [key = ''] = (await redis.ask('KEYS', '*')) as string[]
      const nobody = '00000000-0000-0000-0000-000000000000'
      expect(key).toMatch(
        new RegExp(`^ratelimit:${nobody}:${nobody}:127\\.0\\.0\\.1:\\d{13}:minute$`),
      )
      expect(Number(await redis.ask('TTL', key))).toBeWithin(1, 61)
    })

    test('counts are exchanged every sync_rate seconds, and when the gateway stops', async () => {
      await earlyInTheMinute()
      await using redis = await redisServer()
      using target = await service(answering(ok()))
      const config = (rate: number) =>
        `{ minute: 10, policy: redis, sync_rate: ${rate}, redis: ${settings(redis.port)} }`
      await using often = await limited(target, config(0.05))
      const rarely = await limited(target, config(30))
      for (let i = 0; i < 3; i++) await get(often)
      const count = async () => {
        const [key = ''] = (await redis.ask('KEYS', '*')) as string[]
        return Number(await redis.ask('GET', key))
      }
      for (let i = 0; i < 200 && (await count()) !== 3; i++) await Bun.sleep(10)
      expect(await count()).toBe(3)
      expect((await get(rarely)).headers.get('RateLimit-Remaining')).toBe('6')
      await rarely.stop(1000)
      expect(await count()).toBe(4)
    })

    test('what stands in a header is not shown to the Redis', async () => {
      await using redis = await redisServer()
      using target = await service(answering(ok()))
      await using running = await limited(
        target,
        `{ hour: 3, policy: redis, limit_by: header, header_name: X-Key, redis: ${settings(redis.port)} }`,
      )
      await get(running, { 'X-Key': 'a-secret-key' })
      expect(String(await redis.ask('KEYS', '*'))).not.toContain('a-secret-key')
    })

    test('over TLS, the certificate and its name are checked', async () => {
      using authority = createAuthority()
      if (!authority) return console.log('skipped: there is no openssl')
      const { cert, key } = authority.issue('DNS:redis.test')
      using files = new Folder({ 'cert.pem': cert, 'key.pem': key })
      const tlsPort = await freePort()
      const at = (name: string) => join(files.path, name)
      await using redis = await redisServer(
        ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', at('cert.pem'), '--tls-key-file', at('key.pem')],
        ...['--tls-ca-cert-file', at('cert.pem')],
      )
      using target = await service(answering(ok()))
      const ask = async (more: string, ca?: string) => {
        const yaml = `{ hour: 100, fault_tolerant: false, policy: redis, redis: ${settings(tlsPort, `ssl: true, ${more}`)} }`
        await using running = await gateway(
          `${proxied(target.port)}plugins:\n  - { name: rate-limiting, config: ${yaml} }\n`,
          ca === undefined ? {} : { settings: { ca } },
        )
        return (await get(running)).status
      }
      const ca = authority.cert
      expect(await ask('ssl_verify: true, server_name: redis.test', ca)).toBe(200)
      expect(await ask('ssl_verify: true, server_name: other.test', ca)).toBe(500)
      expect(await ask('ssl_verify: true, server_name: redis.test')).toBe(500)
      expect(await ask('ssl_verify: false')).toBe(200)
      expect(Number(await redis.ask('DBSIZE'))).toBe(1)
    })

    test('a Redis that hangs keeps a request no longer than timeout, and comes back', async () => {
      await using redis = await redisServer()
      using target = await service(answering(ok()))
      await using running = await limited(
        target,
        `{ hour: 100, policy: redis, redis: ${settings(redis.port, 'timeout: 200')} }`,
      )
      expect((await get(running)).headers.get('RateLimit-Remaining')).toBe('99')
      redis.freeze()
      const began = performance.now()
      const uncounted = await get(running)
      expect(performance.now() - began).toBeWithin(150, 2_000)
      expect(uncounted.status).toBe(200)
      expect(uncounted.headers.has('RateLimit-Remaining')).toBe(false)
      expect(running.log.join('')).toContain('no answer within 200 ms')
      redis.thaw()
      expect((await get(running)).headers.has('RateLimit-Remaining')).toBe(true)
    })
  },
)

// prettier-ignore
test.each([
  [true,  200],
  [false, 500],
])('without its Redis and fault_tolerant %p, a request is answered %i', async (tolerant, status) => {
  using target = await service(answering(ok()))
  const redis = `{ host: 127.0.0.1, port: ${await freePort()}, password: p4ssw0rd }`
  await using running = await limited(target, `{ hour: 1, policy: redis, fault_tolerant: ${tolerant}, redis: ${redis} }`)
  for (let i = 0; i < 2; i++) expect((await get(running)).status).toBe(status)
  const lines = running.log.join('')
  expect(lines).toContain('code=redis_failed')
  expect(lines).not.toContain('p4ssw0rd')
  if (!tolerant) expect(await (await get(running)).json()).toMatchObject({ message: 'An unexpected error occurred' })
})
