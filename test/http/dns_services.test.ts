import { expect, test } from 'bun:test'
import { type Balanced, balanced, named, over } from './balanced.ts'
import { dnsServer } from './dns_server.ts'
import { answering, ok, service } from './service.ts'
import { eventually, field } from './wire.ts'

/** One service at that host, with further fields in flow style. */
function at(host: string, port = 80, more = ''): string {
  return `services:\n- { name: s, host: ${host}, port: ${port}, ${more} routes: [{ name: r, paths: ["/"] }] }\n`
}

/** Asks until this service answers, for some seconds. */
async function untilAnswers(gateway: Balanced, name: string): Promise<void> {
  for (let i = 0; i < 300 && (await gateway.ask()).body !== name; i++) await Bun.sleep(10)
  expect((await gateway.ask()).body).toBe(name)
}

const LOOPBACK = { A: ['127.0.0.1'] }

test('a service is found by its name, is asked for by it, and its name is asked for once', async () => {
  using a = await named('a')
  using dns = await dnsServer({ 'a.test': LOOPBACK })
  await using gateway = await over(at('a.test', a.port), dns.address)
  expect(await gateway.count(5)).toEqual({ a: 5 })
  expect(dns.questions).toEqual(['a.test SRV', 'a.test A'])
  expect(field(a.requests[0], 'host')).toBe(`a.test:${a.port}`)
})

test('SRV says the port, and by its weights who is asked how often', async () => {
  using a = await named('a')
  using b = await named('b')
  using dns = await dnsServer({
    's.test': {
      SRV: [
        { port: a.port, weight: 10, target: 'one.test' },
        { port: b.port, weight: 30, target: 'two.test' },
      ],
    },
    'one.test': LOOPBACK,
    'two.test': LOOPBACK,
  })
  await using gateway = await over(at('s.test'), dns.address)
  expect(await gateway.count(8)).toEqual({ a: 2, b: 6 })
  expect(field(a.requests[0], 'host')).toBe(`s.test:${a.port}`)
})

test('several addresses take turns, and another is tried if one refuses', async () => {
  using a = await named('a')
  using dns = await dnsServer({ 'a.test': { A: ['127.0.0.2', '127.0.0.1'] } })
  await using gateway = await over(at('a.test', a.port), dns.address)
  expect(await gateway.count(6)).toEqual({ a: 6 })
  await using hasty = await over(at('a.test', a.port, 'retries: 0,'), dns.address)
  expect(await hasty.count(6)).toEqual({ 502: 3, a: 3 })
})

test('when a name leads elsewhere, so do requests, though connections to the old place are kept', async () => {
  using a = await named('a')
  using b = await named('b')
  const srv = (port: number) => ({ SRV: [{ port, target: 'one.test' }], ttl: 0 })
  using dns = await dnsServer({ 's.test': srv(a.port), 'one.test': LOOPBACK })
  await using gateway = await over(at('s.test'), dns.address)
  expect((await gateway.ask()).body).toBe('a')
  dns.zones.set('s.test', srv(b.port))
  // The first one still gets what was known, while it is asked for again.
  expect((await gateway.ask()).body).toBe('a')
  await untilAnswers(gateway, 'b')
})

test.each([
  ['is not there', {}],
  ['has no records', { 'a.test': {} }],
  ['cannot be asked for', { 'a.test': { rcode: 2 } }],
])(
  'a name that %s: 503 in the words of Kong, and nobody is asked again for a while',
  async (_, zones) => {
    using dns = await dnsServer(zones)
    await using gateway = await over(at('a.test'), dns.address)
    for (let i = 0; i < 3; i++) {
      const { status, body } = await gateway.ask()
      expect([status, JSON.parse(body).message]).toEqual([503, 'name resolution failed'])
    }
    expect(new Set(dns.questions).size).toBe(3)
    expect(gateway.log.join()).toContain('code=name_resolution_failed')
  },
)

test('while the name server is silent, what was known goes on', async () => {
  using a = await named('a')
  using dns = await dnsServer({ 'a.test': { ...LOOPBACK, ttl: 0 } })
  await using gateway = await over(at('a.test', a.port), dns.address)
  expect((await gateway.ask()).body).toBe('a')
  dns.zones.set('a.test', { silent: true })
  expect(await gateway.count(5)).toEqual({ a: 5 })
})

test('requests that come before the first answer wait for it', async () => {
  using a = await named('a')
  using dns = await dnsServer({ 'a.test': LOOPBACK })
  await using gateway = await over(at('a.test', a.port), dns.address)
  const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.ask()))
  expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['a']))
  expect(dns.questions).toEqual(['a.test SRV', 'a.test A'])
})

// ---- targets

