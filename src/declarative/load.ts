import type * as entity from '../entities/index.ts'
import type { BasicauthCredential, Vault } from '../entities/index.ts'
import { hashPassword } from '../entities/password.ts'
import { PLUGIN_PROTOCOLS } from '../entities/plugin.ts'
import type { Plugin } from '../pdk.ts'
import { isWritten } from '../schema/aliases.ts'
import { check, type Checked, isRecord } from '../schema/check.ts'
import {
  type CompatVersion,
  type Difference,
  findDifferences,
  withDefaultsOf,
} from '../schema/drift.ts'
import type { Field } from '../schema/field.ts'
import { nearest } from '../schema/nearest.ts'
import type { Dialect } from './dialect.ts'
import { type Draft, expand } from './expand.ts'
import { type LocatedFault, printPath, type SourceFile } from './faults.ts'
import { KINDS, mapKinds } from './kinds.ts'
import { mergeMeta } from './merge.ts'
import { findWritten } from './origin.ts'
import { type ParsedFile, parseFile, type Path } from './parse.ts'
import { References, UNRESOLVED } from './references.ts'
import { ALL_SCOPES, protocolsOf, takesScope } from './scopes.ts'
import type { Env } from './template.ts'
import { resolveReferences, type VaultPrefixes, Vaults } from './vaults.ts'

export type { LocatedFault, SourceFile }

/** What the files declare, in their order; foreign keys are `{ id }`, a plugin's `config` is checked and complete. */
export interface Entities {
  readonly services: readonly entity.Service[]
  readonly routes: readonly entity.Route[]
  readonly consumers: readonly entity.Consumer[]
  readonly consumer_groups: readonly entity.ConsumerGroup[]
  readonly consumer_group_consumers: readonly entity.ConsumerGroupConsumer[]
  readonly acls: readonly entity.Acl[]
  readonly basicauth_credentials: readonly entity.BasicauthCredential[]
  readonly hmacauth_credentials: readonly entity.HmacauthCredential[]
  readonly jwt_secrets: readonly entity.JwtSecret[]
  readonly keyauth_credentials: readonly entity.KeyauthCredential[]
  readonly mtls_auth_credentials: readonly entity.MtlsAuthCredential[]
  readonly oauth2_credentials: readonly entity.Oauth2Credential[]
  readonly oauth2_tokens: readonly entity.Oauth2Token[]
  readonly upstreams: readonly entity.Upstream[]
  readonly targets: readonly entity.Target[]
  readonly certificates: readonly entity.Certificate[]
  readonly snis: readonly entity.Sni[]
  readonly ca_certificates: readonly entity.CaCertificate[]
  readonly key_sets: readonly entity.KeySet[]
  readonly keys: readonly entity.Key[]
  readonly vaults: readonly entity.Vault[]
  readonly partials: readonly entity.Partial[]
  readonly plugins: readonly entity.PluginEntity[]
}

/** Either the entities, or every fault of every file. */
export type Loaded =
  | {
      readonly entities: Entities
      /** Sentences for the operator, each with its place. */
      readonly warnings: readonly string[]
      /** What nobody wrote and an older Kong would have had otherwise; a sentence for each, with its place. */
      readonly differences: readonly string[]
      /** Where an entity stands, as `kong.yaml:12`. */
      place(entity: { readonly id: string }): string
      readonly faults?: never
    }
  | { readonly faults: readonly LocatedFault[] }

export interface LoadOptions {
  /** Where `${{ env "DECK_…" }}` and `{vault://env/…}` look. */
  readonly env: Env
  readonly plugins: ReadonlyMap<string, Plugin>
  /** The release of Kong whose defaults are taken; the newest unless told. */
  readonly compat?: CompatVersion
  /** What stands before the names in the vaults that are always there. */
  readonly vaults?: VaultPrefixes
  /** Whether routes may be told by `expression`, as only one of Kong's routers reads them. */
  readonly hasExpressions?: boolean
  /** Whether a plugin that is not there is left out, if nothing that it does keeps anybody from anything. */
  readonly allowMissingPlugins?: boolean
  /** Whose files are read; those of both unless told. */
  readonly dialect?: Dialect
}

