import { describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { gateway, proxied } from './gateway.ts'
import { answering, ok, type Script, service } from './service.ts'
import { ask, eventually, field, type Message, statusOf, Wire } from './wire.ts'

const GET = 'GET /it HTTP/1.1\r\nHost: a.test\r\n\r\n'
const POST = 'POST /it HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello'
const QUICK = 'connect_timeout: 300, write_timeout: 300, read_timeout: 300'
const ONCE = `retries: 0, ${QUICK}`

const SENTENCES: Readonly<Record<number, string>> = {
  502: 'An invalid response was received from the upstream server',
  503: 'name resolution failed',
  504: 'The upstream server is timing out',
}

function expectKongsError(answer: Message | undefined, status: number): void {
  expect(statusOf(answer)).toBe(status)
  expect(field(answer, 'server')).toStartWith('gatehouse/')
  const id = field(answer, 'x-kong-request-id')
  const text = `${SENTENCES[status]}\nrequest_id: ${id}\n`
  const json = `{\n  "message":"${SENTENCES[status]}",\n  "request_id":"${id}"\n}`
  expect(answer?.body.toString()).toBe(
    field(answer, 'content-type')?.startsWith('text/plain') ? text : json,
  )
}

/** A script that takes the request and then says this, and leaves or stays. */
function saying(text: string | Uint8Array, then: 'fin' | 'reset' | 'stay' = 'fin'): Script {
  return async (wire) => {
    await wire.message()
    wire.send(text)
    if (then === 'fin') wire.socket.end()
    if (then === 'reset') setTimeout(() => wire.socket.resetAndDestroy(), 20)
  }
}

const head = (fields: string, line = 'HTTP/1.1 200 OK') => `${line}\r\n${fields}\r\n`
const many = (text: string, times: number) => text.repeat(times)

// ---- what is no answer is 502, at once

// prettier-ignore
const NO_ANSWER: [name: string, script: Script][] = [
  ['it closes at once',                                 (wire) => void wire.socket.end()],
  ['it resets at once',                                 (wire) => void wire.socket.resetAndDestroy()],
  ['it closes after the request',                       saying('')],
  ['it resets after the request',                       saying('', 'reset')],
  ['it closes in the middle of the status line',        saying('HTTP/1.1 20')],
  ['it closes in the middle of the head',               saying('HTTP/1.1 200 OK\r\nContent-Le')],
  ['it resets in the middle of the head',               saying('HTTP/1.1 200 OK\r\nContent-Le', 'reset')],
  ['it sends garbage',                                  saying('\x00\x01garbage\r\n', 'stay')],
  ['it speaks another protocol',                        saying('220 mail.test ESMTP\r\n', 'stay')],
  ['it speaks TLS',                                     saying('\x15\x03\x01\x00\x02\x02\x46', 'stay')],
  ['it answers HTTP/0.9',                               saying('<html>hello</html>', 'stay')],
  ['it answers HTTP/2',                                 saying('HTTP/2 200\r\n\r\n', 'stay')],
  ['a status of two digits',                            saying(head('', 'HTTP/1.1 20 OK'), 'stay')],
  ['a status of four digits',                           saying(head('', 'HTTP/1.1 2000 OK'), 'stay')],
  ['a status of letters',                               saying(head('', 'HTTP/1.1 abc OK'), 'stay')],
  ['a status of 0',                                     saying(head('', 'HTTP/1.1 000 OK'), 'stay')],
  ['two spaces before the status',                      saying(head('', 'HTTP/1.1  200 OK'), 'stay')],
  ['bare LF in the head',                               saying('HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 'stay')],
  ['a bare CR in a value',                              saying(head('X-A: 1\rSet-Cookie: x\r\n'), 'stay')],
  ['NUL in a value',                                    saying(head('X-A: 1\x002\r\n'), 'stay')],
  ['a folded field',                                    saying(head('X-A: 1\r\n 2\r\nContent-Length: 0\r\n'), 'stay')],
  ['a space before the colon',                          saying(head('Content-Length : 2\r\n') + 'ok', 'stay')],
  ['a line without a colon',                            saying(head('X-A\r\n'), 'stay')],
  ['two Content-Length that differ',                    saying(`${head('Content-Length: 2\r\nContent-Length: 9\r\n')}ok`, 'stay')],
  ['two Content-Length that agree',                     saying(`${head('Content-Length: 2\r\nContent-Length: 2\r\n')}ok`, 'stay')],
  ['a negative Content-Length',                         saying(`${head('Content-Length: -2\r\n')}ok`, 'stay')],
  ['a list in Content-Length',                          saying(`${head('Content-Length: 2, 2\r\n')}ok`, 'stay')],
  ['Content-Length and Transfer-Encoding',              saying(`${head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`, 'stay')],
  ['a transfer coding that we do not know',             saying(`${head('Transfer-Encoding: gzip, chunked\r\n')}0\r\n\r\n`, 'stay')],
  ['Transfer-Encoding in HTTP/1.0',                     saying(`${head('Transfer-Encoding: chunked\r\n', 'HTTP/1.0 200 OK')}0\r\n\r\n`, 'stay')],
  ['a header of 40 kB',                                 saying(head(`X-A: ${many('a', 40_000)}\r\n`), 'stay')],
  ['a header of 4 MB without an end',                   saying(`HTTP/1.1 200 OK\r\n${many(`X-A: ${many('a', 1000)}\r\n`, 4000)}`, 'stay')],
  ['10,000 fields',                                     saying(head(many('a:b\r\n', 10_000)), 'stay')],
  ['100 Continue for ever',                             saying(many('HTTP/1.1 100 Continue\r\n\r\n', 100_000), 'stay')],
  ['103 Early Hints and no answer',                     saying('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')],
  ['101 that nobody asked for',                         saying('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'stay')],
  ['a chunk size that is none, with the head',          saying(`${head('Transfer-Encoding: chunked\r\n')}xyz\r\n`, 'stay')],
  ['a chunk of 2^64, with the head',                    saying(`${head('Transfer-Encoding: chunked\r\n')}10000000000000005\r\nhello\r\n0\r\n\r\n`, 'stay')],
]

describe('502 and nothing of the answer, if', () => {
  test.each(NO_ANSWER)('%s', async (_, script) => {
    using upstream = await service(script)
    await using running = await gateway(proxied(upstream.port, ONCE))
    using wire = await Wire.to(running.port)
    expectKongsError(await wire.send(GET).message(), 502)
    // The client's connection is not to blame, and the gateway lives.
    expectKongsError(await wire.send(GET).message(), 502)
    expect(upstream.connections).toBe(2)
    expect(running.log.filter((line) => line.includes('[error] 502 GET /it'))).toHaveLength(2)
  })
})

// ---- an answer that is cut never looks whole

// prettier-ignore
const CUT: [name: string, script: Script, body: string][] = [
  ['by FIN, by length',                   saying(`${head('Content-Length: 10\r\n')}hello`),                       'hello'],
  ['by RST, by length',                   saying(`${head('Content-Length: 10\r\n')}hello`, 'reset'),              'hello'],
  ['by FIN, between chunks',              saying(`${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n`),      'hello'],
  ['by FIN, within a chunk',              saying(`${head('Transfer-Encoding: chunked\r\n')}a\r\nhello`),          'hello'],
  ['by FIN, before the last empty line',  saying(`${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n`), 'hello'],
  ['by RST, between chunks',              saying(`${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n`, 'reset'), 'hello'],
  ['by RST, until the end',               saying(`${head('')}hello`, 'reset'),                                    'hello'],
  ['by a wrong chunk',                    async (wire) => {
    await wire.message()
    wire.send(`${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n`)
    setTimeout(() => wire.send('nonsense\r\n'), 20)
  }, 'hello'],
  ['by silence',                          saying(`${head('Content-Length: 10\r\n')}hello`, 'stay'),               'hello'],
]

describe('an answer that is cut does not look whole', () => {
  for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
    test.each(CUT)(`%s, to ${version}`, async (_, script, body) => {
      using upstream = await service(script)
      await using running = await gateway(proxied(upstream.port, QUICK))
      using wire = await Wire.to(running.port)
      const answer = await wire.send(GET.replace('HTTP/1.1', version)).message()
      expect(statusOf(answer)).toBe(200)
      expect(answer?.isWhole).toBe(false)
      expect(body).toStartWith(answer!.body.toString())
      expect(wire.ending).toBeDefined()
      expect(upstream.requests).toHaveLength(1)
      await eventually(() => running.log.some((line) => line.includes('GET /it was cut')))
    })
  }
})

// ---- whole answers in strange ways

// prettier-ignore
const WHOLE: [name: string, script: Script, status: number, body: string][] = [
  ['HTTP/1.0 by length',                     saying(`${head('Content-Length: 5\r\n', 'HTTP/1.0 200 OK')}hello`),      200, 'hello'],
  ['HTTP/1.0 until the end',                 saying(`${head('', 'HTTP/1.0 200 OK')}hello`),                           200, 'hello'],
  ['HTTP/1.1 until the end',                 saying(`${head('')}hello`),                                              200, 'hello'],
  ['until an end that comes at once',        saying(head('')),                                                        200, ''],
  ['no reason phrase',                       saying(`${head('Content-Length: 5\r\n', 'HTTP/1.1 200')}hello`),         200, 'hello'],
  ['a reason in UTF-8',                      saying(`${head('Content-Length: 5\r\n', 'HTTP/1.1 200 \xc3\xa9')}hello`), 200, 'hello'],
  ['a status that nobody knows',             saying(`${head('Content-Length: 5\r\n', 'HTTP/1.1 999 No')}hello`),      999, 'hello'],
  ['interim answers first',                  saying(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('hello')}`), 200, 'hello'],
  ['chunks with extensions and trailers',    saying(`${head('Transfer-Encoding: chunked\r\n')}5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`), 200, 'hello'],
  ['more than its length',                   saying(`${ok('hello')}more`, 'stay'),                                    200, 'hello'],
  ['more than its last chunk',               saying(`${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\nmore`, 'stay'), 200, 'hello'],
  ['byte by byte',                           async (wire) => {
    await wire.message()
    for (const byte of `${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`) {
      wire.send(byte)
      await Bun.sleep(1)
    }
  }, 200, 'hello'],
  ['slower than read_timeout in all, never between two bytes', async (wire) => {
    await wire.message()
    wire.send(head('Content-Length: 5\r\n'))
    for (const byte of 'hello') {
      await Bun.sleep(90)
      wire.send(byte)
    }
  }, 200, 'hello'],
]

describe('a whole answer arrives whole:', () => {
  test.each(WHOLE)('%s', async (_, script, status, body) => {
    using upstream = await service(script)
    await using running = await gateway(proxied(upstream.port, QUICK))
    const answer = await ask(running.port, GET)
    expect([statusOf(answer), answer?.body.toString(), answer?.isWhole]).toEqual([
      status,
      body,
      true,
    ])
  })
})

// ---- what follows an answer is not the next one

test.each([
  ['in the same packet', 0],
  ['a moment later', 20],
])('bytes after an answer, %s, are never the next answer', async (_, delay) => {
  using upstream = await service(async (wire, connection) => {
    while (await wire.message()) {
      const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
      if (delay === 0) wire.send(ok(String(connection)) + poison)
      else {
        wire.send(ok(String(connection)))
        await Bun.sleep(delay)
        wire.send(poison)
      }
    }
  })
  await using running = await gateway(proxied(upstream.port, QUICK))
  for (let i = 0; i < 4; i++) {
    expect((await ask(running.port, GET))?.body.toString()).toBe(String(i))
    await Bun.sleep(2 * delay)
  }
})

test('an answer to HEAD, 204 or 304 that has a body after all spoils its connection, not the next answer', async () => {
  const BODY = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
  using upstream = await service(
    answering(({ line }) =>
      line.startsWith('HEAD') ? `${head('Content-Length: 44\r\n')}${BODY}` : ok('clean'),
    ),
  )
  await using running = await gateway(proxied(upstream.port, QUICK))
  using wire = await Wire.to(running.port)
  expect(statusOf(await wire.send(GET.replace('GET', 'HEAD')).message('HEAD'))).toBe(200)
  expect((await wire.send(GET).message())?.body.toString()).toBe('clean')
})

// ---- limits of time

test('a service that accepts and never answers is 504 after read_timeout', async () => {
  using upstream = await service(() => {})
  await using running = await gateway(proxied(upstream.port, ONCE))
  const began = performance.now()
  expectKongsError(await ask(running.port, GET), 504)
  expect(performance.now() - began).toBeWithin(290, 800)
  expect(running.log.join('')).toContain('code=read_timeout')
})

test('a GET is tried as often as retries says, a POST once', async () => {
  using upstream = await service(() => {})
  await using running = await gateway(proxied(upstream.port, 'retries: 2, read_timeout: 100'))
  expectKongsError(await ask(running.port, GET), 504)
  expect(upstream.connections).toBe(3)
  expectKongsError(await ask(running.port, POST), 504)
  expect(upstream.connections).toBe(4)
})

test('a service that reads nothing is 504 after write_timeout', async () => {
  using upstream = await service((wire) => void wire.socket.pause())
  await using running = await gateway(proxied(upstream.port, ONCE))
  using wire = await Wire.to(running.port)
  const size = 64 * 1024 * 1024
  wire.send(`POST /it HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${size}\r\n\r\n`)
  wire.send(Buffer.alloc(size))
  const answer = await wire.message()
  expectKongsError(answer, 504)
  expect(field(answer, 'connection')).toBe('close')
  expect(running.log.join('')).toContain('code=write_timeout')
})

/** Listens, prints its port, and does nothing more: the kernel takes connections for it until their line is full. */
const NEVER_ACCEPTS = `
  const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
    require('node:fs').writeSync(1, String(server.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`

test('a service whose line is full is 504 after connect_timeout, and no later', async () => {
  const full = Bun.spawn([process.execPath, '-e', NEVER_ACCEPTS], { stdout: 'pipe' })
  const line: Socket[] = []
  try {
    const { value } = await full.stdout.getReader().read()
    const port = Number(new TextDecoder().decode(value))
    for (
      let waiting = 0;
      waiting === 0;
      waiting = line.filter(({ connecting }) => connecting).length
    ) {
      expect(line.length).toBeLessThan(8_000)
      for (let i = 0; i < 200; i++) line.push(connect(port, '127.0.0.1').on('error', () => {}))
      await Bun.sleep(50)
    }
    await using running = await gateway(proxied(port, ONCE))
    const began = performance.now()
    expectKongsError(await ask(running.port, GET), 504)
    expect(performance.now() - began).toBeWithin(290, 800)
    expect(running.log.join('')).toContain('code=connect_timeout')
  } finally {
    full.kill()
    for (const socket of line) socket.destroy()
  }
}, 10_000)

test('a service that refuses connections is 502, at once', async () => {
  const gone = await service(() => {})
  gone[Symbol.dispose]()
  await using running = await gateway(proxied(gone.port))
  const began = performance.now()
  expectKongsError(await ask(running.port, POST), 502)
  expect(performance.now() - began).toBeLessThan(500)
  expect(running.log.join('')).toContain('code=connect_failed')
})

test('a name that nobody knows is 503', async () => {
  await using running = await gateway(
    'services: [{ name: s, host: nobody.invalid, routes: [{ name: r, paths: ["/"] }] }]',
  )
  expectKongsError(await ask(running.port, GET), 503)
}, 20_000)

// ---- the form of an error follows Accept, as in Kong

// prettier-ignore
test.each([
  ['',                                      'text/plain; charset=utf-8'],
  ['Content-Type: application/json\r\n',    'application/json; charset=utf-8'],
  ['Accept: */*\r\n',                       'application/json; charset=utf-8'],
  ['Accept: text/html\r\n',                 'text/html; charset=utf-8'],
  ['Accept: application/xml;q=0.9, text/plain;q=0.1\r\n', 'application/xml; charset=utf-8'],
])('502 with %j is %s', async (fields, contentType) => {
  using upstream = await service((wire) => void wire.socket.end())
  await using running = await gateway(proxied(upstream.port, ONCE))
  const answer = await ask(running.port, `GET / HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`)
  expect([statusOf(answer), field(answer, 'content-type')]).toEqual([502, contentType])
  expect(answer?.body.toString()).toContain(SENTENCES[502]!)
})

// ---- answers before the request has ended

test('an answer before the request has ended reaches the client, and both connections end', async () => {
  let left: () => unknown = () => undefined
  using upstream = await service(async (wire) => {
    left = () => wire.ending
    await wire.until((text) => text.includes('\r\n\r\nhello'))
    wire.send(ok('early'))
  })
  await using running = await gateway(proxied(upstream.port, QUICK))
  using wire = await Wire.to(running.port)
  wire.send('POST /it HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nhello')
  const answer = await wire.message()
  expect([answer?.body.toString(), field(answer, 'connection')]).toEqual(['early', 'close'])
  // What the client says next is the rest of its body, and no request.
  wire.send(GET)
  expect(await wire.rest()).toBe('')
  await eventually(() => left() !== undefined)
})

test('an answer while the request is still on its way up is streamed', async () => {
  using upstream = await service(async (wire) => {
    await wire.until((text) => text.includes('hello'))
    wire.send(`${head('Transfer-Encoding: chunked\r\n')}5\r\nfirst\r\n`)
    await wire.until((text) => text.includes('world'))
    wire.send('6\r\nsecond\r\n0\r\n\r\n')
  })
  await using running = await gateway(proxied(upstream.port, QUICK))
  using wire = await Wire.to(running.port)
  wire.send('POST /it HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await wire.until((text) => text.includes('first'))
  wire.send('5\r\nworld\r\n0\r\n\r\n')
  const answer = await wire.message()
  expect([answer?.body.toString(), answer?.isWhole]).toEqual(['firstsecond', true])
})

// ---- connections that were kept

/** Answers one request on each connection and closes when the next one comes, without a word. */
const closesWhenReused: Script = async (wire, connection) => {
  await wire.message()
  wire.send(ok(String(connection)))
  await wire.message()
  wire.socket.end()
}

test('a GET on a kept connection that closes just then is sent again on a fresh one', async () => {
  using upstream = await service(closesWhenReused)
  await using running = await gateway(proxied(upstream.port, ONCE))
  for (const expected of ['0', '1', '2']) {
    expect((await ask(running.port, GET))?.body.toString()).toBe(expected)
  }
})

test('a GET that closes every connection it comes on is sent once more, however many are kept', async () => {
  const closing: Script = async (wire) => {
    await wire.message()
    await eventually(() => upstream.requests.length >= 10)
    wire.send(ok())
    await wire.message()
    wire.close()
  }
  using upstream = await service(async (wire, connection) =>
    connection < 10 ? closing(wire, connection) : (await wire.message(), wire.close()),
  )
  await using running = await gateway(proxied(upstream.port, ONCE))
  await Promise.all(Array.from({ length: 10 }, () => ask(running.port, GET)))
  expectKongsError(await ask(running.port, GET.replace('/it', '/again')), 502)
  expect(upstream.requests.filter(({ line }) => line.includes('/again'))).toHaveLength(2)
})

test('a client that is slow with its body is not taken for a service that takes nothing', async () => {
  using upstream = await service(answering(({ body }) => ok(String(body))))
  await using running = await gateway(proxied(upstream.port, 'retries: 0, write_timeout: 60'))
  using wire = await Wire.to(running.port)
  wire.send(POST.slice(0, -5))
  await Bun.sleep(250)
  wire.send('hello')
  expect((await wire.message())?.body.toString()).toBe('hello')
})

test('a POST on a kept connection that closes just then is 502, not sent twice', async () => {
  using upstream = await service(closesWhenReused)
  await using running = await gateway(proxied(upstream.port))
  expect(statusOf(await ask(running.port, GET))).toBe(200)
  expectKongsError(await ask(running.port, POST), 502)
  expect(upstream.requests.filter(({ line }) => line.startsWith('POST'))).toHaveLength(1)
})

test('a kept connection that the service closed in time is not used again, not even for a POST', async () => {
  using upstream = await service(async (wire, connection) => {
    await wire.message()
    wire.send(ok(String(connection))).socket.end()
  })
  await using running = await gateway(proxied(upstream.port))
  for (let i = 0; i < 20; i++) {
    expect((await ask(running.port, POST))?.body.toString()).toBe(String(i))
    await Bun.sleep(5)
  }
})

test('a connection is kept for many requests, and not at all if the service says close', async () => {
  using keeps = await service(answering(ok('x')))
  using closes = await service(
    answering('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx'),
  )
  for (const [upstream, connections] of [
    [keeps, 1],
    [closes, 10],
  ] as const) {
    await using running = await gateway(proxied(upstream.port))
    for (let i = 0; i < 10; i++) expect(statusOf(await ask(running.port, POST))).toBe(200)
    expect(upstream.connections).toBe(connections)
  }
})
