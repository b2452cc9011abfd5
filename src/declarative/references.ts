import { isRecord } from '../schema/check.ts'
import { nearest } from '../schema/nearest.ts'
import type { Dialect } from './dialect.ts'
import type { Draft } from './expand.ts'
import type { LocatedFault } from './faults.ts'
import { FOREIGN, type Kind, rulesOf } from './kinds.ts'

/** What a fault does not show as it is: the key of a credential is a secret. */
const UNSAID: ReadonlyMap<string, string> = new Map([
  ['key', 'the same key'],
  ['access_token', 'the same access_token'],
  ['refresh_token', 'the same refresh_token'],
  ['scope', 'the same name and scope'],
])

/** Stands for the id of an entity that could not be found: the fault is noted, and the schema need not add another. */
export const UNRESOLVED = 'unresolved'

/** Follows the references between entities, and refuses two entities that are one. */
export class References {
  readonly #byId = new Map<string, Draft>()
  readonly #byKey = new Map<string, Draft>()
  readonly #scopes = new Map<string, Draft>()
  readonly #twice = new Set<Draft>()
  readonly #drafts: readonly Draft[]
  readonly #dialect: Dialect
  readonly #needsOwners: boolean
  readonly faults: LocatedFault[] = []

  constructor(drafts: readonly Draft[], dialect: Dialect) {
    this.#drafts = drafts
    this.#dialect = dialect
    this.#needsOwners = drafts.some(({ kind }) => kind === 'basicauth_credentials')
    for (const draft of drafts) {
      const { kind, input } = draft
      for (const field of rulesOf(kind).unique ?? []) {
        const value = input[field]
        if (typeof value === 'string') this.#claim(this.#byKey, [kind, field, value], draft, field)
      }
      if (!this.#twice.has(draft)) this.#claim(this.#byId, [kind, draft.id], draft, 'primary key')
    }
  }

  /** Gives the entity's fields with each foreign key as `{ id }`. */
  resolve(draft: Draft): Readonly<Record<string, unknown>> {
    const keys = FOREIGN[draft.kind].map(
      ([field, kind]) => [field, this.#resolveField(draft, field, kind)] as const,
    )
    const whole = keys.every(([, id]) => id !== UNRESOLVED)
    if (draft.kind === 'plugins' && whole && !this.#twice.has(draft)) {
      // Two entities for one plugin and one scope: which of them is at work would be a matter of chance.
      const scope = [String(draft.input.name), ...keys.map(([, id]) => id ?? '')]
      this.#claim(this.#scopes, scope, draft, 'scope')
    }
    if (draft.kind === 'mtls_auth_credentials' && whole) {
      // One name of a certificate cannot stand for two consumers.
      const [, authority] = keys.find(([field]) => field === 'ca_certificate') ?? []
      const words = [draft.kind, authority ?? '', String(draft.input.subject_name)]
      this.#claim(this.#byKey, words, draft, 'subject_name')
    }
    this.#resolveAuthorities(draft)
    this.#resolveCertificate(draft)
    const foreign = keys.map(
      ([field, id]) => [field, id === undefined ? undefined : { id }] as const,
    )
    return { ...draft.input, id: draft.input.id ?? draft.id, ...Object.fromEntries(foreign) }
  }

  #resolveField(draft: Draft, field: string, kind: Kind): string | undefined {
    const { file, path, input, parent } = draft
    const value = input[field]
    const above = parent?.field === field ? parent.draft.id : undefined
    if (value === undefined || value === null) return above
    const fault = (message: string, hint?: string) => {
      this.faults.push(file.fault([...path, field], message, hint))
      // Kong hashes the password together with its owner's id.
      if (draft.kind === 'basicauth_credentials')
        this.faults.push(
          file.fault(path, "all or none of these fields must be set: 'password', 'consumer.id'"),
        )
      return UNRESOLVED
    }
    if (typeof value !== 'string' && !isRecord(value)) return fault('expected a string')
    if (this.#dialect === 'kong' && isRecord(value) && value.id === undefined)
      return fault('missing primary key', 'a reference is a name, an id, or { id: … }')
    const id = this.#find(value, kind)?.id
    if (id !== undefined && (above === undefined || above === id)) return id
    if (above !== undefined && typeof value === 'string') {
      return fault('value must be null', `the entity is nested under its ${field} already`)
    }
    const shown = typeof value === 'string' ? value : JSON.stringify(naming(value, kind))
    if (parent && typeof value === 'string')
      return fault('value must be null', `there is no '${shown}' in '${kind}'`)
    const near = nearest(shown, this.#names(kind))
    const advice = near
      ? `did you mean "${near}"?`
      : 'if another file declares it, give that file with -c as well'
    // With a password in the file, Kong looks for ids before it looks for who is meant by a name.
    if (this.#needsOwners && typeof value === 'string') {
      const message = 'missing primary key'
      return fault(message, `there is no '${shown}' in '${kind}': ${advice}`)
    }
    return fault(`invalid reference '${field}: ${shown}' (no such entry in '${kind}')`, advice)
  }

  /** Who trusts an authority that nobody has declared would trust nobody; Kong finds out when a request comes. */
  #resolveAuthorities({ kind, file, path: above, input }: Draft): void {
    const isPlugin = kind === 'plugins' && input.name === 'mtls-auth' && isRecord(input.config)
    if (kind !== 'services' && !isPlugin) return
    const { ca_certificates } = isPlugin ? (input.config as Draft['input']) : input
    const path = isPlugin ? [...above, 'config'] : above
    if (!Array.isArray(ca_certificates)) return
    for (const [i, id] of ca_certificates.entries()) {
      if (typeof id !== 'string' || this.#byId.has(join(['ca_certificates', id]))) continue
      const message = `invalid reference 'ca_certificates: ${id}' (no such entry in 'ca_certificates')`
      this.faults.push(file.fault([...path, 'ca_certificates', i], message))
    }
  }

  /** What a log server is shown. It would refuse whoever shows nothing, and what is to be told would be lost. */
  #resolveCertificate({ kind, file, path, input: { name, config } }: Draft): void {
    if (kind !== 'plugins' || name !== 'http-log' || !isRecord(config)) return
    const { client_certificate } = config
    const id = isRecord(client_certificate) ? client_certificate.id : undefined
    if (typeof id !== 'string' || this.#byId.has(join(['certificates', id]))) return
    const message = `invalid reference 'client_certificate: ${id}' (no such entry in 'certificates')`
    this.faults.push(file.fault([...path, 'config', 'client_certificate', 'id'], message))
  }

  /** What the entities of a kind are called. */
  #names(kind: Kind): string[] {
    const key = rulesOf(kind).key ?? 'name'
    return this.#drafts
      .filter((draft) => draft.kind === kind)
      .map(({ input }) => input[key])
      .filter((name) => typeof name === 'string')
  }

  /** By name or id, as Kong writes references; `{ name }` and `{ id }` are decK's way. */
  #find(value: string | Readonly<Record<string, unknown>>, kind: Kind): Draft | undefined {
    const key = rulesOf(kind).key ?? 'name'
    const [id, name] = typeof value === 'string' ? [value, value] : [value.id, value[key]]
    return this.#byKey.get(join([kind, key, name])) ?? this.#byId.get(join([kind, id]))
  }

  #claim(claims: Map<string, Draft>, words: readonly string[], draft: Draft, field: string): void {
    const claim = join(words)
    const holder = claims.get(claim)
    if (!holder) return void claims.set(claim, draft)
    this.#twice.add(draft)
    const isField = Object.hasOwn(draft.input, field)
    const set = UNSAID.get(field) ?? `${field} set to '${words.at(-1)}'`
    const { line } = holder.file.locate(holder.path)
    this.faults.push(
      draft.file.fault(
        isField ? [...draft.path, field] : draft.path,
        `uniqueness violation: '${draft.kind}' entity with ${set} already declared`,
        `the other is at ${holder.file.name}:${line}`,
      ),
    )
  }
}

/** What of a reference names an entity: who writes a whole certificate there has its key in it. */
function naming(
  value: Readonly<Record<string, unknown>>,
  kind: Kind,
): Readonly<Record<string, unknown>> {
  const names = new Set(['id', 'name', rulesOf(kind).key])
  return Object.fromEntries(
    Object.entries(value).filter(([name, each]) => names.has(name) && typeof each !== 'object'),
  )
}

function join(words: readonly unknown[]): string {
  return JSON.stringify(words)
}
