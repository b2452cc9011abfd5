import { expect, test } from 'bun:test'
import { check } from '../../../src/schema/check.ts'
import {
  any,
  array,
  boolean,
  type Field,
  foreign,
  integer,
  map,
  number,
  record,
  set,
  string,
} from '../../../src/schema/field.ts'

function faults(field: Field, input: unknown) {
  return check(field, input).faults?.map(({ path, message, hint }) =>
    [path.join('.'), message, hint].filter(Boolean).join(' | '),
  )
}

const color = string('A color.', { one_of: ['red', 'green'] })

// prettier-ignore
test.each([
  [string('A field.'),                            1,              ['expected a string']],
  [string('A field.'),                            '',             ['length must be at least 1']],
  [string('A field.', { len_min: 0 }),            '',             undefined],
  [string('A field.', { len_max: 2 }),            'abc',          ['length must be at most 2']],
  [string('A field.', { match: [/^a/, 'no a'] }), 'b',            ['no a']],
  [string('A field.', { required: true }),        undefined,      ['required field missing']],
  [string('A field.', { required: true }),        null,           ['required field missing']],
  [string('A field.'),                            null,           undefined],
  [color,                                         'gren',         ['expected one of: red, green | did you mean "green"?']],
  [boolean('A field.'),                           'true',         ['expected a boolean']],
  [integer('A field.'),                           1.5,            ['expected an integer']],
  [integer('A field.', { between: [1, 2] }),      3,              ['value should be between 1 and 2']],
  [number('A field.'),                            '1',            ['expected a number']],
  [number('A field.', { between: [1, 2] }),       NaN,            ['expected a number']],
  [number('A field.', { gt: 0 }),                 0,              ['value must be greater than 0']],
  [array('A field.', color),                      'red',          ['expected an array']],
  [array('A field.', color),                      ['red', null],  ['1 | required field missing']],
  [set('A field.', color, { len_min: 1 }),        [],             ['length must be at least 1']],
  [set('A field.', color),                        { red: 1 },     ['expected a set']],
  [map('A field.', integer('A value.')),          { a: 'b' },     ['a | expected an integer']],
  [map('A field.', integer('A value.')),          [1],            ['expected a map']],
  [record('A field.', { color }),                 ['red'],        ['expected a record']],
  [record('A field.', { color }),                 { colour: 1 },  ['colour | unknown field | did you mean "color"?']],
  [record('A field.', { color }),                 { constructor: 1, __proto__x: 2 }, ['constructor | unknown field', '__proto__x | unknown field']],
  [foreign('A field.', 'services'),               'a',            ['expected a foreign key']],
  [any('A field.'),                               { a: [1] },     undefined],
] as [Field, unknown, string[] | undefined][])('%#: a field says what is wrong with its value', (field, input, expected) => {
  expect(faults(field, input)).toEqual(expected)
})

test('all faults are told at once', () => {
  const field = record('A record.', {
    a: string('A.'),
    b: record('B.', { c: array('C.', integer('An item.')) }),
  })
  expect(faults(field, { a: 1, b: { c: ['x', 2, 'y'] } })).toEqual([
    'a | expected a string',
    'b.c.0 | expected an integer',
    'b.c.2 | expected an integer',
  ])
})

test('defaults are filled in, also within a record that is required, and null stays unset', () => {
  const inner = { a: integer('A.', { default: 1 }) }
  const field = record('A record.', {
    required: record('A record.', inner, { required: true }),
    optional: record('A record.', inner),
  })
  expect(check(field, {}).value).toEqual({ required: { a: 1 }, optional: undefined })
  expect(JSON.stringify(check(field, { optional: { a: null } }).value)).toBe(
    '{"required":{"a":1},"optional":{}}',
  )
})

const shorthands = {
  place: { field: string('Host and port.'), expand: (text: string) => ({ redis: { host: text } }) },
}
const withShorthand = record(
  'A record.',
  {
    redis: record(
      'Redis.',
      { host: string('A host.', { required: true }), port: integer('A port.', { default: 1 }) },
      { required: true },
    ),
  },
  { required: true },
  { shorthands },
)

test('a shorthand overrides the field that it stands for, and no other', () => {
  expect(check(withShorthand, { place: 'a', redis: { host: 'b', port: 2 } }).value).toEqual({
    redis: { host: 'a', port: 2 },
  })
})

test('a shorthand at fault is one fault, not also that of what it would have filled', () => {
  expect(faults(withShorthand, { place: 17 })).toEqual(['place | expected a string'])
})

