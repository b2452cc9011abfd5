import { Pattern } from '../pattern/pattern.ts'
import { uuidV5 } from '../uuid.ts'
import type { Condition, Operator, Predicate, Value } from '../expression/condition.ts'
import { parseExpression } from '../expression/expression.ts'
import { readCidr, readIp } from '../expression/ip.ts'
import { splitHost } from './request.ts'

/** An address, a network or a port; with both, both must fit. */
export interface Endpoint {
  readonly ip?: string | undefined
  readonly port?: number | undefined
}

/** What a route asks of a request: Kong's fields of the same names. */
export interface RouteRule {
  readonly id: string
  readonly methods?: readonly string[] | undefined
  readonly hosts?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
  readonly headers?: Readonly<Record<string, readonly string[]>> | undefined
  readonly snis?: readonly string[] | undefined
  readonly sources?: readonly Endpoint[] | undefined
  readonly destinations?: readonly Endpoint[] | undefined
  readonly regex_priority?: number | undefined
  readonly protocols?: readonly string[] | undefined
  readonly expression?: string | undefined
  readonly priority?: number | undefined
  readonly created_at?: number | undefined
}

/** A route, or the part of one whose paths have one priority. */
export interface Rule<T> {
  readonly id: string
  readonly priority: bigint
  readonly condition: Condition
  readonly value: T
}

/** Kong's namespace for the rules that a route with several kinds of paths is split into. */
const SPLIT_NAMESPACE = '7f145bf9-0dce-4f91-98eb-debbce4b9f6b'

/** Makes the rules of a route. Throws a `PatternError` or an `ExpressionError` for one that no schema has checked. */
export function rulesOf<T>(route: RouteRule, value: T): Rule<T>[] {
  if (route.expression !== undefined) {
    // Any expression goes before any route without one.
    const priority = (0xffn << 56n) | BigInt(route.priority ?? 0)
    return [
      { id: route.id.toLowerCase(), priority, condition: parseExpression(route.expression), value },
    ]
  }
  const groups = groupPaths(route.paths ?? [])
  return groups.map((paths, i) => ({
    id:
      groups.length > 1 ? uuidV5(`${route.id}#${i + 1}`, SPLIT_NAMESPACE) : route.id.toLowerCase(),
    priority: priorityOf(route, paths),
    condition: conditionOf(route, paths),
    value,
  }))
}

/** The rule with the higher priority goes first; of equals the one with the greater id, as in Kong. */
export function byPriority(a: Rule<unknown>, b: Rule<unknown>): number {
  if (a.priority !== b.priority) return a.priority > b.priority ? -1 : 1
  return a.id > b.id ? -1 : 1
}

/**
 * In the flavour `expressions` the protocols are a condition as well, unless only HTTPS is allowed: a plain request must
 * find that route to be told so.
 */
export function withProtocols<T>(rule: Rule<T>, protocols: readonly string[] | undefined): Rule<T> {
  if (!protocols || protocols.length === 0 || protocols.join() === 'https') return rule
  const condition = some(
    protocols.map((protocol) =>
      text('net.protocol', '==', protocol.replace(/^grpc(s?)$/, 'http$1')),
    ),
  )
  return { ...rule, condition: { is: 'all', parts: [rule.condition, condition] } }
}

/**
 * Regexes in one group, prefixes in one for each length: their priorities differ. No paths are one group of none.
 * The groups stand in the order of their first paths, because their ids, and so the ties, depend on it.
 */
function groupPaths(paths: readonly string[]): string[][] {
  if (paths.length === 0) return [[]]
  return [...Map.groupBy(paths, (path) => (isRegex(path) ? 0 : Buffer.byteLength(path))).values()]
}

/**
 * Kong's number, as its code computes it and not as its comment draws it: the kinds of conditions, the headers and
 * `regex_priority` are meant to be shifted to bits 61, 52 and 19 of 64, but are shifted as numbers of 32 bits, so by 29,
 * 20 and 19; only plain hosts (bit 60) and a regex (bit 51) are in their places. So these two go before all else, but
 * for four kinds of conditions and more.
 */
function priorityOf(route: RouteRule, paths: readonly string[]): bigint {
  const { methods, hosts, snis, sources, destinations } = route
  const headers = Object.keys(route.headers ?? {}).length
  const kinds = [methods, hosts, paths, snis, sources, destinations].filter(
    (each) => each && each.length > 0,
  ).length
  const plainHosts = hosts?.every((host) => !host.includes('*')) ?? false
  const [path = ''] = paths
  const regex = isRegex(path)
  const numbers = [
    (kinds + (headers > 0 ? 1 : 0)) << 29,
    Math.min(headers, 255) << 20,
    (regex ? (route.regex_priority ?? 0) : 0) << 19,
    regex ? 0 : Buffer.byteLength(path) & 0x7ffff,
  ]
  if (!plainHosts && !regex) return unsigned(numbers.reduce((all, each) => all | each, 0))
  const places = (plainHosts ? 1n << 60n : 0n) | (regex ? 1n << 51n : 0n)
  return numbers.reduce((all, each) => all | unsigned(each), places)
}

