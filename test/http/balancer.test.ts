import { describe, expect, test } from 'bun:test'
import { balanced, deadPort, moody, named, over, upstreamOf } from './balanced.ts'
import { answering, ok, service } from './service.ts'
import { eventually, field } from './wire.ts'

const at = ({ port }: { port: number }) => `127.0.0.1:${port}`
const NO_PEER = 'failure to get a peer from the ring-balancer'

// ---- who gets a request

test('targets get what their weights say, exactly; one of weight 0 gets nothing', async () => {
  using a = await named('a')
  using b = await named('b')
  using c = await named('c')
  await using gateway = await balanced([`${at(a)} 10`, `${at(b)} 30`, `${at(c)} 0`])
  expect(await gateway.count(20)).toEqual({ a: 5, b: 15 })
  expect(c.connections).toBe(0)
})

test.each([
  ['no targets', []],
  ['a target of weight 0', ['127.0.0.1:9 0']],
])('%s: 503 in the words of Kong', async (_, targets) => {
  await using gateway = await balanced(targets)
  const { status, body } = await gateway.ask()
  expect([status, JSON.parse(body).message]).toEqual([503, NO_PEER])
  expect(gateway.log.join()).toContain('code=no_peer')
})

test('the port of the service means nothing', async () => {
  using a = await named('a')
  await using gateway = await balanced([at(a)], { service: 'port: 9' })
  expect((await gateway.ask()).body).toBe('a')
})

test.each([
  ['the target', {}, (port: number) => `127.0.0.1:${port}`],
  [
    'host_header, with the port',
    { upstream: 'host_header: x.test' },
    (port: number) => `x.test:${port}`,
  ],
  [
    'host_header as it is, if it has a port',
    { upstream: 'host_header: x.test:1' },
    () => 'x.test:1',
  ],
  [
    'the host of the client, if the route says so',
    { route: 'preserve_host: true' },
    () => 'client.test',
  ],
])('a target is asked for %s', async (_, options, host) => {
  using a = await named('a')
  await using gateway = await balanced([at(a)], options)
  await gateway.ask('/', { headers: { host: 'client.test' } })
  expect(field(a.requests[0], 'host')).toBe(host(a.port))
})

test('least-connections: who is busy is left alone', async () => {
  const busy = Promise.withResolvers<void>()
  using a = await service(async (wire) => {
    while (await wire.message()) {
      await busy.promise
      wire.send(ok('a'))
    }
  })
  using b = await named('b')
  await using gateway = await balanced([at(a), at(b)], { upstream: 'algorithm: least-connections' })
  const first = [gateway.ask(), gateway.ask()]
  await eventually(() => a.requests.length === 1 && b.requests.length === 1)
  expect(await gateway.count(5)).toEqual({ b: 5 })
  busy.resolve()
  await Promise.all(first)
  expect(await gateway.count(6)).toEqual({ a: 3, b: 3 })
})

test('a client that leaves is no longer counted', async () => {
  using a = await service(() => {})
  await using gateway = await balanced([at(a)], { upstream: 'algorithm: least-connections' })
  using b = await named('b')
  const abort = new AbortController()
  const left = gateway.ask('/', { signal: abort.signal }).catch(() => 'left')
  await eventually(() => a.connections === 1)
  abort.abort()
  expect(await left).toBe('left')
  await eventually(() => gateway.log.join().includes('was cut'))
  gateway.reload(
    upstreamOf([at(a), `${at(b)} 1`], {
      upstream: 'algorithm: least-connections',
      service: 'read_timeout: 100, retries: 0',
    }),
  )
  // Were it still counted, the other one would be asked first.
  expect((await gateway.ask()).status).toBe(504)
})

test('latency: the faster one is asked', async () => {
  using slow = await service(async (wire) => {
    while (await wire.message()) {
      await Bun.sleep(60)
      wire.send(ok('slow'))
    }
  })
  using fast = await named('fast')
  await using gateway = await balanced([at(slow), at(fast)], { upstream: 'algorithm: latency' })
  await gateway.count(10)
  const { fast: often = 0 } = await gateway.count(20)
  expect(often).toBeGreaterThan(17)
})

// ---- hashing: forty keys, since a few may all belong to one of two targets, whose ports are drawn

