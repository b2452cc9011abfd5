import { expect, test } from 'bun:test'
import { gateway, proxied } from './gateway.ts'
import { gatewayProcess } from './process.ts'
import { answering, ok, service } from './service.ts'
import { ask, statusOf, Wire } from './wire.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

test('10,000 requests on 50 kept connections are answered, every one', async () => {
  using upstream = await service(answering(({ line }) => ok(line.split(' ')[1])))
  await using running = await gatewayProcess(proxied(upstream.port))
  const client = async (id: number) => {
    using wire = await Wire.to(running.port)
    for (let i = 0; i < 200; i++) {
      const path = `/${id}/${i}`
      const answer = await wire.send(GET.replace('/', path)).message()
      if (answer?.body.toString() !== path) throw new Error(`${path}: ${answer?.head}`)
    }
  }
  await Promise.all(Array.from({ length: 50 }, (_, id) => client(id)))
  expect(upstream.requests).toHaveLength(10_000)
  expect(upstream.connections).toBeLessThanOrEqual(50)
}, 20_000)

test('uploads to a service that resets kept connections in the middle are 502, and no more', async () => {
  using upstream = await service(async (wire) => {
    await wire.message()
    wire.send(ok())
    await wire.until((text) => text.length > 0).catch(() => {})
    wire.socket.resetAndDestroy()
  })
  await using running = await gatewayProcess(proxied(upstream.port, 'retries: 0'))
  const seen = new Map<number, number>()
  for (let i = 0; i < 300; i++) {
    using wire = await Wire.to(running.port)
    wire.send('PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    wire.send('5\r\nworld\r\n0\r\n\r\n')
    const answer = await wire.message()
    expect(answer?.isWhole).toBe(true)
    seen.set(statusOf(answer), (seen.get(statusOf(answer)) ?? 0) + 1)
  }
  expect([...seen.keys()].sort()).toEqual([200, 502])
  expect(statusOf(await ask(running.port, GET))).toBe(200)
}, 20_000)

test('500 clients that leave at any moment leave nothing behind', async () => {
  let open = 0
  using upstream = await service(async (wire) => {
    open++
    wire.socket.on('close', () => open--)
    while (await wire.message()) {
      await Bun.sleep(3)
      wire.send(ok('x'.repeat(100_000)))
    }
  })
  await using running = await gateway(proxied(upstream.port, 'read_timeout: 1000'))
  await Promise.all(
    Array.from({ length: 500 }, async (_, i) => {
      const wire = await Wire.to(running.port)
      wire.send(GET.slice(0, 10 + (i % 60)))
      await Bun.sleep(i % 12)
      if (i % 3 === 0) wire.socket.resetAndDestroy()
      else wire.close()
    }),
  )
  expect(statusOf(await ask(running.port, GET))).toBe(200)
  await running.stop(2_000)
  const limit = performance.now() + 2_000
  while (open > 0 && performance.now() < limit) await Bun.sleep(5)
  expect(open).toBe(0)
}, 20_000)
