import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { type RouteRule, rulesOf } from '../../../src/router/rules.ts'

const CASES = `${import.meta.dir}/../../../../shared/data/router-cases.jsonl`

const route: RouteRule = { id: '4726a05a-d550-537e-9fc3-a07c7a1188c7' }

function priorities(rule: Omit<RouteRule, 'id'>): string[] {
  return rulesOf({ ...route, ...rule }, 0).map(({ priority }) => priority.toString(16))
}

const headers = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, ['v']]))

// prettier-ignore
test.each([
  [{ paths: ['/abc'] },                                                    '20000004'],
  [{ paths: ['/ä'] },                                                      '20000003'],
  [{ paths: ['~/abc'] },                                                   '8000020000000'],
  [{ paths: ['~/abc'], regex_priority: 3 },                                '80000' + '20180000'],
  [{ paths: ['~/abc'], regex_priority: -1 },                               'fffffffffff80000'],
  [{ paths: ['/abc'], regex_priority: 3 },                                 '20000004'],
  [{ hosts: ['a.test'] },                                                  '1000000020000000'],
  [{ hosts: ['a.test', '*.b'] },                                           '20000000'],
  [{ methods: ['GET'], paths: ['/'] },                                     '40000001'],
  [{ methods: ['GET'], snis: ['a'], paths: ['/'] },                        '60000001'],
  [{ headers: headers(2) },                                                '20200000'],
  [{ headers: headers(300) },                                              '2ff00000'],
  // Four kinds and more make a negative number, whose sign fills the bits above it.
  [{ methods: ['GET'], snis: ['a'], paths: ['/'], headers: headers(1) },   'ffffffff80100001'],
  [{ methods: ['GET'], snis: ['a'], paths: ['/'], hosts: ['a'] },          'ffffffff80000001'],
  [{ expression: 'http.path == "/"' },                                     'ff00000000000000'],
  [{ expression: 'http.path == "/"', priority: 2 ** 46 - 1 },              'ff003fffffffffff'],
])('%j has the priority %s', (rule, priority) => {
  expect(priorities(rule)).toEqual([priority])
})

test('a route is split by the kinds and lengths of its paths, and each part has its id', () => {
  const parts = rulesOf({ ...route, paths: ['/ab', '~/x', '/a', '/cd', '~/y'] }, 'value')
  expect(parts.map(({ priority }) => priority.toString(16))).toEqual([
    '20000003',
    '8000020000000',
    '20000002',
  ])
  expect(new Set(parts.map(({ id }) => id)).size).toBe(3)
  expect(parts.every(({ id }) => /^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-/.test(id))).toBe(true)
  expect(rulesOf({ ...route, paths: ['/ab', '/cd'] }, 0).map(({ id }) => id)).toEqual([route.id])
})

test('the id of a part is that of Kong', () => {
  const [first] = rulesOf(
    { id: 'e8fb37f1-102d-461e-9c51-6608a6bb8101', paths: ['/foo', '/foo/bar/baz'] },
    0,
  )
  expect(first!.id).toBe('086b6591-cafa-58be-b2dd-7640f294421f')
})

interface Case {
  readonly routes: readonly { readonly route: RouteRule }[]
  readonly subsystem: string
  readonly atc?: readonly {
    readonly of: number
    readonly paths?: unknown
    readonly priority: string
  }[]
}

/**
 * In the cases a negative number has become the highest bit alone. Older LuaJIT does that where it has compiled the
 * conversion; its interpreter, and newer ones, keep the other bits, and a longer path goes first, as it should.
 */
function isSame(ours: bigint, kongs: bigint): boolean {
  const highest = 1n << 63n
  return ours === kongs || (ours >= highest && kongs >= highest)
}

test("every rule has the priority that Kong's code computed", () => {
  const cases = (existsSync(CASES) ? readFileSync(CASES, 'utf8').trim().split('\n') : [])
    .map((line) => JSON.parse(line) as Case)
    .filter(({ subsystem, atc }) => subsystem === 'http' && atc)
  if (cases.length === 0) console.log("skipped: Kong's priorities, which are not in ../shared")
  const wrong = cases.flatMap(({ routes, atc = [] }) =>
    atc.flatMap(({ of, paths, priority }) => {
      const written = routes[of - 1]!.route
      const part = { ...written, paths: Array.isArray(paths) ? (paths as string[]) : undefined }
      const hosts = Array.isArray(written.hosts) ? written.hosts : undefined
      const [rule] = rulesOf({ ...part, hosts }, 0)
      return isSame(rule!.priority, BigInt(priority))
        ? []
        : [{ part, priority, ours: rule!.priority }]
    }),
  )
  expect(wrong).toEqual([])
})
