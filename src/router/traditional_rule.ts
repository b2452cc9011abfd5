import { Pattern } from '../pattern/pattern.ts'
import { wireText } from '../path.ts'
import type { RouteRule } from './rules.ts'
import { splitPort } from './traditional_host.ts'
import { Wildcard } from './traditional_wildcards.ts'

/** The kinds of conditions, as the bits of a category; a category is what kinds a route has. */
export const HOST = 0x40
export const HEADER = 0x20
export const URI = 0x10
export const METHOD = 0x08
export const SNI = 0x04
/** Conditions on addresses. Kong's older router reads none of HTTP requests, so these never hold. */
export const SOURCE = 0x02
export const DESTINATION = 0x01

/** What a route is sorted by before all else. */
const HAS_REGEX_URI = 0x01
const PLAIN_HOSTS_ONLY = 0x02
const HAS_WILDCARD_HOST_PORT = 0x04

/** One path of a route, with all its other conditions. */
export interface TraditionalRule<T> {
  readonly value: T
  /** Its place among all. */
  order: number
  readonly category: number
  readonly subWeight: number
  readonly regexPriority: number
  readonly createdAt: number | undefined
  readonly hosts: ReadonlySet<string>
  readonly wildcards: readonly Wildcard[]
  readonly headers: readonly HeaderRule[]
  readonly path: PathRule | undefined
  readonly methods: ReadonlySet<string>
  readonly snis: ReadonlySet<string>
}

/** A field and the values, or the one regex, of which it must have one. */
export interface HeaderRule {
  readonly name: string
  readonly values: ReadonlySet<string>
  readonly pattern: Pattern | undefined
}

/** A path as it is compared; `regex` says whether, and `rest` what of the path it leaves. */
export interface PathRule {
  readonly text: string
  readonly regex: { readonly pattern: Pattern; readonly withRest: Pattern } | undefined
}

/** Each path of a route is a rule of its own. Throws a `PatternError` for a regex that PCRE does not read. */
export function rulesOf<T>(route: RouteRule, value: T): TraditionalRule<T>[] {
  const { methods = [], snis = [], headers = {}, hosts = [], paths = [] } = route
  const wildcards = hosts.filter((host) => host.includes('*'))
  const hasWildcardPort = wildcards.some((host) => splitPort(host, undefined).hasPort)
  const category =
    bit(HOST, hosts) |
    bit(HEADER, Object.keys(headers)) |
    bit(URI, paths) |
    bit(METHOD, methods) |
    bit(SNI, snis) |
    bit(SOURCE, route.sources) |
    bit(DESTINATION, route.destinations)
  const subWeight =
    (hosts.length > 0 && wildcards.length === 0 ? PLAIN_HOSTS_ONLY : 0) |
    (hasWildcardPort ? HAS_WILDCARD_HOST_PORT : 0)
  const common = {
    value,
    order: 0,
    category,
    regexPriority: route.regex_priority ?? 0,
    createdAt: route.created_at,
    hosts: new Set(hosts.filter((host) => !host.includes('*'))),
    wildcards: wildcards.map((host) => new Wildcard(host)),
    headers: Object.entries(headers).map(headerRule),
    methods: new Set(methods.map((method) => method.toUpperCase())),
    snis: new Set(snis.map((sni) => (sni.length > 1 ? sni.replace(/\.$/, '') : sni))),
  }
  if (paths.length === 0) return [{ ...common, subWeight, path: undefined }]
  return paths.map((written) => {
    const path = pathRule(written)
    return { ...common, path, subWeight: subWeight | (path.regex ? HAS_REGEX_URI : 0) }
  })
}

function bit(kind: number, list: readonly unknown[] | undefined): number {
  return list && list.length > 0 ? kind : 0
}

function pathRule(written: string): PathRule {
  if (!written.startsWith('~')) return { text: wireText(written), regex: undefined }
  const text = wireText(written.slice(1))
  return {
    text,
    regex: {
      pattern: new Pattern(text, 'pcre', true),
      // Of alternatives only the last is bound to the rest, as in Kong.
      withRest: new Pattern(`${text}(.*)`, 'pcre', true),
    },
  }
}

function headerRule([name, values]: [string, readonly string[]]): HeaderRule {
  const [only = '', ...others] = values.map(wireText)
  const isPattern = only.startsWith('~*') && others.length === 0
  return {
    name: name.toLowerCase(),
    values: new Set(values.map((value) => lowerBytes(wireText(value)))),
    pattern: isPattern ? new Pattern(only.slice(2), 'pcre') : undefined,
  }
}

/** Below 0 if the first goes before the second, 0 where only the sort decides. */
export function byOrder(a: TraditionalRule<unknown>, b: TraditionalRule<unknown>): number {
  if (a.subWeight !== b.subWeight) return b.subWeight - a.subWeight
  if (a.headers.length !== b.headers.length) return b.headers.length - a.headers.length
  if ((a.subWeight & HAS_REGEX_URI) !== 0 && a.regexPriority !== b.regexPriority)
    return b.regexPriority - a.regexPriority
  const lengths = prefixLength(b) - prefixLength(a)
  if (lengths !== 0) return lengths
  if (a.createdAt === undefined || b.createdAt === undefined) return 0
  return a.createdAt - b.createdAt
}

function prefixLength({ path }: TraditionalRule<unknown>): number {
  return path && !path.regex ? path.text.length : 0
}

/** As Lua lowers a text, byte by byte. */
export function lowerBytes(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
