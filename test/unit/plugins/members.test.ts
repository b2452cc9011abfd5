import { expect, test } from 'bun:test'
import { Members } from '../../../src/plugins/members.ts'

function change(json: string, by: (members: Members) => void): string | undefined {
  const members = Members.parseJson(json)
  if (members) by(members)
  return members?.toJson()
}

// prettier-ignore
test.each<[string, string, (members: Members) => void, string]>([
  ['removes',                             '{"a":1,"b":2}',        (m) => m.remove('a'),            '{"b":2}'],
  ['renames, over one that is there',     '{"a":1,"b":2}',        (m) => m.rename('a', 'b'),       '{"b":1}'],
  ['renames nothing that is not there',   '{"b":2}',              (m) => m.rename('a', 'b'),       '{"b":2}'],
  ['replaces what is there',              '{"a":[]}',             (m) => m.replace('a', 'v'),      '{"a":"v"}'],
  ['replaces nothing else',               '{"a":false}',          (m) => m.replace('a', 'v'),      '{"a":false}'],
  ['adds',                                '{}',                   (m) => m.add('a', 'v'),          '{"a":"v"}'],
  ['adds over false',                     '{"a":false}',          (m) => m.add('a', 'v'),          '{"a":"v"}'],
  ['adds over nothing else',              '{"a":null}',           (m) => m.add('a', 'v'),          '{"a":null}'],
  ['appends to a text',                   '{"a":"u"}',            (m) => m.append('a', 'v'),       '{"a":["u","v"]}'],
  ['appends to a list',                   '{"a":[1]}',            (m) => m.append('a', 'v'),       '{"a":[1,"v"]}'],
  ['appends in the place of a number',    '{"a":1}',              (m) => m.append('a', 'v'),       '{"a":["v"]}'],
  ['appends nothing to an object',        '{"a":{}}',             (m) => m.append('a', 'v'),       '{"a":{}}'],
  ['keeps numbers as they were written',  '{"a":12345678901234567890.10,"b":[1e400]}', (m) => m.set('c', true), '{"a":12345678901234567890.10,"b":[1e400],"c":true}'],
  ['takes no name for a prototype',       '{"__proto__":{"x":1}}', (m) => m.add('constructor', 'v'), '{"__proto__":{"x":1},"constructor":"v"}'],
])('%s', (_, json, by, expected) => {
  expect(change(json, by)).toBe(expected)
})

test.each(['', 'null', '5', '"a"', '[1]', '{"a":}'])('%j is no object', (json) => {
  expect(Members.parseJson(json)).toBeUndefined()
})

test('tells whether anything has changed', () => {
  const members = new Members([['a', 'v']])
  members.remove('b')
  members.rename('b', 'c')
  members.replace('b', 'v')
  members.add('a', 'w')
  expect(members.isChanged).toBe(false)
  members.append('a', 'w')
  expect(members.isChanged).toBe(true)
})
