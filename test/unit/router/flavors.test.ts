import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import type { RouterFlavor } from '../../../src/entities/route.ts'
import { createRouter, type RoutedRequest, type RouteRule } from '../../../src/router/router.ts'

type Routes = Readonly<Record<string, Omit<RouteRule, 'id'>>>

function match(flavor: RouterFlavor, routes: Routes, request: Partial<RoutedRequest> = {}) {
  const router = createRouter(
    flavor,
    Object.entries(routes).map(([id, rule]) => [{ id, ...rule }, id] as const),
  )
  return router.match({
    method: 'GET',
    host: 'a.test',
    port: 8000,
    path: '/',
    headers: new HeaderList(),
    ...request,
  })
}

function find(flavor: RouterFlavor, routes: Routes, request: Partial<RoutedRequest> = {}) {
  return match(flavor, routes, request)?.value
}

function fields(...pairs: [string, string][]): { headers: HeaderList } {
  return { headers: HeaderList.of(pairs) }
}

// prettier-ignore
test.each([
  ['net.protocol == "https"',                        { scheme: 'https' },                    true],
  ['tls.sni == "a.test"',                            { sni: 'a.test' },                      true],
  ['tls.sni != "a.test"',                            {},                                     false],
  ['http.method == "GET"',                           {},                                     true],
  ['http.host == "a.test" && net.dst.port == 81',    { host: 'a.test:81' },                  true],
  ['http.host != "b.test"',                          { host: '' },                           false],
  ['net.dst.port > 7999 && net.dst.port < 8001',     {},                                     true],
  ['net.dst.port >= 8001 || net.dst.port <= 7999',   {},                                     false],
  ['net.dst.port != 8000',                           {},                                     false],
  ['net.src.ip == 10.0.0.1 && net.src.port == 5',    { ip: '10.0.0.1', remotePort: 5 },      true],
  ['net.src.ip != 10.0.0.1',                         { ip: '10.0.0.1' },                     false],
  ['net.src.ip not in 10.0.0.0/8',                   { ip: '11.0.0.1' },                     true],
  ['net.src.ip not in 10.0.0.0/8',                   {},                                     false],
  ['net.dst.ip in fd00::/8',                         { localIp: 'fd00::1' },                 true],
  ['http.path contains "/b"',                        { path: '/a/b' },                       true],
  ['lower(http.path) == "/a"',                       { path: '/A' },                         true],
  ['lower(http.path) ~ "^/ä$"',                      { path: '/\xc3\x84' },                  true],
  ['http.path ~ "^/\\\\d$"',                         { path: '/\xd9\xa1' },                  true],
  ['http.path.segments.0 == "a"',                    { path: '/a/b/c//' },                   true],
  ['http.path.segments.1_2 == "b/c"',                { path: '/a/b/c' },                     true],
  ['http.path.segments.1_3 == "b/c"',                { path: '/a/b/c' },                     false],
  ['http.path.segments.3 == ""',                     { path: '/a/b/c/' },                    false],
  ['http.path.segments.len == 3',                    { path: '/a/b/c//' },                   true],
  ['http.path.segments.len == 0',                    { path: '/' },                          true],
  ['http.headers.x_a == "1"',                        fields(['X-A', '1']),                   true],
  ['http.headers.x_a == "1"',                        fields(['X_A', '1'], ['X-A', '2']),     true],
  ['http.headers.x_a == "1"',                        fields(['X-A', '1'], ['X-A', '2']),     false],
  ['any(http.headers.x_a) == "2"',                   fields(['X-A', '1'], ['X-A', '2']),     true],
  ['any(http.headers.x_a) != "1"',                   fields(['X-A', '1'], ['X-A', '2']),     true],
  ['http.headers.x_a ~ "^\\\\d$"',                   fields(['X-A', '1'], ['X-A', '2']),     true],
  ['http.headers.x_a != "1"',                        {},                                     false],
  ['!(http.headers.x_a == "1")',                     {},                                     true],
  ['http.queries.a == "b c"',                        { query: 'x=1&a=b+c' },                 true],
  ['http.queries.a == "ä"',                          { query: 'a=%C3%A4' },                  true],
  ['http.queries.a == ""',                           { query: 'a' },                         true],
  ['http.queries.a == "1"',                          { query: 'a=1&a=2' },                   false],
  ['any(http.queries.a) == "2"',                     { query: 'a=1&a=2' },                   true],
  ['http.queries.A == "1"',                          { query: 'a=1' },                       false],
  ['http.queries.a == "101"',                        { query: `${'b=1&'.repeat(100)}a=101` }, false],
] as const)('%s of %j: %p', (expression, request, matches) => {
  expect(find('expressions', { r: { expression } }, request)).toBe(matches ? 'r' : undefined)
})

