import { uuidV5 } from '../uuid.ts'
import type { HeaderList } from '../headers.ts'
import { wireText } from '../path.ts'
import { compileRegex } from '../pattern.ts'

/** What a route asks of a request: Kong's fields of the same names. */
export interface RouteRule {
  readonly id: string
  readonly methods?: readonly string[] | undefined
  readonly hosts?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
  readonly headers?: Readonly<Record<string, readonly string[]>> | undefined
  readonly regex_priority?: number | undefined
}

/** What the router reads of a request. `path` is normalised. */
export interface RoutedRequest {
  readonly method: string
  /** The `Host` field as sent. */
  readonly host: string
  /** The port that the request came to, which counts where `host` names none. */
  readonly port: number
  readonly path: string
  readonly headers: HeaderList
}

export interface Match<T> {
  readonly value: T
  /** The part of the path that the route's path matched; empty for a route without paths. */
  readonly matchedPath: string
}

/**
 * Kong's `traditional_compatible` router: every route becomes one rule, or one for each length of its paths; the rule
 * with the highest priority that fits is taken. A tie goes to the greater id, as in Kong, not to the order in the file.
 */
export class Router<T> {
  readonly #rules: readonly Rule<T>[]

  constructor(routes: Iterable<readonly [RouteRule, T]>) {
    this.#rules = [...routes].flatMap(([route, value]) => rulesOf(route, value)).sort(byPriority)
  }

  match(request: RoutedRequest): Match<T> | undefined {
    for (const rule of this.#rules) {
      const matchedPath = matchRule(rule, request)
      if (matchedPath !== undefined) return { value: rule.value, matchedPath }
    }
    return undefined
  }
}

interface Rule<T> {
  readonly id: string
  readonly priority: bigint
  readonly value: T
  readonly methods: readonly string[] | undefined
  readonly hosts: readonly HostRule[] | undefined
  readonly headers: readonly HeaderRule[]
  readonly paths: readonly PathPattern[] | undefined
}

type PathPattern = { readonly prefix: string } | { readonly regex: RegExp }
type HostRule = {
  readonly is: 'plain' | 'prefix' | 'suffix'
  readonly text: string
  readonly port: number | undefined
}
type HeaderRule = {
  readonly name: string
  readonly values: readonly (string | RegExp)[]
}

/** Kong's namespace for the rules that a route with several kinds of paths is split into. */
const SPLIT_NAMESPACE = '7f145bf9-0dce-4f91-98eb-debbce4b9f6b'

function rulesOf<T>(route: RouteRule, value: T): Rule<T>[] {
  const groups = groupPaths(route.paths ?? [])
  return groups.map((paths, i) => {
    const id = groups.length > 1 ? uuidV5(SPLIT_NAMESPACE, `${route.id}#${i + 1}`) : route.id
    return {
      id,
      value,
      priority: priorityOf(route, paths),
      methods: notEmpty(route.methods),
      hosts: notEmpty(route.hosts)?.map(hostRule),
      headers: Object.entries(route.headers ?? {}).map(headerRule),
      paths: paths.length > 0 ? paths.map(pathPattern) : undefined,
    }
  })
}

/**
 * Regexes in one group, prefixes in one for each length: their priorities differ. No paths are one group of none.
 * The groups stand in the order of their first paths, because their ids, and so the ties, depend on it.
 */
function groupPaths(paths: readonly string[]): string[][] {
  if (paths.length === 0) return [[]]
  const groups = Map.groupBy(paths, (path) => (isRegex(path) ? 0 : wireText(path).length))
  return [...groups.values()]
}