test('a fault of what a shorthand has filled is told by the name that was written', () => {
  const named = (name: string, value: (given: never) => Record<string, unknown>, field: Field) => ({
    [name]: { field, expand: value },
  })
  const item = string('An item.')
  const field = record(
    'A record.',
    {
      paths: array('Paths.', array('A path.', item, { len_min: 2 })),
      url: record('A URL.', {
        port: integer('A port.', { between: [1, 9] }),
        host: string('A host.', { match: [/^a/, 'bad host'] }),
      }),
    },
    {},
    {
      shorthands: {
        ...named('path', (path) => ({ paths: [path] }), array('A path.', item)),
        ...named('url_port', (port) => ({ url: { port } }), integer('A port.')),
        ...named('address', (text: string) => ({ url: { host: `${text}.test` } }), item),
      },
      checks: [({ url }) => (url ? { field: 'url', message: 'is not to be' } : undefined)],
    },
  )
  expect(faults(field, { path: ['a'] })).toEqual(['path | length must be at least 2'])
  expect(faults(field, { paths: [['a']] })).toEqual(['paths.0 | length must be at least 2'])
  expect(faults(field, { url_port: 10 })).toEqual(['url_port | value should be between 1 and 9'])
  // A part of what was written is told by its name too.
  expect(faults(field, { address: 'b' })).toEqual(['address | host: bad host'])
  expect(faults(field, { url: { port: 10 }, address: 'a' })).toEqual([
    'url.port | value should be between 1 and 9',
  ])
  expect(faults(field, { url_port: 1 })).toEqual(['url_port | is not to be'])
  expect(faults(field, { url: {}, url_port: 1 })).toEqual(['url | is not to be'])
})

test('where a value was written is known of what has no fault, too', () => {
  const written = (input: unknown, ...path: string[]) =>
    check(withShorthand, input)
      .written?.(path)
      .map((each) => each.join('.'))
  expect(written({ place: 'a' }, 'redis')).toEqual(['place'])
  expect(written({ place: 'a' }, 'redis', 'host')).toEqual(['place'])
  expect(written({ place: 'a' }, 'redis', 'port')).toEqual(['redis.port'])
  expect(written({ redis: { host: 'a' } }, 'redis', 'host')).toEqual(['redis.host'])
  expect(written({ place: 'a', redis: { port: 1 } }, 'redis')).toEqual(['redis'])
})

test('a rule over several fields is told where the record is, once its fields are right', () => {
  const field = record(
    'A record.',
    { a: string('A.') },
    {},
    { checks: [({ a }) => (a ? undefined : 'a is needed')] },
  )
  expect(faults(array('Records.', field), [{}, { a: 'x' }, { a: 1 }])).toEqual([
    '0 | a is needed',
    '2.a | expected a string',
  ])
})

test("an empty list and an empty map are the same, as in Kong's language", () => {
  expect<unknown>(check(array('A field.', color), {}).value).toEqual([])
  expect<unknown>(check(map('A field.', color), []).value).toEqual({})
  expect<unknown>(check(record('A field.', { color }), []).value).toEqual({})
  expect(check(string('A field.'), {}).faults?.[0]?.message).toBe('expected a string')
})

test('a rule over several fields is asked although another field is at fault, unless it is one of them', () => {
  const fields = { a: integer('A field.'), b: integer('A field.'), c: integer('A field.') }
  const together = record(
    'Fields.',
    fields,
    {},
    {
      checks: [({ a, b }) => (a === b ? { field: 'b', message: 'is the same' } : undefined)],
    },
  )
  const messages = (input: object) =>
    check(together, input).faults?.map(({ path, message }) => `${path.join('.')} ${message}`)
  expect(messages({ a: 1, b: 1, c: 'x' })).toEqual(['c expected an integer', 'b is the same'])
  expect(messages({ a: 'x', b: 'x' })).toEqual(['a expected an integer', 'b expected an integer'])
  expect(messages({ a: 1, b: 1, d: 1 })).toEqual(['d unknown field'])
})

test('a rule may name several faults, and what is within a field', () => {
  const inner = record('Fields.', { a: integer('A field.') })
  const outer = record(
    'Fields.',
    { inner },
    {},
    {
      checks: [() => [{ field: 'inner.a', message: 'is bad' }, 'and so is all']],
    },
  )
  expect(check(outer, { inner: {} }).faults).toEqual([
    { path: ['inner', 'a'], message: 'is bad' },
    { path: [], message: 'and so is all' },
  ])
})

test('a member of a map may have any name', () => {
  const { value = {} } = check(map('A field.', integer('A value.')), JSON.parse('{"__proto__":1}'))
  expect(Object.entries(value)).toEqual([['__proto__', 1]])
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})