test('an expression goes before every other route, and the one of the higher priority first', () => {
  const routes = {
    c: { hosts: ['a.test'], methods: ['GET'], paths: ['~/a'] },
    b: { expression: 'http.path ^= "/a"', priority: 1 },
    a: { expression: 'http.path ^= "/"', priority: 2 },
  }
  expect(find('expressions', routes, { path: '/a' })).toBe('a')
  expect(find('expressions', { b: routes.b, c: routes.c }, { path: '/a' })).toBe('b')
})

test('with expressions the protocols are asked for, unless a plain request must be told of HTTPS', () => {
  const routes = (protocols: string[]) => ({ r: { paths: ['/'], protocols } })
  const asked = (protocols: string[], flavor: RouterFlavor = 'expressions') =>
    ['http', 'https'].filter((scheme) => find(flavor, routes(protocols), { scheme }))
  expect(asked(['http'])).toEqual(['http'])
  expect(asked(['grpcs', 'grpc'])).toEqual(['http', 'https'])
  expect(asked(['https'])).toEqual(['http', 'https'])
  expect(asked(['http'], 'traditional_compatible')).toEqual(['http', 'https'])
})

// prettier-ignore
test.each([
  ['a.test',       'a.test',    true],
  ['a.test.',      'a.test',    true],
  ['*.test',       'b.a.test',  true],
  ['*.test.',      'b.a.test',  true],
  ['a.*',          'a.test',    true],
  ['a.test',       'b.test',    false],
  ['a.test',       undefined,   false],
])('the SNI %s is asked of HTTPS alone; %p: %p', (sni, asked, matches) => {
  const routes = { r: { snis: [sni], paths: ['/'] } }
  const request = { scheme: 'https', sni: asked }
  expect(find('traditional_compatible', routes, request)).toBe(matches ? 'r' : undefined)
  expect(find('traditional_compatible', routes)).toBe('r')
})

// prettier-ignore
test.each([
  [{ sources: [{ ip: '10.0.0.0/8', port: 5 }] },         { ip: '10.1.1.1', remotePort: 5 },  true],
  [{ sources: [{ ip: '10.9.9.9/8' }] },                  { ip: '10.1.1.1' },                 true],
  [{ sources: [{ ip: '10.0.0.1' }, { port: 6 }] },       { ip: '10.1.1.1', remotePort: 6 },  true],
  [{ sources: [{ ip: '10.0.0.1' }] },                    { ip: '10.1.1.1' },                 false],
  [{ sources: [{ ip: 'nothing' }] },                     { ip: '10.1.1.1' },                 false],
  [{ destinations: [{ ip: '::1', port: 8000 }] },        { localIp: '::1' },                 true],
  [{ destinations: [{ port: 8001 }] },                   {},                                 false],
])('%j of %j: %p', (rule, request, matches) => {
  expect(find('expressions', { r: rule }, request)).toBe(matches ? 'r' : undefined)
})

test('bytes that are not UTF-8 have no route, if any route reads them', () => {
  const bad = '\xfc\x80'
  const path = { r: { hosts: ['a.test'] }, s: { paths: ['/x'] } }
  expect(find('traditional_compatible', path, { path: `/${bad}` })).toBeUndefined()
  expect(find('traditional_compatible', { r: { hosts: ['a.test'] } }, { path: `/${bad}` })).toBe(
    'r',
  )
  const header = { r: { paths: ['/'] }, s: { headers: { 'x-a': ['1'] } } }
  expect(find('traditional_compatible', header, fields(['X-A', bad]))).toBeUndefined()
  expect(find('traditional_compatible', header, fields(['X-B', bad]))).toBe('r')
  const query = { r: { paths: ['/'] }, s: { expression: 'http.queries.a == "1"' } }
  expect(find('expressions', query, { query: `b=${bad}` })).toBeUndefined()
})

test('what is configured is lowered by its bytes, what is sent by its characters', () => {
  const routes = (value: string) => ({ r: { headers: { 'x-a': [value] } } })
  const sent = fields(['X-A', 'GR\xc3\x96SSE'])
  expect(find('traditional_compatible', routes('GRöSSE'), sent)).toBe('r')
  expect(find('traditional_compatible', routes('GRÖSSE'), sent)).toBeUndefined()
})

test('a path is matched in characters and cut in bytes', () => {
  const found = match('traditional_compatible', { r: { paths: ['~/..$'] } }, { path: '/\xc3\xa4b' })
  expect(found?.matchedPath).toBe('/\xc3\xa4b')
})

test('captures are those of all regexes that matched, the later over the earlier', () => {
  const routes = { r: { paths: ['~/(?<a>\\d)(x)?'], headers: { 'x-a': ['~*^v(?<b>.)'] } } }
  const request = { path: '/1', ...fields(['X-A', 'V2']) }
  const found = match('traditional_compatible', routes, request)
  expect(found?.uriCaptures).toEqual({ 0: 'v2', 1: '2', a: '1', b: '2' })
  expect(match('traditional_compatible', { r: { paths: ['~/x?'] } })?.uriCaptures).toBeUndefined()
  expect(match('traditional_compatible', { r: { paths: ['~/(x)?'] } })?.uriCaptures).toBeUndefined()
})

