import { describe, expect, test } from 'bun:test'
import {
  checkRequestBeginning,
  checkResponseBeginning,
  CHUNKED,
  hasWord,
  parseRequestHead,
  parseResponseHead,
  UNTIL_CLOSE,
} from '../../../src/http1/head.ts'
import { FieldReader } from '../../../src/http1/field_reader.ts'
import { BadMessage } from '../../../src/http1/grammar.ts'

const request = (line: string, ...fields: string[]) =>
  parseRequestHead([line, 'Host: a.test', ...fields, ''].join('\r\n'), new FieldReader())
const response = (head: string, method: string) =>
  parseResponseHead(`${head}\r\n`, method, new FieldReader())

test('a request is read as it was sent', () => {
  const { headers, ...head } = request(
    'PATCH /a//b?c=%20 HTTP/1.1',
    'X-One:\t 1 ',
    'x-one:',
    'Content-Length: 12',
  )
  expect(head).toEqual({
    method: 'PATCH',
    target: '/a//b?c=%20',
    minor: 1,
    host: 'a.test',
    length: 12,
    keepAlive: true,
    expectsContinue: false,
    upgradesToWebSocket: false,
  })
  expect([...headers]).toEqual([
    ['Host', 'a.test'],
    ['X-One', '1'],
    ['x-one', ''],
    ['Content-Length', '12'],
  ])
})

// prettier-ignore
test.each([
  ['GET http://b.test:81/x?y HTTP/1.1',   'b.test:81', '/x?y'],
  ['GET HTTPS://b.test HTTP/1.1',         'b.test',    '/'],
  ['GET http://b.test?y HTTP/1.1',        'b.test',    '/?y'],
  ['GET //b.test/x HTTP/1.1',             'a.test',    '//b.test/x'],
  ['OPTIONS * HTTP/1.1',                  'a.test',    '*'],
  // Raw bytes, of UTF-8 and of no encoding at all.
  ['GET /\xc3\xa9?\xff HTTP/1.1',         'a.test',    '/%C3%A9?%FF'],
])('%s asks %s for %s', (line, host, target) => {
  const head = request(line)
  expect(head).toMatchObject({ host, target })
  expect(head.headers.all('host')).toEqual([host])
})

test('HTTP/1.0 needs no host, and has none then', () => {
  expect(parseRequestHead('GET / HTTP/1.0\r\n', new FieldReader())).toMatchObject({
    host: '',
    minor: 0,
    keepAlive: false,
  })
})

// prettier-ignore
test.each([
  [[],                                                      { length: 0 }],
  [['Content-Length: 0'],                                   { length: 0 }],
  [['Content-Length: 007'],                                 { length: 7 }],
  [['Transfer-Encoding: Chunked'],                          { length: CHUNKED }],
  [['Connection: close'],                                   { keepAlive: false }],
  [['Connection: a, Close ,b'],                             { keepAlive: false }],
  [['Connection: a', 'Connection: close'],                  { keepAlive: false }],
  [['Connection: closed'],                                  { keepAlive: true }],
  [['Expect: 100-Continue'],                                { expectsContinue: true }],
  [['Expect: other'],                                       { expectsContinue: false }],
  [['Connection: Upgrade', 'Upgrade: WebSocket'],           { upgradesToWebSocket: true }],
  [['Connection: Upgrade', 'Upgrade: h2c'],                 { upgradesToWebSocket: false }],
  [['Upgrade: websocket'],                                  { upgradesToWebSocket: false }],
])('%j is %j', (fields, expected) => {
  expect(request('GET / HTTP/1.1', ...fields)).toMatchObject(expected)
})

// prettier-ignore
test.each([
  ['HTTP/1.1 200 OK\r\nContent-Length: 5',              'GET',   5],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5',              'HEAD',  0],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5',    'GET',   0],
  ['HTTP/1.1 204 No Content',                           'GET',   0],
  ['HTTP/1.1 100 Continue',                             'GET',   0],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked',     'GET',   CHUNKED],
  ['HTTP/1.1 200 OK',                                   'GET',   UNTIL_CLOSE],
  ['HTTP/1.0 200 OK',                                   'POST',  UNTIL_CLOSE],
])('the body of %j to %s is %i long', (head, method, length) => {
  expect(response(head, method).length).toBe(length)
})

test('the connection of an answer stays open as its version and Connection say', () => {
  const stays = [
    'HTTP/1.1 200 OK',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 200 OK\r\nConnection: close',
    'HTTP/1.0 200 OK\r\nConnection: Keep-Alive',
  ]
  expect(stays.map((head) => response(head, 'GET').keepAlive)).toEqual([true, false, false, true])
})

test('a word of a list is found in any case, but not a part of one', () => {
  expect(
    ['close', 'CLOSE', 'a, close', 'a,close ,b'].every((value) => hasWord(value, 'close')),
  ).toBe(true)
  expect(
    ['', 'closed', 'not-close', 'a close', 'clos'].some((value) => hasWord(value, 'close')),
  ).toBe(false)
})

/** The status with which a beginning is refused that arrives byte by byte; undefined while it may still become a head. */
function refusal(text: string): number | undefined {
  const bytes = Buffer.from(text, 'latin1')
  try {
    for (let end = 1; end <= bytes.length; end++)
      checkRequestBeginning(bytes.subarray(0, end), 0, end - 1)
  } catch (error) {
    return (error as BadMessage).status
  }
  return undefined
}

describe('the beginning of a head', () => {
  // prettier-ignore
  test.each([
    ['GET / HTTP/1.1\r\nHost: a\r\nX-A: ',    undefined],
    ['GET / HTTP/1.1\r',                      undefined],
    ['G',                                     undefined],
    ['\r',                                    undefined],
    ['\x16\x03\x01',                          400],
    [' GET',                                  400],
    ['\rG',                                   400],
    ['\n',                                    400],
    ['GET /\r\n',                             400],
    ['GET / HTTP/1.1\n',                      400],
    ['GET / HTTP/1.1\r\nHost: a\n',           400],
    ['GET / HTTP/2.0\r\n',                    505],
    [`GET /${'a'.repeat(9_000)}`,             414],
  ])('%j is %p', (text, status) => {
    expect(refusal(text)).toBe(status!)
  })

  test.each(['garbage', 'HTTP/2 200', 'HTTX', 'HTTP/1.1 200 OK\nX', '\r\n'])(
    'of an answer, %j, is refused',
    (text) => {
      expect(() => checkResponseBeginning(Buffer.from(text), 0)).toThrow(BadMessage)
    },
  )

  test('of an answer may be any part of one, in which only CR and LF end a line', () => {
    const head = 'HTTP/1.1 200 OK\r\nX-A: b\r\n'
    const parts = Array.from({ length: head.length + 1 }, (_, end) => head.slice(0, end))
    expect(parts.filter((part) => !mayBeAnswer(part))).toEqual([])
    expect(parts.filter((part) => mayBeAnswer(`${part}\n`))).toEqual([
      'HTTP/1.1 200 OK\r',
      'HTTP/1.1 200 OK\r\nX-A: b\r',
    ])
  })
})

function mayBeAnswer(text: string): boolean {
  try {
    checkResponseBeginning(Buffer.from(text), 0)
    return true
  } catch {
    return false
  }
}
