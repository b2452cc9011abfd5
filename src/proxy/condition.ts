import { type Condition, compileCondition } from '../cel/compile.ts'
import type { FieldName, FieldUse } from '../cel/field.ts'
import { EvaluationError, Unanswerable, type Value } from '../cel/value.ts'
import type { Consumer } from '../entities/index.ts'
import { HeaderList } from '../headers.ts'
import type { Log } from '../pdk.ts'
import { Facts, textOf } from '../router/facts.ts'
import { type ProxiedRequest, RequestContext } from './context.ts'
import { listedInConnection } from './fields.ts'
import type { Plan, Slot } from './plan.ts'

/** What a condition is about: a request, on its way through the plan of its route, or of none. */
export interface Subject {
  readonly at: RequestContext | ProxiedRequest
  readonly plan: Plan
  /** What the router reads of a request, made of what is sent on: plugins may have changed it. */
  facts?: Facts
}

/** Whether a plugin entity runs. Throws `ConditionFailed`, which has been logged. */
export type PluginCondition = (at: RequestContext | ProxiedRequest, plan: Plan) => boolean

/** A condition that means nothing for a request: as Kong has it, the request is answered with 500. */
export class ConditionFailed extends Error {
  override readonly name = 'ConditionFailed'
}

/** What conditions ask of the configuration beside the request. */
export interface Surroundings {
  readonly log: Log
  /** The names of the plugins at work for any request. */
  readonly configured: ReadonlySet<string>
  groupsOf(consumer: Consumer): {
    readonly ids: readonly string[]
    readonly names: readonly string[]
  }
}

/** The entity that a condition decides on. */
export interface Conditioned {
  readonly name: string
  readonly id: string
  readonly condition: string
  place(): string
}

/** Prepares the condition of a plugin entity, which has been checked. */
export function prepareCondition(entity: Conditioned, surroundings: Surroundings): PluginCondition {
  const { log } = surroundings
  const condition: Condition<Subject> = compileCondition(entity.condition, (field) =>
    readerOf(field, surroundings),
  )
  // Kong's lines, which its users look for.
  const of = `for plugin '${entity.name}' (ID: ${entity.id})`
  const matched = `plugin condition matched ${of}`
  const notMatched = `plugin condition not matched ${of}: skipped`
  return (at, plan) => {
    const { id: request_id } = requestOf(at)
    try {
      const holds = condition({ at, plan })
      log.debug(holds ? matched : notMatched, { request_id })
      return holds
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error
      const message = `error evaluating plugin condition ${of}: ${error.message}`
      log.error(message, { code: 'condition_failed', request_id, config: entity.place() })
      throw new ConditionFailed(message)
    }
  }
}

type Reader = (subject: Subject, key: string) => Value

const READERS: Readonly<Record<Exclude<FieldName, GroupField | PluginField>, Reader>> = {
  'http.method': ({ at }) => (at instanceof RequestContext ? at.upstream.method : at.method),
  'http.host': (subject) => factsOf(subject).host ?? null,
  'http.path': ({ at }) => characters(requestOf(at).path),
  'http.path_segments': ({ at }) =>
    characters(requestOf(at).path)
      .split('/')
      .filter((segment) => segment !== ''),
  'http.headers.*': (subject, name) => headerValues(subject, name)[0] ?? null,
  'http.headers_list.*': (subject, name) => orNull(headerValues(subject, name)),
  'http.queries.*': (subject, name) => queryValues(subject, name)[0] ?? null,
  'http.queries_list.*': (subject, name) => orNull(queryValues(subject, name)),
  'net.protocol': ({ at }) => requestOf(at).scheme,
  'net.tls.sni': ({ at }) => requestOf(at).sni ?? null,
  'net.src.ip': ({ at }) => requestOf(at).ip,
  'net.src.port': ({ at }) => requestOf(at).remotePort ?? null,
  'net.dst.ip': ({ at }) => requestOf(at).localIp ?? null,
  'net.dst.port': ({ at }) => requestOf(at).port,
  'route.id': ({ at }) => contextOf(at)?.route.id ?? null,
  'route.name': ({ at }) => contextOf(at)?.route.name ?? null,
  'route.tags': ({ at }) => orNull(contextOf(at)?.route.tags),
  'service.id': ({ at }) => contextOf(at)?.service?.id ?? null,
  'service.name': ({ at }) => contextOf(at)?.service?.name ?? null,
  'service.tags': ({ at }) => orNull(contextOf(at)?.service?.tags),
  'consumer.id': ({ at }) => contextOf(at)?.consumer?.id ?? null,
  'consumer.username': ({ at }) => contextOf(at)?.consumer?.username ?? null,
  'consumer.custom_id': ({ at }) => contextOf(at)?.consumer?.custom_id ?? null,
  'consumer.tags': ({ at }) => orNull(contextOf(at)?.consumer?.tags),
  'kong.ctx.shared': ({ at }) => sharedOf(contextOf(at)),
  // Principals are Konnect's, and there is no Konnect.
  'principal.id': () => null,
  'principal.display_name': () => null,
  'principal.metadata': () => null,
}

