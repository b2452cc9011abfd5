import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { gateway, proxied } from './gateway.ts'
import { answering, echo, ok, service } from './service.ts'
import { eventually, statusOf, Wire } from './wire.ts'

setDefaultTimeout(15_000)

const PLAIN = { host: '127.0.0.1', port: 0, http2: true }
const SSL = { ...PLAIN, ssl: true }

interface Answer {
  readonly status: number
  readonly fields: Readonly<Record<string, unknown>>
  readonly body: string
}

/** The answer to one request; rejects if its stream is reset. */
function ask(
  session: ClientHttp2Session,
  fields: Record<string, string | string[]>,
  body?: string | Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream: ClientHttp2Stream = session.request(fields, { endStream: body === undefined })
    const parts: Buffer[] = []
    let answer: Record<string, unknown> = {}
    stream.on('response', (head) => (answer = head))
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.on('end', () =>
      resolve({
        status: Number(answer[':status']),
        fields: answer,
        body: Buffer.concat(parts).toString('latin1'),
      }),
    )
    stream.on('error', reject)
    if (body !== undefined) stream.end(body)
  })
}

async function using<T>(port: number, work: (session: ClientHttp2Session) => Promise<T>) {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    return await work(session)
  } finally {
    session.destroy()
  }
}

describe('a listener with http2', () => {
  test.skipIf(!Bun.which('curl'))(
    'speaks it by ALPN, and by prior knowledge without TLS',
    async () => {
      using upstream = await service(echo)
      await using running = await gateway(proxied(upstream.port), { listen: [SSL, PLAIN] })
      const [secure, plain] = running.ports.map((port) => `127.0.0.1:${port}/x`)
      const curl = async (...words: string[]) => {
        const child = Bun.spawn(['curl', '-sk', '-m', '5', '-w', '%{http_version}', ...words])
        return (await child.stdout.text()).split(/(?<=\r\n\r\n)/)
      }
      for (const [version, ...words] of [
        ['2', '--http2', `https://${secure}`],
        ['1.1', '--http1.1', `https://${secure}`],
        ['2', '--http2-prior-knowledge', `http://${plain}`],
        ['1.1', `http://${plain}`],
      ] as const) {
        const [head, spoken] = await curl(...words)
        expect(spoken).toBe(version)
        expect(head).toContain(`X-Forwarded-Proto: ${words.at(-1)!.split(':')[0]}\r\n`)
      }
    },
  )

  test('keeps the order of fields and what is repeated, and gives cookies back as one', async () => {
    using upstream = await service(
      answering(
        'HTTP/1.1 200 OK\r\nB: 1\r\nA: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok',
      ),
    )
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const answer = await using(running.port, (session) =>
      ask(session, {
        ':path': '/x?y=%2F',
        'x-b': '1',
        'x-a': '2',
        cookie: ['a=1', 'b=2'],
        te: 'trailers',
      }),
    )
    const names = Object.keys(answer.fields)
    expect(names.indexOf('b')).toBeLessThan(names.indexOf('a'))
    expect(answer.fields).toMatchObject({ 'set-cookie': ['a', 'b'] })
    expect(names).not.toContain('keep-alive')
    const [request] = upstream.requests
    expect(request!.line).toBe('GET /x?y=%2F HTTP/1.1')
    expect(request!.head).toContain('x-b: 1\r\nx-a: 2\r\n')
    expect(request!.head).toContain('cookie: a=1; b=2\r\n')
    expect(request!.head).toContain('TE: trailers\r\n')
    expect(request!.head).toContain('Via: 2 gatehouse/')
    expect(names).toContain('via')
    expect(answer.fields['via']).toStartWith('1.1 gatehouse/')
    await eventually(() => running.access.length > 0)
    expect(running.access[0]).toContain('"GET /x?y=%2F HTTP/2.0" 200 ')
  })

  test.each([
    'ETag',
    'Age',
    'Content-Type',
    'Location',
    'Date',
    'Expires',
    'Access-Control-Allow-Origin',
    'Access-Control-Allow-Credentials',
    'Last-Modified',
    'Retry-After',
  ])('an answer with %s twice has it twice', async (name) => {
    const fields = `${name}: 1\r\nB: x\r\n${name}: 2\r\n`
    using upstream = await service(
      answering(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`),
    )
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const raw = await using(running.port, async (session) => {
      const stream = session.request({ ':path': '/' })
      return await new Promise<readonly string[]>((resolve, reject) => {
        stream.on('response', (_head, _flags, raw: unknown) => resolve(raw as string[]))
        stream.on('error', reject)
        stream.resume()
      })
    })
    const lower = name.toLowerCase()
    const values = raw.filter((_, i) => raw[i - 1] === lower)
    expect(values).toEqual(['1', '2'])
  })

  test.each([600, 700, 999])('a status of %i, which HTTP/2 has not, is a 502', async (status) => {
    using upstream = await service(
      answering(`HTTP/1.1 ${status} Odd\r\nContent-Length: 3\r\n\r\nodd`),
    )
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const answers = await using(running.port, async (session) => [
      await ask(session, { ':path': '/' }),
      await ask(session, { ':method': 'POST', ':path': '/' }, 'x'),
    ])
    for (const answer of answers) expect(answer).toMatchObject({ status: 502 })
    await eventually(() => running.access.length === 2)
    for (const line of running.access) expect(line).toContain(' HTTP/2.0" 502 ')
  })

  // prettier-ignore
  test.each([
    [200,                    'many fields',     Array.from({ length: 900 }, (_, i) => [`x-${i}`, 'v'])],
    [400,                    'too many fields', Array.from({ length: 1200 }, (_, i) => [`x-${i}`, 'v'])],
    [200,                    'large fields',    Array.from({ length: 4 }, (_, i) => [`x-${i}`, 'v'.repeat(7_900)])],
    [400,                    'too large fields', Array.from({ length: 5 }, (_, i) => [`x-${i}`, 'v'.repeat(7_900)])],
    [400,                    'one that is too large', [['x-a', 'v'.repeat(9_000)]]],
  ] as [number, string, [string, string][]][])('a head is answered %i as in HTTP/1.1: %s', async (status, _, fields) => {
    using upstream = await service(answering(ok('served')))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const answers = await using(running.port, async (session) => [
      await ask(session, { ':path': '/', ...Object.fromEntries(fields) }),
      await ask(session, { ':path': '/' }),
    ])
    using wire = await Wire.to(running.port)
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const plain = await wire.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`).message('GET')
    expect([answers[0]!.status, answers[1]!.status, statusOf(plain)]).toEqual([status, 200, status])
  })

  test('TE in an answer is not passed on', async () => {
    using upstream = await service(
      answering('HTTP/1.1 200 OK\r\nTE: gzip\r\nContent-Length: 2\r\n\r\nok'),
    )
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const answer = await using(running.port, (session) => ask(session, { ':path': '/' }))
    expect(answer).toMatchObject({ status: 200, body: 'ok' })
  })

  test('many streams, with large bodies, at once', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const body = 'the body of a stream. '.repeat(20_000)
    const answers = await using(running.port, (session) =>
      Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          ask(session, { ':method': 'POST', ':path': `/${i}` }, body),
        ),
      ),
    )
    for (const [i, answer] of answers.entries()) {
      expect(answer.status).toBe(200)
      expect(answer.body).toStartWith(`POST /${i} `)
      expect(answer.body.endsWith(body)).toBe(true)
    }
  })

  test('a refused body is refused, and the answer arrives', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), {
      listen: [PLAIN],
      settings: { maxBodySize: 1000 },
    })
    const post = { ':method': 'POST', ':path': '/' }
    const statuses = await using(running.port, async (session) => [
      (await ask(session, { ...post, 'content-length': '100000' }, 'x'.repeat(100_000))).status,
      (await ask(session, post, 'x'.repeat(100_000))).status,
      (await ask(session, post, 'x'.repeat(1000))).status,
    ])
    expect(statuses).toEqual([413, 413, 200])
  })

  test('CONNECT is no method of a gateway', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    const answer = await using(running.port, (session) =>
      ask(session, { ':method': 'CONNECT', ':authority': 'a.test:443' }, ''),
    )
    expect(answer.status).toBe(405)
  })

  test('a length is asked for even if the body follows', async () => {
    using upstream = await service(echo)
    const config = '{ allowed_payload_size: 1, require_content_length: true }'
    const yaml = `${proxied(upstream.port)}plugins: [{ name: request-size-limiting, config: ${config} }]`
    await using running = await gateway(yaml, { listen: [PLAIN] })
    const post = { ':method': 'POST', ':path': '/' }
    const statuses = await using(running.port, async (session) => [
      (await ask(session, post, 'body')).status,
      (await ask(session, post)).status,
      (await ask(session, { ...post, 'content-length': '4' }, 'body')).status,
    ])
    expect(statuses).toEqual([411, 411, 200])
  })

  // prettier-ignore
  test.each([
    ['an error of the plugin',           '/plugin', 401, '16', 'Unauthenticated'],
    ['a message of the plugin',          '/table',  401, '16', 'Unauthorized'],
    ['a message beyond ASCII',           '/text',   418, '3',  'Gr%C3%BC%C3%9Fe 100%25'],
    ['a message among other things',     '/echo',   503, '14', 'closed'],
    ["an error of the gateway's own",    '/none',   404, '5',  'NotFound'],
    ["an error that is nginx's in Kong", '/down',   502, '13', 'An invalid response was received from the upstream server'],
  ])('a client of gRPC is told of a refusal as Kong tells it: %s', async (_, path, status, number, message) => {
    using broken = await service((wire) => void wire.socket.end())
    const route = (name: string, plugin: string) =>
      `{ name: ${name}, paths: ["/${name}"], plugins: [${plugin}] }`
    const terminated = (config: string) => `{ name: request-termination, config: { ${config} } }`
    const routes = [
      route('plugin', '{ name: key-auth }'),
      route('table', '{ name: jwt }'),
      route('text', terminated('status_code: 418, message: "Grüße 100%"')),
      route('echo', terminated('status_code: 503, message: closed, echo: true')),
      route('down', ''),
    ]
    const yaml = `services: [{ name: s, url: "http://127.0.0.1:${broken.port}", retries: 0, routes: [${routes.join()}] }]`
    await using running = await gateway(yaml, { listen: [PLAIN] })
    const call = (type: string) => ({ ':method': 'POST', ':path': path, 'content-type': type })
    const [answer, other] = await using(running.port, async (session) => [
      await ask(session, call('application/grpc+proto'), 'x'),
      await ask(session, call('application/json'), 'x'),
    ])
    expect(answer).toMatchObject({ status, body: '' })
    expect(answer!.fields).toMatchObject({ 'content-type': 'application/grpc', 'grpc-status': number, 'grpc-message': message, 'content-length': '0' })
    expect(answer!.fields['www-authenticate']).toEqual(other!.fields['www-authenticate'])
    expect(other).toMatchObject({ status })
    expect(other!.fields).not.toHaveProperty('grpc-status')
  })

  test('who leaves is noticed, and a service that fails is a 502', async () => {
    const wires: Wire[] = []
    using slow = await service((wire) => void wires.push(wire))
    await using running = await gateway(proxied(slow.port), { listen: [PLAIN] })
    await using(running.port, async (session) => {
      const stream = session.request({ ':path': '/' })
      stream.on('error', () => {})
      await eventually(() => wires.length === 1)
      stream.close()
      await eventually(() => wires[0]!.ending !== undefined)
    })
    await eventually(() => running.access.some((line) => line.includes(' 499 ')))
    using broken = await service((wire) => void wire.socket.end())
    await using other = await gateway(proxied(broken.port, 'retries: 0'), { listen: [PLAIN] })
    expect((await using(other.port, (session) => ask(session, { ':path': '/' }))).status).toBe(502)
  })

  test.each([
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ])('an answer that was cut does not look whole: %s', async (_, answer) => {
    using broken = await service(async (wire) => {
      await wire.message()
      wire.send(answer)
      await Bun.sleep(50)
      wire.socket.end()
    })
    await using running = await gateway(proxied(broken.port), { listen: [PLAIN] })
    const seen = await using(running.port, (session) =>
      ask(session, { ':path': '/' }).catch((error: Error) => error.message),
    )
    expect(seen).toContain('NGHTTP2_INTERNAL_ERROR')
  })

  test('when it stops, streams that have begun are answered', async () => {
    const wires: Wire[] = []
    using slow = await service((wire) => void wires.push(wire))
    const running = await gateway(proxied(slow.port), { listen: [PLAIN] })
    await using(running.port, async (session) => {
      const answer = ask(session, { ':path': '/' })
      await eventually(() => wires.length === 1)
      const stopped = running.stop(5_000)
      await Bun.sleep(300)
      wires[0]!.send(ok('late'))
      expect(await answer).toMatchObject({ status: 200, body: 'late' })
      await stopped
    })
  })
})

