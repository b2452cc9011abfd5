import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import { explainRoute } from '../../../src/router/explain.ts'
import type { RouterFlavor } from '../../../src/entities/route.ts'
import type { RouteRule } from '../../../src/router/router.ts'

const request = {
  method: 'GET',
  host: 'a.test:8000',
  port: 8000,
  path: '/x/y',
  headers: HeaderList.of([['X-Version', 'v1']]),
  ip: '10.0.0.1',
  localIp: '10.0.0.2',
  scheme: 'https',
  sni: 'a.test',
}

const FLAVORS: readonly RouterFlavor[] = ['traditional_compatible', 'traditional']

// prettier-ignore
const CASES: readonly (readonly [rule: Omit<RouteRule, 'id'>, unmet: string | undefined])[] = [
  [{ paths: ['/x'] },                                  undefined],
  [{ paths: ['~/x/\\w$'], hosts: ['*.test'] },         undefined],
  [{ paths: ['/y', '/z'] },                            'paths /y, /z, but the request has /x/y'],
  [{ paths: ['/x'], methods: ['POST'] },               'methods POST, but the request has GET'],
  [{ hosts: ['b.test'], paths: ['/y'] },               'hosts b.test, but the request has a.test:8000'],
  [{ headers: { 'x-version': ['v1'] } },               undefined],
  [{ headers: { 'x-version': ['v2'] } },               'headers x-version: v2, but the request has another x-version'],
  [{ headers: { 'x-other': ['v2'] } },                 'headers x-other: v2, but the request has no x-other'],
  [{ snis: ['b.test'], paths: ['/x'] },                'snis b.test, but the request has a.test'],
  [{ paths: ['/1', '/2', '/3', '/4', '/5', '/6'] },    'paths /1, /2, /3, /4 and 2 more, but the request has /x/y'],
]

for (const flavor of FLAVORS)
  test.each(CASES)(`${flavor}: %j`, (rule, unmet) => {
    expect(explainRoute({ id: 'r', ...rule }, flavor, request).unmet).toBe(unmet)
  })

test('an expression is told by the condition that fails', () => {
  const expression = 'http.path ^= "/x" && http.method == "POST"'
  const fate = explainRoute({ id: 'r', expression }, 'expressions', request)
  expect(fate).toMatchObject({
    held: ['the condition on http.path'],
    unmet: `the condition on http.method in ${expression}`,
  })
})

test('the route that is nearly right is the nearest', () => {
  const near = explainRoute({ id: 'a', paths: ['/x/z'] }, 'traditional_compatible', request)
  const far = explainRoute({ id: 'b', paths: ['/orders'] }, 'traditional_compatible', request)
  const host = explainRoute(
    { id: 'c', paths: ['/x'], hosts: ['b.test'] },
    'traditional_compatible',
    request,
  )
  expect(near.nearness).toBeGreaterThan(far.nearness)
  expect(host.nearness).toBeGreaterThan(near.nearness)
})
