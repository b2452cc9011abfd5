import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import type { RouterFlavor } from '../../../src/entities/route.ts'
import { createRouter, type RoutedRequest, type RouteRule } from '../../../src/router/router.ts'
import { random } from '../random.ts'

// What a reader of Kong's documents would do by hand: look at each path of each route, and take the best that fits.

interface Fit {
  readonly route: RouteRule
  readonly matched: string
  /** What is compared first stands first; the greater wins. */
  readonly rank: readonly (number | string)[]
}

type Next = (below: number) => number

const PATHS = ['/', '/a', '/a/', '/ab', '/a/b', '/a/b/c', '/b', '/b/c', '/abc']
const REGEXES = ['~/a+$', '~/[ab]/b', '~/b', '~/(?<one>[^/]+)/b/?']
const HOSTS = ['a.test', 'b.test', 'x.a.test', '*.test', '*.a.test', 'a.*']

function fits(route: RouteRule, request: RoutedRequest, flavor: RouterFlavor): Fit[] {
  const { methods, hosts, headers, protocols = [] } = route
  if (methods && !methods.includes(request.method)) return []
  if (hosts && !hosts.some((host) => fitsHost(host, request.host))) return []
  const kind = headers?.['x-kind']
  if (kind && !kind.some((each) => request.headers.get('x-kind')?.toLowerCase() === each)) return []
  if (flavor === 'expressions' && protocols.join() !== 'https')
    if (!protocols.includes(request.scheme ?? 'http')) return []
  return (route.paths ?? [undefined]).flatMap((path) => {
    const matched = path === undefined ? '' : matchedBy(path, request.path)
    return matched === undefined ? [] : { route, matched, rank: rankOf(route, path, flavor) }
  })
}

function rankOf(route: RouteRule, path: string | undefined, flavor: RouterFlavor) {
  const { methods, hosts, headers, regex_priority = 0, created_at = 0 } = route
  const kinds = [methods, hosts, headers, route.paths].filter(Boolean).length
  const isRegex = path?.startsWith('~') ?? false
  const length = isRegex ? 0 : (path?.length ?? 0)
  const regexPriority = isRegex ? regex_priority : 0
  if (flavor === 'traditional') return [kinds, route.paths ? 1 : 0, length, -created_at]
  const plain = hosts?.every((host) => !host.includes('*')) ?? false
  return [plain ? 1 : 0, isRegex ? 1 : 0, kinds, headers ? 1 : 0, regexPriority, length, route.id]
}

function matchedBy(path: string, asked: string): string | undefined {
  if (path.startsWith('~')) return new RegExp(`^${path.slice(1)}`).exec(asked)?.[0]
  return asked.startsWith(path) ? path : undefined
}

function fitsHost(written: string, sent: string): boolean {
  if (written.startsWith('*')) return sent.endsWith(written.slice(1))
  return written.endsWith('*') ? sent.startsWith(written.slice(0, -1)) : sent === written
}

function byRank(a: Fit, b: Fit): number {
  const at = a.rank.findIndex((each, i) => each !== b.rank[i])
  return at < 0 ? 0 : a.rank[at]! > b.rank[at]! ? -1 : 1
}

function randomRoute(next: Next, number: number, flavor: RouterFlavor): RouteRule {
  const isOld = flavor === 'traditional'
  const some = (all: readonly string[], most: number) =>
    Array.from({ length: 1 + next(most) }, () => all[next(all.length)]!)
  // Paths of several lengths would be routes with ids of their own, by which ties are decided.
  const [path = '/'] = some(isOld || next(3) ? PATHS : REGEXES, 1)
  const hasPath = next(4) > 0
  // Not with methods as well: the number that Kong computes for four kinds of conditions is another one.
  const hasHeaders = !isOld && next(5) === 0
  const hasMethods = (!hasHeaders && next(3) === 0) || (isOld && !hasPath)
  return {
    id: `00000000-0000-4000-8000-${String(next(1e9)).padStart(12, '0')}`,
    paths: hasPath ? [path] : undefined,
    // The older router tries first what shares a host, header or regex with the request, whatever goes before it.
    hosts: !isOld && next(2) ? some(HOSTS, 2) : undefined,
    headers: hasHeaders ? { 'x-kind': ['one', 'two'] } : undefined,
    methods: hasMethods ? some(['GET', 'POST'], 2) : undefined,
    protocols: [['http'], ['https'], ['http', 'https']][next(3)]!,
    regex_priority: next(2),
    created_at: number,
  }
}

function randomRequest(next: Next): RoutedRequest {
  const pick = (all: readonly string[]) => all[next(all.length)]!
  return {
    method: pick(['GET', 'POST', 'PUT']),
    host: pick(['a.test', 'b.test', 'x.a.test', 'x.b.test', 'a.b', 'c']),
    path: pick(PATHS) + pick(['', '', '/b', 'b', '/c/b']),
    port: 8000,
    headers: HeaderList.of(next(2) ? [['X-Kind', pick(['One', 'two', 'three'])]] : []),
    scheme: pick(['http', 'https']),
  }
}

test.each(['traditional_compatible', 'expressions', 'traditional'] as const)(
  '%s: ten thousand requests find the route that the documents lead to',
  (flavor) => {
    const next = random(29)
    const wrong: unknown[] = []
    let found = 0
    for (let i = 0; i < 500; i++) {
      const rules = Array.from({ length: 20 }, (_, number) => randomRoute(next, number, flavor))
      const router = createRouter(
        flavor,
        rules.map((route) => [route, route] as const),
      )
      for (let k = 0; k < 20; k++) {
        const request = randomRequest(next)
        const [best] = rules.flatMap((route) => fits(route, request, flavor)).sort(byRank)
        const match = router.match(request)
        found += match ? 1 : 0
        if (match?.value !== best?.route || match?.matchedPath !== best?.matched)
          wrong.push({ request, ours: match, wanted: best })
      }
    }
    expect(wrong.slice(0, 3)).toEqual([])
    // Neither all nor none, or little would be said.
    expect(found).toBeWithin(4000, 9990)
  },
)