const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]

/** A frame: type, flags, stream and content (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, content: readonly number[]): Buffer {
  return Buffer.from([...u32(content.length).slice(1), type, flags, ...u32(stream), ...content])
}

/** The frames that have begun to arrive, in their order. */
function framesOf(text: string): { readonly type: number; readonly payload: Buffer }[] {
  const bytes = Buffer.from(text, 'latin1')
  const frames = []
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    frames.push({ type: bytes[at + 3]!, payload: bytes.subarray(at + 9, end) })
    at = end
  }
  return frames
}

const typesOf = (text: string) => framesOf(text).map(({ type }) => type)

/** The bodies of all streams. */
function bodyOf(text: string): string {
  const parts = framesOf(text).filter(({ type }) => type === DATA)
  return Buffer.concat(parts.map(({ payload }) => payload)).toString('latin1')
}

const letters = (text: string) => [...Buffer.from(text, 'latin1')]
/** Fields without compression and without an index (RFC 7541 §6.2.2). */
const block = (fields: readonly (readonly [string, string])[]) =>
  fields.flatMap(([name, value]) => [
    0,
    name.length,
    ...letters(name),
    value.length,
    ...letters(value),
  ])

const SETTINGS = frame(4, 0, 0, [])
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const BASE = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/x'],
] as const
const GET = [[':method', 'GET'], ...BASE.slice(1)] as const
const HEADERS = 1
const DATA = 0
const RST_STREAM = 3
const GOAWAY = 7
const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4

