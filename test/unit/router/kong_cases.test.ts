import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { HeaderList } from '../../../src/headers.ts'
import type { RouterFlavor } from '../../../src/entities/route.ts'
import { normalizePath, wireText } from '../../../src/path.ts'
import { createRouter, type RoutedRequest, type RouteRule } from '../../../src/router/router.ts'
import { upstreamPath } from '../../../src/router/upstream_path.ts'

const CASES = `${import.meta.dir}/../../../../shared/data/router-cases.jsonl`

interface Expected {
  readonly matched?: number | null
  readonly upstream_uri?: string
  readonly prefix?: string
  readonly uri_captures?: Readonly<Record<string, string | false>>
}

interface Case {
  readonly id: string
  readonly test: string
  readonly kind: 'select' | 'exec'
  readonly subsystem: string
  readonly encoding?: string
  readonly routes: readonly {
    readonly route: RouteRule & {
      readonly strip_path?: boolean
      readonly path_handling?: 'v0' | 'v1'
    }
    readonly service?: { readonly path?: string }
  }[]
  readonly request: {
    readonly method?: string
    readonly uri: string
    readonly host?: string
    readonly scheme?: string
    readonly sni?: string
    readonly src_ip?: string
    readonly src_port?: number
    readonly dst_ip?: string
    readonly dst_port?: number
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
    readonly queries?: Readonly<Record<string, string | true | readonly (string | true)[]>>
    readonly vars?: Readonly<Record<string, string | number>>
  }
  /** What the tests of Kong say of the router alone, by flavour. */
  readonly spec_expect?: Readonly<Record<string, Expected>>
  /** What a client of Kong saw, by flavour. */
  readonly exec?: Readonly<Record<string, Expected>>
}

const all = (existsSync(CASES) ? readFileSync(CASES, 'utf8').trim().split('\n') : [])
  .map((line) => JSON.parse(line) as Case)
  .filter(({ subsystem }) => subsystem === 'http')
const rebuilt = all.filter(isChangedInPlace)
if (rebuilt.length > 0)
  console.log(
    `left: what Kong's tests say of ${rebuilt.length} routers that are changed in place, as ours never are`,
  )
if (all.length === 0) console.log("skipped: Kong's router cases, which are not in ../shared")

const FLAVORS: readonly RouterFlavor[] = ['traditional_compatible', 'expressions', 'traditional']

test.each([...FLAVORS])("a router of flavour %s answers as Kong's does", (flavor) => {
  const wrong = all.flatMap((each) => {
    const { id, test: name } = each
    return [...differences(each, flavor, 'exec'), ...differences(each, flavor, 'spec_expect')].map(
      (difference) => ({ id, name, ...difference }),
    )
  })
  const count = (of: 'exec' | 'spec_expect') =>
    all.filter((each) => each[of]?.[flavor] && !(of === 'spec_expect' && isChangedInPlace(each)))
      .length
  if (all.length > 0)
    console.log(
      `Kong's router cases, ${flavor}: ${count('exec')} through the gateway, ${count('spec_expect')} by the router alone`,
    )
  expect(wrong).toEqual([])
})

function differences(each: Case, flavor: RouterFlavor, of: 'exec' | 'spec_expect') {
  const theirs = each[of]?.[flavor]
  if (!theirs || (of === 'spec_expect' && isChangedInPlace(each))) return []
  const ours = answerOf(each, flavor, of === 'exec' || each.kind === 'exec')
  const wire = wireOf(each)
  const wanted = {
    matched: theirs.matched ?? undefined,
    ...(theirs.upstream_uri !== undefined && { upstream_uri: wire(theirs.upstream_uri) }),
    ...(of === 'exec' && theirs.matched && { prefix: wire(theirs.prefix ?? '') }),
    ...(theirs.uri_captures && { uri_captures: takenPart(theirs.uri_captures) }),
  }
  const given = Object.fromEntries(
    Object.keys(wanted).map((key) => [key, ours?.[key as keyof typeof ours]]),
  )
  return Bun.deepEquals(given, wanted) ? [] : [{ of, theirs: wanted, ours: given }]
}

/** Kong changes its router in place, by the times of the routes. Ours is made anew by each reload. */
function isChangedInPlace({ test: name }: Case): boolean {
  return name.includes('incremental rebuild')
}

/** Lua has `false` for a group that took no part. */
function takenPart(captures: Readonly<Record<string, string | false>>) {
  return Object.fromEntries(Object.entries(captures).filter(([, value]) => value !== false))
}

/** One character a byte, as on the wire. */
function wireOf({ encoding }: Case): (text: string) => string {
  return encoding ? (text) => text : wireText
}

/** The number of the route, the path that its service is asked for, what was stripped, and the captures. */
function answerOf(each: Case, flavor: RouterFlavor, throughGateway: boolean) {
  const wire = wireOf(each)
  const router = createRouter(
    flavor,
    each.routes.map(({ route, service }, i) => {
      const rule = {
        base: wire(service?.path ?? '/'),
        strip: route.strip_path === true,
        ...(flavor === 'traditional' && route.path_handling && { handling: route.path_handling }),
      }
      return [
        { ...withoutEmptyTables(route), id: route.id ?? '' },
        { number: i + 1, rule },
      ] as const
    }),
  )
  const request = requestOf(each, throughGateway)
  const match = router.match(request)
  if (!match) return undefined
  const { number, rule } = match.value
  return {
    matched: number,
    upstream_uri: upstreamPath(rule, request.path, match.matchedPath),
    prefix: rule.strip ? match.matchedPath : '',
    uri_captures: match.uriCaptures,
  }
}

/** An empty table of Lua's is an object in JSON. */
function withoutEmptyTables<R extends RouteRule>(route: R): R {
  return Object.fromEntries(
    Object.entries(route).filter(
      ([key, value]) =>
        key === 'headers' || value === null || typeof value !== 'object' || Array.isArray(value),
    ),
  ) as unknown as R
}

function requestOf(each: Case, throughGateway: boolean): RoutedRequest {
  const wire = wireOf(each)
  const { method = 'GET', uri, headers = {}, queries = {}, vars = {}, ...rest } = each.request
  const [rawPath = '', query = ''] = wire(uri).split('?')
  const fields = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, wire(String(value))] as const),
  )
  const given = Object.entries(queries).flatMap(([name, values]) =>
    [values].flat().map((value) => (value === true ? name : `${name}=${value}`)),
  )
  return {
    method,
    path: throughGateway ? normalizePath(rawPath) : wire(uri),
    host: String(rest.host ?? headers.host ?? ''),
    port: Number(rest.dst_port ?? vars.server_port ?? 0),
    headers: HeaderList.of(fields),
    scheme: rest.scheme ?? 'http',
    sni: rest.sni,
    query: given.length > 0 ? given.join('&') : query,
    ip: rest.src_ip ?? textOf(vars.remote_addr),
    localIp: rest.dst_ip ?? textOf(vars.server_addr),
    remotePort:
      rest.src_port ?? ((vars.remote_port && Number(vars.remote_port)) as number | undefined),
  }
}

function textOf(value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
