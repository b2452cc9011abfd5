import type { Exit } from '../pdk.ts'
import { WriteBuffer } from '../http1/write_buffer.ts'
import { explainRoute } from '../router/explain.ts'
import type { DecidingField, Trace } from '../trace.ts'
import type { ProxiedRequest, RequestContext } from './context.ts'
import type { Instance, Plan, Slot } from './plan.ts'
import { instanceFor } from './plan.ts'
import type { PreparedRoute, Snapshot } from './snapshot.ts'

/** What the proxy tells a trace: in words, and only for a request that has one. */

export function tellRequest(trace: Trace, request: ProxiedRequest): void {
  const { method, rawPath, path, query, scheme, host, port, ip, headers, exchange } = request
  const { masks } = trace
  trace.request_id = request.id
  trace.sent(headers)
  const target = masks.url(query === '' ? rawPath : `${rawPath}?${query}`)
  const fields = [...headers].map(([name, value]) => `${name}: ${masks.field(name, value)}`)
  const body = exchange.head.length > 0 ? [`a body of ${exchange.head.length} bytes`] : []
  trace.add({
    step: 'request',
    text: `${method} ${target}, host ${masks.text(host)}, by ${scheme} on port ${port}, from ${ip}`,
    details: [
      ...(path === rawPath ? [] : [`routed by the path ${masks.text(path)}`]),
      ...fields,
      ...body,
    ],
    facts: { method, target, host: masks.text(host), scheme, port, ip, path: masks.text(path) },
  })
}

/** Where one was taken, others are worth a line if a host fits, or half of a path. */
const NEAR = 1.5
/** As many routes as are told of beside the one that was taken. */
const NEAREST = 3
/** With more routes than this the others are not looked at; and where every request is told of. */
const MOST_ROUTES = 2_000
const MOST_IN_ROUTINE = 20

export function tellRoute(
  trace: Trace,
  request: ProxiedRequest,
  { routes, routerFlavor }: Snapshot,
  taken: PreparedRoute | undefined,
): void {
  const fateOf = (prepared: PreparedRoute) => ({
    prepared,
    ...explainRoute(prepared.route, routerFlavor, request),
  })
  const most = trace.isRoutine ? MOST_IN_ROUTINE : MOST_ROUTES
  const others = (routes.length > most ? [] : routes)
    .filter((each) => each !== taken)
    .map(fateOf)
    .sort((a, b) => b.nearness - a.nearness)
  const near = others.filter(({ nearness }) => !taken || nearness >= NEAR).slice(0, NEAREST)
  const { masks } = trace
  const details = near.map(({ prepared, unmet }) => {
    const why = unmet ?? 'it fits too, but another one goes first'
    return `not ${nameOf(prepared.route)} (${prepared.place()}): ${masks.text(why)}`
  })
  const left = routes.length - (taken ? 1 : 0) - near.length
  if (left > 0 && !taken)
    details.push(`and ${left} more that ${left === 1 ? 'does' : 'do'} not fit`)
  if (!taken) {
    const text = routes.length === 0 ? 'there are no routes' : 'none fits'
    return trace.add({ step: 'route', text, details, facts: { route: null } })
  }
  const { held } = fateOf(taken)
  const { route, service } = taken
  trace.add({
    step: 'route',
    text: `${nameOf(route)} (${taken.place()})${service ? ` of the service ${nameOf(service)}` : ''}`,
    details: [`because of ${masks.text(held.join('; '))}`, ...details],
    facts: { route: route.id, service: service?.id, place: taken.place() },
  })
}

/** The whole of what a route wants, for the conclusion. */
export function nearestRoute(trace: Trace): string | undefined {
  return trace.steps.findLast(({ step }) => step === 'route')?.details?.[0]
}