// prettier-ignore
const HASHES: [name: string, upstream: string, request: (i: number) => [string, RequestInit]][] = [
  ['header',    'hash_on: header\nhash_on_header: X-Key',          (i) => ['/', { headers: { 'x-key': `${i}` } }]],
  ['query_arg', 'hash_on: query_arg\nhash_on_query_arg: key',      (i) => [`/?a=b&key=${i}`, {}]],
  ['path',      'hash_on: path',                                   (i) => [`/${i}`, {}]],
  ['cookie',    'hash_on: cookie\nhash_on_cookie: key',            (i) => ['/', { headers: { cookie: `a=b; key=${i}` } }]],
  ['fallback',  'hash_on: consumer\nhash_fallback: header\nhash_fallback_header: x-key', (i) => ['/', { headers: { 'x-key': `${i}` } }]],
]

test.each(HASHES)(
  'hash_on %s: the same goes to the same, and others to others',
  async (_, upstream, request) => {
    using a = await named('a')
    using b = await named('b')
    await using gateway = await balanced([at(a), at(b)], { upstream })
    const round = async () => {
      const bodies: string[] = []
      for (let i = 0; i < 40; i++) bodies.push((await gateway.ask(...request(i))).body)
      return bodies
    }
    const first = await round()
    expect(new Set(first)).toEqual(new Set(['a', 'b']))
    expect(await round()).toEqual(first)
  },
)

test('hash_on uri_capture: what the group of the route matched', async () => {
  using a = await named('a')
  using b = await named('b')
  await using gateway = await over(
    upstreamOf([at(a), at(b)], {
      upstream: 'hash_on: uri_capture\nhash_on_uri_capture: user',
    }).replace('"/"', '"~/users/(?<user>[^/]+)/"'),
  )
  const bodies = new Map<number, Set<string>>()
  for (let i = 0; i < 120; i++) {
    const { body } = await gateway.ask(`/users/${i % 40}/${i}`)
    bodies.set(i % 40, (bodies.get(i % 40) ?? new Set()).add(body))
  }
  for (const each of bodies.values()) expect(each.size).toBe(1)
  expect(new Set([...bodies.values()].flatMap((each) => [...each]))).toEqual(new Set(['a', 'b']))
})

test('hash_on ip, or on what is not there: one target', async () => {
  using a = await named('a')
  using b = await named('b')
  for (const upstream of ['hash_on: ip', 'hash_on: header\nhash_on_header: x-none']) {
    await using gateway = await balanced([at(a), at(b)], { upstream })
    expect(Object.values(await gateway.count(6))).toEqual([6])
  }
})

test('the cookie of a new client is set on the answer, and leads to the same target', async () => {
  using a = await service(
    answering(
      'HTTP/1.1 200 OK\r\nSet-Cookie: key=theirs; Path=/\r\nSet-Cookie: other=1\r\nContent-Length: 1\r\n\r\na',
    ),
  )
  using b = await service(
    answering('HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\nContent-Length: 1\r\n\r\nb'),
  )
  await using gateway = await balanced([at(a), at(b)], {
    upstream: 'hash_on: cookie\nhash_on_cookie: key\nhash_on_cookie_path: /in',
  })
  for (let i = 0; i < 6; i++) {
    const { body, headers } = await gateway.ask()
    const cookies = headers.getSetCookie()
    expect(cookies[0]).toBe('other=1')
    expect(cookies.slice(1)).toEqual([
      expect.stringMatching(/^key=[0-9a-f-]{36}; Path=\/in; Same-Site=Lax; HttpOnly$/),
    ])
    const again = await gateway.ask('/', { headers: { cookie: cookies[1]!.split(';')[0]! } })
    expect(again.body).toBe(body)
    expect(again.headers.getSetCookie()).toHaveLength(body === 'a' ? 2 : 1)
  }
})

// ---- another try

