import type { Captures } from '../pattern/pattern.ts'
import { type HeaderKey, HeaderLists, rarestOf, type ValuesOf } from './header_lists.ts'
import { luaSort } from './lua_sort.ts'
import type { RoutedRequest } from './request.ts'
import type { Match, RouteFinder } from './router.ts'
import type { RouteRule } from './rules.ts'
import { hostOf, type RequestHost } from './traditional_host.ts'
import {
  byOrder,
  DESTINATION,
  HEADER,
  type HeaderRule,
  HOST,
  lowerBytes,
  METHOD,
  type PathRule,
  rulesOf,
  SNI,
  SOURCE,
  type TraditionalRule,
  URI,
} from './traditional_rule.ts'
import { Wildcards } from './traditional_wildcards.ts'

/** What one kind of condition narrows the rules of a category to, by what of the request it holds for. */
interface Category<T> {
  readonly bits: number
  readonly all: HeaderLists<TraditionalRule<T>>
  readonly byHost: Map<string, HeaderLists<TraditionalRule<T>>>
  readonly byHeader: Map<string, HeaderLists<TraditionalRule<T>>>
  readonly byPath: Map<string, HeaderLists<TraditionalRule<T>>>
  readonly byMethod: Map<string, HeaderLists<TraditionalRule<T>>>
  readonly bySni: Map<string, HeaderLists<TraditionalRule<T>>>
}

/** What of the request is known to be in some route, before any route is looked at. */
interface Hits {
  readonly host: string | undefined
  readonly header: string | undefined
  readonly path: string | undefined
  readonly category: number
}

/**
 * Kong's router of before 3.0, `traditional`: the rules stand in categories by the kinds of their conditions; the search
 * begins at the category that the request could have at most, in the order of their weights. Texts are bytes, regexes
 * are PCRE's. Of rules that are equal in all the older route goes first, and without its time the one that Lua's sort leaves in front.
 */
export class TraditionalRouter<T> implements RouteFinder<T> {
  readonly #categories: readonly Category<T>[]
  readonly #hosts: ReadonlySet<string>
  readonly #wildcards: Wildcards
  readonly #headers: readonly string[]
  readonly #regexes: readonly PathRule[]
  readonly #paths: ReadonlySet<string>
  /** The lengths of all prefixes, the longest first. */
  readonly #lengths: readonly number[]
  readonly #methods: ReadonlySet<string>
  readonly #snis: ReadonlySet<string>

  constructor(routes: Iterable<readonly [RouteRule, T]>) {
    const written = [...routes].flatMap(([route, value]) => rulesOf(route, value))
    const rules = luaSort(written, (a, b) => byOrder(a, b) < 0)
    for (const [i, rule] of rules.entries()) rule.order = i
    const paths = rules.flatMap(({ path }) => path ?? [])
    const prefixes = paths.flatMap(({ text, regex }) => (regex ? [] : text))
    this.#hosts = new Set(rules.flatMap(({ hosts }) => [...hosts]))
    this.#wildcards = new Wildcards(rules.flatMap(({ wildcards }) => wildcards))
    this.#headers = [...new Set(rules.flatMap(({ headers }) => headers.map(({ name }) => name)))]
    this.#regexes = paths.filter(({ regex }) => regex)
    this.#paths = new Set(prefixes)
    this.#lengths = [...new Set(prefixes.map(({ length }) => length))].sort((a, b) => b - a)
    this.#methods = new Set(rules.flatMap(({ methods }) => [...methods]))
    this.#snis = new Set(rules.flatMap(({ snis }) => [...snis]))
    this.#categories = categoriesOf(rules)
  }

