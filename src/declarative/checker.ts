import type { BasicauthCredential, JwtSecret, Oauth2Credential, Vault } from '../entities/index.ts'
import { whyUnfit } from '../entities/jwt_key.ts'
import { hashPassword } from '../entities/password.ts'
import { PLUGIN_PROTOCOLS } from '../entities/plugin.ts'
import { badTraditionalRegexes, type RouterFlavor } from '../entities/route.ts'
import type { Plugin } from '../pdk.ts'
import { isWritten } from '../schema/aliases.ts'
import { check, type Checked, isRecord } from '../schema/check.ts'
import {
  type CompatVersion,
  type Difference,
  findDifferences,
  olderDefaults,
  withDefaultsOf,
} from '../schema/drift.ts'
import type { Field } from '../schema/field.ts'
import { nearest } from '../schema/nearest.ts'
import type { Draft } from './expand.ts'
import { type LocatedFault, printPath } from './faults.ts'
import { KINDS, mapKinds, NESTED } from './kinds.ts'
import { findWritten } from './origin.ts'
import type { Path } from './parse.ts'
import { partialSchema } from './partials.ts'
import { UNRESOLVED } from './references.ts'
import { ALL_SCOPES, protocolsOf, takesScope } from './scopes.ts'
import { resolveReferences, type Vaults } from './vaults.ts'

/** What else than the files decides on what they mean. */
export interface CheckSettings {
  readonly plugins: ReadonlyMap<string, Plugin>
  readonly bundled: ReadonlyMap<string, Plugin>
  readonly compat: CompatVersion
  readonly vaults: Vaults
  readonly allowMissingPlugins: boolean
  readonly routerFlavor: RouterFlavor
}

/** Plugins of Kong that write down what passes, or speed it up: without them the same requests are let in. */
const GUARDS_NOTHING: ReadonlySet<string> = new Set(
  `correlation-id datadog file-log http-log kafka-log loggly opentelemetry prometheus proxy-cache proxy-cache-advanced
  solace-log statsd statsd-advanced syslog tcp-log udp-log zipkin`.split(/\s+/),
)

type Entity = Readonly<Record<string, unknown>>

/** Fields that good entities of a kind have and that do not do what one may think; and why. */
const WARNINGS: {
  readonly [K in Draft['kind']]?: (
    entity: Entity,
    draft: Draft,
    flavor: RouterFlavor,
  ) => Iterable<readonly [fields: readonly Path[], message: string]>
} = {
  *services({ tls_verify_depth }) {
    if (tls_verify_depth !== undefined) yield [[['tls_verify_depth']], 'has no effect yet']
  },
  *routes({ path_handling, paths }, _, flavor) {
    if (path_handling === 'v1' && flavor !== 'traditional')
      yield [[['path_handling']], `v1 is taken for v0, as Kong does with router_flavor ${flavor}`]
    for (const [i, path] of ((paths ?? []) as readonly string[]).entries())
      if (!path.startsWith('~') && /[()[\]\\^$*+|{}]/.test(path))
        yield [
          [['paths', i]],
          'is a plain prefix; if it is meant as a regular expression, write ~ before it',
        ]
  },
  *keyauth_credentials({ ttl }, { input }) {
    if (input.key === undefined || input.key === null)
      yield [[['key']], 'is drawn at each load, since none is given; nobody knows it']
    if (typeof ttl === 'number' && ttl * 1000 <= Date.now())
      yield [[['ttl']], 'is a moment, in seconds since 1970, that is over: the key is refused']
  },
  *jwt_secrets(entity) {
    const why = whyUnfit(entity as JwtSecret)
    if (why) yield [[['rsa_public_key']], why]
  },
  *vaults(entity) {
    const { config } = entity as Vault
    const idle = (['ttl', 'neg_ttl', 'resurrect_ttl'] as const).filter((each) => config[each])
    yield [idle.map((each) => ['config', each]), 'has no effect: each load reads the secrets anew']
  },
}

