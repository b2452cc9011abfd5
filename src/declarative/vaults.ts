import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { REMOTE, VAULTS, type Vault, type VaultName } from '../entities/vault.ts'
import { isRecord } from '../schema/check.ts'
import type { Field } from '../schema/field.ts'
import { isVaultReference } from '../schema/vault_reference.ts'
import type { Path } from './parse.ts'
import type { Env } from './template.ts'

/** What the node says of the vaults that are always there, as `config` says it of those that are declared. */
export type VaultSettings = Readonly<
  Partial<Record<VaultName, Pick<Vault['config'], 'prefix' | 'base64_decode'>>>
>

const MAX_BYTES = 1024 * 1024

interface Place {
  readonly kind: VaultName
  readonly prefix: string | undefined
  readonly isBase64: boolean
}

/** The vaults that references may name: one of each kind under its own name, and those that the file declares. */
export class Vaults {
  readonly #env: Env
  readonly #byName = new Map<string, Place>()
  /** Declared, with a fault. */
  readonly #broken = new Set<unknown>()

  constructor(env: Env, settings: VaultSettings) {
    this.#env = env
    for (const kind of VAULTS) this.#place(kind, kind, settings[kind])
  }

  add({ prefix, name, config }: Vault): void {
    this.#place(prefix, name as VaultName, config)
  }

  #place(name: string, kind: VaultName, config: VaultSettings[VaultName]): void {
    const isBase64 = config?.base64_decode === true
    this.#byName.set(name, { kind, prefix: config?.prefix, isBase64 })
  }

  /** A vault whose own fault is told, so that those who refer to it need not be. */
  addBroken(prefix: unknown): void {
    this.#broken.add(prefix)
  }

  /** Why a reference can never lead anywhere, whatever the vaults hold; nothing if it may. */
  whyNowhere(text: string): string | undefined {
    const reference = readReference(text)
    if (!reference || this.#broken.has(reference.vault)) return undefined
    const { vault } = reference
    const place = this.#byName.get(vault)
    if (!place)
      return REMOTE.includes(vault) || vault === 'file'
        ? `vault ${vault} is not supported; ${VAULTS.join(' and ')} are`
        : `no vault has the prefix ${vault}; declare it in vaults`
    return place.kind === 'fs' && !(reference.prefix ?? place.prefix)
      ? `the vault ${vault} has no directory; set KONG_VAULT_FS_PREFIX, or declare a vault with a config.prefix`
      : undefined
  }

  /** The value that a reference stands for; nothing if there is none. */
  find(text: string): string | undefined {
    const reference = readReference(text)
    const place = reference && this.#byName.get(reference.vault)
    if (!place) return undefined
    const found = this.#read(place.kind, reference, reference.prefix ?? place.prefix)
    return found !== undefined && place.isBase64 ? decoded(found) : found
  }

  #read(kind: VaultName, reference: Reference, prefix = ''): string | undefined {
    const { resource, key, version } = reference
    if (kind === 'env') {
      const value = this.#variable(prefix + resource, version)
      return value === undefined || key === undefined ? value : valueIn(value, key)
    }
    if (version === 2 || prefix === '') return undefined
    // A file in a folder is written as a member of a file is.
    const whole = readSecret(prefix, key === undefined ? resource : `${resource}/${key}`)
    if (whole !== undefined || key === undefined) return whole
    const object = readSecret(prefix, resource)
    return object === undefined ? undefined : valueIn(object, key)
  }

  #variable(name: string, version: number | undefined): string | undefined {
    const present = name.replaceAll('-', '_').toUpperCase()
    const variable = version === 2 ? `${present}_PREVIOUS` : present
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

function decoded(text: string): string | undefined {
  const isBase64 = /^[A-Za-z\d+/\s]*={0,2}\s*$/.test(text)
  return isBase64 ? Buffer.from(text, 'base64').toString() : undefined
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
  /** Where something never can be: an empty text stands there too. */
  readonly refused: readonly { readonly path: Path; readonly message: string }[]
  /** Where a reference is mere text, since the field takes none. */
  readonly literal: readonly Path[]
}

/** Puts values where references are: only where the schema lets a field hold one are they more than text. */
export function resolveReferences<T>(field: Field, input: T, vaults: Vaults): Resolved<T> {
  const secret: Path[] = []
  const literal: Path[] = []
  const missing: { path: Path; reference: string }[] = []
  const refused: { path: Path; message: string }[] = []
  if (!holdsReference(input)) return { value: input, secret, missing, refused, literal }
  const resolve = (field: Field, value: unknown, path: Path): unknown => {
    if (typeof value === 'string') {
      if (!isVaultReference(value)) return value
      if (!field.rules.referenceable) {
        literal.push(path)
        return value
      }
      const message = vaults.whyNowhere(value)
      const found = vaults.find(value)
      if (message !== undefined) refused.push({ path, message })
      else if (found === undefined) missing.push({ path, reference: value })
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
        // What is anything is looked at where it is known what it is.
        const isKnown = child && child.type !== 'any'
        return [key, isKnown ? resolve(child, each, [...path, key]) : each]
      }),
    )
  }
  return { value: resolve(field, input, []) as T, secret, missing, refused, literal }
}

/** Most values hold none, and need not be taken apart. */
function holdsReference(value: unknown): boolean {
  if (typeof value === 'string') return isVaultReference(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsReference)
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
