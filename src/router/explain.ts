import type { RouterFlavor } from '../entities/route.ts'
import { parseExpression } from '../expression/expression.ts'
import { type Condition, fieldsOf } from '../expression/condition.ts'
import { compileCondition } from './compile.ts'
import { createRouter, factsOf, fieldsRead, type RoutedRequest, type RouteRule } from './router.ts'

/** How a route fares with a request, for people. */
export interface Fate {
  /** The conditions that hold, in words. */
  readonly held: readonly string[]
  /** The first that does not; nothing for a route that fits. */
  readonly unmet: string | undefined
  /** How near it is: the more, the nearer. */
  readonly nearness: number
}

/** The kinds of conditions, in the order in which people read a request. */
const KINDS = ['hosts', 'paths', 'methods', 'headers', 'snis', 'sources', 'destinations'] as const
type Kind = (typeof KINDS)[number]

/** Most routes are for any host and for the usual methods: that these fit says little. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  hosts: 2,
  paths: 3,
  methods: 0.5,
  headers: 1,
  snis: 0.5,
  sources: 0.5,
  destinations: 0.5,
}

/**
 * Tells why a route fits a request or does not, by asking for each of its conditions alone a router that knows nothing
 * else. It takes far longer than to find a route: for requests that somebody asks about.
 */
export function explainRoute(route: RouteRule, flavor: RouterFlavor, request: RoutedRequest): Fate {
  if (route.expression !== undefined) return explainExpression(route.expression, request)
  const held: string[] = []
  let unmet: string | undefined
  let nearness = 0
  for (const kind of KINDS) {
    if (!isFilled(route[kind])) continue
    const { id, regex_priority } = route
    const alone: RouteRule = { id, regex_priority, [kind]: route[kind] }
    const words = `${kind} ${written(route[kind])}`
    const plain = flavor === 'expressions' ? 'traditional_compatible' : flavor
    if (createRouter(plain, [[alone, true]]).match(request)) {
      held.push(words)
      nearness += WEIGHTS[kind]
    } else {
      unmet ??= `${words}, but the request has ${sentOf(kind, route, request)}`
      nearness += WEIGHTS[kind] * likeness(kind, route, request)
    }
  }
  if (held.length === 0 && unmet === undefined) held.push('it has no conditions')
  return { held, unmet, nearness }
}

function explainExpression(expression: string, request: RoutedRequest): Fate {
  const condition = parseExpression(expression)
  const parts = condition.is === 'all' ? condition.parts : [condition]
  const facts = factsOf(request, fieldsRead([condition]))
  if (!facts) return { held: [], unmet: 'the request has a value that is not UTF-8', nearness: 0 }
  const words = (part: Condition) => `the condition on ${[...new Set(fieldsOf(part))].join(', ')}`
  const fits = parts.map((part) => compileCondition(part)(facts))
  const unmet = parts.find((_, i) => !fits[i])
  const held = parts.filter((_, i) => fits[i]).map(words)
  return { held, unmet: unmet && `${words(unmet)} in ${expression}`, nearness: held.length }
}

function isFilled(value: RouteRule[Kind]): boolean {
  return value !== undefined && Object.keys(value).length > 0
}

function written(value: RouteRule[Kind]): string {
  const texts = Array.isArray(value)
    ? value.map((each: unknown) => (typeof each === 'string' ? each : JSON.stringify(each)))
    : Object.entries(value ?? {}).map(([name, values]) => `${name}: ${String(values)}`)
  const shown = texts.slice(0, 4).join(', ')
  return texts.length > 4 ? `${shown} and ${texts.length - 4} more` : shown
}

function sentOf(kind: Kind, { headers = {} }: RouteRule, request: RoutedRequest): string {
  switch (kind) {
    case 'hosts':
      return request.host === '' ? 'none' : request.host
    case 'paths':
      return request.path
    case 'methods':
      return request.method
    case 'headers':
      return Object.keys(headers)
        .map((name) => {
          const sent = request.headers.all(name.toLowerCase())
          return sent.length > 0 ? `another ${name}` : `no ${name}`
        })
        .join(', ')
    case 'snis':
      return request.sni ?? 'no server name'
    case 'sources':
      return `the client ${request.ip ?? 'of a Unix socket'}`
    case 'destinations':
      return `the address ${request.localIp ?? 'of a Unix socket'} port ${request.port}`
  }
}

/** How much of what is asked for the request has at its front; below 1. */
function likeness(
  kind: Kind,
  { hosts = [], paths = [] }: RouteRule,
  request: RoutedRequest,
): number {
  const [wanted, sent] =
    kind === 'paths' ? [paths, request.path] : kind === 'hosts' ? [hosts, request.host] : [[], '']
  const shares = wanted.map((each) => {
    const text = each.replace(/^~/, '')
    let same = 0
    while (same < text.length && text[same] === sent[same]) same++
    return same / Math.max(text.length, 1)
  })
  return 0.9 * Math.max(0, ...shares)
}
