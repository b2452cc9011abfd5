import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { HeaderList } from '../../../src/headers.ts'
import { normalizePath, wireText } from '../../../src/path.ts'
import { type RouteRule, Router } from '../../../src/router/router.ts'
import { upstreamPath } from '../../../src/router/upstream_path.ts'

const CASES = `${import.meta.dir}/../../../../shared/data/router-cases.jsonl`

interface Case {
  readonly id: string
  readonly test: string
  readonly subsystem: string
  readonly encoding?: string
  readonly routes: readonly {
    readonly route: RouteRule & { readonly strip_path?: boolean }
    readonly service?: { readonly path?: string }
  }[]
  readonly request: {
    readonly method?: string
    readonly uri: string
    readonly host?: string
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
  }
  /** What a client of Kong saw, by flavour of its router. */
  readonly exec?: Readonly<
    Record<
      string,
      { readonly matched?: number; readonly upstream_uri?: string; readonly prefix?: string }
    >
  >
}

/** What this router knows of a route; routes with other conditions are left. */
const KNOWN = new Set(
  'id name paths hosts methods headers regex_priority strip_path path_handling preserve_host protocols updated_at'.split(
    ' ',
  ),
)

const all = (existsSync(CASES) ? readFileSync(CASES, 'utf8').trim().split('\n') : []).map(
  (line) => JSON.parse(line) as Case,
)

function reasonToLeave({ subsystem, routes, exec }: Case): string | undefined {
  if (subsystem !== 'http') return 'not HTTP'
  if (!exec?.traditional_compatible) return 'another flavour'
  const unknown = routes.flatMap(({ route }) =>
    Object.keys(route).filter((name) => !KNOWN.has(name)),
  )
  return unknown[0]
}

const left = Map.groupBy(all.filter(reasonToLeave), reasonToLeave)
const run = all.filter((each) => !reasonToLeave(each))
if (all.length === 0) console.log("skipped: Kong's router cases, which are not in ../shared")
else {
  const reasons = [...left].map(([reason, { length }]) => `${length} (${reason})`)
  console.log(`Kong's router cases: ${run.length} run, left: ${reasons.join(', ')}`)
}

test("the router answers as Kong's does", () => {
  const wrong = run.flatMap((each) => {
    const { matched, upstream_uri, prefix } = each.exec!.traditional_compatible!
    const wire = each.encoding ? (text: string) => text : wireText
    const theirs = matched && [matched, wire(upstream_uri ?? ''), wire(prefix ?? '')]
    const ours = answerOf(each, wire)
    return Bun.deepEquals(ours, theirs ?? undefined)
      ? []
      : [{ id: each.id, test: each.test, theirs, ours }]
  })
  expect(wrong).toEqual([])
})

/** The number of the route, the path that its service is asked for, and the prefix that was stripped. */
function answerOf({ routes, request }: Case, wire: (text: string) => string) {
  const router = new Router(
    routes.map(({ route, service }, i) => {
      // An empty table of Lua's is an object in JSON.
      const paths = Array.isArray(route.paths) ? route.paths : undefined
      const rule = { base: wire(service?.path ?? '/'), strip: route.strip_path === true }
      return [
        { ...route, paths },
        { number: i + 1, rule },
      ] as const
    }),
  )
  const { method = 'GET', uri, headers = {}, host = headers.host ?? '' } = request
  const path = normalizePath(wire(uri.split('?')[0]!))
  const fields = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, String(value)] as const),
  )
  const match = router.match({
    method,
    host: String(host),
    port: 8000,
    path,
    headers: HeaderList.of(fields),
  })
  if (!match) return undefined
  const { number, rule } = match.value
  return [number, upstreamPath(rule, path, match.matchedPath), rule.strip ? match.matchedPath : '']
}
