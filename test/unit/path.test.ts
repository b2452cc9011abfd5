import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { escapePath, escapeQuery, normalizePath, wireText } from '../../src/path.ts'

const VECTORS = `${import.meta.dir}/../../../shared/data/core-vectors.jsonl`

interface Vector {
  readonly kind: string
  readonly input: string
  readonly output: string
  readonly merge_slashes?: boolean
  readonly upstream_escaped?: string
}

// prettier-ignore
test.each([
  ['/',                       '/'],
  ['/a/b',                    '/a/b'],
  ['/a//b///',                '/a/b/'],
  ['/a/./b/../c',             '/a/c'],
  ['/../../a',                '/a'],
  ['/a/..',                   '/'],
  ['/a/b/..',                 '/a/'],
  ['/%61%2d',                 '/a-'],
  ['/%2e%2E/%2e/a',           '/a'],
  ['/a%2fb%2F',               '/a%2Fb%2F'],
  ['/%252e%252e/a',           '/%252e%252e/a'],
  ['/%c3%a4',                 '/\xc3\xa4'],
  ['/%',                      '/%'],
  ['/%zz',                    '/%zz'],
  ['/.../.a/..b',             '/.../.a/..b'],
])('%s is matched as %s', (path, normal) => {
  expect(normalizePath(path)).toBe(normal)
  expect(normalizePath(normal)).toBe(normal)
})

// prettier-ignore
test.each([
  ['/a-b_c.d~e',              '/a-b_c.d~e'],
  ['/a b"<>\\^`{|}',          '/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D'],
  ['/\xc3\xa4\x00\x7f',       '/%C3%A4%00%7F'],
  ['/a%2Fb',                  '/a%2Fb'],
])('%j is sent as %s', (path, escaped) => {
  expect(escapePath(path)).toBe(escaped)
})

const vectors = (existsSync(VECTORS) ? readFileSync(VECTORS, 'utf8').trim().split('\n') : []).map(
  (line) => JSON.parse(line) as Vector,
)
const paths = vectors.filter(({ kind }) => /normalize|escape|request_uri_to_path/.test(kind))
const run = paths.filter(
  // What begins without a slash is no request target, and slashes are always merged here.
  ({ input, merge_slashes }) => merge_slashes !== false && /^(?:\/|$)/.test(input),
)
if (paths.length === 0) console.log("skipped: Kong's paths, which are not in ../shared")
else console.log(`Kong's paths: ${run.length} run, ${paths.length - run.length} left`)

/** The vectors of a kind for which something else comes out. */
function wrong(
  kind: string,
  make: (vector: Vector) => readonly string[],
  wanted: (vector: Vector) => readonly string[],
) {
  return run
    .filter((each) => each.kind === kind)
    .filter((each) => !Bun.deepEquals(make(each), wanted(each).map(wireText)))
}

test('paths are normalised as Kong does', () => {
  const make = ({ input }: Vector) => [normalizePath(wireText(input))]
  expect(wrong('normalize', make, ({ output }) => [output])).toEqual([])
})

test('paths are escaped as Kong does', () => {
  expect(
    wrong(
      'escape',
      ({ input }) => [escapePath(wireText(input))],
      ({ output }) => [output],
    ),
  ).toEqual([])
})

test('request targets become paths, and paths what the service is asked for, as in Kong', () => {
  const make = ({ input }: Vector) => {
    const path = normalizePath(wireText(input.split('?')[0]!))
    return [path, escapePath(path)]
  }
  expect(
    wrong('request_uri_to_path', make, ({ output, upstream_escaped = '' }) => [
      output,
      upstream_escaped,
    ]),
  ).toEqual([])
})

test('a query keeps what it may hold, and nothing ends the request line', () => {
  const text = "a=1&b=%20+'[]|&c=\x7f \r\n\t#\xe9\u{1f600}"
  expect(escapeQuery(text)).toBe("a=1&b=%20+'[]|&c=%7F%20%0D%0A%09%23%E9%F0%9F%98%80")
})