/** Plugins of Kong that write down what passes, or speed it up: without them the same requests are let in. */
const GUARDS_NOTHING: ReadonlySet<string> = new Set(
  `correlation-id datadog file-log http-log kafka-log loggly opentelemetry prometheus proxy-cache proxy-cache-advanced
  solace-log statsd statsd-advanced syslog tcp-log udp-log zipkin`.split(/\s+/),
)

/** Loads a declarative configuration, in one file or in several that are one, in Kong's dialect or decK's. */
export function loadDeclarative(
  files: readonly SourceFile[],
  {
    env,
    plugins,
    allowMissingPlugins = false,
    hasExpressions = false,
    compat = '3.15',
    vaults = {},
    dialect = 'union',
  }: LoadOptions,
): Loaded {
  const parsed = files.map((file) => parseFile(file, env, dialect !== 'kong'))
  const good = parsed.filter((each) => 'content' in each)
  const bad = parsed.filter((each) => 'unset' in each)
  if (bad.length > 0) {
    const unset = files.flatMap(({ name }, i) => {
      const file = parsed[i]!
      return 'unset' in file ? file.unset.map((each) => ({ ...each, file: name })) : []
    })
    return { faults: [...unsetFault(unset), ...bad.flatMap((each) => each.faults)] }
  }
  const meta = mergeMeta(good, dialect)
  if ('faults' in meta) return { faults: meta.faults }

  const { drafts, faults } = expand(good, meta, dialect)
  const references = new References(drafts, dialect)
  const checker = new Checker(plugins, compat, new Vaults(env, vaults), allowMissingPlugins)
  // What the others refer to goes first.
  const order = drafts.toSorted((a, b) => Number(b.kind === 'vaults') - Number(a.kind === 'vaults'))
  for (const draft of order) checker.check(draft, references.resolve(draft))
  if (!hasExpressions) faults.push(...expressionFaults(drafts))
  const all = [...faults, ...references.faults, ...checker.faults()]
  if (all.length > 0) return { faults: sorted(all, files) }
  return {
    entities: checker.entities as unknown as Entities,
    warnings: [...metaWarnings(good), ...checker.warnings],
    differences: checker.differences,
    place: placeOf(drafts),
  }
}

/** Checks entities against their schemas, and plugins against their plugin's. */
class Checker {
  readonly entities = mapKinds((): unknown[] => [])
  // What several plugins share is said once.
  readonly warnings = new Set<string>()
  readonly differences: string[] = []
  readonly #faults = new Map<string, LocatedFault>()
  readonly #unknown = new Map<string, { draft: Draft; times: number }>()
  readonly #plugins: ReadonlyMap<string, Plugin>

  readonly #compat: CompatVersion
  readonly #schemas = new Map<string, Field>()

  readonly #vaults: Vaults

  readonly #allowMissing: boolean

  constructor(
    plugins: ReadonlyMap<string, Plugin>,
    compat: CompatVersion,
    vaults: Vaults,
    allowMissing: boolean,
  ) {
    this.#plugins = plugins
    this.#compat = compat
    this.#vaults = vaults
    this.#allowMissing = allowMissing
  }