  match(request: RoutedRequest): Match<T> | undefined {
    const host = hostOf(request)
    const hits = this.#hitsOf(request, host)
    if (hits.category === 0) return undefined
    const first = this.#categories.findIndex(({ bits }) => bits === hits.category)
    for (const category of this.#categories.slice(Math.max(0, first))) {
      // An SNI is no must: requests without TLS fit every one.
      if ((category.bits & ~hits.category & ~SNI) !== 0) continue
      // The few that fit best are tried first, and then all, although these few are among them.
      const few = reduce(category, hits, request, host)
      const found =
        findMatch(inOrder(few ? [few] : [], valuesIn(request)), request, host, hits) ??
        findMatch(this.#fitting(category, request, host), request, host, hits)
      if (found) return found
    }
    return undefined
  }

  /** All rules of a category but those that cannot fit because of the host, or else of the path. */
  #fitting(
    { bits, all, byHost, byPath }: Category<T>,
    request: RoutedRequest,
    { sent, name, withPort }: RequestHost,
  ): readonly TraditionalRule<T>[] {
    const { path } = request
    const valuesOf = valuesIn(request)
    if ((bits & HOST) !== 0) {
      return rulesAt(byHost, [sent, name, ...this.#wildcards.find(withPort)], valuesOf)
    }
    if ((bits & URI) === 0) return inOrder([all], valuesOf)
    const regexes = this.#regexes.filter(({ regex }) => regex!.pattern.test(path))
    const texts = regexes.map(({ text }) => text)
    const prefixes = this.#lengths.map((length) => path.slice(0, length))
    return rulesAt(byPath, [...texts, ...prefixes], valuesOf)
  }

  #hitsOf(request: RoutedRequest, host: RequestHost): Hits {
    const { path, method, sni = '' } = request
    const header = this.#headers.find((name) => valuesOf(request, name).length > 0)
    let hitHost: string | undefined
    let category = header === undefined ? 0 : HEADER
    if (host.sent !== '') {
      if (this.#hosts.has(host.withPort) || this.#hosts.has(host.name)) category |= HOST
      else {
        hitHost = this.#wildcards.find(host.withPort)[0]
        if (hitHost !== undefined) category |= HOST
      }
    }
    const hitPath = this.#hitPath(path)
    if (hitPath !== undefined) category |= URI
    if (this.#methods.has(method)) category |= METHOD
    if (this.#snis.has(sni)) category |= SNI
    return { host: hitHost, header, path: hitPath, category }
  }

  #hitPath(path: string): string | undefined {
    const regex = this.#regexes.find((each) => each.regex!.pattern.test(path))
    if (regex) return regex.text
    if (this.#paths.has(path)) return path
    for (const length of this.#lengths) {
      const prefix = path.slice(0, length)
      if (length <= path.length && this.#paths.has(prefix)) return prefix
    }
    return undefined
  }
}

/** The categories with more kinds of conditions first, and of these the one with the higher kinds. */
function categoriesOf<T>(rules: readonly TraditionalRule<T>[]): Category<T>[] {
  const categories = new Map<number, Category<T>>()
  const rarest = rarestOf(rules.map(headerKeysOf))
  for (const rule of rules) {
    let category = categories.get(rule.category)
    if (!category) {
      category = {
        bits: rule.category,
        all: new HeaderLists(),
        byHost: new Map(),
        byHeader: new Map(),
        byPath: new Map(),
        byMethod: new Map(),
        bySni: new Map(),
      }
      categories.set(rule.category, category)
    }
    const header = rarest(headerKeysOf(rule))
    const put = (lists: Map<string, HeaderLists<TraditionalRule<T>>>, key: string) => {
      let list = lists.get(key)
      if (!list) lists.set(key, (list = new HeaderLists()))
      list.add(rule, header)
    }
    category.all.add(rule, header)
    for (const host of rule.hosts) put(category.byHost, host)
    for (const { host } of rule.wildcards) put(category.byHost, host)
    for (const { name } of rule.headers) put(category.byHeader, name)
    if (rule.path) put(category.byPath, rule.path.text)
    for (const method of rule.methods) put(category.byMethod, method)
    for (const sni of rule.snis) put(category.bySni, sni)
  }
  return [...categories.values()].sort(
    (a, b) => bitCount(b.bits) - bitCount(a.bits) || b.bits - a.bits,
  )
}

/** The header fields of which a rule needs exact values. */
function headerKeysOf({ headers }: TraditionalRule<unknown>): HeaderKey[] {
  return headers.flatMap(({ name, values, pattern }) =>
    pattern ? [] : { name, values: [...values] },
  )
}

/** The rules at several keys that the headers allow, each once, in their order. */
function rulesAt<T>(
  lists: ReadonlyMap<string, HeaderLists<TraditionalRule<T>>>,
  keys: readonly string[],
  valuesOf: ValuesOf,
): readonly TraditionalRule<T>[] {
  return inOrder(
    [...new Set(keys)].flatMap((key) => lists.get(key) ?? []),
    valuesOf,
  )
}

function inOrder<T>(
  lists: readonly HeaderLists<TraditionalRule<T>>[],
  valuesOf: ValuesOf,
): readonly TraditionalRule<T>[] {
  const found: (readonly TraditionalRule<T>[])[] = []
  for (const list of lists) list.collect(valuesOf, found)
  if (found.length < 2) return found[0] ?? []
  return [...new Set(found.flat())].sort((a, b) => a.order - b.order)
}

function bitCount(bits: number): number {
  return bits.toString(2).replaceAll('0', '').length
}

/** The rules of a category that the request may well fit: those of one header, or else the fewest of one kind. */
function reduce<T>(
  category: Category<T>,
  hits: Hits,
  { method, sni = '' }: RoutedRequest,
  host: RequestHost,
): HeaderLists<TraditionalRule<T>> | undefined {
  const byHost = category.byHost.get(hits.host ?? host.sent)
  const byHeader = hits.header === undefined ? undefined : category.byHeader.get(hits.header)
  if (byHeader) return byHeader
  const byPath = hits.path === undefined ? undefined : category.byPath.get(hits.path)
  let fewest: HeaderLists<TraditionalRule<T>> | undefined
  for (const list of [byHost, byPath, category.byMethod.get(method), category.bySni.get(sni)]) {
    if (list && (!fewest || list.length < fewest.length)) fewest = list
  }
  return fewest
}

function findMatch<T>(
  rules: readonly TraditionalRule<T>[],
  request: RoutedRequest,
  host: RequestHost,
  hits: Hits,
): Match<T> | undefined {
  for (const rule of rules) {
    const found = matchRule(rule, request, host, hits)
    if (found) return found
  }
  return undefined
}

function matchRule<T>(
  rule: TraditionalRule<T>,
  request: RoutedRequest,
  host: RequestHost,
  hits: Hits,
): Match<T> | undefined {
  const { category } = rule
  if ((category & (SOURCE | DESTINATION)) !== 0) return undefined
  if ((category & HOST) !== 0 && !matchHost(rule, host, hits)) return undefined
  if ((category & HEADER) !== 0 && !matchHeaders(rule.headers, request)) return undefined
  if ((category & METHOD) !== 0 && !rule.methods.has(request.method)) return undefined
  if ((category & SNI) !== 0 && !matchSni(rule, request)) return undefined
  if (!rule.path) return { value: rule.value, matchedPath: '', uriCaptures: undefined }
  return matchPath(rule, rule.path, request.path, hits)
}

function matchHost(rule: TraditionalRule<unknown>, host: RequestHost, hits: Hits): boolean {
  if (rule.hosts.has(hits.host ?? host.sent) || rule.hosts.has(host.name)) return true
  return rule.wildcards.some((wildcard) => wildcard.matches(host.withPort))
}

function matchHeaders(headers: readonly HeaderRule[], request: RoutedRequest): boolean {
  return headers.every(({ name, values, pattern }) =>
    valuesIn(request)(name).some((value) => values.has(value) || (pattern?.test(value) ?? false)),
  )
}

function matchSni(
  { snis }: TraditionalRule<unknown>,
  { scheme, sni = '' }: RoutedRequest,
): boolean {
  return (scheme ?? 'http') === 'http' || snis.has(sni)
}

function matchPath<T>(
  { value }: TraditionalRule<T>,
  { text, regex }: PathRule,
  path: string,
  hits: Hits,
): Match<T> | undefined {
  if (regex) {
    const captures = regex.withRest.captures(path)
    return captures && foundByRegex(value, path, captures, regex.withRest.groups)
  }
  // What some route's regex has as its text is taken for a hit of a path of the same text.
  const matches = (hits.path ?? path) === text || path.startsWith(text)
  return matches
    ? { value, matchedPath: path.slice(0, text.length), uriCaptures: undefined }
    : undefined
}

/** The last of the `groups` is the rest, which is no capture of the route's. */
function foundByRegex<T>(value: T, path: string, captures: Captures, groups: number): Match<T> {
  const { [groups]: rest, ...others } = captures
  const matchedPath = rest === undefined ? '' : path.slice(0, path.length - rest.length)
  const uriCaptures = Object.keys(others).length > 1 ? others : undefined
  return { value, matchedPath, uriCaptures }
}

/** By the name as it is written, or with dashes for its underscores, as nginx's module for Lua looks for it. */
function valuesOf({ headers }: RoutedRequest, name: string): string[] {
  const exact = headers.all(name)
  return exact.length > 0 ? exact : headers.all(name.replaceAll('_', '-'))
}

function valuesIn(request: RoutedRequest): ValuesOf {
  return (name) => valuesOf(request, name).map(lowerBytes)
}