test('a target by name: each address is one, and is asked for by the name', async () => {
  using a = await named('a')
  using dns = await dnsServer({ 'a.test': { A: ['127.0.0.1', '127.0.0.2'] } })
  await using gateway = await balanced([`a.test:${a.port}`], {
    dns: dns.address,
    upstream: 'healthchecks: { passive: { unhealthy: { tcp_failures: 1 } } }',
  })
  expect(await gateway.count(4)).toEqual({ a: 4 })
  expect(gateway.health).toEqual({
    [`a.test:${a.port}`]: '127.0.0.1 HEALTHY, 127.0.0.2 UNHEALTHY',
  })
  expect(field(a.requests[0], 'host')).toBe(`a.test:${a.port}`)
})

test('targets by SRV: ports and weights; use_srv_name asks for them by the name in the record', async () => {
  using a = await named('a')
  using b = await named('b')
  using dns = await dnsServer({
    's.test': {
      SRV: [
        { port: a.port, weight: 1, target: 'one.test' },
        { port: b.port, weight: 2, target: 'two.test' },
      ],
    },
    'one.test': LOOPBACK,
    'two.test': LOOPBACK,
  })
  for (const [upstream, host] of [
    ['', 's.test'],
    ['use_srv_name: true', 'one.test'],
  ] as const) {
    await using gateway = await balanced(['s.test'], { dns: dns.address, upstream })
    expect(await gateway.count(6)).toEqual({ a: 2, b: 4 })
    expect(field(a.requests.at(-1), 'host')).toBe(`${host}:${a.port}`)
  }
})

test('a target whose name leads nowhere is DNS_ERROR, and others take its part', async () => {
  using a = await named('a')
  using dns = await dnsServer({})
  const targets = [`127.0.0.1:${a.port}`, 'gone.test:80']
  await using gateway = await balanced(targets, { dns: dns.address })
  await eventually(() => gateway.log.join().includes('code=target_without_address'))
  expect(gateway.health['gone.test:80']).toBe('DNS_ERROR')
  expect(await gateway.count(4)).toEqual({ a: 4 })
  await using alone = await balanced(['gone.test:80'], { dns: dns.address })
  expect((await alone.ask()).status).toBe(503)
})

test('a target that moves is followed without a request', async () => {
  using a = await named('a')
  using b = await named('b')
  const srv = (port: number) => ({ SRV: [{ port, target: 'one.test' }], ttl: 0 })
  using dns = await dnsServer({ 's.test': srv(a.port), 'one.test': LOOPBACK })
  await using gateway = await balanced(['s.test'], { dns: dns.address })
  expect((await gateway.ask()).body).toBe('a')
  dns.zones.set('s.test', srv(b.port))
  await eventually(() => gateway.addresses[0]?.endsWith(`:${b.port}`) ?? false)
  expect((await gateway.ask()).body).toBe('b')
})

test('a name that is changed in the middle keeps requests on their way', async () => {
  using slow = await service(async (wire) => {
    await wire.message()
    await Bun.sleep(100)
    wire.send(ok('slow'))
  })
  using dns = await dnsServer({ 'a.test': { ...LOOPBACK, ttl: 0 } })
  await using gateway = await over(at('a.test', slow.port), dns.address)
  const first = gateway.ask()
  await eventually(() => slow.requests.length === 1)
  dns.zones.set('a.test', { A: ['127.0.0.3'], ttl: 0 })
  await gateway.ask('/', { signal: AbortSignal.timeout(50) }).catch(() => {})
  expect((await first).body).toBe('slow')
})

test('what a service is asked for does not change with its address', async () => {
  using a = await service(answering(ok('a')))
  using dns = await dnsServer({ 'upper.test': LOOPBACK })
  await using gateway = await over(at('Upper.test', a.port), dns.address)
  await gateway.ask()
  expect(field(a.requests[0], 'host')).toBe(`Upper.test:${a.port}`)
})

test('what a plugin asks is found by the same name servers, and by another address if one refuses', async () => {
  using a = await named('a')
  using told = await service(answering(ok()))
  using dns = await dnsServer({
    'a.test': LOOPBACK,
    'log.test': { A: ['127.0.0.2', '127.0.0.1'] },
  })
  const log = `plugins:\n- name: http-log\n  config: { http_endpoint: "http://log.test:${told.port}/", queue: { max_batch_size: 1 } }\n`
  await using gateway = await over(`${at('a.test', a.port)}${log}`, dns.address)
  for (let i = 1; i <= 6; i++) {
    await gateway.ask()
    await eventually(() => told.requests.length >= i)
  }
  expect(field(told.requests[0], 'host')).toBe(`log.test:${told.port}`)
  expect(dns.questions.filter((each) => each.startsWith('log'))).toEqual([
    'log.test SRV',
    'log.test A',
  ])
})