type GroupField = 'consumer_group.ids' | 'consumer_group.names'
type PluginField = Extract<FieldName, `plugins.${string}`>

function readerOf(
  { name, key }: FieldUse,
  surroundings: Surroundings,
): (subject: Subject) => Value {
  switch (name) {
    case 'consumer_group.ids':
    case 'consumer_group.names': {
      const kind = name === 'consumer_group.ids' ? 'ids' : 'names'
      return ({ at }) => {
        const { consumer, consumerGroups } = contextOf(at) ?? {}
        if (consumerGroups)
          return orNull(consumerGroups.map(({ id, name }) => (kind === 'ids' ? id : name)))
        return consumer ? orNull(surroundings.groupsOf(consumer)[kind]) : null
      }
    }
    case 'plugins.*.is_matched':
    case 'plugins.*.priority':
    case 'plugins.*.access_has_executed': {
      const plugin = [...surroundings.configured].find((each) => underscored(each) === key)
      if (plugin === undefined) return () => null
      return (subject) => stateOf(subject, plugin)[name]
    }
    default: {
      const read = READERS[name]
      return (subject) => read(subject, key)
    }
  }
}

function stateOf({ at, plan }: Subject, name: string): Readonly<Record<PluginField, Value>> {
  const slot: Slot | undefined = plan.slots.find(({ plugin }) => plugin.name === name)
  const ran = contextOf(at)?.ran ?? []
  return {
    'plugins.*.is_matched': slot !== undefined,
    'plugins.*.priority': slot?.plugin.priority ?? null,
    'plugins.*.access_has_executed': ran.some(
      ({ plugin, handler }) => plugin.name === name && handler.access !== undefined,
    ),
  }
}

function underscored(name: string): string {
  return name.replaceAll('-', '_')
}

function contextOf(at: RequestContext | ProxiedRequest): RequestContext | undefined {
  return at instanceof RequestContext ? at : undefined
}

function requestOf(at: RequestContext | ProxiedRequest): ProxiedRequest {
  return at instanceof RequestContext ? at.request : at
}

/** What Kong's plugins share by that name, of those that there are here. */
function sharedOf(ctx: RequestContext | undefined): ReadonlyMap<string, Value> {
  const groups = ctx?.authenticatedGroups
  return new Map(groups ? [['authenticated_groups', groups]] : [])
}

function headerValues(subject: Subject, name: string): readonly string[] {
  return readable(subject, (facts) => facts.headerValues(name))
}

function queryValues(subject: Subject, name: string): readonly string[] {
  return readable(subject, (facts) => facts.queryValues(name))
}

function readable<T>(subject: Subject, read: (facts: Facts) => T): T {
  const facts = factsOf(subject)
  const value = read(facts)
  if (facts.isBroken) throw notText()
  return value
}

function factsOf(subject: Subject): Facts {
  const { at } = subject
  if (!subject.facts) {
    const { host, port, path } = requestOf(at)
    const { method, query } = at instanceof RequestContext ? at.upstream : at
    subject.facts = new Facts({ method, host, port, path, headers: headersOf(at), query }, '')
  }
  return subject.facts
}

/** The fields as they are sent on, and those that are not because a client has said so, or it could hide one from us. */
function headersOf(at: RequestContext | ProxiedRequest): HeaderList {
  if (!(at instanceof RequestContext)) return at.headers
  const { headers } = at.upstream
  const listed = new Set(listedInConnection(at.request.headers))
  if (listed.size === 0) return headers
  for (const { lower } of headers.fields) listed.delete(lower)
  const hidden = at.request.headers.fields.filter(({ lower }) => listed.has(lower))
  return new HeaderList([...headers.fields, ...hidden])
}

function characters(wire: string): string {
  const text = textOf(wire)
  if (text === undefined) throw notText()
  return text
}

// What default() says would be the client's choice.
function notText(): Unanswerable {
  return new Unanswerable('the request has a value that is not UTF-8')
}

function orNull(list: readonly string[] | undefined): readonly string[] | null {
  return list && list.length > 0 ? list : null
}