/** Checks entities against their schemas, and plugins against their plugin's. */
export class Checker {
  readonly entities = mapKinds((): unknown[] => [])
  // What several plugins share is said once.
  readonly warnings = new Set<string>()
  readonly #differences: { readonly draft: Draft; readonly found: readonly Difference[] }[] = []
  readonly #faults = new Map<string, LocatedFault>()
  readonly #unknown = new Map<string, { draft: Draft; times: number }>()
  readonly #schemas = new Map<string, Field>()
  readonly #settings: CheckSettings

  constructor(settings: CheckSettings) {
    this.#settings = settings
  }

  check(draft: Draft, input: Readonly<Record<string, unknown>>): void {
    const { schema } = KINDS[draft.kind]
    const checked = this.#checkFields(draft, schema, input, [])
    if (draft.kind === 'plugins' && this.#isLeftOut(draft, input.name)) return
    const config = draft.kind === 'plugins' ? this.#checkConfig(draft, input) : undefined
    if (draft.kind === 'partials') this.#checkPartial(draft, input)
    if (checked.faults) {
      if (draft.kind === 'vaults') this.#settings.vaults.addBroken(input.prefix)
      return
    }
    const entity = checked.value as Readonly<Record<string, unknown>>
    if (draft.kind === 'routes' && this.#settings.routerFlavor === 'traditional')
      for (const { at, why } of badTraditionalRegexes(entity))
        this.#fault(draft, at, why, 'with router_flavor = traditional, PCRE reads it')
    this.#warn(draft, entity)
    if (draft.kind === 'vaults') this.#settings.vaults.add(entity as Vault)
    this.entities[draft.kind].push(
      draft.kind === 'plugins' ? { ...entity, config } : transformed(draft, entity),
    )
  }

  #isLeftOut(draft: Draft, name: unknown): boolean {
    if (!this.#settings.allowMissingPlugins || typeof name !== 'string') return false
    if (this.#settings.plugins.has(name) || !GUARDS_NOTHING.has(name)) return false
    this.#say(draft, [['name']], `the plugin ${name} is not there and is left out, as allowed`)
    return true
  }

  /** Checks the record at `at` of an entity, with the values of vaults where references to them are. */
  #checkFields(draft: Draft, schema: Field, input: unknown, at: Path) {
    const { value, secret, missing, refused, literal } = resolveReferences(
      schema,
      input,
      this.#settings.vaults,
    )
    const checked = check(
      schema,
      value,
      [...missing, ...refused].map(({ path }) => path),
    )
    const told = new Set(refused.map(({ path }) => JSON.stringify(path)))
    for (const { path, message } of refused)
      this.#fault(draft, [...at, ...path], message, undefined)
    const secrets = new Set(secret.map((path) => JSON.stringify(path)))
    for (const { path, message, hint } of checked.faults ?? []) {
      if (told.has(JSON.stringify(path))) continue
      // A message may repeat the value.
      if (secrets.has(JSON.stringify(path)))
        this.#fault(
          draft,
          [...at, ...path],
          'the value of this reference cannot stand here',
          undefined,
        )
      else this.#fault(draft, [...at, ...path], message, hint ?? nestedGuess(draft, at, path))
    }
    for (const { path, reference } of missing)
      this.#say(draft, [[...at, ...path]], `${reference} could not be found, so the value is empty`)
    for (const path of literal)
      this.#say(
        draft,
        [[...at, ...path]],
        'is taken as it is written, as in Kong: it takes no references to vaults',
      )
    return checked
  }

  faults(): readonly LocatedFault[] {
    const { plugins, bundled } = this.#settings
    const known = [...bundled.keys()]
    const enabled = [...plugins.keys()].join(', ') || 'none'
    let isListed = false
    for (const [name, { draft, times }] of this.#unknown) {
      const near = nearest(name, known)
      // Once is enough.
      const list = isListed ? undefined : `known are: ${known.join(', ')}`
      const guess = near ? `did you mean "${near}"?` : list
      isListed ||= !near && !bundled.has(name)
      const advice = bundled.has(name) ? `KONG_PLUGINS enables ${enabled}` : guess
      const message = `plugin '${name}' not enabled; add it to the 'plugins' configuration property`
      this.#fault(
        draft,
        ['name'],
        message,
        times > 1 ? `${advice ?? ''} (used ${times} times)`.trim() : advice,
      )
    }
    return [...this.#faults.values()]
  }

