import { expect, test } from 'bun:test'
import { hasRedis, redisServer } from '../redis.ts'
import { guarded } from './guarded.ts'

const CONSUMERS = `
consumers:
  - username: bob
    custom_id: "42"
    basicauth_credentials: [{ username: bobby, password: kong }]
  - username: nobody
`
const basic = (text: string, name = 'Authorization') =>
  `${name}: Basic ${Buffer.from(text).toString('base64')}\r\n`

const withPlugin = (config = '{}') =>
  guarded(`plugins: [{ name: basic-auth, config: ${config} }]\n${CONSUMERS}`)

test('the service is told who the caller is, and not the password', async () => {
  await using gate = await withPlugin()
  const spoofed = 'X-Consumer-Username: admin\r\nX-Credential-Identifier: admin\r\n'
  const outcome = await gate.send(basic('bobby:kong') + spoofed)
  expect(outcome.status).toBe(200)
  expect(outcome.told('x-consumer-username')).toBe('bob')
  expect(outcome.told('x-consumer-custom-id')).toBe('42')
  expect(outcome.told('x-consumer-id')).toMatch(/^[0-9a-f-]{36}$/)
  expect(outcome.told('x-credential-identifier')).toBe('bobby')
  expect(outcome.told('x-anonymous-consumer')).toBeUndefined()
  expect(outcome.told('authorization')).toBeUndefined()
})

test.each([
  [
    '',
    'application/json; charset=utf-8',
    /^\{\n {2}"message":"Unauthorized",\n {2}"request_id":"[0-9a-f]{32}"\n\}$/,
  ],
  [
    'Accept: text/plain\r\n',
    'text/plain; charset=utf-8',
    /^Unauthorized\nrequest_id: [0-9a-f]{32}\n$/,
  ],
])('callers without credentials are refused in their form (%j)', async (accept, type, body) => {
  await using gate = await withPlugin('{ realm: mine }')
  for (const fields of [
    '',
    basic('bobby:wrong'),
    basic('eve:kong'),
    'Authorization: Basic ?\r\n',
  ]) {
    const outcome = await gate.send(fields + accept)
    expect([outcome.status, outcome.target]).toEqual([401, undefined])
    expect(outcome.header('content-type')).toBe(type)
    expect(outcome.header('www-authenticate')).toBe('Basic realm="mine"')
    expect(outcome.body).toMatch(body)
  }
  expect(gate.log.join('\n')).not.toContain('wrong')
})

test('passwords may stand in the file as Kong keeps them', async () => {
  // SHA-1 and SHA-256 of the password and the consumer's id: Kong's hashes before 3.14 and since.
  const id = 'd2965b9b-0608-4458-a9f8-0b93d88d03b8'
  const hash = (name: string) =>
    new Bun.CryptoHasher(name as 'sha1').update(`kong${id}`).digest('hex')
  await using gate = await guarded(`
_transform: false
plugins: [{ name: basic-auth }]
consumers:
  - id: ${id}
    username: bob
    basicauth_credentials:
      - { username: older, password: ${hash('sha1')} }
      - { username: newer, password: ${hash('sha256')} }
`)
  expect((await gate.send(basic('older:kong'))).status).toBe(200)
  expect((await gate.send(basic('newer:kong'))).status).toBe(200)
  expect((await gate.send(basic(`older:${hash('sha1')}`))).status).toBe(401)
})

test('Proxy-Authorization is read first', async () => {
  await using gate = await withPlugin()
  const proxy = basic('bobby:kong', 'Proxy-Authorization')
  const outcome = await gate.send(proxy)
  expect([outcome.status, outcome.told('proxy-authorization')]).toEqual([200, undefined])
  expect((await gate.send(proxy + basic('bobby:wrong'))).status).toBe(200)
})

test('with hide_credentials off the service sees the password', async () => {
  await using gate = await withPlugin('{ hide_credentials: false }')
  const outcome = await gate.send(basic('bobby:kong'))
  expect(`Authorization: ${outcome.told('authorization')}\r\n`).toBe(basic('bobby:kong'))
})

test('anonymous stands for callers without valid credentials', async () => {
  await using gate = await withPlugin('{ anonymous: nobody }')
  for (const fields of ['', basic('bobby:wrong')]) {
    const outcome = await gate.send(fields)
    expect(outcome.status).toBe(200)
    expect(outcome.told('x-consumer-username')).toBe('nobody')
    expect(outcome.told('x-anonymous-consumer')).toBe('true')
    expect(outcome.told('x-credential-identifier')).toBeUndefined()
    expect(outcome.told('authorization')).toBeUndefined()
  }
  const bob = await gate.send(basic('bobby:kong'))
  expect([bob.told('x-consumer-username'), bob.told('x-anonymous-consumer')]).toEqual([
    'bob',
    undefined,
  ])
})

test('the fourth wrong password in a row is answered 429 where brute force is kept off', async () => {
  await using gate = await withPlugin('{ brute_force_protection: { strategy: memory } }')
  for (let i = 0; i < 3; i++) expect((await gate.send(basic('bobby:wrong'))).status).toBe(401)
  const outcome = await gate.send(basic('bobby:wrong'))
  expect([outcome.status, outcome.header('retry-after')]).toEqual([429, '16'])
  expect(outcome.body).toContain('"message":"Too many requests"')
})

const name = 'wrong passwords may be counted in a Redis that gateways share'
test.skipIf(!hasRedis)(hasRedis ? name : `${name} (skipped: no redis-server)`, async () => {
  await using redis = await redisServer()
  const config = `{ brute_force_protection: { strategy: redis, redis: { host: 127.0.0.1, port: ${redis.port}, password: p@ss/word, timeout: 300 } } }`
  await using one = await withPlugin(config)
  await using other = await withPlugin(config)
  // Many at once are counted one by one.
  const guesses = await Promise.all([1, 2, 3, 4, 5].map((i) => one.send(basic(`bobby:${i}`))))
  expect(guesses.map(({ status }) => status).sort()).toEqual([401, 401, 401, 429, 429])
  const blocked = await other.send(basic('bobby:kong'))
  expect([blocked.status, blocked.header('retry-after')]).toEqual([429, '64'])
  const [key = ''] = (await redis.ask('KEYS', '*')) as string[]
  expect(key).not.toContain('bobby')
  expect(await redis.ask('TTL', key)).toBeWithin(60, 65)
  await redis.ask('DEL', key)
  expect((await other.send(basic('bobby:kong'))).status).toBe(200)
  // Without a count nobody gets in: guesses would not be counted.
  redis.freeze()
  expect((await one.send(basic('bobby:kong'))).status).toBe(500)
  expect(one.log.join('\n')).not.toContain('kong:')
  redis.thaw()
})
