import { describe, expect, test } from 'bun:test'
import { BodyDecoder } from '../../../src/http1/body.ts'
import { BadMessage } from '../../../src/http1/grammar.ts'
import { CHUNKED, UNTIL_CLOSE } from '../../../src/http1/head.ts'

/** Feeds a message in pieces; gives the body, what was left over, and whether it is whole. */
function decode(length: number, pieces: readonly string[]) {
  const decoder = new BodyDecoder(length)
  let body = ''
  let rest = ''
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    const end = decoder.feed(bytes, 0, (part) => (body += Buffer.from(part).toString('latin1')))
    rest += piece.slice(end)
  }
  return { body, rest, isWhole: decoder.done }
}

const CHUNKS = '5;a=b\r\nhello\r\n00000A\r\n0123456789\r\n0;last\r\nX-T: 1\r\nY:\r\n\r\n'

test('a body by length ends there', () => {
  expect(decode(5, ['hello world'])).toEqual({ body: 'hello', rest: ' world', isWhole: true })
  expect(decode(5, ['he', 'l'])).toEqual({ body: 'hel', rest: '', isWhole: false })
  expect(decode(0, ['x'])).toEqual({ body: '', rest: 'x', isWhole: true })
})

test('a body that ends with the connection is never known to be whole', () => {
  expect(decode(UNTIL_CLOSE, ['hello', ' world'])).toEqual({
    body: 'hello world',
    rest: '',
    isWhole: false,
  })
})

test('chunks are one body, however they arrive', () => {
  const expected = { body: 'hello0123456789', rest: 'GET', isWhole: true }
  const bytes = `${CHUNKS}GET`
  expect(decode(CHUNKED, [bytes])).toEqual(expected)
  expect(decode(CHUNKED, [...bytes])).toEqual(expected)
  for (let at = 1; at < bytes.length; at++) {
    expect(decode(CHUNKED, [bytes.slice(0, at), bytes.slice(at)])).toEqual(expected)
  }
})

test('chunks that stop before their end are not whole', () => {
  for (let at = 0; at < CHUNKS.length; at++) {
    expect(decode(CHUNKED, [CHUNKS.slice(0, at)]).isWhole).toBe(false)
  }
})

describe('what is no chunk is refused, however it arrives:', () => {
  // prettier-ignore
  test.each([
    '\r\n', 'g\r\n', '-1\r\n', '+1\r\n', '0x1\r\n', '1_0\r\n', ' 1\r\n', '1 \r\n', '1 2\r\n', '1\n', '1\rX', '1\0',
    '1;\r\n', '1; \r\n', '1;=a\r\n', '1;a=\r\n', '1;a b\r\n', '1;a="b\r\n', '1;[\r\n', '1;a\0\r\n', '1;a\nb\r\n',
    '10000000000000\r\n', 'ffffffffffffffff\r\n', `1;${'a'.repeat(9_000)}\r\n`,
    '1\r\nab\r\n', '1\r\na\n', '1\r\naX\r\n', '1\r\na\rX',
    '0\r\nX\r\n\r\n', '0\r\n: 1\r\n\r\n', '0\r\nX : 1\r\n\r\n', '0\r\n X: 1\r\n\r\n', '0\r\nX: \0\r\n\r\n', '0\r\nX: 1\n\r\n', '0\r\n\rX', '0\n',
    `0\r\n${`X: ${'a'.repeat(999)}\r\n`.repeat(9)}\r\n`,
  ])('%j', (bytes) => {
    expect(() => decode(CHUNKED, [bytes])).toThrow(BadMessage)
    expect(() => decode(CHUNKED, [...bytes])).toThrow(BadMessage)
  })
})

test('the largest size that is taken is exact', () => {
  const decoder = new BodyDecoder(CHUNKED)
  decoder.feed(Buffer.from('fffffffffffff\r\n'), 0, () => {})
  let size = 0
  decoder.feed(Buffer.alloc(65_536), 0, (part) => (size += part.length))
  expect([size, decoder.done]).toEqual([65_536, false])
})
