import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Connection, request } from './client.ts'
import { gatewayOf } from './entities.ts'
import { Gatehouse, run } from './gatehouse.ts'
import { Service } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

describe.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s', (signal) => {
  test('answers what was asked, takes nothing new, and ends with 0', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    using slow = await Connection.open(gatehouse.port)
    using idle = await Connection.open(gatehouse.port)
    expect((await idle.request()).status).toBe(200)
    const answer = slow.request({ path: '/anything?delay=700' })
    await until('the slow request at the service', () => service.requests.length === 2)
    gatehouse.signal(signal)
    await gatehouse.logged(new RegExp(`${signal}: answers what was asked, then stops`))
    await until('the end of the idle connection', () => idle.isClosed)
    expect(await request(gatehouse.port).catch(() => 'refused')).toBe('refused')
    expect(gatehouse.isRunning).toBe(true)
    const { status, headers } = await answer
    expect([status, headers.connection]).toEqual([200, 'close'])
    const before = performance.now()
    expect(await gatehouse.ended()).toBe(0)
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(gatehouse.accessLog).toMatch(/"GET \/anything\?delay=700 HTTP\/1\.1" 200 /)
  })
})

test('a request that is never answered holds it up for ten seconds at most', async () => {
  using service = new Service()
  await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
  using hung = await Connection.open(gatehouse.port)
  hung.request({ path: '/anything?delay=60000' }).catch(() => {})
  await until('the request at the service', () => service.requests.length === 1)
  const before = performance.now()
  expect(await gatehouse.stop()).toBe(0)
  expect(performance.now() - before).toBeWithin(5_000, 11_000)
})

test.each(['SIGTERM', 'SIGINT'] as const)('a second signal does not wait: %s', async (second) => {
  using service = new Service()
  await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
  using hung = await Connection.open(gatehouse.port)
  hung.request({ path: '/anything?delay=60000' }).catch(() => {})
  await until('the request at the service', () => service.requests.length === 1)
  gatehouse.signal('SIGTERM')
  await gatehouse.logged(/SIGTERM/)
  gatehouse.signal(second)
  await gatehouse.ended(1_000)
  expect(gatehouse.isRunning).toBe(false)
})

test('under load, every request that it took is answered', async () => {
  using service = new Service()
  await using gatehouse = await Gatehouse.start({
    config: gatewayOf(service.url),
    settings: ['proxy_access_log = off'],
  })
  const { port } = gatehouse
  const results: Record<string, number> = {}
  const workers = Array.from({ length: 20 }, async () => {
    using connection = await Connection.open(port)
    for (let isOpen = true; isOpen;) {
      const { status, headers } = await connection.request()
      results[status] = (results[status] ?? 0) + 1
      isOpen = headers.connection !== 'close'
    }
  })
  await until('some answers', () => (results['200'] ?? 0) > 200)
  gatehouse.signal('SIGTERM')
  // Each connection is told that it ends; none is cut in the middle of a request.
  await Promise.all(workers)
  expect(Object.keys(results)).toEqual(['200'])
  expect(await gatehouse.ended()).toBe(0)
})

test('while it drains, health says so', async () => {
  using service = new Service()
  using free = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const address = `127.0.0.1:${free.port}`
  free.stop(true)
  await using gatehouse = await Gatehouse.start({
    config: gatewayOf(service.url),
    settings: [`status_listen = ${address}`],
  })
  using slow = await Connection.open(gatehouse.port)
  const answer = slow.request({ path: '/anything?delay=800' })
  await until('the request at the service', () => service.requests.length === 1)
  gatehouse.signal('SIGTERM')
  await gatehouse.logged(/SIGTERM/)
  expect(await run(['health'], { env: { KONG_STATUS_LISTEN: address } })).toEqual({
    code: 1,
    stdout: 'Gatehouse is draining\n',
    stderr: '',
  })
  expect((await answer).status).toBe(200)
  expect(await gatehouse.ended()).toBe(0)
})