type Fields = readonly (readonly [string, string])[]

test('a stream that has no higher number than those before is refused with its connection', async () => {
  using upstream = await service(answering(ok('served')))
  await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
  using wire = await Wire.to(running.port)
  const request = (stream: number) => frame(HEADERS, END_HEADERS | END_STREAM, stream, block(GET))
  wire.send(Buffer.concat([PREFACE, SETTINGS, request(3)]))
  await eventually(() => wire.waiting.includes('served'))
  wire.send(request(1))
  await eventually(() => wire.ending !== undefined)
  expect(typesOf(wire.waiting)).toContain(GOAWAY)
  expect(upstream.requests).toHaveLength(1)
})

test('a client that is far away may send 256 KiB of a body before it hears of us', async () => {
  using upstream = await service(answering(ok('served')))
  await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
  using wire = await Wire.to(running.port)
  wire.send(Buffer.concat([PREFACE, SETTINGS, frame(4, ACK, 0, [])]))
  await eventually(() => typesOf(wire.waiting).includes(WINDOW_UPDATE))
  const part = Array.from({ length: 16_384 }, () => 120)
  wire.send(
    Buffer.concat([
      frame(HEADERS, END_HEADERS, 1, block(BASE)),
      ...Array.from({ length: 15 }, () => frame(DATA, 0, 1, part)),
      frame(DATA, END_STREAM, 1, part),
    ]),
  )
  await eventually(() => wire.waiting.includes('served'))
  expect(upstream.requests[0]!.body).toHaveLength(256 * 1024)
})