describe('another target is tried', () => {
  test('if the first refuses, for a POST as well, and is asked by its own name', async () => {
    const dead = await deadPort()
    using a = await named('a')
    await using gateway = await balanced([`127.0.0.1:${dead}`, at(a)])
    expect(await gateway.count(10)).toEqual({ a: 10 })
    const post = () => ({ method: 'POST', body: 'hello' })
    expect(await gateway.count(10, post)).toEqual({ a: 10 })
    expect(new Set(a.requests.map((each) => field(each, 'host')))).toEqual(new Set([at(a)]))
    expect(a.requests.at(-1)!.body.toString()).toBe('hello')
  })

  test('if the first is silent, but not for what must not be sent twice', async () => {
    using silent = await service(() => {})
    using a = await named('a')
    const options = { service: 'read_timeout: 100' }
    await using gateway = await balanced([at(silent), at(a)], options)
    expect(await gateway.count(4)).toEqual({ a: 4 })
    const posts = await gateway.count(4, () => ({ method: 'POST', body: 'hello' }))
    expect(posts).toEqual({ a: 2, 504: 2 })
  })

  test('if the first closes without an answer', async () => {
    using rude = await service(async (wire) => {
      await wire.message()
      wire.socket.end()
    })
    using a = await named('a')
    await using gateway = await balanced([at(rude), at(a)])
    expect(await gateway.count(6)).toEqual({ a: 6 })
  })

  test('but not if it answers, however badly, or begins to', async () => {
    using bad = await service(answering('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'))
    using garbage = await service(answering('garbage\r\n\r\n'))
    using a = await named('a')
    await using gateway = await balanced([at(bad), at(garbage), at(a)])
    expect(await gateway.count(9)).toEqual({ a: 3, 502: 3, 503: 3 })
  })

  test('at most as often as retries says', async () => {
    const dead = await deadPort()
    using a = await named('a')
    const options = { service: 'retries: 0' }
    await using gateway = await balanced([`127.0.0.1:${dead}`, at(a)], options)
    expect(await gateway.count(6)).toEqual({ a: 3, 502: 3 })
  })

  test('with consistent hashing too', async () => {
    const dead = await deadPort()
    using a = await named('a')
    await using gateway = await balanced([`127.0.0.1:${dead}`, at(a)], {
      upstream: 'hash_on: path',
    })
    for (let i = 0; i < 10; i++) expect((await gateway.ask(`/${i}`)).body).toBe('a')
  })
})

// ---- health

const passive = (unhealthy: string, threshold = 0) =>
  `healthchecks: { threshold: ${threshold}, passive: { unhealthy: { ${unhealthy} } } }`

test('passive: so many bad answers, and a target is left out; the log and the health view say so', async () => {
  using a = await moody('a')
  using b = await moody('b')
  await using gateway = await balanced([at(a), at(b)], { upstream: passive('http_failures: 2') })
  expect(gateway.health).toEqual({ [at(a)]: 'HEALTHY', [at(b)]: 'HEALTHY' })
  a.status = 500
  expect(await gateway.count(8)).toEqual({ b: 6, 500: 2 })
  expect(gateway.health).toEqual({ [at(a)]: 'UNHEALTHY', [at(b)]: 'HEALTHY' })
  expect(gateway.log.filter((line) => line.includes('code=target_unhealthy'))).toHaveLength(1)
  b.status = 503
  expect(await gateway.count(4)).toEqual({ 503: 4 })
  const { status, body } = await gateway.ask()
  expect([status, JSON.parse(body).message]).toEqual([503, NO_PEER])
  expect(gateway.log.join()).toContain('code=upstream_unhealthy')
})

test('passive: refused connections and timeouts have counters of their own', async () => {
  const dead = `127.0.0.1:${await deadPort()}`
  using silent = await service(() => {})
  using a = await named('a')
  await using gateway = await balanced([dead, at(silent), at(a)], {
    upstream: passive('tcp_failures: 2, timeouts: 3'),
    service: 'read_timeout: 50',
  })
  expect(await gateway.count(12)).toEqual({ a: 12 })
  expect(gateway.health).toEqual({
    [dead]: 'UNHEALTHY',
    [at(silent)]: 'UNHEALTHY',
    [at(a)]: 'HEALTHY',
  })
  expect(silent.connections).toBe(3)
})

test.each([
  [49, { 500: 1, b: 3 }],
  [50, { 500: 1, 503: 3 }],
])('threshold %d, with half of the weight left: %j', async (threshold, expected) => {
  using a = await moody('a')
  using b = await named('b')
  await using gateway = await balanced([at(a), at(b)], {
    upstream: passive('http_failures: 1', threshold),
  })
  a.status = 500
  expect(await gateway.count(4)).toEqual(expected as never)
})

test('without checks nothing is counted', async () => {
  using a = await moody('a')
  await using gateway = await balanced([at(a)])
  a.status = 500
  expect(await gateway.count(20)).toEqual({ 500: 20 })
  expect(gateway.health).toEqual({ [at(a)]: 'HEALTHCHECKS_OFF' })
})

const active = (more = '', unhealthy = '') =>
  `healthchecks: { active: { ${more} healthy: { interval: 0.02, successes: 2 }, unhealthy: { interval: 0.02, http_failures: 2, tcp_failures: 2, timeouts: 2${unhealthy} } } }`

