import type * as entity from '../entities/index.ts'
import type { RouterFlavor } from '../entities/route.ts'
import type { Plugin } from '../pdk.ts'
import type { CompatVersion } from '../schema/drift.ts'
import { Checker } from './checker.ts'
import type { Dialect } from './dialect.ts'
import { type Draft, expand } from './expand.ts'
import { type LocatedFault, printPath, type SourceFile } from './faults.ts'
import { mergeMeta } from './merge.ts'
import { findWritten } from './origin.ts'
import { type ParsedFile, parseFile, type Path } from './parse.ts'
import { isWritten } from '../schema/aliases.ts'
import { References } from './references.ts'
import type { Env } from './template.ts'
import { type VaultSettings, Vaults } from './vaults.ts'

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
      differences(): readonly string[]
      /** Where an entity stands, as `kong.yaml:12`. */
      place(entity: { readonly id: string }): string
      /** Where a field of an entity is written; nothing for one that is not. */
      findField(entity: { readonly id: string }, path: readonly string[]): string | undefined
      /** A fault of a field that came out only later, with the place where the field is written. */
      fault(entity: { readonly id: string }, field: Path, message: string): LocatedFault
      readonly faults?: never
    }
  | { readonly faults: readonly LocatedFault[] }

export interface LoadOptions {
  /** Where `${{ env "DECK_…" }}` and `{vault://env/…}` look. */
  readonly env: Env
  readonly plugins: ReadonlyMap<string, Plugin>
  /** Those that could be enabled as well; none but `plugins` unless told. */
  readonly bundled?: ReadonlyMap<string, Plugin>
  /** The release of Kong whose defaults are taken; the newest unless told. */
  readonly compat?: CompatVersion
  /** Of the vaults that are always there. */
  readonly vaults?: VaultSettings
  /** The router that the routes are for; `traditional_compatible` unless told. */
  readonly routerFlavor?: RouterFlavor
  /** Whether a plugin that is not there is left out, if nothing that it does keeps anybody from anything. */
  readonly allowMissingPlugins?: boolean
  /** Whose files are read; those of both unless told. */
  readonly dialect?: Dialect
}

/** Loads a declarative configuration, in one file or in several that are one, in Kong's dialect or decK's. */
export function loadDeclarative(
  files: readonly SourceFile[],
  {
    env,
    plugins,
    bundled = plugins,
    allowMissingPlugins = false,
    routerFlavor = 'traditional_compatible',
    compat = '3.15',
    vaults = {},
    dialect = 'union',
  }: LoadOptions,
): Loaded {
  const parsed = files.map((file) => parseFile(file, env, dialect))
  const good = parsed.filter((each) => 'content' in each)
  const bad = parsed.filter((each) => 'unset' in each)
  if (bad.length > 0) {
    const unset = files.flatMap(({ name }, i) => {
      const file = parsed[i]!
      return 'unset' in file ? file.unset.map((each) => ({ ...each, file: name })) : []
    })
    return { faults: [...unsetFault(unset), ...parsed.flatMap((each) => each.faults)] }
  }
  const { meta, faults: ofMeta } = mergeMeta(good, dialect)
  const metaFaults = [...good.flatMap((each) => each.faults), ...ofMeta]
  if (!meta) return { faults: metaFaults }

  const { drafts, faults } = expand(good, meta, dialect)
  const references = new References(drafts, dialect)
  const checker = new Checker({
    plugins,
    bundled,
    compat,
    vaults: new Vaults(env, vaults),
    allowMissingPlugins,
    routerFlavor,
  })
  // What the others refer to goes first.
  const order = drafts.toSorted((a, b) => Number(b.kind === 'vaults') - Number(a.kind === 'vaults'))
  for (const draft of order) checker.check(draft, references.resolve(draft))
  if (routerFlavor !== 'expressions') faults.push(...expressionFaults(drafts))
  const all = [...metaFaults, ...faults, ...references.faults, ...checker.faults()]
  if (all.length > 0) return { faults: sorted(all, files) }
  return {
    entities: checker.entities as unknown as Entities,
    warnings: [...metaWarnings(good), ...checker.warnings],
    differences: () => checker.differences(),
    ...placesOf(drafts),
  }
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

/** Where entities, and their fields, stand in the files. */
function placesOf(drafts: readonly Draft[]) {
  const byId = new Map(drafts.map((draft) => [draft.id, draft]))
  return {
    fault({ id }: { readonly id: string }, field: Path, message: string): LocatedFault {
      const draft = byId.get(id)
      if (!draft) return { file: 'nowhere', path: printPath(field), message }
      const { file, path } = findWritten(draft, field)
      return file.fault(path, message)
    },
    place({ id }: { readonly id: string }): string {
      const draft = byId.get(id)
      return draft ? `${draft.file.name}:${draft.file.locate(draft.path).line}` : 'nowhere'
    },
    findField({ id }: { readonly id: string }, path: readonly string[]): string | undefined {
      const draft = byId.get(id)
      if (!draft) return undefined
      const written = findWritten(draft, path)
      const { file } = written
      if (!isWritten(file.content, written.path)) return undefined
      return `${file.name}:${file.locate(written.path, 'key').line}`
    },
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