/** Kong's 64 bits, high to low: kinds of conditions, plain hosts, headers, regex, `regex_priority`, length. */
function priorityOf(route: RouteRule, paths: readonly string[]): bigint {
  const kinds = [route.methods, route.hosts, paths].filter((each) => notEmpty(each)).length
  const headers = Object.keys(route.headers ?? {}).length
  const plainHosts = notEmpty(route.hosts)?.every((host) => !host.includes('*')) ?? false
  const regex = paths.some(isRegex)
  const length = regex ? 0 : Math.max(0, ...paths.map((path) => wireText(path).length))
  return (
    (BigInt(kinds + (headers > 0 ? 1 : 0)) << 61n) |
    ((plainHosts ? 1n : 0n) << 60n) |
    (BigInt(Math.min(headers, 255)) << 52n) |
    ((regex ? 1n : 0n) << 51n) |
    (BigInt(regex ? (route.regex_priority ?? 0) : 0) << 19n) |
    BigInt(Math.min(length, 0x7ffff))
  )
}

function byPriority(a: Rule<unknown>, b: Rule<unknown>): number {
  if (a.priority !== b.priority) return a.priority > b.priority ? -1 : 1
  return a.id > b.id ? -1 : 1
}

function matchRule(rule: Rule<unknown>, request: RoutedRequest): string | undefined {
  if (rule.methods && !rule.methods.includes(request.method)) return undefined
  if (rule.hosts && !rule.hosts.some((host) => matchHost(host, request))) return undefined
  for (const header of rule.headers) if (!matchHeader(header, request)) return undefined
  return rule.paths ? matchPaths(rule.paths, request.path) : ''
}

function matchPaths(paths: readonly PathPattern[], path: string): string | undefined {
  for (const pattern of paths) {
    if ('prefix' in pattern) {
      if (path.startsWith(pattern.prefix)) return pattern.prefix
    } else {
      const match = pattern.regex.exec(path)
      if (match) return match[0]
    }
  }
  return undefined
}

function isRegex(path: string): boolean {
  return path.startsWith('~')
}

function pathPattern(path: string): PathPattern {
  if (!isRegex(path)) return { prefix: wireText(path) }
  return { regex: compileRegex(path.slice(1)) }
}

function hostRule(host: string): HostRule {
  const { name, port } = splitHost(host)
  if (name.startsWith('*')) return { is: 'suffix', text: name.slice(1), port }
  if (name.endsWith('*')) return { is: 'prefix', text: name.slice(0, -1), port }
  return { is: 'plain', text: name, port }
}

/** As Kong's router: at the first colon, if a number follows. So an address of IPv6 is never split. */
function splitHost(host: string): { name: string; port: number | undefined } {
  const colon = host.indexOf(':')
  const digits = host.slice(colon + 1)
  if (colon < 0 || !/^\d+$/.test(digits)) return { name: host, port: undefined }
  return { name: host.slice(0, colon), port: Number(digits) }
}

/** The name is compared in its case, as Kong's router does. */
function matchHost(rule: HostRule, request: RoutedRequest): boolean {
  const { name, port = request.port } = splitHost(request.host)
  if (rule.port !== undefined && rule.port !== port) return false
  if (rule.is === 'plain') return name === rule.text
  return rule.is === 'suffix' ? name.endsWith(rule.text) : name.startsWith(rule.text)
}

/** Values are compared in lower case; after `~*` one is a regex, in lower case as well, that may match anywhere. */
function headerRule([name, values]: [string, readonly string[]]): HeaderRule {
  return {
    name: name.toLowerCase().replaceAll('_', '-'),
    values: values.map((value) => {
      const text = wireText(value).toLowerCase()
      return text.startsWith('~*') ? new RegExp(text.slice(2)) : text
    }),
  }
}

function matchHeader(rule: HeaderRule, { headers }: RoutedRequest): boolean {
  return headers.fields.some(({ lower, value }) => {
    // nginx takes `_` and `-` in a name as one.
    if (lower.length !== rule.name.length || lower.replaceAll('_', '-') !== rule.name) return false
    const given = value.toLowerCase()
    return rule.values.some((each) =>
      typeof each === 'string' ? each === given : each.test(given),
    )
  })
}

function notEmpty<E>(list: readonly E[] | undefined): readonly E[] | undefined {
  return list && list.length > 0 ? list : undefined
}
