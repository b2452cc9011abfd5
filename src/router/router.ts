import type { RouterFlavor } from '../entities/route.ts'
import type { Captures } from '../pattern/pattern.ts'
import { wireText } from '../path.ts'
import { Candidates } from './candidates.ts'
import { compileCondition, type Test } from './compile.ts'
import { type Condition, fieldsOf } from '../expression/condition.ts'
import { capturesOf, Facts, textOf } from './facts.ts'
import type { RoutedRequest } from './request.ts'
import { byPriority, type RouteRule, type Rule, rulesOf, withProtocols } from './rules.ts'
import { TraditionalRouter } from './traditional.ts'

export type { RoutedRequest } from './request.ts'
export type { RouteRule } from './rules.ts'

export interface Match<T> {
  readonly value: T
  /** The part of the path that the route's path matched; empty for a route without paths. */
  readonly matchedPath: string
  /** What the groups of the route's regex have captured, by number and by name; made when it is read. */
  readonly uriCaptures: Captures | undefined
}

/** Finds the route of a request. */
export interface RouteFinder<T> {
  match(request: RoutedRequest): Match<T> | undefined
}

/** Makes the router of a flavour. Throws for a route that its schema would have refused. */
export function createRouter<T>(
  flavor: RouterFlavor,
  routes: Iterable<readonly [RouteRule, T]>,
): RouteFinder<T> {
  return flavor === 'traditional' ? new TraditionalRouter(routes) : new Router(routes, flavor)
}

/**
 * Kong's routers since 3.0: every route becomes one rule, or one for each length of its paths; the rule with the highest
 * priority that fits is taken. A tie goes to the greater id, as in Kong, not to the order in the file.
 */
export class Router<T> implements RouteFinder<T> {
  readonly #rules: readonly { readonly test: Test; readonly value: T }[]
  readonly #candidates: Candidates
  readonly #fields: FieldsRead

  constructor(
    routes: Iterable<readonly [RouteRule, T]>,
    flavor: Exclude<RouterFlavor, 'traditional'> = 'traditional_compatible',
  ) {
    const rules = sortedRules(routes, flavor)
    const conditions = rules.map(({ condition }) => condition)
    this.#candidates = new Candidates(conditions)
    this.#rules = rules.map(({ condition, value }) => ({
      test: compileCondition(condition),
      value,
    }))
    this.#fields = fieldsRead(conditions)
  }

  match(request: RoutedRequest): Match<T> | undefined {
    const facts = factsOf(request, this.#fields)
    if (!facts) return undefined
    const candidates = this.#candidates
    const host = candidates.hasHosts ? facts.host : undefined
    const lists = candidates.find(host, facts.path, (name) =>
      facts.headerValues(name).map((value) => value.toLowerCase()),
    )
    const [only] = lists
    const rules = lists.length > 1 ? merged(lists) : (only ?? [])
    for (const number of rules) {
      const { test, value } = this.#rules[number]!
      facts.reset()
      if (test(facts)) return new FoundRoute(value, facts)
    }
    return undefined
  }
}

/** The rules of several lists, each in order, in the order of all; no more are looked at than are asked for. */
function* merged(lists: readonly (readonly number[])[]): Generator<number> {
  const places = new Array<number>(lists.length).fill(0)
  for (;;) {
    let next = Infinity
    let from = -1
    for (let i = 0; i < lists.length; i++) {
      const rule = lists[i]![places[i]!]
      if (rule !== undefined && rule < next) {
        next = rule
        from = i
      }
    }
    if (from < 0) return
    places[from]!++
    yield next
  }
}

/** All rules of a router, in the order in which they are tried. */
export function sortedRules<T>(
  routes: Iterable<readonly [RouteRule, T]>,
  flavor: Exclude<RouterFlavor, 'traditional'>,
): Rule<T>[] {
  const rules = [...routes].flatMap(([route, value]) =>
    flavor === 'expressions'
      ? rulesOf(route, value).map((rule) => withProtocols(rule, route.protocols))
      : rulesOf(route, value),
  )
  return rules.sort(byPriority)
}

class FoundRoute<T> implements Match<T> {
  readonly value: T
  readonly #facts: Facts

  constructor(value: T, facts: Facts) {
    this.value = value
    this.#facts = facts
  }

  get matchedPath(): string {
    const { matchedPath, path, request } = this.#facts
    return path === request.path ? matchedPath : wireText(matchedPath)
  }

  get uriCaptures(): Captures | undefined {
    return capturesOf(this.#facts.matched)
  }
}

/** What the rules of a router read of a request. */
export interface FieldsRead {
  readonly path: boolean
  readonly host: boolean
  readonly headers: readonly string[]
  readonly queries: boolean
}

export function fieldsRead(conditions: readonly Condition[]): FieldsRead {
  const fields = new Set(conditions.flatMap(fieldsOf))
  return {
    path: [...fields].some((field) => field.startsWith('http.path')),
    host: fields.has('http.host'),
    headers: [...fields].flatMap((field) =>
      field.startsWith('http.headers.') ? field.slice('http.headers.'.length) : [],
    ),
    queries: [...fields].some((field) => field.startsWith('http.queries.')),
  }
}

/**
 * What the rules compare. Nothing for a request of which any rule reads bytes that are not UTF-8: then Kong finds no
 * route at all, whether that rule would have been taken or not.
 */
export function factsOf(request: RoutedRequest, fields: FieldsRead): Facts | undefined {
  const path = textOf(request.path)
  if (path === undefined && fields.path) return undefined
  if (fields.host && textOf(request.host) === undefined) return undefined
  const facts = new Facts(request, path ?? request.path)
  for (const name of fields.headers) facts.headerValues(name)
  if (fields.queries) facts.queryValues('')
  return facts.isBroken ? undefined : facts
}
