import { expect, test } from 'bun:test'
import { HeaderList, spelling } from '../../src/headers.ts'

const list = () =>
  HeaderList.of([
    ['Set-Cookie', 'a=1'],
    ['X-One', '1'],
    ['set-cookie', 'b=2'],
    ['x_one', '3'],
    ['X.One', '4'],
  ])

test('order, spelling and repetition are kept', () => {
  expect([...list()]).toEqual([
    ['Set-Cookie', 'a=1'],
    ['X-One', '1'],
    ['set-cookie', 'b=2'],
    ['x_one', '3'],
    ['X.One', '4'],
  ])
})

test('a field is found in any case, by its first value or by all', () => {
  expect(list().get('set-cookie')).toBe('a=1')
  expect(list().all('set-cookie')).toEqual(['a=1', 'b=2'])
  expect([
    list().get('x-two'),
    list().all('x-two'),
    list().has('x-two'),
    list().has('x-one'),
  ]).toEqual([undefined, [], false, true])
})

test('set leaves one field of the name, in the place of the first', () => {
  const headers = list()
  headers.set('SET-COOKIE', 'c=3')
  headers.set('X-New', 'n')
  expect([...headers].map(([name]) => name)).toEqual([
    'SET-COOKIE',
    'X-One',
    'x_one',
    'X.One',
    'X-New',
  ])
  expect(headers.all('set-cookie')).toEqual(['c=3'])
})

test('delete drops every field of the name, and no other', () => {
  const headers = list()
  headers.delete('set-cookie')
  headers.delete('x-two')
  expect([...headers]).toEqual([
    ['X-One', '1'],
    ['x_one', '3'],
    ['X.One', '4'],
  ])
  expect(headers.fields.map(({ lower }) => lower)).toEqual(['x-one', 'x_one', 'x.one'])
})

test('deleteSpellings drops whatever a service may read as the name', () => {
  const headers = list()
  headers.deleteSpellings('x-one')
  expect([...headers]).toEqual([
    ['Set-Cookie', 'a=1'],
    ['set-cookie', 'b=2'],
  ])
})

test('a spelling stands for all of them', () => {
  expect(['X_One', 'x.ONE', 'X-One'].map(spelling)).toEqual(['x-one', 'x-one', 'x-one'])
  expect(HeaderList.of([['X_One', '1']]).getSpelling('x-one')).toBe('1')
  expect(list().getSpelling('x-two')).toBeUndefined()
})

test('a copy is its own', () => {
  const headers = list()
  const copy = headers.copy()
  copy.delete('set-cookie')
  copy.append('X-New', 'n')
  expect([...headers]).toEqual([...list()])
})

// prettier-ignore
test.each([
  ['plain',                       'plain'],
  ['a\tb c',                      'a\tb c'],
  ['caf\xe9',                     'caf\xe9'],
  ['a\r\nX-Forged: 1',            'a  X-Forged: 1'],
  ['a\0b\x7f',                    'a b '],
  ['\u010aX-Forged: \u010d',      '\xc4\x8aX-Forged: \xc4\x8d'],
  ['\u6f22\r\n\ud83d\ude00',      '\xe6\xbc\xa2  \xf0\x9f\x98\x80'],
])('no value can begin a line of its own: %j', (value, onTheWire) => {
  const headers = new HeaderList()
  headers.append('X-A', value)
  headers.set('x-b', value)
  headers.set('X-B', value)
  expect([...headers]).toEqual([
    ['X-A', onTheWire],
    ['X-B', onTheWire],
  ])
  expect(Buffer.from(onTheWire, 'latin1').toString('latin1')).toBe(onTheWire)
})
