import { expect, test } from 'bun:test'
import { gateway, proxied } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { ask, eventually, field, statusOf, Wire } from './wire.ts'

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n'

/** A WebSocket service that sends everything back and says how it was left. */
function echoService() {
  const left: { code: number; reason: string }[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, server) =>
      server.upgrade(request, {
        headers: { 'X-Seen': request.headers.get('x-forwarded-path') ?? '' },
      })
        ? undefined
        : new Response('no WebSocket', { status: 426 }),
    websocket: {
      message(socket, message) {
        if (message === 'leave') socket.close(4001, 'as asked')
        else socket.send(message)
      },
      close: (_socket, code, reason) => void left.push({ code, reason }),
    },
  })
  return { port: server.port!, left, [Symbol.asyncDispose]: () => server.stop(true) }
}

test('messages pass both ways, and so do the codes of the end', async () => {
  await using upstream = echoService()
  await using running = await gateway(proxied(upstream.port))
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${running.port}/chat`)
    socket.binaryType = 'arraybuffer'
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = reject
    })
    return socket
  }
  const socket = await open()
  const received: unknown[] = []
  socket.onmessage = ({ data }) => void received.push(data)
  const large = 'x'.repeat(1_000_000)
  const bytes = new Uint8Array(300_000).map((_, i) => i)
  socket.send('hello')
  socket.send(large)
  socket.send(bytes)
  for (let i = 0; i < 1000; i++) socket.send(String(i))
  await eventually(() => received.length === 1003)
  expect(received.slice(0, 2)).toEqual(['hello', large])
  expect(new Uint8Array(received[2] as ArrayBuffer)).toEqual(bytes)
  expect(received.slice(3)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))

  socket.close(4000, 'done')
  await eventually(() => upstream.left.length === 1)
  expect(upstream.left[0]).toEqual({ code: 4000, reason: 'done' })

  const other = await open()
  const closed = new Promise<CloseEvent>((resolve) => (other.onclose = resolve))
  other.send('leave')
  expect(await closed).toMatchObject({ code: 4001, reason: 'as asked' })
  await eventually(() => running.access.filter((line) => line.includes('" 101 ')).length === 2)
})

test('the handshake passes in the words of both, with what the gateway adds', async () => {
  using upstream = await service(answering(SWITCHING))
  await using running = await gateway(proxied(upstream.port))
  const answer = await ask(running.port, UPGRADE)
  expect(answer?.line).toBe('HTTP/1.1 101 Switching Protocols')
  const fields = [
    'connection',
    'upgrade',
    'sec-websocket-accept',
    'content-length',
    'transfer-encoding',
  ]
  expect(fields.map((name) => field(answer, name))).toEqual([
    'Upgrade',
    'websocket',
    'x',
    undefined,
    undefined,
  ])
  const sent = upstream.requests[0]
  expect(
    ['connection', 'upgrade', 'sec-websocket-version'].map((name) => field(sent, name)),
  ).toEqual(['keep-alive, Upgrade', 'websocket', '13'])
})

test('what is said together with the handshake is not lost, on either side', async () => {
  using upstream = await service(async (wire) => {
    await wire.message()
    wire.send(`${SWITCHING}from the service`)
    await wire.until((text) => text.includes('more'))
    wire.send(`; heard: ${wire.waiting}`).socket.end()
  })
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  wire.send(`${UPGRADE}from the client, `)
  expect(statusOf(await wire.message())).toBe(101)
  wire.send('more')
  expect(await wire.rest()).toBe('from the service; heard: from the client, more')
})

test('a service that does not want a WebSocket answers like to any request', async () => {
  const refusal =
    'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\nSec-WebSocket-Version: 8\r\n\r\nno'
  using upstream = await service(answering(refusal))
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  for (let i = 0; i < 2; i++) {
    const answer = await wire.send(UPGRADE).message()
    expect([statusOf(answer), answer?.body.toString()]).toEqual([426, 'no'])
  }
  expect(upstream.connections).toBe(1)
})

// prettier-ignore
test.each([
  ['h2c',                       UPGRADE.replace('websocket', 'h2c')],
  ['h2c beside websocket',      UPGRADE.replace('websocket', 'h2c, websocket')],
  ['another protocol',          UPGRADE.replace('websocket', 'foo/2')],
  ['POST',                      UPGRADE.replace('GET', 'POST')],
  ['a request with a body',     UPGRADE.replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nhi')],
  ['HTTP/1.0',                  UPGRADE.replace('HTTP/1.1', 'HTTP/1.0')],
  ['no Connection: Upgrade',    UPGRADE.replace('Connection: Upgrade', 'X-A: b')],
])('%s is no way out of HTTP', async (_, request) => {
  using upstream = await service(answering(ok('still HTTP')))
  await using running = await gateway(proxied(upstream.port))
  const answer = await ask(running.port, request)
  expect([statusOf(answer), answer?.body.toString()]).toEqual([200, 'still HTTP'])
  expect(field(upstream.requests[0], 'upgrade')).toBeUndefined()
})

test('a service that leaves HTTP all the same is 502', async () => {
  using upstream = await service(answering(`${SWITCHING}HTTP/1.1 200 OK\r\n\r\n`))
  await using running = await gateway(proxied(upstream.port))
  expect(statusOf(await ask(running.port, UPGRADE.replace('websocket', 'h2c')))).toBe(502)
})

test('a refused upgrade is refused before the service hears of it', async () => {
  using upstream = await service(answering(SWITCHING))
  await using running = await gateway(`${proxied(upstream.port)}plugins: [{ name: key-auth }]\n`)
  using wire = await Wire.to(running.port)
  expect(
    statusOf(await wire.send(`${UPGRADE}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`).message()),
  ).toBe(401)
  expect(statusOf(await wire.message())).toBe(401)
  expect(upstream.connections).toBe(0)
})

test('a tunnel ends when nobody says anything for read_timeout, whoever spoke last', async () => {
  using upstream = await service(async (wire) => {
    await wire.message()
    wire.send(SWITCHING)
  })
  await using running = await gateway(proxied(upstream.port, 'read_timeout: 200'))
  for (const words of [0, 3]) {
    using wire = await Wire.to(running.port)
    expect(statusOf(await wire.send(UPGRADE).message())).toBe(101)
    const began = performance.now()
    for (let i = 0; i < words; i++) {
      await Bun.sleep(120)
      wire.send('x')
    }
    await wire.rest()
    expect(performance.now() - began).toBeWithin(190 + 120 * words, 600 + 120 * words)
  }
})

test('the last words of a client that leaves reach the service', async () => {
  const size = 1_000_000
  const heard = Promise.withResolvers<number>()
  using upstream = await service(async (wire) => {
    await wire.message()
    wire.send(SWITCHING)
    wire.socket.pause()
    await Bun.sleep(100)
    wire.socket.resume()
    await wire.until(() => false, 2_000)
    heard.resolve(wire.waiting.length)
  })
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  expect(statusOf(await wire.send(UPGRADE).message())).toBe(101)
  await new Promise((resolve) => wire.socket.write(Buffer.alloc(size, 'x'), resolve))
  wire.socket.end()
  expect(await heard.promise).toBe(size)
})