test('active: a target that fails its probes is left out, and taken back when it passes them', async () => {
  using a = await moody('a')
  using b = await named('b')
  await using gateway = await balanced([at(a), at(b)], {
    upstream: `${active('http_path: /status, headers: { x-probe: ["1", "2"] },')}`,
  })
  a.status = 500
  await eventually(() => gateway.health[at(a)] === 'UNHEALTHY')
  expect(await gateway.count(4)).toEqual({ b: 4 })
  a.status = 200
  await eventually(() => gateway.health[at(a)] === 'HEALTHY')
  expect(await gateway.count(4)).toEqual({ a: 2, b: 2 })
  const probe = a.requests[0]!
  expect(probe.line).toBe('GET /status HTTP/1.1')
  expect([field(probe, 'host'), field(probe, 'connection')]).toEqual(['127.0.0.1', 'close'])
  expect(probe.head).toContain('x-probe: 1\r\nx-probe: 2')
})

test.each([
  ['that closes', (wire: { socket: { end(): void } }) => wire.socket.end(), ''],
  ['that is silent', () => {}, 'timeout: 0.05,'],
  [
    'that speaks something else',
    (wire: { send(text: string): void }) => wire.send('220 hello\r\n'),
    '',
  ],
])('active: a target %s is unhealthy', async (_, script, more) => {
  using a = await service(script as never)
  await using gateway = await balanced([at(a)], { upstream: active(more) })
  await eventually(() => gateway.health[at(a)] === 'UNHEALTHY')
})

test('active, tcp: whoever takes a connection is healthy', async () => {
  const dead = `127.0.0.1:${await deadPort()}`
  using a = await service(() => {})
  await using gateway = await balanced([at(a), dead], { upstream: active('type: tcp,') })
  await eventually(() => gateway.health[dead] === 'UNHEALTHY')
  expect(gateway.health[at(a)]).toBe('HEALTHY')
  expect(a.requests).toEqual([])
})

test('active: no more at once than concurrency says, and none after the gateway has stopped', async () => {
  let now = 0
  let most = 0
  const script = async (wire: { message(): Promise<unknown>; send(text: string): void }) => {
    await wire.message()
    most = Math.max(most, ++now)
    await Bun.sleep(10)
    now--
    wire.send(ok())
  }
  using a = await service(script)
  using b = await service(script)
  using c = await service(script)
  {
    await using _ = await balanced([at(a), at(b), at(c)], { upstream: active('concurrency: 2,') })
    await eventually(() => c.connections > 2)
  }
  expect(most).toBe(2)
  await eventually(() => now === 0)
  const before = a.connections
  await Bun.sleep(60)
  expect(a.connections).toBe(before)
})

// ---- a reload

test('a reload keeps the health and the turns of what stays', async () => {
  using a = await moody('a')
  using b = await named('b')
  using c = await named('c')
  const upstream = passive('http_failures: 1')
  await using gateway = await balanced([at(a), at(b)], { upstream })
  a.status = 500
  await gateway.count(2)
  expect(gateway.health[at(a)]).toBe('UNHEALTHY')
  a.status = 200
  gateway.reload(upstreamOf([at(a), at(b)], { upstream, service: 'retries: 1' }))
  expect(gateway.health[at(a)]).toBe('UNHEALTHY')
  gateway.reload(upstreamOf([at(a), at(b), at(c)], { upstream }))
  expect(gateway.health).toEqual({ [at(a)]: 'UNHEALTHY', [at(b)]: 'HEALTHY', [at(c)]: 'HEALTHY' })
  expect(await gateway.count(4)).toEqual({ b: 2, c: 2 })
  // What nobody checks any more cannot stay unhealthy for ever.
  gateway.reload(upstreamOf([at(a), at(b)]))
  expect(await gateway.count(4)).toEqual({ a: 2, b: 2 })
})

test('a request that began before a reload counts after it', async () => {
  const goOn = Promise.withResolvers<void>()
  using a = await service(async (wire) => {
    await wire.message()
    await goOn.promise
    wire.send('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')
  })
  const upstream = passive('http_failures: 1')
  await using gateway = await balanced([at(a)], { upstream })
  const first = gateway.ask()
  await eventually(() => a.requests.length === 1)
  gateway.reload(upstreamOf([at(a), '127.0.0.1:9 0'], { upstream }))
  goOn.resolve()
  expect((await first).status).toBe(500)
  expect(gateway.health[at(a)]).toBe('UNHEALTHY')
  expect(gateway.log.join()).toContain('code=upstream_unhealthy')
  expect((await gateway.ask()).status).toBe(503)
})

test('a weight of 0 by a reload drains a target', async () => {
  using a = await named('a')
  using b = await named('b')
  await using gateway = await balanced([at(a), at(b)])
  await gateway.count(2)
  gateway.reload(upstreamOf([`${at(a)} 0`, at(b)]))
  expect(await gateway.count(4)).toEqual({ b: 4 })
})
