import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { route } from '../../../src/entities/index.ts'
import { normalizeText } from '../../../src/path.ts'
import { check } from '../../../src/schema/check.ts'

const ID = '4726a05a-d550-537e-9fc3-a07c7a1188c7'
const VECTORS = `${import.meta.dir}/../../../../shared/data/core-vectors.jsonl`

function checked(input: Record<string, unknown>) {
  const { value, faults } = check(route, { id: ID, ...input })
  return value ?? faults!.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test("a route has Kong's defaults", () => {
  expect(JSON.parse(JSON.stringify(checked({ paths: ['/'] })))).toEqual({
    id: ID,
    paths: ['/'],
    protocols: ['http', 'https'],
    https_redirect_status_code: 426,
    regex_priority: 0,
    strip_path: true,
    path_handling: 'v0',
    preserve_host: false,
    request_buffering: true,
    response_buffering: true,
  })
})

const HTTPS =
  ": must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"

// prettier-ignore
test.each([
  [{},                                            [HTTPS]],
  [{ paths: [], hosts: [], headers: {} },         [HTTPS]],
  [{ protocols: ['http'] },                       [": must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"]],
  [{ paths: ['/'], protocols: [] },               ['protocols: length must be at least 1']],
  [{ paths: ['/'], protocols: ['http', 'grpc'] }, ["protocols: these sets are mutually exclusive: ('http', 'https'), ('grpc', 'grpcs')"]],
  [{ paths: ['/'], protocols: ['grpcs'] },        ['protocols: routes for grpcs are not supported yet; http and https are']],
  [{ paths: ['/'], protocols: ['ftp'] },          ['protocols.0: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp']],
  [{ paths: ['a'] },                              ['paths.0: should start with: / (fixed path) or ~/ (regex path)']],
  [{ paths: ['~a'] },                             ['paths.0: should start with: / (fixed path) or ~/ (regex path)']],
  [{ paths: ['/a//b'] },                          ['paths.0: must not have empty segments']],
  [{ paths: ['/a/./b'] },                         ["paths.0: non-normalized path, consider use '/a/b' instead"]],
  [{ paths: ['/%zz'] },                           ["paths.0: invalid url-encoded value: '%zz'"]],
  [{ paths: ['~/(?!a)'] },                        ["paths.0: invalid regex: '/(?!a)' (look-around is not supported: (?!)"]],
  [{ paths: ['~/(a)\\1'] },                       ["paths.0: invalid regex: '/(a)\\1' (a back-reference is not supported: \\1)"]],
  [{ paths: ['~/a['] },                           ["paths.0: invalid regex: '/a[' (missing terminating ] for character class)"]],
  [{ paths: ['~/(?#a)'] },                        ["paths.0: invalid regex: '/(?#a)' (unrecognized character after (?)"]],
  [{ paths: ['~/a\\Z'] },                         ["paths.0: invalid regex: '/a\\Z' (this escape is not supported: \\Z)"]],
  [{ paths: ['~/[[:letter:]]'] },                 ["paths.0: invalid regex: '/[[:letter:]]' (unknown class name: [:letter:])"]],
  [{ headers: { a: ['~*('] } },                   ["headers.a.0: invalid regex: '(' (missing ))"]],
  [{ headers: { a: ['v', '~*('] } },              ["headers.a.1: invalid regex: '(' (missing ))"]],
  [{ headers: { a: ['~*\\PL'] } },                ["headers.a.0: invalid regex: '\\pl' (malformed \\p)"]],
  [{ snis: ['a.test:1'] },                        ['snis.0: must not have a port']],
  [{ snis: ['*.a.*'] },                           ['snis.0: invalid wildcard: must have at most one wildcard']],
  [{ snis: ['a.test'], paths: ['/'], protocols: ['http'] }, [": 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"]],
  [{ expression: 'http.path' },                   ['expression: Router Expression failed validation: expected an operator, at character 10 of the expression']],
  [{ expression: 'http.path == "/"', paths: ['/'] }, [": Router Expression failed validation: cannot set 'expression' with 'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously"]],
  [{ expression: 'http.path == "/"', regex_priority: 1 }, [": Router Expression failed validation: cannot set 'regex_priority' with 'expression' simultaneously"]],
  [{ paths: ['/'], priority: 1 },                 [": Router Expression failed validation: cannot set 'priority' with 'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously"]],
  [{ methods: ['get'] },                          ['methods.0: invalid value: get']],
  [{ hosts: ['a.*.b'] },                          ['hosts.0: invalid wildcard: must be placed at leftmost or rightmost label']],
  [{ hosts: ['*.a.*'] },                          ['hosts.0: invalid wildcard: must have at most one wildcard']],
  [{ hosts: ['*a.b'] },                           ['hosts.0: invalid wildcard: must be placed at leftmost or rightmost label']],
  [{ hosts: ['a b'] },                            ['hosts.0: invalid hostname: a b']],
  [{ hosts: ['a:99999'] },                        ['hosts.0: invalid port number']],
  [{ headers: { Host: ['a'] } },                  ["headers: cannot contain 'host' header, which must be specified in the 'hosts' attribute"]],
  [{ headers: { 'a b': ['c'] } },                 ["headers: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"]],
  [{ headers: { a: 'b', host: ['c'] }, hosts: [1] }, ['hosts.0: expected a string', "headers: cannot contain 'host' header, which must be specified in the 'hosts' attribute", 'headers.a: expected an array']],
  [{ headers: { host: ['h'], a: [], b: 'a', c: ['~*('], d: ['~*)', '~*['] } }, [
    "headers: cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    'headers.a: length must be at least 1',
    'headers.b: expected an array',
    "headers.c.0: invalid regex: '(' (missing ))",
    "headers.d.0: invalid regex: ')' (unmatched ))",
    "headers.d.1: invalid regex: '[' (missing terminating ] for character class)",
  ]],
  [{ headers: { a: 'b' } },                       ['headers.a: expected an array']],
  [{ paths: ['/'], https_redirect_status_code: 300 }, ['https_redirect_status_code: expected one of: 426, 301, 302, 307, 308']],
  [{ paths: ['/'], path_handling: 'v2' },         ['path_handling: expected one of: v0, v1']],
])('%j is refused', (input, faults) => {
  expect(checked(input)).toEqual(faults)
})

// prettier-ignore
test.each([
  [{ paths: ['~/(?P<name>\\d+)$', '~/(?<name>x)', '/é', '/a%2Fb', '/.well-known', '~/\\\\1', '~/\\.\\-\\/\\d+\\x41'] }],
  [{ methods: ['GET', 'PURGE'] }],
  [{ hosts: ['a', 'a:8000', '*.a', 'a.*', '*.a:8000', '127.0.0.1', '[::1]:80', 'under_score.a'] }],
  [{ headers: { 'X-Version': ['1', '2'], b: ['~*^(?<n>2)'], c: ['~*(2|3)', '2'] } }],
  [{ protocols: ['https'], paths: ['/'], methods: null }],
])('%j is accepted', (input) => {
  expect(checked(input)).toMatchObject({ id: ID })
})

// prettier-ignore
test.each([
  ['/a/../../b',     '/b'],
  ['/a/b/..',        '/a/'],
  ['/a/.',           '/a/'],
  ['/a/...',         '/a/...'],
  ['/%2e%2E/a',      '/a'],
  ['/%41%2f%2F',     '/A%2F%2F'],
  ['//a///b/',       '/a/b/'],
  ['/caf%C3%A9',     '/café'],
])('%s is compared as %s', (path, normal) => {
  expect(normalizeText(path)).toBe(normal)
})

if (!existsSync(VECTORS))
  console.log("skipped: Kong's normalised paths, which are not in ../shared")
test.skipIf(!existsSync(VECTORS))('paths are normalised as Kong does', () => {
  const vectors = readFileSync(VECTORS, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const paths = vectors.filter(
    ({ kind, input, merge_slashes }) => kind === 'normalize' && merge_slashes && input[0] === '/',
  )
  expect(paths.length).toBeGreaterThan(50)
  for (const { input, output } of paths)
    expect([input, normalizeText(input)]).toEqual([input, output])
})
