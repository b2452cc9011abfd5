import { afterEach, expect, test } from 'bun:test'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { createFetch } from '../../src/upstream/fetch.ts'
import { answering, ok, type Script, service } from './service.ts'
import { eventually } from './wire.ts'

const clients: UpstreamClient[] = []
afterEach(() => clients.splice(0).forEach((client) => client.close()))

function createTestFetch() {
  const client = new UpstreamClient({ poolSize: 512, idleTimeout: 60, maxRequests: 10_000 })
  clients.push(client)
  return createFetch(client, undefined)
}

const QUICK = { timeout: 300 }
const urlOf = ({ port }: { port: number }, path = '/') => `http://127.0.0.1:${port}${path}`

/** What became of a fetch, and when. */
async function outcome(fetching: Promise<Response>) {
  const began = performance.now()
  const result = await fetching.then(
    (response) => response,
    (error: { code?: string }) => error.code,
  )
  return { result, took: performance.now() - began }
}

test('a request is what it was asked to be, and the answer is whole', async () => {
  using server = await service(
    answering(
      'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    ),
  )
  const fetch = createTestFetch()
  const response = await fetch(urlOf(server, '/token?a=b%20c'), {
    ...QUICK,
    method: 'POST',
    headers: {
      Authorization: 'Basic x',
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': '99',
    },
    body: 'grant=ä',
  })
  expect([response.status, await response.json(), response.headers.getSetCookie()]).toEqual([
    201,
    {},
    ['a', 'b'],
  ])
  const [request] = server.requests
  expect(request?.line).toBe('POST /token?a=b%20c HTTP/1.1')
  expect(
    Object.fromEntries(request!.fields.map(([name, value]) => [name.toLowerCase(), value])),
  ).toMatchObject({
    host: `127.0.0.1:${server.port}`,
    authorization: 'Basic x',
    'content-length': '8',
    connection: 'keep-alive',
  })
  expect(request?.body.toString()).toBe('grant=ä')
})

test('a redirect is given back, not followed', async () => {
  using server = await service(
    answering('HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'),
  )
  const response = await createTestFetch()(urlOf(server), QUICK)
  expect([response.status, response.headers.get('location')]).toEqual([302, '/elsewhere'])
  expect(server.requests).toHaveLength(1)
})

test('a proxy of the environment is not asked', async () => {
  using server = await service(answering(ok('direct')))
  using proxy = await service(answering(ok('proxied')))
  const names = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']
  const before = names.map((name) => process.env[name])
  for (const name of names) process.env[name] = urlOf(proxy)
  try {
    expect(await (await createTestFetch()(urlOf(server), QUICK)).text()).toBe('direct')
    expect(proxy.connections).toBe(0)
  } finally {
    names.forEach((name, i) =>
      before[i] === undefined ? delete process.env[name] : (process.env[name] = before[i]),
    )
  }
})

// prettier-ignore
const LARGE: [name: string, script: Script][] = [
  ['by length',         answering(`HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n${'x'.repeat(1001)}`)],
  ['by length, unsent', answering('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')],
  ['by chunks',         answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${`64\r\n${'x'.repeat(100)}\r\n`.repeat(11)}0\r\n\r\n`)],
  ['without an end',    async (wire) => {
    await wire.message()
    wire.send('HTTP/1.1 200 OK\r\n\r\n')
    while (!wire.ending && !wire.socket.destroyed) {
      wire.send('x'.repeat(100))
      await Bun.sleep(1)
    }
  }],
]

test.each(LARGE)('an answer over the limit of size, %s, is refused', async (_, script) => {
  using server = await service(script)
  const { result, took } = await outcome(
    createTestFetch()(urlOf(server), { timeout: 2_000, maxBytes: 1000 }),
  )
  expect(result).toBe('invalid_response')
  expect(took).toBeLessThan(1_000)
})

test('an answer of just the limit is taken', async () => {
  using server = await service(answering(ok('x'.repeat(1000))))
  const response = await createTestFetch()(urlOf(server), { ...QUICK, maxBytes: 1000 })
  expect((await response.text()).length).toBe(1000)
})

// prettier-ignore
const SLOW: [name: string, script: Script][] = [
  ['that says nothing',         () => {}],
  ['that trickles its head',    (wire) => trickle(wire, 'HTTP/1.1 200 OK\r\nX-A: ')],
  ['that trickles its body',    (wire) => trickle(wire, 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')],
  ['that trickles interim answers', (wire) => trickle(wire, '', 'HTTP/1.1 102 Processing\r\n\r\n')],
]

async function trickle(wire: Parameters<Script>[0], first: string, more = 'x'): Promise<void> {
  await wire.message()
  wire.send(first)
  while (!wire.ending && !wire.socket.destroyed) {
    wire.send(more)
    await Bun.sleep(20)
  }
}

test.each(SLOW)(
  'a server %s is given up when the time for all of it is over',
  async (_, script) => {
    using server = await service(script)
    const { result, took } = await outcome(createTestFetch()(urlOf(server), QUICK))
    expect(result).toBe('read_timeout')
    expect(took).toBeWithin(290, 600)
  },
)

test('connecting again counts towards the same limit', async () => {
  using server = await service(async (wire, connection) => {
    if (connection > 0) return
    await wire.message()
    wire.send(ok())
    await wire.message()
    setTimeout(() => wire.socket.end(), 200)
  })
  const fetch = createTestFetch()
  await fetch(urlOf(server), QUICK)
  const { result, took } = await outcome(fetch(urlOf(server), QUICK))
  expect([result, server.connections]).toEqual(['read_timeout', 2])
  expect(took).toBeWithin(290, 450)
})

// prettier-ignore
const BROKEN: [name: string, script: Script, code: string][] = [
  ['closes without a word',  async (wire) => { await wire.message(); wire.socket.end() }, 'closed'],
  ['closes at once',         (wire) => void wire.socket.end(), 'closed'],
  ['cuts its body',          async (wire) => { await wire.message(); wire.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx').socket.end() }, 'closed'],
  ['sends garbage',          answering('garbage\r\n\r\n'), 'invalid_response'],
  ['answers 101',            async (wire) => { await wire.message(); wire.send('HTTP/1.1 101 Switching Protocols\r\n\r\n').socket.end() }, 'invalid_response'],
  ['answers 999',            answering('HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n'), 'invalid_response'],
]

test.each(BROKEN)('a server that %s is an error with a code', async (_, script, code) => {
  using server = await service(script)
  const fetch = createTestFetch()
  expect((await outcome(fetch(urlOf(server), QUICK))).result).toBe(code)
  expect((await outcome(fetch(urlOf(server), QUICK))).result).toBe(code)
})

test('a refused connection and an unknown name have codes of their own', async () => {
  const gone = await service(() => {})
  gone[Symbol.dispose]()
  const fetch = createTestFetch()
  expect((await outcome(fetch(urlOf(gone), QUICK))).result).toBe('connect_failed')
  expect((await outcome(fetch('http://nobody.invalid/', { timeout: 10_000 }))).result).toBe(
    'name_resolution_failed',
  )
}, 20_000)

const closesWhenReused: Script = async (wire, connection) => {
  await wire.message()
  wire.send(ok(String(connection)))
  await wire.message()
  wire.socket.end()
}

test('a GET on a kept connection that closes just then is sent again, a POST is not', async () => {
  using server = await service(closesWhenReused)
  const fetch = createTestFetch()
  expect(await (await fetch(urlOf(server), QUICK)).text()).toBe('0')
  expect(await (await fetch(urlOf(server), QUICK)).text()).toBe('1')
  const post = { ...QUICK, method: 'POST', body: 'refresh_token=once' }
  expect((await outcome(fetch(urlOf(server), post))).result).toBe('closed')
  expect(server.requests.filter(({ line }) => line.startsWith('POST'))).toHaveLength(1)
})

test('a POST goes on a connection that was just in use, and not on one that has rested', async () => {
  using server = await service(answering(ok()))
  const client = new UpstreamClient({ poolSize: 512, idleTimeout: 60, maxRequests: 10_000 })
  clients.push(client)
  const fetch = createFetch(client, undefined)
  const url = urlOf(server)
  const post = { ...QUICK, method: 'POST', body: 'refresh_token=once' }
  await fetch(url, QUICK)
  await fetch(url, post)
  expect(server.connections).toBe(1)

  const key = `${url.slice(0, -1)} true fetch`
  const kept = client.take({ host: '127.0.0.1', port: server.port, tls: undefined, key })!
  client.release(kept)
  kept.heardAt -= 1_500
  await fetch(url, post)
  expect(server.connections).toBe(2)
})

test('keepalive: false closes, otherwise one connection serves all', async () => {
  using server = await service(answering(ok()))
  const fetch = createTestFetch()
  for (let i = 0; i < 3; i++) await fetch(urlOf(server), QUICK)
  expect(server.connections).toBe(1)
  await fetch(urlOf(server), { ...QUICK, keepalive: false })
  expect(server.requests.at(-1)?.head).toMatch(/^connection: close$/im)
})

test('300 requests that hang at one server do not hold up another', async () => {
  using hung = await service(() => {})
  using lively = await service(answering(ok('lively')))
  const fetch = createTestFetch()
  const hanging = Array.from({ length: 300 }, () => outcome(fetch(urlOf(hung), { timeout: 700 })))
  await eventually(() => hung.connections === 128)
  const { result, took } = await outcome(fetch(urlOf(lively), QUICK))
  expect(result).toBeInstanceOf(Response)
  expect(took).toBeLessThan(200)
  expect(hung.connections).toBe(128)
  const all = await Promise.all(hanging)
  // Those in the line wait no longer than those at the server.
  expect(Math.max(...all.map(({ took }) => took))).toBeLessThan(1_200)
  expect(new Set(all.map(({ result }) => result))).toEqual(
    new Set(['read_timeout', 'connect_timeout']),
  )
})

test('after a server has hung, it is asked again', async () => {
  let isHung = true
  using server = await service(async (wire) => {
    while (await wire.message()) if (!isHung) wire.send(ok('back'))
  })
  const fetch = createTestFetch()
  await Promise.all(
    Array.from({ length: 200 }, () => outcome(fetch(urlOf(server), { timeout: 200 }))),
  )
  isHung = false
  expect(await (await fetch(urlOf(server), QUICK)).text()).toBe('back')
})

test('each address of a name is tried, and the time for it counts as well', async () => {
  using server = await service(answering(ok('found')))
  const client = new UpstreamClient({ poolSize: 512, idleTimeout: 60, maxRequests: 10_000 })
  clients.push(client)
  const { port } = server
  const fetch = createFetch(client, undefined, async (host) => {
    if (host === 'slow.test') await Bun.sleep(5_000)
    return [
      { host: '127.0.0.2', port },
      { host: '127.0.0.1', port },
    ]
  })
  for (let i = 0; i < 12; i++) {
    const response = await fetch('http://found.test/', { ...QUICK, keepalive: false })
    expect(await response.text()).toBe('found')
  }
  expect(server.requests[0]?.head).toMatch(/^host: found\.test$/im)
  const { result, took } = await outcome(fetch('http://slow.test/', QUICK))
  expect(result as unknown).toBe('name_resolution_failed')
  expect(took).toBeLessThan(2_000)
})
