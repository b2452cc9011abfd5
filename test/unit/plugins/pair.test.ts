import { expect, test } from 'bun:test'
import { badHeader, badHeaders, badName, readPair, textOf } from '../../../src/plugins/pair.ts'

// prettier-ignore
test.each([
  ['a:b',       'a',      'b'],
  ['a:b:c',     'a',      'b:c'],
  ['a:: b',     'a',      ' b'],
  ['a',         'a',      ''],
  ['a:',        'a',      ''],
  [':b',        '',       ''],
  ['a:b\nc',    'a',      'b\nc'],
])('%j is %j and %j', (entry, name, value) => {
  expect(readPair(entry)).toEqual({ name, value })
})

test('characters are bytes, and text again', () => {
  expect(readPair('é:€')).toEqual({ name: '\xc3\xa9', value: '\xe2\x82\xac' })
  expect(textOf(readPair('é:€').value)).toBe('€')
})

test('names are checked', () => {
  expect(badName('a:b')).toBeUndefined()
  expect(badName(':b')).toBe('a name is missing before the colon')
  expect(badHeader('x-a:b c')).toBeUndefined()
  expect(badHeader('x a:b')).toBe("'x a' is not a valid header")
  expect(badHeaders('x-a:x-b')).toBeUndefined()
  expect(badHeaders('x-a:x b')).toBe("'x b' is not a valid header")
})