const LARGE = 60_000
/** SETTINGS_INITIAL_WINDOW_SIZE: 0. */
const NO_WINDOW = frame(4, 0, 0, [0, 4, 0, 0, 0, 0])
const WINDOW_UPDATE = 8

describe('a client whose window lets nothing out', () => {
  test('has sixty seconds, counted from the last that it took', async () => {
    using upstream = await service(answering(ok('x'.repeat(40_000))))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    using wire = await Wire.to(running.port)
    const request = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(GET))
    wire.send(Buffer.concat([PREFACE, NO_WINDOW, request]))
    await eventually(() => typesOf(wire.waiting).includes(HEADERS))
    const { now } = performance
    let ahead = 0
    const clock = spyOn(performance, 'now').mockImplementation(() => now.call(performance) + ahead)
    try {
      ahead = 50_000
      wire.send(frame(WINDOW_UPDATE, 0, 1, u32(20_000)))
      await eventually(() => wire.waiting.length > 20_000)
      ahead = 105_000
      await Bun.sleep(100)
      expect(typesOf(wire.waiting)).not.toContain(RST_STREAM)
      ahead = 112_000
      await eventually(() => typesOf(wire.waiting).includes(RST_STREAM))
      // And then it is a client without requests.
      ahead = 190_000
      await eventually(() => typesOf(wire.waiting).includes(GOAWAY))
      ahead = 200_000
      await eventually(() => wire.ending !== undefined)
    } finally {
      clock.mockRestore()
    }
  })

  test('however long a client takes that takes a little each minute, it gets all', async () => {
    using upstream = await service(answering(ok('x'.repeat(LARGE))))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    using wire = await Wire.to(running.port)
    wire.send(
      Buffer.concat([PREFACE, NO_WINDOW, frame(HEADERS, END_HEADERS | END_STREAM, 1, block(GET))]),
    )
    await eventually(() => typesOf(wire.waiting).includes(HEADERS))
    const { now } = performance
    let ahead = 0
    const clock = spyOn(performance, 'now').mockImplementation(() => now.call(performance) + ahead)
    try {
      for (let taken = 0; taken < LARGE; taken += 20_000) {
        wire.send(frame(WINDOW_UPDATE, 0, 1, u32(20_000)))
        await eventually(() => bodyOf(wire.waiting).length === Math.min(taken + 20_000, LARGE))
        ahead += 50_000
        await Bun.sleep(60)
      }
    } finally {
      clock.mockRestore()
    }
    expect(bodyOf(wire.waiting)).toBe('x'.repeat(LARGE))
    expect(typesOf(wire.waiting)).not.toContain(RST_STREAM)
  })

  test('an answer within one write too', async () => {
    using upstream = await service(answering(ok('small')))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    using wire = await Wire.to(running.port)
    const request = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(GET))
    wire.send(Buffer.concat([PREFACE, NO_WINDOW, request]))
    await eventually(() => typesOf(wire.waiting).includes(HEADERS))
    const { now } = performance
    const clock = spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 61_000)
    try {
      await eventually(() => typesOf(wire.waiting).includes(RST_STREAM))
    } finally {
      clock.mockRestore()
    }
    expect(running.log.join('')).not.toContain('internal_error')
  })
})

