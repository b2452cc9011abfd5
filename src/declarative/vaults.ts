import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { VAULTS, type Vault, type VaultName } from '../entities/vault.ts'
import { isRecord } from '../schema/check.ts'
import type { Field } from '../schema/field.ts'
import { isVaultReference } from '../schema/vault_reference.ts'
import type { Path } from './parse.ts'
import type { Env } from './template.ts'

/** What stands before the names in a vault: of variables for `env`, the directory of the files for `file`. */
export type VaultPrefixes = Readonly<Partial<Record<VaultName, string>>>

/** Where containers find the secrets that they are given. */
const DIRECTORY = '/run/secrets'
const MAX_BYTES = 1024 * 1024

/** The vaults that references may name: one of each kind under its own name, and those that the file declares. */
export class Vaults {
  readonly #env: Env
  readonly #byName = new Map<
    string,
    { readonly kind: VaultName; readonly prefix: string | undefined }
  >()

  readonly #mayRefer = new Map<Field, boolean>()

  constructor(env: Env, prefixes: VaultPrefixes) {
    this.#env = env
    for (const kind of VAULTS) this.#byName.set(kind, { kind, prefix: prefixes[kind] })
  }

  add({ prefix, name, config }: Vault): void {
    this.#byName.set(prefix, { kind: name as VaultName, prefix: config.prefix })
  }

  /** The value that a reference stands for; nothing if there is none. */
  find(text: string): string | undefined {
    const reference = readReference(text)
    const vault = reference && this.#byName.get(reference.vault)
    if (!vault) return undefined
    const value = this.#read(vault.kind, reference, reference.prefix ?? vault.prefix)
    return value === undefined || reference.key === undefined
      ? value
      : valueIn(value, reference.key)
  }

  /** Whether a value of the field may hold a reference: most may not, and need not be looked through. */
  mayRefer(field: Field): boolean {
    const known = this.#mayRefer.get(field)
    if (known !== undefined) return known
    const { rules, element, fields = {}, shorthands = {} } = field
    const within = [
      ...(element ? [element] : []),
      ...Object.values(fields),
      ...Object.values(shorthands).map((each) => each.field),
    ]
    const may = rules.referenceable === true || within.some((each) => this.mayRefer(each))
    this.#mayRefer.set(field, may)
    return may
  }

  #read(kind: VaultName, { resource, version }: Reference, prefix = ''): string | undefined {
    if (kind === 'file')
      return version === 2 ? undefined : readSecret(prefix || DIRECTORY, resource)
    const name = `${prefix}${resource}`.replaceAll('-', '_').toUpperCase()
    const variable = version === 2 ? `${name}_PREVIOUS` : name
    return Object.hasOwn(this.#env, variable) ? this.#env[variable] : undefined
  }
}

interface Reference {
  readonly vault: string
  readonly resource: string
  /** The member of a JSON object that the value holds. */
  readonly key: string | undefined
  readonly prefix: string | undefined
  /** 2 is the value before the present one. */
  readonly version: number | undefined
}

/** Reads `{vault://env/resource/key?prefix=X#2}`. Several segments before the key are one resource. */
function readReference(text: string): Reference | undefined {
  const [, vault, path = '', query = '', fragment] =
    /^\{vault:\/\/([^/?#]+)\/([^?#]*)(?:\?([^#]*))?(?:#(.*))?\}$/s.exec(text) ?? []
  const parts = path.split('/').filter((part) => part !== '')
  const version = fragment === undefined ? undefined : Number(fragment)
  if (vault === undefined || parts.length === 0 || Number.isNaN(version)) return undefined
  const key = parts.length > 1 && !path.endsWith('/') ? parts.pop() : undefined
  try {
    return {
      vault,
      resource: decodeURIComponent(parts.join('/')),
      key: key && decodeURIComponent(key),
      prefix: new URLSearchParams(query).get('prefix') ?? undefined,
      version,
    }
  } catch {
    return undefined
  }
}

function readSecret(directory: string, resource: string): string | undefined {
  // The file names a secret, not a way out of the directory of secrets.
  if (resource.includes('\0') || resource.split('/').includes('..')) return undefined
  try {
    const file = join(directory, resource)
    const stat = statSync(file)
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch {
    return undefined
  }
}

function valueIn(text: string, key: string): string | undefined {
  try {
    const object: unknown = JSON.parse(text)
    const value = isRecord(object) && Object.hasOwn(object, key) ? object[key] : undefined
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** An input in which values stand where references to vaults were. */
export interface Resolved<T> {
  readonly value: T
  /** Where values of vaults stand. */
  readonly secret: readonly Path[]
  /** Where nothing was found: an empty text stands there. */
  readonly missing: readonly { readonly path: Path; readonly reference: string }[]
}

/** Puts values where references are: only where the schema lets a field hold one are they more than text. */
export function resolveReferences<T>(field: Field, input: T, vaults: Vaults): Resolved<T> {
  if (!vaults.mayRefer(field)) return { value: input, secret: [], missing: [] }
  const secret: Path[] = []
  const missing: { path: Path; reference: string }[] = []
  const resolve = (field: Field, value: unknown, path: Path): unknown => {
    if (typeof value === 'string') {
      if (!field.rules.referenceable || !isVaultReference(value)) return value
      const found = vaults.find(value)
      if (found === undefined) missing.push({ path, reference: value })
      else secret.push(path)
      return asType(field, found)
    }
    const { element } = field
    if (Array.isArray(value))
      return element ? value.map((each, i) => resolve(element, each, [...path, i])) : value
    if (!isRecord(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => {
        const child = childOf(field, key)
        return [key, child ? resolve(child, each, [...path, key]) : each]
      }),
    )
  }
  return { value: resolve(field, input, []) as T, secret, missing }
}

function childOf(field: Field, key: string): Field | undefined {
  if (field.type !== 'record') return field.element
  const { fields = {}, shorthands = {} } = field
  if (Object.hasOwn(fields, key)) return fields[key]
  return Object.hasOwn(shorthands, key) ? shorthands[key]?.field : undefined
}

/** A vault has texts. */
function asType({ type }: Field, text: string | undefined): unknown {
  if (type === 'integer' || type === 'number')
    return text === undefined || text.trim() === '' ? undefined : Number(text)
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  return text ?? ''
}
