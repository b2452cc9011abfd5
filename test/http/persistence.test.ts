import { expect, test } from 'bun:test'
import { gateway, proxied } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { ask, eventually, field, statusOf, Wire } from './wire.ts'

const paths = answering(({ line, body }) => ok(`${line.split(' ')[1]} ${body}`))
const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`

test('three requests in one packet are answered in their order on one connection', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  const post =
    'POST /b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'
  wire.send(get('/a') + post + get('/c', 'Connection: close\r\n'))
  const answers = [await wire.message(), await wire.message(), await wire.message()]
  expect(answers.map((each) => each?.body.toString())).toEqual(['/a ', '/b hi', '/c '])
  expect(answers.map((each) => field(each, 'connection'))).toEqual([
    'keep-alive',
    'keep-alive',
    'close',
  ])
  expect(await wire.rest()).toBe('')
  expect(upstream.connections).toBe(1)
})

test('a request that comes byte by byte is one request', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  const bytes =
    'POST /slow HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'
  for (const byte of bytes) {
    wire.send(byte)
    await Bun.sleep(0)
  }
  expect((await wire.message())?.body.toString()).toBe('/slow hello')
  wire.send(get('/next'))
  expect((await wire.message())?.body.toString()).toBe('/next ')
})

test('answers that their client does not take hold up its next requests instead of filling memory', async () => {
  const body = 'x'.repeat(64 * 1024)
  using upstream = await service(answering(ok(body)))
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  wire.socket.pause()
  wire.send(get('/').repeat(1000))
  let asked = -1
  await eventually(() => asked === (asked = upstream.requests.length) && asked > 0)
  await Bun.sleep(100)
  // What the kernel holds for a client that reads nothing is a few megabytes, of the 64 that it asked for.
  expect(upstream.requests.length).toBeLessThan(300)
  wire.socket.resume()
  for (let i = 0; i < 1000; i++) expect((await wire.message())?.body.length).toBe(body.length)
  expect(upstream.requests.length).toBe(1000)
}, 10_000)

// prettier-ignore
test.each([
  ['HTTP/1.1',                                    'HTTP/1.1', '',                                              'keep-alive'],
  ['HTTP/1.1 with close',                         'HTTP/1.1', 'Connection: close\r\n',                         'close'],
  ['HTTP/1.1 with close among others',            'HTTP/1.1', 'Connection: X-A ,  CLOSE\r\n',                  'close'],
  ['HTTP/1.1 with close in the second field',     'HTTP/1.1', 'Connection: keep-alive\r\nConnection: close\r\n', 'close'],
  ['HTTP/1.0',                                    'HTTP/1.0', '',                                              'close'],
  ['HTTP/1.0 with keep-alive',                    'HTTP/1.0', 'Connection: Keep-Alive\r\n',                    'keep-alive'],
])('%s keeps or closes the connection', async (_, version, fields, expected) => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  const request = `GET / ${version}\r\nHost: a.test\r\n${fields}\r\n`
  const answer = await wire.send(request).message()
  expect([statusOf(answer), field(answer, 'connection')]).toEqual([200, expected])
  if (expected === 'close') return expect(await wire.rest()).toBe('')
  expect(statusOf(await wire.send(request).message())).toBe(200)
})

test('HTTP/1.0 gets the end of a body of unknown length by the end of the connection', async () => {
  const chunks = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
  using upstream = await service(answering(chunks))
  await using running = await gateway(proxied(upstream.port))
  const answer = await ask(running.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  expect(field(answer, 'transfer-encoding')).toBeUndefined()
  expect(field(answer, 'connection')).toBe('close')
  expect([answer?.body.toString(), answer?.isWhole]).toEqual(['abc', true])
})

// prettier-ignore
test.each([
  ['HEAD by length',   'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',          ['200', '5', undefined]],
  ['HEAD by chunks',   'HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', ['200', undefined, undefined]],
  ['HEAD of neither',  'HEAD', 'HTTP/1.1 200 OK\r\n\r\n',                               ['200', undefined, undefined]],
  ['204',              'GET',  'HTTP/1.1 204 No Content\r\n\r\n',                       ['204', undefined, undefined]],
  ['204 with length',  'GET',  'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',  ['204', undefined, undefined]],
  ['304 with length',  'GET',  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', ['304', '5', undefined]],
  ['304 by chunks',    'GET',  'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', ['304', undefined, undefined]],
  ['200 of length 0',  'GET',  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',          ['200', '0', undefined]],
])('%s has no body, and the connection goes on', async (_, method, bytes, expected) => {
  using upstream = await service(answering(bytes))
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  for (let i = 0; i < 2; i++) {
    const answer = await wire
      .send(`${method} / HTTP/1.1\r\nHost: a.test\r\n\r\n`)
      .message(method)
    const [, status] = answer!.line.split(' ')
    const framing = [field(answer, 'content-length'), field(answer, 'transfer-encoding')]
    expect([status, ...framing]).toEqual(expected)
  }
  expect(wire.waiting).toBe('')
  expect(upstream.connections).toBe(1)
})

test('HEAD of an error has the length of the body that it leaves out', async () => {
  await using running = await gateway('')
  using wire = await Wire.to(running.port)
  const answer = await wire.send('HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n').message('HEAD')
  expect([statusOf(answer), Number(field(answer, 'content-length')) > 0]).toEqual([404, true])
  expect(statusOf(await wire.send(get('/')).message())).toBe(404)
  await eventually(() => running.access.length === 2)
  expect(running.access[0]).toContain('"HEAD / HTTP/1.1" 404 0 ')
})

// ---- Expect: 100-continue (RFC 9110 §10.1.1)

const expecting = (length: number, version = 'HTTP/1.1') =>
  `POST /up ${version}\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`

test('100 Continue is said once the body is wanted, and Expect ends at the gateway', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  const interim = await wire.send(expecting(5)).message()
  expect(interim?.head).toBe('HTTP/1.1 100 Continue')
  expect((await wire.send('hello').message())?.body.toString()).toBe('/up hello')
  expect(upstream.requests[0]?.head).not.toContain('xpect')
})

test('a client that does not wait for 100 Continue is not told', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  expect((await ask(running.port, `${expecting(5)}hello`))?.body.toString()).toBe('/up hello')
})

test('HTTP/1.0 never sees 100 Continue', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port))
  using wire = await Wire.to(running.port)
  wire.send(expecting(5, 'HTTP/1.0'))
  await eventually(() => upstream.connections === 1)
  expect((await wire.send('hello').message())?.line).toBe('HTTP/1.1 200 OK')
})

test('a refused upload hears its refusal in place of 100 Continue', async () => {
  await using running = await gateway('')
  using wire = await Wire.to(running.port)
  const answer = await wire.send(expecting(5)).message()
  expect([statusOf(answer), field(answer, 'connection')]).toEqual([404, 'close'])
})

// ---- bodies that are too large, or not wanted

const upload = (framing: string) => `POST / HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n`

test('a body over the limit is 413, by length at once and by chunks when it gets there', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port), { settings: { maxBodySize: 1000 } })
  const chunk = `1f4\r\n${'x'.repeat(500)}\r\n`
  const tooLong = await ask(running.port, upload('Content-Length: 1001'))
  const tooMany = await ask(running.port, upload('Transfer-Encoding: chunked') + chunk.repeat(3))
  for (const answer of [tooLong, tooMany]) {
    expect([statusOf(answer), field(answer, 'connection')]).toEqual([413, 'close'])
    expect(answer?.body.toString()).toStartWith('Payload too large\nrequest_id: ')
  }
  using wire = await Wire.to(running.port)
  wire.send(upload('Transfer-Encoding: chunked')).send(chunk)
  await eventually(() => upstream.connections === 1)
  expect(statusOf(await wire.send(chunk + chunk).message())).toBe(413)
  await eventually(() => running.access.length === 3)
  expect(running.access.map((line) => line.split('" ')[1]?.slice(0, 3))).toEqual([
    '413',
    '413',
    '413',
  ])
  expect(upstream.requests.filter(({ isWhole }) => isWhole)).toEqual([])
  const just = await ask(
    running.port,
    `${upload('Transfer-Encoding: chunked')}${chunk.repeat(2)}0\r\n\r\n`,
  )
  expect(statusOf(just)).toBe(200)
})

const KEY_AUTH = `plugins: [{ name: key-auth, config: { hide_credentials: false } }]\n`

test('a refusal of a large upload can be read by a client that sends all before it listens', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port) + KEY_AUTH)
  using wire = await Wire.to(running.port)
  const size = 8 * 1024 * 1024
  wire.send(upload(`Content-Length: ${size}`))
  wire.socket.pause()
  await new Promise((resolve) => wire.socket.write(Buffer.alloc(size), resolve))
  wire.socket.resume()
  const answer = await wire.message()
  expect([statusOf(answer), field(answer, 'connection')]).toEqual([401, 'close'])
  expect(answer?.isWhole).toBe(true)
  expect(upstream.connections).toBe(0)
})

// ---- clients that leave

test('a client that leaves takes its request with it', async () => {
  let received = () => ''
  let left: () => unknown = () => undefined
  using upstream = await service((wire) => {
    received = () => wire.waiting
    left = () => wire.ending
  })
  await using running = await gateway(proxied(upstream.port))
  const wire = await Wire.to(running.port)
  wire.send(upload('Content-Length: 10')).send('12345')
  await eventually(() => received().endsWith('12345'))
  wire.close()
  await eventually(() => left() !== undefined)
  await eventually(() => running.access.length === 1)
  expect(running.access[0]).toContain('"POST / HTTP/1.1" 499 0 ')
})

test('a client that leaves in the middle of the answer stops it', async () => {
  let left: () => unknown = () => undefined
  using upstream = await service(async (wire) => {
    left = () => wire.ending
    await wire.message()
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
    const part = Buffer.alloc(64 * 1024)
    while (!wire.ending && !wire.socket.destroyed) {
      if (!wire.socket.write(part)) await Bun.sleep(1)
    }
  })
  await using running = await gateway(proxied(upstream.port))
  const wire = await Wire.to(running.port)
  wire.send(get('/'))
  await wire.until((text) => text.length > 1_000_000)
  wire.close()
  await eventually(() => left() !== undefined)
})

test('a gateway that stops answers what was asked, says that it closes, and drops who asks nothing', async () => {
  let answer = () => {}
  using upstream = await service(async (wire) => {
    await wire.message()
    answer = () => void wire.send(ok('late'))
  })
  const running = await gateway(proxied(upstream.port))
  using idle = await Wire.to(running.port)
  using busy = await Wire.to(running.port)
  busy.send(get('/'))
  await eventually(() => upstream.requests.length === 1)
  const stopped = running.stop(3_000)
  expect(await idle.rest()).toBe('')
  answer()
  const last = await busy.message()
  expect([last?.body.toString(), field(last, 'connection')]).toEqual(['late', 'close'])
  expect(await busy.rest()).toBe('')
  await stopped
})

// prettier-ignore
test.each(['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'WS', '$'])(
  'the method %s is one like another',
  async (method) => {
    using upstream = await service(answering(({ line }) => ok(line)))
    await using running = await gateway(proxied(upstream.port))
    const answer = await ask(running.port, get('/a').replace('GET', method))
    expect(answer?.body.toString()).toBe(`${method} /a HTTP/1.1`)
  },
)

test('a connection to a service is kept without a limit where the limits are 0', async () => {
  using upstream = await service(paths)
  const settings = { idleTimeout: 0, maxRequests: 0 }
  await using running = await gateway(proxied(upstream.port), { settings })
  for (let i = 0; i < 3; i++) {
    expect(statusOf(await ask(running.port, get('/a')))).toBe(200)
    // Longer than it takes to notice a deadline.
    await Bun.sleep(60)
  }
  expect(upstream.connections).toBe(1)
})

test('a client for whom there is no room is let go, and finds room when another has left', async () => {
  using upstream = await service(paths)
  await using running = await gateway(proxied(upstream.port), { settings: { maxConnections: 1 } })
  using first = await Wire.to(running.port)
  expect(statusOf(await first.send(get('/a')).message())).toBe(200)
  using second = await Wire.to(running.port)
  await eventually(() => second.ending !== undefined)
  expect(statusOf(await first.send(get('/b')).message())).toBe(200)
  first.close()
  for (let i = 0; i < 100; i++) {
    const answer = await ask(running.port, get('/c')).catch(() => undefined)
    if (answer) return expect(statusOf(answer)).toBe(200)
    await Bun.sleep(5)
  }
  throw new Error('no room')
})