/** A plugin's turn: it runs, or why it does not. */
export function tellPlugin(
  trace: Trace,
  slot: Slot,
  instance: Instance | undefined,
  outcome: 'runs' | 'skipped' | 'watches' | 'not reached',
): void {
  const { name } = slot.plugin
  trace.plugin = name
  if (!instance) {
    const text = `${name} does not run: it is configured for other consumers or groups`
    return trace.add({ step: 'plugin', text, facts: { plugin: name, runs: false } })
  }
  const { condition } = instance.entity
  const why = {
    runs: 'runs',
    skipped: `is skipped: its condition does not hold (${condition})`,
    watches: 'has nothing to do before the answer',
    'not reached': 'is not reached',
  }[outcome]
  const when =
    condition !== undefined && outcome === 'runs' ? [`its condition holds: ${condition}`] : []
  trace.add({
    step: 'plugin',
    text: `${name} (${instance.place()}, ${scopeOf(instance)}) ${why}`,
    details: [...when, ...shadowed(slot, instance)],
    facts: { plugin: name, place: instance.place(), runs: outcome === 'runs' },
  })
}

/** The plugins that would have come after the one that answered. */
export function tellRest(trace: Trace, plan: Plan, ctx: RequestContext, from: number): void {
  for (const slot of plan.slots.slice(from)) {
    const instance = instanceFor(slot, ctx, plan.memberships)
    if (instance?.handler.access) tellPlugin(trace, slot, instance, 'not reached')
  }
}

function scopeOf({ entity: { consumer, consumer_group, route, service } }: Instance): string {
  const scope = [
    consumer && 'consumer',
    consumer_group && 'consumer group',
    route && 'route',
    service && 'service',
  ].filter((each) => each !== undefined)
  return scope.length === 0 ? 'for all requests' : `for its ${scope.join(' and ')}`
}

/** Other entities of the plugin that might have run in its place. */
function shadowed(slot: Slot, instance: Instance): string[] {
  const count = (slot.byConsumer?.size ?? 0) + (slot.byGroup?.size ?? 0)
  if (count === 0) return []
  if (slot.always && slot.always !== instance)
    return [`in place of the one at ${slot.always.place()}, which is for less`]
  return [`${count} more for single consumers or groups`]
}

/** What a plugin refused, and which fields of its configuration decide it. */
export function tellExit(
  trace: Trace,
  ctx: RequestContext,
  { status, headers, reason }: Exit,
  explain: (cause: unknown) => string,
): void {
  const { running } = ctx
  const code = reason?.code
  const remedy = running?.plugin.remedies?.[code ?? String(status)]
  const fields = (remedy?.fields ?? []).map((field): DecidingField => {
    const path = ['config', ...field.split('.')]
    return { field: path.join('.'), place: running?.findField?.(path) }
  })
  trace.refused({
    status,
    code,
    cause: reason?.cause === undefined ? wayOf(trace, headers) : explain(reason.cause),
    plugin: running?.plugin.name,
    place: running?.place(),
    fields,
    advice: remedy?.advice,
  })
}

/** Where a redirect leads, such as the beginning of a login. */
function wayOf(trace: Trace, headers: Exit['headers']): string | undefined {
  const [, location] = headers.find(([name]) => name.toLowerCase() === 'location') ?? []
  return location === undefined ? undefined : `the client is sent to ${trace.masks.url(location)}`
}

/** Takes the head as it is, or would be, on the wire. */
export function tellForwarding(
  trace: Trace,
  { service, upstream, upstreamUri }: RequestContext,
  write: (out: WriteBuffer, hostOfPeer: string) => void,
): void {
  if (!service) return
  const out = new WriteBuffer()
  const { protocol, host, port } = service
  const place = port === (protocol === 'https' ? 443 : 80) ? host : `${host}:${port}`
  write(out, `Host: ${place}\r\n`)
  const [line = '', ...lines] = Buffer.from(out.bytes.subarray(0, out.length))
    .toString('latin1')
    .trimEnd()
    .split('\r\n')
  const fields = lines.map((each): [string, string] => {
    const colon = each.indexOf(':')
    return [each.slice(0, colon), each.slice(colon + 1).trim()]
  })
  const body = upstream.body ? [['(body)', `${upstream.body.length} bytes`] as const] : []
  trace.forwards(
    line,
    `${protocol}://${place}${upstreamUri}`,
    [...fields, ...body],
    nameOf(service),
  )
}

function nameOf({ name, id }: { readonly name?: string | undefined; readonly id: string }): string {
  return name ?? id
}