  #checkConfig(draft: Draft, input: Readonly<Record<string, unknown>>): unknown {
    const { name, config } = input
    if (typeof name !== 'string' || name === '') return undefined
    const plugin = this.#settings.plugins.get(name)
    if (!plugin) {
      const first = this.#unknown.get(name)
      if (first) first.times++
      else this.#unknown.set(name, { draft, times: 1 })
      return undefined
    }
    this.#checkScopes(draft, plugin, input)
    this.#checkOrdering(draft, input.ordering)
    const checked = this.#checkFields(draft, this.#schemaOf(plugin), config ?? {}, ['config'])
    if (checked.faults) return undefined
    const inFile = (path: Path) => checked.written(path).map((each) => ['config', ...each])
    this.#compare(draft, name, config ?? {}, checked)
    // An older default is nobody's doing.
    const older = new Set(olderDefaults(this.#settings.compat, name))
    const isSaid = (field: string) =>
      !older.has(field) || checked.written([field]).some((each) => isWritten(config, each))
    for (const { fields, message } of plugin.warnings?.(checked.value) ?? [])
      this.#say(
        draft,
        fields.filter(isSaid).flatMap((field) => inFile([field])),
        message,
      )
    return checked.value
  }

  /** A name that no plugin has orders nothing, in Kong as well. */
  #checkOrdering(draft: Draft, ordering: unknown): void {
    const known = this.#settings.bundled
    for (const side of ['before', 'after']) {
      const names = isRecord(ordering) && isRecord(ordering[side]) ? ordering[side].access : []
      for (const [i, name] of (Array.isArray(names) ? (names as unknown[]) : []).entries()) {
        if (typeof name !== 'string' || known.has(name)) continue
        const near = nearest(name, [...known.keys()])
        const guess = near ? `; did you mean "${near}"?` : ''
        const message = `there is no plugin ${name}, so nothing is ordered by it${guess}`
        this.#say(draft, [['ordering', side, 'access', i]], message)
      }
    }
  }

  /** One that no plugin uses would be checked nowhere else. */
  #checkPartial(draft: Draft, { type, config }: Readonly<Record<string, unknown>>): void {
    const schema = partialSchema(type, this.#settings.plugins)
    if (schema && isRecord(config)) this.#checkFields(draft, schema, config, ['config'])
  }

  /** Kong's `no_consumer` and its like. */
  #checkScopes(draft: Draft, plugin: Plugin, input: Readonly<Record<string, unknown>>): void {
    const { name, authenticates } = plugin
    const protocols = protocolsOf(name)
    const given: unknown = draft.input.protocols
    for (const [i, each] of (Array.isArray(given) ? (given as unknown[]) : []).entries()) {
      // What is no protocol at all is a fault of every plugin.
      if (!protocols || protocols.includes(String(each)) || !isProtocol(each)) continue
      this.#fault(draft, ['protocols', i], `expected one of: ${protocols.join(', ')}`, undefined)
    }
    for (const scope of ALL_SCOPES) {
      const value = input[scope]
      if (!isRecord(value) || value.id === UNRESOLVED) continue
      // Before it has run nobody knows the consumer: it never would, and the way would be open.
      const isTooEarly = authenticates && (scope === 'consumer' || scope === 'consumer_group')
      if (isTooEarly) {
        const hint = `${name} finds out who the consumer is, so it cannot be for one of them`
        this.#fault(draft, [scope], 'value must be null', hint)
      } else if (!takesScope(name, scope)) {
        const hint = `${name} cannot be for one ${scope.replace('_', ' ')}`
        this.#fault(draft, [scope], 'value must be null', hint)
      }
    }
  }

  /** What nobody wrote and an older Kong would have had otherwise, a sentence for each place. */
  differences(): string[] {
    return this.#differences.flatMap(({ draft: { file, path }, found }) => {
      const { line } = file.locate(path)
      const groups = Map.groupBy(found, ({ since, before, value }) =>
        JSON.stringify([since, before, value]),
      )
      return [...groups.values()].map((group) => {
        const [{ since, before, value }] = group as [Difference]
        const names = group.map((each) => printPath(each.path)).join(', ')
        const are = group.length === 1 ? 'is' : 'are'
        return `${file.name}:${line} ${printPath([...path, 'config'])}: ${names} ${are} ${shown(value)} by default; before ${since} Kong had ${shown(before)}`
      })
    })
  }

  #compare(draft: Draft, plugin: string, config: unknown, { value, written }: Valid): void {
    const found = findDifferences(this.#settings.compat, plugin, value, (path) =>
      written(path).some((each) => isWritten(config, each)),
    )
    if (found.length > 0) this.#differences.push({ draft, found })
  }

  #schemaOf(plugin: Plugin): Field {
    const { name, schema } = plugin
    const there = this.#schemas.get(name) ?? withDefaultsOf(this.#settings.compat, name, schema)
    this.#schemas.set(name, there)
    return there
  }

  #warn(draft: Draft, entity: Entity): void {
    const warnings = WARNINGS[draft.kind]?.(entity, draft, this.#settings.routerFlavor) ?? []
    for (const [fields, message] of warnings) this.#say(draft, fields, message)
  }

  /** Warns of fields: in one sentence, unless they stand in several places. */
  #say(draft: Draft, fields: readonly Path[], message: string): void {
    const places = fields.map((field) => findWritten(draft, field))
    const groups = Map.groupBy(
      places,
      ({ file, path }) => `${file.name} ${printPath(path.slice(0, -1))}`,
    )
    for (const group of groups.values()) {
      const { file, path } = group[0]!
      const { line } = file.locate(path, 'key')
      const [, ...more] = new Set(group.map((each) => printPath(each.path.slice(-1))))
      const names = [printPath(path), ...more].join(', ')
      this.warnings.add(`${file.name}:${line} ${names}: ${message}`)
    }
  }

  #fault(draft: Draft, field: Path, message: string, hint: string | undefined): void {
    const { file, path } = findWritten(draft, field)
    this.#faults.set(JSON.stringify([file.name, path, message]), file.fault(path, message, hint))
  }
}