test('what of the path an expression matched is noted, even of a part that came to nothing', () => {
  const expression = '(http.path ^= "/a" && http.method == "POST") || http.path contains "/c"'
  expect(match('expressions', { r: { expression } }, { path: '/a/c' })?.matchedPath).toBe('/a')
  const whole = { r: { expression: 'http.path == "/a/c" && !(http.path ^= "/b")' } }
  expect(match('expressions', whole, { path: '/a/c' })?.matchedPath).toBe('/a/c')
})

// prettier-ignore
test.each([
  ['more kinds of conditions go before fewer',       { a: { paths: ['/x'] }, b: { hosts: ['a.test'], methods: ['GET'] } },       'b'],
  ['hosts go before headers, these before paths',    { a: { paths: ['/x'] }, b: { hosts: ['a.test'] } },                        'b'],
  ['a regex goes before a prefix',                   { a: { paths: ['/x/y'] }, b: { paths: ['~/x'] } },                         'b'],
  ['a higher regex_priority goes first',             { a: { paths: ['~/x'] }, b: { paths: ['~/x.'], regex_priority: 1 } },      'b'],
  ['a longer prefix goes before a shorter one',      { a: { paths: ['/x'] }, b: { paths: ['/x/y'] } },                          'b'],
  ['a plain host goes before a wildcard',            { a: { hosts: ['*.test'] }, b: { hosts: ['a.test'] } },                    'b'],
  ['a tie goes to the older route',                  { a: { paths: ['/x'], created_at: 2 }, b: { paths: ['/x'], created_at: 1 } }, 'b'],
  ['of two without times to the first in the file',         { b: { paths: ['/x'] }, a: { paths: ['/x'] } },                            'b'],
  ['what does not fit leaves the way to others',     { a: { paths: ['/x'], methods: ['PUT'] }, b: { paths: ['/'] } },           'b'],
] as const)('traditional: %s', (_, routes, id) => {
  expect(find('traditional', routes, { path: '/x/y' })).toBe(id)
})

// prettier-ignore
test.each([
  [{ hosts: ['a.test:80'] },            { host: 'a.test:80' },                       true],
  [{ hosts: ['*.test:80'] },            { host: 'x.test' },                          true],
  [{ hosts: ['*.test:443'] },           { host: 'x.test', scheme: 'https' },         true],
  [{ hosts: ['*.test:443'] },           { host: 'x.test' },                          false],
  [{ hosts: ['a.*'] },                  { host: 'a.test:81' },                       true],
  [{ hosts: ['::1'] },                  { host: '[::1]' },                           true],
  [{ hosts: ['a.test'] },               { host: '' },                                false],
  [{ headers: { 'x-a': ['~*^v\\d$'] } }, fields(['X-A', 'V1']),                      true],
  [{ headers: { 'x-a': ['~*^v', 'b'] } }, fields(['X-A', 'v']),                      false],
  [{ headers: { 'x-a': ['One'] } },     fields(['X-A', '2'], ['X-A', 'oNE']),        true],
  [{ methods: ['get'] },                {},                                          true],
  [{ paths: ['~/\\d$'] },               { path: '/\xd9\xa1' },                       false],
  [{ paths: ['~/a|/b'] },               { path: '/x/b' },                            false],
  [{ paths: ['/ä'] },                   { path: '/\xc3\xa4' },                       true],
  [{ paths: ['~/(?<uri_postfix>a)'] },  { path: '/a' },                              true],
  [{ paths: ['~/a(?x) # b'] },          { path: '/a' },                              true],
  [{ paths: ['/'], snis: ['s'] },       { scheme: 'https', sni: 's' },               true],
  [{ paths: ['/'], snis: ['s'] },       { scheme: 'https', sni: 't' },               false],
  [{ paths: ['/'], snis: ['s'] },       {},                                          true],
  [{ paths: ['/'], sources: [{ ip: '10.0.0.1' }] }, { ip: '10.0.0.1' },              false],
] as const)('traditional: %j of %j: %p', (rule, request, matches) => {
  expect(find('traditional', { r: rule }, request)).toBe(matches ? 'r' : undefined)
})

test('traditional: captures are without the rest of the path, which every regex has as its last', () => {
  const found = match('traditional', { r: { paths: ['~/(?<a>\\d)(x)?'] } }, { path: '/1/rest' })
  expect([found?.matchedPath, found?.uriCaptures]).toEqual(['/1', { 0: '/1/rest', 1: '1', a: '1' }])
  expect(
    match('traditional', { r: { paths: ['~/x'] } }, { path: '/x' })?.uriCaptures,
  ).toBeUndefined()
})