  check(draft: Draft, input: Readonly<Record<string, unknown>>): void {
    const { schema } = KINDS[draft.kind]
    const checked = this.#checkFields(draft, schema, input, [])
    if (draft.kind === 'plugins' && this.#isLeftOut(draft, input.name)) return
    const config = draft.kind === 'plugins' ? this.#checkConfig(draft, input) : undefined
    if (checked.faults) return
    const entity = checked.value as Readonly<Record<string, unknown>>
    this.#warn(draft, entity)
    if (draft.kind === 'vaults') this.#vaults.add(entity as Vault)
    this.entities[draft.kind].push(
      draft.kind === 'plugins' ? { ...entity, config } : transformed(draft, entity),
    )
  }

  #isLeftOut(draft: Draft, name: unknown): boolean {
    if (!this.#allowMissing || typeof name !== 'string') return false
    if (this.#plugins.has(name) || !GUARDS_NOTHING.has(name)) return false
    this.#say(draft, [['name']], `the plugin ${name} is not there and is left out, as allowed`)
    return true
  }

  /** Checks the record at `at` of an entity, with the values of vaults where references to them are. */
  #checkFields(draft: Draft, schema: Field, input: unknown, at: Path) {
    const { value, secret, missing } = resolveReferences(schema, input, this.#vaults)
    const checked = check(
      schema,
      value,
      missing.map(({ path }) => path),
    )
    const secrets = new Set(secret.map((path) => JSON.stringify(path)))
    for (const { path, message, hint } of checked.faults ?? []) {
      // A message may repeat the value.
      if (secrets.has(JSON.stringify(path)))
        this.#fault(
          draft,
          [...at, ...path],
          'the value of this reference cannot stand here',
          undefined,
        )
      else this.#fault(draft, [...at, ...path], message, hint)
    }
    for (const { path, reference } of missing)
      this.#say(draft, [[...at, ...path]], `${reference} could not be found, so the value is empty`)
    return checked
  }

  faults(): readonly LocatedFault[] {
    const known = [...this.#plugins.keys()]
    for (const [name, { draft, times }] of this.#unknown) {
      const near = nearest(name, known)
      const advice = near ? `did you mean "${near}"?` : `known are: ${known.join(', ')}`
      const message = `plugin '${name}' not enabled; add it to the 'plugins' configuration property`
      this.#fault(draft, ['name'], message, times > 1 ? `${advice} (used ${times} times)` : advice)
    }
    return [...this.#faults.values()]
  }

  #checkConfig(draft: Draft, input: Readonly<Record<string, unknown>>): unknown {
    const { name, config } = input
    if (typeof name !== 'string' || name === '') return undefined
    const plugin = this.#plugins.get(name)
    if (!plugin) {
      const first = this.#unknown.get(name)
      if (first) first.times++
      else this.#unknown.set(name, { draft, times: 1 })
      return undefined
    }
    this.#checkScopes(draft, plugin, input)
    const checked = this.#checkFields(draft, this.#schemaOf(plugin), config ?? {}, ['config'])
    if (checked.faults) return undefined
    const inFile = (path: Path) => checked.written(path).map((each) => ['config', ...each])
    this.#compare(draft, name, config ?? {}, checked)
    for (const { fields, message } of plugin.warnings?.(checked.value) ?? [])
      this.#say(
        draft,
        fields.flatMap((field) => inFile([field])),
        message,
      )
    return checked.value
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

  #compare(draft: Draft, plugin: string, config: unknown, { value, written }: Valid): void {
    const differences = findDifferences(this.#compat, plugin, value, (path) =>
      written(path).some((each) => isWritten(config, each)),
    )
    const { file, path } = draft
    const { line } = file.locate(path)
    const groups = Map.groupBy(differences, ({ since, before, value }) =>
      JSON.stringify([since, before, value]),
    )
    for (const group of groups.values()) {
      const [{ since, before, value }] = group as [Difference]
      const names = group.map((each) => printPath(each.path)).join(', ')
      this.differences.push(
        `${file.name}:${line} ${printPath([...path, 'config'])}: ${names} ${are(group.length)} ${shown(value)} by default; before ${since} Kong had ${shown(before)}`,
      )
    }
  }

  #schemaOf(plugin: Plugin): Field {
    const { name, schema } = plugin
    const there = this.#schemas.get(name) ?? withDefaultsOf(this.#compat, name, schema)
    this.#schemas.set(name, there)
    return there
  }