/** A negative number of 32 bits, which four kinds of conditions make, fills all the bits above with its sign. */
function unsigned(number: number): bigint {
  return BigInt.asUintN(64, BigInt(number))
}

/** All kinds of conditions together, of each kind one. In Kong's order, which decides what captures remain. */
function conditionOf(route: RouteRule, paths: readonly string[]): Condition {
  const parts: Condition[] = []
  if (isFilled(route.snis)) {
    // A plain request has no name to compare, and is not refused for that.
    parts.push(some([text('net.protocol', '!=', 'https'), ...route.snis.map(sniCondition)]))
  }
  for (const [side, endpoints] of [
    ['src', route.sources],
    ['dst', route.destinations],
  ] as const) {
    if (isFilled(endpoints))
      parts.push(some(endpoints.map((each) => endpointCondition(side, each))))
  }
  if (isFilled(route.methods))
    parts.push(some(route.methods.map((method) => text('http.method', '==', method))))
  if (isFilled(route.hosts)) parts.push(some(route.hosts.map(hostCondition)))
  if (paths.length > 0) parts.push(some(paths.map(pathCondition)))
  for (const [name, values] of Object.entries(route.headers ?? {}))
    parts.push(some(values.map((value) => headerCondition(name, value))))
  return { is: 'all', parts }
}

function sniCondition(sni: string): Condition {
  if (sni.length > 1 && sni.endsWith('*')) return text('tls.sni', '^=', sni.slice(0, -1))
  // A name may be written with the dot of the root, which no client sends.
  const name = sni.length > 1 && sni.endsWith('.') ? sni.slice(0, -1) : sni
  if (name.startsWith('*')) return text('tls.sni', '=^', name.slice(1))
  return text('tls.sni', '==', name)
}

function endpointCondition(side: 'src' | 'dst', { ip, port }: Endpoint): Condition {
  const parts: Condition[] = []
  if (ip !== undefined) parts.push(ipCondition(`net.${side}.ip`, ip))
  if (port !== undefined)
    parts.push(predicate(`net.${side}.port`, '==', { type: 'Int', number: port }))
  return { is: 'all', parts }
}

function ipCondition(field: string, written: string): Condition {
  if (written.includes('/')) {
    const network = readCidr(written)
    return network ? predicate(field, 'in', { type: 'IpCidr', network }) : NEVER
  }
  const ip = readIp(written)
  return ip ? predicate(field, '==', { type: 'IpAddr', ip }) : NEVER
}

const NEVER: Condition = { is: 'some', parts: [] }

function hostCondition(host: string): Condition {
  const { name, port } = splitHost(host)
  const condition = name.startsWith('*')
    ? text('http.host', '=^', name.slice(1))
    : name.endsWith('*')
      ? text('http.host', '^=', name.slice(0, -1))
      : text('http.host', '==', name)
  if (port === undefined) return condition
  return {
    is: 'all',
    parts: [condition, predicate('net.dst.port', '==', { type: 'Int', number: port })],
  }
}

function pathCondition(path: string): Condition {
  if (!isRegex(path)) return text('http.path', '^=', path)
  // As Kong writes it: of alternatives only the first is bound to the beginning, unless they stand in a group.
  return predicate('http.path', '~', { type: 'Regex', pattern: new Pattern(`^${path.slice(1)}`) })
}

/** Values are compared in lower case; after `~*` one is a regex, in lower case as well, that may match anywhere. */
function headerCondition(name: string, value: string): Condition {
  const field = `http.headers.${lowerAscii(name).replaceAll('-', '_')}`
  const lowered = lowerAscii(value)
  const compared = lowered.startsWith('~*')
    ? predicate(field, '~', { type: 'Regex', pattern: new Pattern(lowered.slice(2)) })
    : text(field, '==', lowered)
  return { ...compared, lower: true, any: true }
}

/** Kong lowers what is configured by bytes, and what is sent by characters. */
function lowerAscii(value: string): string {
  return value.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function isRegex(path: string): boolean {
  return path.startsWith('~')
}

function text(field: string, operator: Operator, value: string): Predicate {
  return predicate(field, operator, { type: 'String', text: value })
}

function predicate(field: string, operator: Operator, value: Value): Predicate {
  return { is: 'predicate', field, lower: false, any: false, operator, value }
}

function some(parts: readonly Condition[]): Condition {
  return { is: 'some', parts }
}

function isFilled<E>(list: readonly E[] | undefined): list is readonly E[] {
  return list !== undefined && list.length > 0
}