/** How a request on a stream of its own ends. */
async function outcome(port: number, fields: Fields, data?: string): Promise<'served' | 'refused'> {
  using wire = await Wire.to(port)
  const flags = END_HEADERS | (data === undefined ? END_STREAM : 0)
  wire.send(Buffer.concat([PREFACE, SETTINGS, frame(HEADERS, flags, 1, block(fields))]))
  if (data !== undefined) wire.send(frame(DATA, END_STREAM, 1, letters(data)))
  await wire.until((text) => {
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      const [type, set] = [bytes[at + 3]!, bytes[at + 4]!]
      const isLast = (type === DATA || type === HEADERS) && (set & END_STREAM) !== 0
      if (isLast || type === RST_STREAM || type === GOAWAY) return true
    }
    return false
  })
  return wire.waiting.includes('served') ? 'served' : 'refused'
}

describe('a stream that would be two requests in HTTP/1.1, or none', () => {
  // prettier-ignore
  const cases: [string, Fields, string?][] = [
    ['more data than announced',       [...BASE, ['content-length', '3']],                  'abcdef'],
    ['less data than announced',       [...BASE, ['content-length', '9']],                  'abcdef'],
    ['no data, though announced',      [...BASE, ['content-length', '9']]],
    ['two lengths',                    [...BASE, ['content-length', '6'], ['content-length', '6']], 'abcdef'],
    ['a length that is none',          [...BASE, ['content-length', '+6']],                 'abcdef'],
    ['transfer-encoding',              [...BASE, ['transfer-encoding', 'chunked']],         '0\r\n\r\nGET'],
    ['connection',                     [...BASE, ['connection', 'close']]],
    ['upgrade',                        [...BASE, ['upgrade', 'websocket']]],
    ['te that is not trailers',        [...BASE, ['te', 'gzip']]],
    ['a line break in a value',        [...BASE, ['x-a', 'b\r\ntransfer-encoding: chunked']], 'abcdef'],
    ['a line feed in a value',         [...BASE, ['x-a', 'b\nx: y']]],
    ['NUL in a value',                 [...BASE, ['x-a', 'b\0']]],
    ['a line break in the path',       [...BASE.slice(0, 3), [':path', '/ HTTP/1.1\r\nx: y']]],
    ['a line break in the method',     [[':method', 'GET / HTTP/1.1\r\nx:'], ...BASE.slice(1)]],
    ['a colon in a name',              [...BASE, ['x:a', 'b']]],
    ['a capital in a name',            [...BASE, ['X-A', 'b']]],
    ['a blank in a name',              [...BASE, ['x a', 'b']]],
    ['a pseudo-field after a field',   [['x-a', 'b'], ...BASE]],
    ['a pseudo-field twice',           [...BASE, [':path', '/y']]],
    ['an unknown pseudo-field',        [...BASE, [':protocol', 'websocket']]],
    ['another host',                   [...BASE, ['host', 'b.test']]],
    ['no path',                        BASE.slice(0, 3)],
    ['no scheme',                      [BASE[0], BASE[2], BASE[3]]],
  ]
  test.each(cases.map(([title, fields, data = '']) => [title, fields, data] as const))(
    '%s',
    async (_, fields, sent) => {
      const data = sent === '' ? undefined : sent
      using upstream = await service(answering(ok('served')))
      await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
      expect(await outcome(running.port, fields, data)).toBe('refused')
      // Another client is served, and what was refused has not left anything behind.
      expect(await outcome(running.port, BASE, 'abcdef')).toBe('served')
      expect(
        upstream.requests
          .filter(({ isWhole }) => isWhole)
          .map(({ line, body }) => `${line} ${body}`),
      ).toEqual(['POST /x HTTP/1.1 abcdef'])
    },
  )

  // prettier-ignore
  test.each([
    ['a blank in the path',    [...BASE.slice(0, 3), [':path', '/a b']]],
    ['a fragment',             [...BASE.slice(0, 3), [':path', '/public#/../admin']]],
    ['a method with a blank',  [[':method', 'GET /y'], ...BASE.slice(1)]],
    ['no host at all',         [BASE[0], BASE[1], BASE[3]]],
  ] as [string, Fields][])('%s never reaches the service', async (_, fields) => {
    using upstream = await service(answering(ok('served')))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    expect(await outcome(running.port, fields)).toBe('refused')
    expect(await outcome(running.port, BASE, 'abcdef')).toBe('served')
    expect(upstream.requests).toHaveLength(1)
  })

  test('streams that are reset as soon as they begin cost their client the connection', async () => {
    using upstream = await service(answering(ok('served')))
    await using running = await gateway(proxied(upstream.port), { listen: [PLAIN] })
    using wire = await Wire.to(running.port)
    wire.send(Buffer.concat([PREFACE, SETTINGS]))
    const reset = (_: unknown, i: number) =>
      Buffer.concat([
        frame(HEADERS, END_HEADERS, 2 * i + 1, block(BASE)),
        frame(RST_STREAM, 0, 2 * i + 1, u32(8)),
      ])
    wire.send(Buffer.concat(Array.from({ length: 5_000 }, reset)))
    await wire.rest(10_000)
    expect(wire.ending).toBeDefined()
    expect(await outcome(running.port, BASE, 'abcdef')).toBe('served')
  })

  test('fields without end are refused, and the gateway goes on', async () => {
    await using running = await gateway('', { listen: [PLAIN] })
    using wire = await Wire.to(running.port)
    const big = Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'v'.repeat(120)] as const)
    const content = block([...BASE, ...big])
    wire.send(Buffer.concat([PREFACE, SETTINGS]))
    for (let at = 0; at < content.length; at += 16_000) {
      const isLast = at + 16_000 >= content.length
      wire.send(
        frame(
          at === 0 ? HEADERS : 9,
          (at === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0),
          1,
          content.slice(at, at + 16_000),
        ),
      )
    }
    expect(await outcome(running.port, BASE, 'abcdef')).toBe('refused')
    using plain = await Wire.to(running.port)
    const answer = await plain.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n').message('GET')
    expect(statusOf(answer)).toBe(404)
    expect(running.access.some((line) => line.includes(' 200 '))).toBe(false)
  })
})