  #warn(draft: Draft, entity: Readonly<Record<string, unknown>>): void {
    if (draft.kind === 'services' && entity.tls_verify_depth !== undefined) {
      this.#say(draft, [['tls_verify_depth']], 'has no effect yet')
    }
    const { key } = draft.input
    if (draft.kind === 'keyauth_credentials' && (key === undefined || key === null))
      this.#say(draft, [['key']], 'is drawn at each load, since none is given; nobody knows it')
    if (draft.kind !== 'routes') return
    if (entity.path_handling === 'v1') {
      this.#say(
        draft,
        [['path_handling']],
        'v1 is taken for v0, as Kong does with router_flavor traditional_compatible',
      )
    }
    for (const [i, path] of ((entity.paths ?? []) as readonly string[]).entries()) {
      if (!path.startsWith('~') && /[()[\]\\^$*+|{}]/.test(path)) {
        this.#say(
          draft,
          [['paths', i]],
          'is a plain prefix; if it is meant as a regular expression, write ~ before it',
        )
      }
    }
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

function isProtocol(value: unknown): boolean {
  return (PLUGIN_PROTOCOLS as readonly unknown[]).includes(value)
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are'
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

/** What stands in a file as it is typed, as Kong keeps it: see `_transform`. */
function transformed({ kind, file }: Draft, entity: Readonly<Record<string, unknown>>): unknown {
  if (kind !== 'basicauth_credentials' || file.content._transform === false) return entity
  const { password, consumer } = entity as BasicauthCredential
  return { ...entity, password: hashPassword(password, consumer.id) }
}

/** An expression that the router does not read would leave a route that takes every request, or none. */
function expressionFaults(drafts: readonly Draft[]): LocatedFault[] {
  return drafts.flatMap(({ kind, file, path, input }) =>
    ['expression', 'priority']
      .filter((name) => kind === 'routes' && Object.hasOwn(input, name))
      .map((name) =>
        file.fault([...path, name], 'unknown field', 'it is read with router_flavor = expressions'),
      ),
  )
}

/** All variables that are missing, in one fault with what to type. */
function unsetFault(
  unset: readonly { file: string; name: string; line: number }[],
): LocatedFault[] {
  const [first] = unset
  if (!first) return []
  const names = [...new Set(unset.map((each) => each.name))]
  const one = names.length === 1
  return [
    {
      file: first.file,
      line: first.line,
      path: '',
      message: `the environment ${one ? 'variable' : 'variables'} ${names.join(', ')} ${one ? 'is' : 'are'} not set`,
      hint: `\nexport ${names.map((name) => `${name}='…'`).join(' ')}\nor try: gatehouse quickstart`,
    },
  ]
}

const ONE = 'has no effect; there is one gateway and one workspace'
const WITHOUT_EFFECT = {
  _konnect: ONE,
  _workspace: ONE,
  licenses: 'has no effect; no licence is needed',
}

function metaWarnings(files: readonly ParsedFile[]): string[] {
  return files.flatMap((file) =>
    Object.entries(WITHOUT_EFFECT)
      .filter(([name]) => Object.hasOwn(file.content, name))
      .map(([name, message]) => `${file.name}:${file.locate([name]).line} ${name}: ${message}`),
  )
}

function placeOf(drafts: readonly Draft[]) {
  const byId = new Map(drafts.map((draft) => [draft.id, draft]))
  return ({ id }: { readonly id: string }): string => {
    const draft = byId.get(id)
    return draft ? `${draft.file.name}:${draft.file.locate(draft.path).line}` : 'nowhere'
  }
}

function sorted(faults: readonly LocatedFault[], files: readonly SourceFile[]): LocatedFault[] {
  const order = new Map(files.map(({ name }, i) => [name, i]))
  const rank = (fault: LocatedFault) => order.get(fault.file) ?? 0
  return faults.toSorted(
    (a, b) =>
      rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  )
}
