import { afterAll, beforeAll, expect, test } from 'bun:test'
import { gateway, proxied, type TestGateway } from './gateway.ts'
import { answering, ok, service, type Service } from './service.ts'
import { ask, eventually, field, statusOf, Wire } from './wire.ts'

let upstream: Service
let running: TestGateway

beforeAll(async () => {
  upstream = await service(answering(({ line, body }) => ok(`${line.split(' ')[0]} ${body}`)))
  running = await gateway(proxied(upstream.port))
})
afterAll(async () => {
  await running[Symbol.asyncDispose]()
  upstream[Symbol.dispose]()
})

const HOST = 'Host: a.test\r\n'
const get = (fields: string, line = 'GET / HTTP/1.1') => `${line}\r\n${HOST}${fields}\r\n`
const post = (fields: string, body: string) => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`
const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body)
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** The answers to everything that was sent at once, until the gateway closes or has no more to say. */
async function answers(bytes: string): Promise<number[]> {
  using wire = await Wire.to(running.port)
  wire.send(`${bytes}`)
  const all: number[] = []
  for (;;) {
    const answer = await wire.message()
    if (!answer) return all
    all.push(statusOf(answer))
    if (field(answer, 'connection') === 'close') {
      expect(await wire.rest()).toBe('')
      return all
    }
  }
}

// prettier-ignore
const REFUSED: [name: string, status: number, bytes: string][] = [
  // ---- two readings of where the request ends (RFC 9112 §6.3)
  ['Content-Length and Transfer-Encoding',        400, post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`)],
  ['Transfer-Encoding and Content-Length',        400, post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`)],
  ['Transfer-Encoding and Content-Length: 0',     400, post('Transfer-Encoding: chunked\r\nContent-Length: 0\r\n', `0\r\n\r\n${SMUGGLED}`)],
  ['two Content-Length that differ',              400, post('Content-Length: 4\r\nContent-Length: 50\r\n', `PING${SMUGGLED}`)],
  ['two Content-Length that agree',               400, post('Content-Length: 4\r\nContent-Length: 4\r\n', 'PING')],
  ['a list in Content-Length',                    400, post('Content-Length: 4, 50\r\n', `PING${SMUGGLED}`)],
  ['a list of equals in Content-Length',          400, post('Content-Length: 4, 4\r\n', 'PING')],
  ['two Transfer-Encoding',                       400, post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${SMUGGLED}`)],
  ['Transfer-Encoding in HTTP/1.0',               400, `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  // ---- two credentials, of which each reader takes another
  ['two Authorization that differ',               400, get('Authorization: Basic YTpi\r\nAuthorization: Bearer x\r\n')],
  ['two Authorization that agree',                400, get('Authorization: Bearer x\r\nauthorization: Bearer x\r\n')],
  // ---- lengths
  ['Content-Length: +4',                          400, post('Content-Length: +4\r\n', 'PING')],
  ['Content-Length: -0',                          400, post('Content-Length: -0\r\n', '')],
  ['Content-Length: -1',                          400, post('Content-Length: -1\r\n', '')],
  ['Content-Length: 0x4',                         400, post('Content-Length: 0x4\r\n', 'PING')],
  ['Content-Length: 0o4',                         400, post('Content-Length: 0o4\r\n', 'PING')],
  ['Content-Length: 1_0',                         400, post('Content-Length: 1_0\r\n', '0123456789')],
  ['Content-Length: 1 0',                         400, post('Content-Length: 1 0\r\n', '0123456789')],
  ['Content-Length: 4x',                          400, post('Content-Length: 4x\r\n', 'PING')],
  ['an empty Content-Length',                     400, post('Content-Length:\r\n', '')],
  ['a Content-Length of 2^64 and 4',              400, post('Content-Length: 18446744073709551620\r\n', 'PING')],
  ['a folded Content-Length',                     400, post('Content-Length:\r\n 4\r\n', 'PING')],
  // ---- codings
  ['Transfer-Encoding: xchunked',                 400, post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  ['Transfer-Encoding: identity',                 400, post('Transfer-Encoding: identity\r\nContent-Length: 4\r\n', 'PING')],
  ['Transfer-Encoding: gzip',                     400, post('Transfer-Encoding: gzip\r\n', '')],
  ['chunked that is not the last coding',         400, post('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n')],
  ['a coding that we do not know',                501, post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
  ['chunked twice',                               501, post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n')],
  ['an empty Transfer-Encoding',                  400, post('Transfer-Encoding:\r\n', '0\r\n\r\n')],
  ['a comma before chunked',                      501, post('Transfer-Encoding: , chunked\r\n', '0\r\n\r\n')],
  ['a comma after chunked',                       400, post('Transfer-Encoding: chunked,\r\n', '0\r\n\r\n')],
  ['chunked in quotes',                           400, post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n')],
  ['chunked with a parameter',                    400, post('Transfer-Encoding: chunked;x=1\r\n', '0\r\n\r\n')],
  ['a vertical tab before chunked',               400, post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
  ['NUL after chunked',                           400, post('Transfer-Encoding: chunked\0\r\n', '0\r\n\r\n')],
  ['a folded Transfer-Encoding',                  400, post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')],
  // ---- field lines
  ['a space before the colon',                    400, post('Content-Length : 4\r\n', 'PING')],
  ['a tab before the colon',                      400, post('Transfer-Encoding\t: chunked\r\n', '0\r\n\r\n')],
  ['a folded field',                              400, get('X-A: 1\r\n 2\r\n')],
  ['white space before the first field',          400, `GET / HTTP/1.1\r\n ${HOST}\r\n`],
  ['an empty name',                               400, get(': 1\r\n')],
  ['a name with a bracket',                       400, get('X[A]: 1\r\n')],
  ['a name in UTF-8',                             400, get('X-\xc3\xab: 1\r\n')],
  ['a line without a colon',                      400, get('X-A\r\n')],
  ['NUL in a value',                              400, get('X-A: 1\x002\r\n')],
  ['DEL in a value',                              400, get('X-A: 1\x7f2\r\n')],
  ['a bare CR in a value',                        400, get('X-A: 1\rX-B: 2\r\n')],
  ['a bare LF in a value',                        400, get('X-A: 1\nX-B: 2\r\n')],
  ['a bare LF after the request line',            400, `GET / HTTP/1.1\n${HOST}\r\n`],
  ['bare LF everywhere',                          400, 'GET / HTTP/1.1\nHost: a.test\n\n'],
  ['CR CR LF',                                    400, `GET / HTTP/1.1\r\r\n${HOST}\r\n`],
  ['a bare CR before the method',                 400, `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['10,000 fields',                               400, get('a:b\r\n'.repeat(10_000))],
  ['1,001 fields',                                400, get('a:b\r\n'.repeat(1_000))],
  ['a value of 40 kB',                            400, get(`X-A: ${'a'.repeat(40_000)}\r\n`)],
  ['a name of 40 kB',                             400, get(`${'a'.repeat(40_000)}: 1\r\n`)],
  // ---- chunks (RFC 9112 §7.1)
  ['a chunk of 2^64 and 5',                       400, chunked('10000000000000005\r\nhello\r\n0\r\n\r\n')],
  ['a chunk of 2^64 - 1',                         400, chunked('ffffffffffffffff\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with 0x',                        400, chunked('0x5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with a plus',                    400, chunked('+5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with a minus',                   400, chunked('-1\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with an underscore',             400, chunked('1_0\r\n0123456789abcdef\r\n0\r\n\r\n')],
  ['a chunk size after a space',                  400, chunked(' 5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size before a space',                 400, chunked('5 \r\nhello\r\n0\r\n\r\n')],
  ['two chunk sizes',                             400, chunked('5 5\r\nhello\r\n0\r\n\r\n')],
  ['no chunk size',                               400, chunked('\r\nhello\r\n0\r\n\r\n')],
  ['a semicolon and no extension',                400, chunked('5;\r\nhello\r\n0\r\n\r\n')],
  ['an extension that is no token',               400, chunked('5;a[b]\r\nhello\r\n0\r\n\r\n')],
  ['NUL in an extension',                         400, chunked('5;a\0\r\nhello\r\n0\r\n\r\n')],
  ['a bare LF in an extension',                   400, chunked('5;a\nhello\r\n0\r\n\r\n')],
  ['a bare CR in an extension',                   400, chunked('5;a\rX\r\nhello\r\n0\r\n\r\n')],
  ['an extension of 64 kB',                       400, chunked(`5;${'a'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`)],
  ['a bare LF after a chunk size',                400, chunked('5\nhello\r\n0\r\n\r\n')],
  ['a bare CR after a chunk size',                400, chunked('5\rhello\r\n0\r\n\r\n')],
  ['a bare LF after a chunk',                     400, chunked('5\r\nhello\n0\r\n\r\n')],
  ['nothing after a chunk',                       400, chunked('5\r\nhello0\r\n\r\n')],
  ['more than the chunk size',                    400, chunked('5\r\nhello!!\r\n0\r\n\r\n')],
  ['two bytes more than CR LF after a chunk',     400, chunked('5\r\nhelloXX0\r\n\r\n')],
  ['a bare LF after the last chunk',              400, chunked('0\n\n')],
  ['a bare LF after a trailer',                   400, chunked('0\r\nX-A: 1\n\r\n')],
  ['a trailer without a colon',                   400, chunked(`0\r\n${SMUGGLED}`)],
  ['a folded trailer',                            400, chunked('0\r\nX-A: 1\r\n 2\r\n\r\n')],
  ['a trailer of 40 kB',                          400, chunked(`0\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`)],
  // ---- the request line
  ['two spaces before the target',                400, `GET  / HTTP/1.1\r\n${HOST}\r\n`],
  ['two spaces after the target',                 400, `GET /  HTTP/1.1\r\n${HOST}\r\n`],
  ['a space in the target',                       400, `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ['a tab for a space',                           400, `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a space before the method',                   400, ` GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['a space after the version',                   400, `GET / HTTP/1.1 \r\n${HOST}\r\n`],
  ['no target',                                   400, `GET HTTP/1.1\r\n${HOST}\r\n`],
  ['a method that is no token',                   400, `G{T / HTTP/1.1\r\n${HOST}\r\n`],
  ['only spaces',                                 400, '   \r\n\r\n'],
  ['a fragment',                                  400, `GET /public#/../admin HTTP/1.1\r\n${HOST}\r\n`],
  ['NUL in the target',                           400, `GET /\0 HTTP/1.1\r\n${HOST}\r\n`],
  ['NUL in the path, escaped',                    400, `GET /a%00.html?b HTTP/1.1\r\n${HOST}\r\n`],
  ['a target with neither scheme nor slash',      400, `GET a HTTP/1.1\r\n${HOST}\r\n`],
  ['another scheme',                              400, `GET ftp://a.test/ HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target without a host',           400, `GET http:/// HTTP/1.1\r\n${HOST}\r\n`],
  ['an absolute target with a user',              400, `GET http://u@a.test/ HTTP/1.1\r\n${HOST}\r\n`],
  ['GET *',                                       400, `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['a target of 9 kB',                            414, `GET /${'a'.repeat(9_000)} HTTP/1.1\r\n${HOST}\r\n`],
  ['a target of 100 kB',                          414, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`],
  ['a method of 100 kB',                          414, `${'A'.repeat(100_000)} / HTTP/1.1\r\n${HOST}\r\n`],
  ['HTTP/0.9',                                    400, 'GET /\r\n'],
  ['HTTP/2.0',                                    505, `GET / HTTP/2.0\r\n${HOST}\r\n`],
  ['HTTP/9.9',                                    505, `GET / HTTP/9.9\r\n${HOST}\r\n`],
  ['the preface of HTTP/2',                       505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/1',                                      400, `GET / HTTP/1\r\n${HOST}\r\n`],
  ['HTTP/01.01',                                  400, `GET / HTTP/01.01\r\n${HOST}\r\n`],
  ['http/1.1',                                    400, `GET / http/1.1\r\n${HOST}\r\n`],
  ['the beginning of TLS',                        400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['CONNECT',                                     405, `CONNECT a.test:443 HTTP/1.1\r\n${HOST}\r\n`],
  // ---- Host (RFC 9112 §3.2)
  ['no Host',                                     400, 'GET / HTTP/1.1\r\n\r\n'],
  ['two Host',                                    400, get('Host: b.test\r\n')],
  ['two equal Host',                              400, get(HOST)],
  ['an empty Host',                               400, 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['a Host with a path',                          400, 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a Host with a user',                          400, 'GET / HTTP/1.1\r\nHost: u@h\r\n\r\n'],
  ['a Host with a comma',                         400, 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['a Host with a port that is none',             400, 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n'],
  ['an absolute target and no Host',              400, 'GET http://a.test/ HTTP/1.1\r\n\r\n'],
]

test.each(REFUSED)('%s is refused with %i', async (_, status, bytes) => {
  const before = upstream.requests.length
  using wire = await Wire.to(running.port)
  const answer = await wire.send(bytes).message()
  expect(statusOf(answer)).toBe(status)
  expect(field(answer, 'connection')).toBe('close')
  expect(await wire.rest()).toBe('')
  // What was refused reached nobody, not even in parts that look like a request.
  const heard = upstream.requests.slice(before)
  expect(heard.filter((each) => each.isWhole || each.line.includes('smuggled'))).toEqual([])
})

// prettier-ignore
const TAKEN: [name: string, bytes: string, answer: string][] = [
  ['a body by length',                  post('Content-Length: 5\r\n', 'hello'),                                 'POST hello'],
  ['a length with zeros before it',     post('Content-Length: 005\r\n', 'hello'),                               'POST hello'],
  ['a length with blanks around it',    post('Content-Length: \t 5 \t\r\n', 'hello'),                           'POST hello'],
  ['one chunk',                         chunked('5\r\nhello\r\n0\r\n\r\n'),                                     'POST hello'],
  ['several chunks',                    chunked('3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n'),                            'POST hello'],
  ['a size with zeros and capitals',    chunked('000A\r\n0123456789\r\n00\r\n\r\n'),                            'POST 0123456789'],
  ['no chunk but the last',             chunked('0\r\n\r\n'),                                                   'POST '],
  ['extensions',                        chunked('5;a;b=1; c = "x\\"; y"\r\nhello\r\n0;d\r\n\r\n'),              'POST hello'],
  ['trailers',                          chunked('5\r\nhello\r\n0\r\nX-A: 1\r\nContent-Length: 9\r\n\r\n'),      'POST hello'],
  ['CHUNKED in capitals',               post('TRANSFER-ENCODING: CHUNKED\r\n', '5\r\nhello\r\n0\r\n\r\n'),      'POST hello'],
  ['no length at all',                  post('', ''),                                                           'POST '],
  ['a body that GET need not have',     `GET / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,              'GET hello'],
  ['empty lines before the request',    `\r\n\r\n${get('')}`,                                                   'GET '],
  ['a method that nobody knows',        get('', "X-y!#$%&'*+-.^_`|~1 / HTTP/1.1"),                              "X-y!#$%&'*+-.^_`|~1 "],
  ['a target of 8,000 bytes',           get('', `GET /${'a'.repeat(8_000)} HTTP/1.1`),                          'GET '],
  ['1,000 fields',                      get('a:b\r\n'.repeat(999)),                                             'GET '],
  ['UTF-8 in the target, not escaped',  get('', 'GET /\xc3\xa9 HTTP/1.1'),                                      'GET '],
  ['an absolute target',                get('', 'GET http://b.test/x HTTP/1.1'),                                'GET '],
  ['a Host that is IPv6',               'GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n',                           'GET '],
  ['HTTP/1.0 without Host',             'GET / HTTP/1.0\r\n\r\n',                                               'GET '],
  ['HTTP/1.2 as HTTP/1.1',              `GET / HTTP/1.2\r\n${HOST}\r\n`,                                        'GET '],
  ['NUL in the query, escaped',         get('', 'GET /?a=%00 HTTP/1.1'),                                        'GET '],
]

test.each(TAKEN)('%s is taken', async (_, bytes, answer) => {
  const got = await ask(running.port, bytes)
  expect([statusOf(got), got?.body.toString()]).toEqual([200, answer])
})

test('bytes after the last chunk are the next request, and refused if they are none', async () => {
  const first = chunked('5\r\nhello\r\n0\r\n\r\n')
  expect(await answers(`${first}garbage\r\n\r\n`)).toEqual([200, 400])
  expect(await answers(`${first}${get('Connection: close\r\n')}`)).toEqual([200, 200])
})

test('a chunk of 2^32 and 5 is not one of 5', async () => {
  let received = () => ''
  using slow = await service((wire) => void (received = () => wire.waiting))
  await using through = await gateway(proxied(slow.port))
  using wire = await Wire.to(through.port)
  wire.send(chunked(`100000005\r\nhello\r\n0\r\n\r\n${SMUGGLED}`))
  await eventually(() => received().endsWith(`hello\r\n0\r\n\r\n${SMUGGLED}\r\n`))
  expect(received().split('\r\n\r\n')[1]).toBe('34\r\nhello\r\n0')
  expect(wire.waiting).toBe('')
})

test('a body of GET, HEAD and OPTIONS is never the next request', async () => {
  const body = SMUGGLED
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const before = upstream.requests.length
    using wire = await Wire.to(running.port)
    wire.send(`${method} / HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`)
    expect(statusOf(await wire.message(method))).toBe(200)
    wire.send(get('Connection: close\r\n'))
    expect((await wire.message())?.body.toString()).toBe('GET ')
    expect(await wire.rest()).toBe('')
    expect(upstream.requests.slice(before).map(({ line }) => line)).toEqual([
      `${method} / HTTP/1.1`,
      'GET / HTTP/1.1',
    ])
  }
})

test('Transfer_Encoding frames nothing and does not reach a service that might believe it', async () => {
  const bytes = post(
    'Transfer_Encoding: chunked\r\nContent_Length: 99\r\nContent-Length: 5\r\n',
    'hello',
  )
  expect((await ask(running.port, bytes))?.body.toString()).toBe('POST hello')
  const { head } = upstream.requests.at(-1)!
  expect(head).toContain('Content-Length: 5\r\n'.trim())
  expect(head).not.toMatch(/(transfer|content)_/i)
})

test('TRACE shows nobody what the gateway adds', async () => {
  const answer = await ask(running.port, get('Authorization: secret\r\n', 'TRACE / HTTP/1.1'))
  expect([statusOf(answer), field(answer, 'allow')]).toEqual([
    405,
    'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
  ])
  expect(answer?.body.toString()).not.toContain('secret')
})

test('OPTIONS * is answered by the gateway itself', async () => {
  const before = upstream.requests.length
  const answer = await ask(running.port, get('', 'OPTIONS * HTTP/1.1'))
  expect([statusOf(answer), field(answer, 'content-length')]).toEqual([200, '0'])
  expect(upstream.requests.length).toBe(before)
})

test('too large a head is told in the words of Kong', async () => {
  const answer = await ask(running.port, get(`X-A: ${'a'.repeat(9_000)}\r\n`))
  expect(answer?.line).toBe('HTTP/1.1 400 Bad Request')
  expect(answer?.body.toString()).toMatch(
    /^Request header or cookie too large\nrequest_id: [0-9a-f]{32}\n$/,
  )
})

test('10,000 chunks of a byte go on in few pieces, up and down', async () => {
  const count = 10_000
  const tiny = `${'1\r\n~\r\n'.repeat(count)}0\r\n\r\n`
  let bytes = ''
  using slow = await service(async (wire) => {
    await wire.until((text) => text.endsWith('0\r\n\r\n'))
    bytes = wire.waiting
    wire.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${tiny}`)
  })
  await using through = await gateway(proxied(slow.port))
  using wire = await Wire.to(through.port)
  wire.send(chunked(''))
  await eventually(() => slow.connections === 1)
  wire.send(tiny)
  await wire.until((text) => text.endsWith('\r\n0\r\n\r\n'))
  for (const text of [bytes, wire.waiting]) {
    expect(text.match(/~/g)).toHaveLength(count)
    expect(text.match(/\r\n[0-9a-f]+\r\n~/g)!.length).toBeLessThan(100)
  }
  expect((await wire.message())?.body.length).toBe(count)
})
