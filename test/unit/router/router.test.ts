import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import { type RoutedRequest, type RouteRule, Router } from '../../../src/router/router.ts'

function find(
  routes: Readonly<Record<string, Omit<RouteRule, 'id'>>>,
  request: Partial<RoutedRequest> = {},
) {
  const router = new Router(
    Object.entries(routes).map(([id, rule]) => [{ id, ...rule }, id] as const),
  )
  const { value, matchedPath } =
    router.match({
      method: 'GET',
      host: 'a.test',
      port: 8000,
      path: '/',
      headers: new HeaderList(),
      ...request,
    }) ?? {}
  return [value, matchedPath]
}

test('no route is no match', () => {
  expect(find({})).toEqual([undefined, undefined])
  expect(find({ r: { paths: ['/x'] } })).toEqual([undefined, undefined])
})

// prettier-ignore
test.each([
  ['more kinds of conditions go before fewer',        { a: { paths: ['/long/path'] }, b: { hosts: ['a.test'], methods: ['GET'] } }, 'b'],
  ['a plain host goes before a wildcard',             { a: { hosts: ['*.test'] }, b: { hosts: ['a.test'] } }, 'b'],
  ['a wildcard among plain hosts counts as one',      { a: { hosts: ['a.test', '*.x'] }, b: { hosts: ['a.test'] } }, 'b'],
  ['a regex goes before a prefix',                    { b: { paths: ['~/l'] }, a: { paths: ['/long/path'] } }, 'b'],
  ['a higher regex_priority goes first',              { a: { paths: ['~/long'] }, b: { paths: ['~/l'], regex_priority: 1 } }, 'b'],
  ['a longer prefix goes before a shorter one',       { b: { paths: ['/long'] }, a: { paths: ['/l'] } }, 'b'],
  ['a tie goes to the greater id',                    { b: { paths: ['/long'] }, a: { paths: ['/long'] } }, 'b'],
  ['each length of a route is a rule of its own',     { b: { paths: ['/x', '/long'] }, a: { paths: ['/lon'] } }, 'b'],
])('%s', (_, routes, id) => {
  expect(find(routes, { path: '/long/path' })[0]).toBe(id)
})

test.each([
  ['app', 'app-admin'],
  ['b', 'a'],
])(
  'with four kinds of conditions a longer prefix goes first too, whatever the ids: %s, %s',
  (wide, narrow) => {
    const kinds = { methods: ['GET'], hosts: ['*.example.com'], headers: { 'x-v': ['1'] } }
    const routes = {
      [wide]: { ...kinds, paths: ['/api'] },
      [narrow]: { ...kinds, paths: ['/api/admin'] },
    }
    const headers = HeaderList.of([['X-V', '1']])
    const request = { host: 'a.example.com', path: '/api/admin/x', headers }
    expect(find(routes, request)).toEqual([narrow, '/api/admin'])
  },
)

test('more headers go before fewer', () => {
  const headers = HeaderList.of([
    ['X-A', '1'],
    ['X-B', '2'],
  ])
  expect(
    find(
      { b: { headers: { 'x-a': ['1'], 'x-b': ['2'] } }, a: { headers: { 'x-a': ['1'] } } },
      { headers },
    )[0],
  ).toBe('b')
})

// prettier-ignore
test.each([
  [['a.test'],         'a.test',         true],
  [['a.test'],         'a.test:8000',    true],
  [['a.test'],         'A.test',         false],
  [['a.test'],         'b.a.test',       false],
  [['*.test'],         'b.a.test',       true],
  [['*.test'],         'test',           false],
  [['a.*'],            'a.test:1',       true],
  [['a.*'],            'aa.test',        false],
  [['a.test:8000'],    'a.test:8000',    true],
  [['a.test:8000'],    'a.test',         true],
  [['a.test:8001'],    'a.test',         false],
  [['a.test:8001'],    'a.test:8000',    false],
  [['*.test:9'],       'a.test:9',       true],
  [['[::1]'],          '[::1]',          true],
  [['[::1]:80'],       '[::1]:80',       true],
])('hosts %j and a request to %s: %p', (hosts, host, matches) => {
  expect(find({ r: { hosts } }, { host })[0]).toBe(matches ? 'r' : undefined)
})

// prettier-ignore
test.each([
  [['1', '2'],         [['X-My-Field', '2']],                          true],
  [['1'],              [['X-My-Field', '2']],                          false],
  [['One'],            [['x-my-field', 'oNE']],                        true],
  [['1'],              [['X_My_Field', '1']],                          true],
  [['1'],              [['X.My.Field', '1']],                          false],
  [['2'],              [['X-My-Field', '1'], ['X-My-Field', '2']],     true],
  [['~*b+c$'],         [['X-My-Field', 'aBBC']],                       true],
  [['~*^b'],           [['X-My-Field', 'ab']],                         false],
  [['1', '~*^b'],      [['X-My-Field', 'b']],                          true],
] as const)('headers %j and fields %j: %p', (values, fields, matches) => {
  const headers = HeaderList.of(fields)
  expect(find({ r: { headers: { 'X-My_Field': values } } }, { headers })[0]).toBe(matches ? 'r' : undefined)
})

// prettier-ignore
test.each([
  [['/a'],             '/ab/c',          '/a'],
  [['/'],              '/x',             '/'],
  [['~/a+'],           '/aab',           '/aa'],
  [['~/a|/b'],         '/b/x',           '/b'],
  [['~/(?:a|b)'],      '/x/b',           undefined],
  // Kong puts `^` in front of the text, which binds the first alternative only.
  [['~/a|/b'],         '/x/b',           '/b'],
  [['~/(?<n>\\d+)/x'], '/12/x/y',        '/12/x'],
  [['~/(?P<n>\\d+)$'], '/12',            '/12'],
  [['~/(?i)A'],        '/abc',           '/a'],
  [['/ä'],             '/\xc3\xa4/x',    '/\xc3\xa4'],
])('paths %j and %s: %p', (paths, path, matched) => {
  expect(find({ r: { paths } }, { path })[1]).toBe(matched!)
})

test('methods are compared in their case', () => {
  const routes = { r: { methods: ['GET'] } }
  expect([find(routes)[0], find(routes, { method: 'get' })[0]]).toEqual(['r', undefined])
})
