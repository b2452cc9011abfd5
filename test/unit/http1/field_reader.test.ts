import { describe, expect, test } from 'bun:test'
import { FieldReader } from '../../../src/http1/field_reader.ts'
import { BadMessage } from '../../../src/http1/grammar.ts'

const text = (...lines: string[]) => lines.map((line) => `${line}\r\n`).join('')
const pairs = (reader: FieldReader, ...lines: string[]) => [...reader.read(text(...lines), 0)]

describe('a message after another on the same connection', () => {
  const first = ['Host: a.test', 'Authorization: Bearer abc', 'Accept: */*']
  const second = [
    ['the same', ...first],
    ['another value', 'Host: a.test', 'Authorization: Bearer abd', 'Accept: */*'],
    ['a value that goes on', 'Host: a.test', 'Authorization: Bearer abcd', 'Accept: */*'],
    ['a value that ends sooner', 'Host: a.test', 'Authorization: Bearer ab', 'Accept: */*'],
    ['another case', 'HOST: a.test', 'authorization: Bearer abc', 'Accept: */*'],
    ['one more', ...first, 'X-More: 1'],
    ['one less', 'Host: a.test', 'Accept: */*'],
    ['another order', 'Accept: */*', 'Host: a.test', 'Authorization: Bearer abc'],
    ['other blanks', 'Host:a.test', 'Authorization:  Bearer abc ', 'Accept: */*'],
    ['none'],
  ]
  test.each(second.map(([what, ...lines]) => [what, lines] as const))(
    'is read as if it were the first: %s',
    (_, lines) => {
      const reader = new FieldReader()
      reader.read(text(...first), 0)
      expect(pairs(reader, ...lines)).toEqual(pairs(new FieldReader(), ...lines))
      expect(pairs(reader, ...first)).toEqual(pairs(new FieldReader(), ...first))
    },
  )

  const broken = [
    ['a control character', 'Host: a.test', 'X: \x01'],
    ['a line feed alone', 'Host: a.test', 'Authorization: Bearer abc\nX: 1'],
    ['a carriage return alone', 'Host: a.test\rX: 1'],
    ['a blank before the colon', 'Host: a.test', 'Authorization : Bearer abc'],
    ['a folded line', 'Host: a.test', ' folded'],
  ]
  test.each(broken.map(([what, ...lines]) => [what, lines] as const))(
    'is refused as if it were the first: %s',
    (_, lines) => {
      const reader = new FieldReader()
      reader.read(text(...first), 0)
      expect(() => reader.read(text(...lines), 0)).toThrow(BadMessage)
      expect(pairs(reader, ...first)).toEqual(pairs(new FieldReader(), ...first))
    },
  )

  test('has a list of its own', () => {
    const reader = new FieldReader()
    for (const _ of [1, 2, 3]) {
      const list = reader.read(text(...first), 0)
      expect(list.get('accept')).toBe('*/*')
      list.set('Accept', 'text/html')
      list.delete('host')
    }
  })
})

test('a field is sent on in one form, however it came', () => {
  const { fields } = new FieldReader().read(text('X-A:1', 'X-B:\t 2 ', 'X-C: 3', 'X-D:'), 0)
  expect(fields.map(({ line }) => line).join('')).toBe('X-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: \r\n')
})

test('a thousand fields are read and one more is not, whatever came before', () => {
  const many = (count: number) => text(...Array.from({ length: count }, (_, i) => `X-${i}: 1`))
  const reader = new FieldReader()
  for (const _ of [1, 2]) {
    expect(reader.read(many(1000), 0).fields.length).toBe(1000)
    expect(() => reader.read(many(1001), 0)).toThrow(expect.objectContaining({ status: 494 }))
    reader.read(many(10), 0)
  }
})

test('of a large message nothing is remembered, so that an idle connection costs little', () => {
  const isRemembered = (...lines: string[]) => {
    const reader = new FieldReader()
    const [first] = reader.read(text(...lines), 0).fields
    return reader.read(text(...lines), 0).fields[0] === first
  }
  const fields = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1`)
  expect([isRemembered(...fields(64)), isRemembered(...fields(65))]).toEqual([true, false])
  const long = (size: number) => isRemembered(`A: ${'x'.repeat(size)}`, `B: ${'x'.repeat(4000)}`)
  expect([long(4000), long(4300)]).toEqual([true, false])
})

test('a line is not longer than 8 KiB, but for the one that a browser sends all its cookies in', () => {
  const cookies = `session=${'x'.repeat(20_000)}`
  expect(pairs(new FieldReader(), `Cookie: ${cookies}`)).toEqual([['Cookie', cookies]])
  expect(() => pairs(new FieldReader(), `X-Cookie: ${cookies}`)).toThrow(
    expect.objectContaining({ status: 494 }),
  )
})
