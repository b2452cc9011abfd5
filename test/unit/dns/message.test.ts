import { expect, test } from 'bun:test'
import { BadReply, isAskable, readReply, writeQuery } from '../../../src/dns/message.ts'

/** The answer to a question for `a.test A` with id 7: its flags, counts and records are given. */
function reply(records: number[][], { id = 7, flags = 0x8180, count = records.length } = {}) {
  const message = Buffer.concat([
    writeQuery(id, 'a.test', 'A'),
    ...records.map((each) => Buffer.from(each)),
  ])
  message.writeUInt16BE(flags, 2)
  message.writeUInt16BE(count, 6)
  return message
}

const read = (message: Buffer) => readReply(message, 7, 'A.test', 'A')

// Owner, type, class, TTL, length, data.
const RECORD = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]

test('an answer is read, its name in any case', () => {
  expect(read(reply([RECORD]))).toEqual({
    rcode: 0,
    isTruncated: false,
    records: [{ owner: 'a.test', type: 'A', ttl: 60, data: '192.0.2.1' }],
  })
})

// prettier-ignore
const FOREIGN: [name: string, message: Buffer][] = [
  ['another id',            reply([RECORD], { id: 8 })],
  ['a question',            reply([RECORD], { flags: 0x0100 })],
  ['another name',          Buffer.from(reply([RECORD]).toString('latin1').replace('test', 'evil'), 'latin1')],
  ['three bytes',           Buffer.from([0, 7, 0x81])],
  ['nothing',               Buffer.alloc(0)],
]

test.each(FOREIGN)('%s is not the answer', (_, message) => {
  expect(read(message)).toBeUndefined()
})

// prettier-ignore
const BROKEN: [name: string, records: number[][], count?: number][] = [
  ['fewer records than it says',        [RECORD], 2],
  ['a record that ends too late',       [RECORD.slice(0, -1)]],
  ['an address of three bytes',         [[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 1, 2, 3]]],
  ['a pointer to itself',               [[0xc0, 24, ...RECORD.slice(2)]]],
  ['a pointer ahead',                   [[0xc0, 60, ...RECORD.slice(2)]]],
  ['a label of an unknown kind',        [[0x80, 12, ...RECORD.slice(2)]]],
  ['a label that ends too late',        [[63, 1, 2]]],
  ['an alias that no host can have',    [[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 2, 13, 10, 0]]],
]

test.each(BROKEN)('%s is no answer', (_, records, count = records.length) => {
  expect(() => read(reply(records, { count }))).toThrow(BadReply)
})

test('records of other types and classes are passed over, and a TTL below zero is none', () => {
  const text = [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, 65]
  const chaos = RECORD.with(5, 3)
  const negative = RECORD.with(6, 0x80)
  expect(read(reply([text, chaos, negative]))?.records.map(({ ttl }) => ttl)).toEqual([0])
})

test('a message of any bytes is read or refused, quickly', () => {
  for (let seed = 1; seed < 2_000; seed++) {
    const bytes = Array.from(
      { length: seed % 200 },
      (_, i) => Bun.hash.xxHash32(`${seed} ${i}`) & 0xff,
    )
    try {
      read(reply([bytes], { count: 5 }))
    } catch (error) {
      expect(error).toBeInstanceOf(BadReply)
    }
  }
})

// prettier-ignore
test('names that no question can hold are known', () => {
  for (const [name, expected] of [
    ['a.test', true], ['_http._tcp.a.test', true], ['a..test', false], ['', false], ['.', false],
    ['a b', false], ['é.test', false], [`${'a'.repeat(64)}.test`, false], ['a.'.repeat(127) + 'a', false],
  ] as const)
    expect(isAskable(name)).toBe(expected)
})