type Valid = Extract<Checked<unknown>, { faults?: never }>

/** What may be nested in an entity is no field of its schema. */
function nestedGuess({ kind, input }: Draft, at: Path, [name, ...more]: Path): string | undefined {
  const isField = at.length === 0 && more.length === 0 && typeof name === 'string'
  if (!isField || !Object.hasOwn(input, name)) return undefined
  const near = nearest(name, [...NESTED[kind].keys()])
  return near && Array.isArray(input[name]) ? `did you mean "${near}"?` : undefined
}

function isProtocol(value: unknown): boolean {
  return (PLUGIN_PROTOCOLS as readonly unknown[]).includes(value)
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

/** What stands in a file as it is typed, as Kong keeps it: see `_transform`. */
function transformed({ kind, file }: Draft, entity: Readonly<Record<string, unknown>>): unknown {
  if (file.content._transform === false) return entity
  if (kind === 'oauth2_credentials' && entity.hash_secret === true) {
    const { client_secret, consumer } = entity as Oauth2Credential
    // Not Kong's own PBKDF2, which would keep a reload waiting for each secret; who has the file has the secret.
    return { ...entity, client_secret: hashPassword(client_secret, consumer.id) }
  }
  if (kind !== 'basicauth_credentials') return entity
  const { password, consumer } = entity as BasicauthCredential
  return { ...entity, password: hashPassword(password, consumer.id) }
}
