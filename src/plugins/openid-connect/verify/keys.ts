import { createHash, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { isRecord } from '../../../schema/check.ts'
import { quotable } from '../refusal.ts'
import { ASYMMETRIC, isSameAlgorithm } from './algorithms.ts'
import { hasRocaFingerprint } from './roca.ts'

/** The public part of a key, as its provider publishes it (RFC 7517 §4). */
export type PublicJwk = Readonly<Record<string, unknown>>

/** A key that can verify. */
export interface VerificationKey {
  readonly jwk: PublicJwk
  readonly key: KeyObject
  readonly kid: string | undefined
  /** The one algorithm for which it is, if it says so (RFC 8725 §3.1). */
  readonly alg: string | undefined
  readonly kty: string
  readonly crv: string | undefined
  /** The thumbprints of its certificate: that of SHA-1, that of SHA-256. */
  readonly x5t: string | undefined
  readonly x5tS256: string | undefined
}

/** The keys of a provider. A new one is made whenever they change, so that what they proved can be told apart. */
export interface KeySet {
  readonly keys: readonly VerificationKey[]
  /** Why a key cannot be used, by its `kid`. */
  readonly unusable: ReadonlyMap<string, string>
}

/** More than any provider publishes; bounds the work for a token that names no key. */
const MAX_KEYS = 100
const MAX_NAMELESS = 16

/** RFC 7518 §3.3 wants 2048; a signature with more than the other takes longer than a request may cost. */
const MODULUS_BITS = { least: 2048, most: 16_384 }

const PUBLIC = [
  ...['kty', 'kid', 'alg', 'use', 'key_ops', 'n', 'e', 'crv', 'x', 'y'],
  ...['x5t', 'x5t#S256', 'x5c'],
]

/** Makes a key set of JWKs of unknown quality: those that cannot verify are left out. */
export function createKeySet(jwks: readonly unknown[]): KeySet {
  const keys: VerificationKey[] = []
  const unusable = new Map<string, string>()
  for (const jwk of jwks.filter(isRecord).slice(0, MAX_KEYS)) {
    const key = verificationKey(jwk)
    if (typeof key !== 'string') keys.push(key)
    else if (typeof jwk.kid === 'string') unusable.set(jwk.kid, key)
  }
  return { keys, unusable }
}

/** Reads a key, or says why it cannot be used. */
function verificationKey(given: Readonly<Record<string, unknown>>): VerificationKey | string {
  // A provider that publishes private parts by mistake must not make the key unusable, nor may they go anywhere.
  const jwk = Object.fromEntries(
    PUBLIC.flatMap((name) => (name in given ? [[name, given[name]]] : [])),
  )
  const { kty, alg, use, key_ops } = jwk
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return 'it is no public key'
  if (use !== undefined && use !== 'sig') return 'it is for another use than signatures'
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify')))
    return 'it is for other operations than the verification of signatures'
  const crv = textOf(jwk.crv)
  const isKnown = Object.values(ASYMMETRIC).some(
    (each) => each.kty === kty && (each.crv === undefined || each.crv === crv),
  )
  if (!isKnown) return `the curve ${quotable(crv)} is not supported`
  const key = importKey(jwk)
  if (!key) return 'it is no valid key'
  const fault = kty === 'RSA' ? faultOfRsa(key, jwk.n) : undefined
  if (fault !== undefined) return fault
  return {
    jwk,
    key,
    kid: textOf(jwk.kid),
    alg: textOf(alg),
    kty,
    crv,
    x5t: textOf(jwk.x5t) ?? thumbprint(jwk, 'sha1'),
    x5tS256: textOf(jwk['x5t#S256']) ?? thumbprint(jwk, 'sha256'),
  }
}

function importKey({ kty, n, e, crv, x, y }: PublicJwk): KeyObject | undefined {
  const key = { kty, n, e, crv, x, y } as webcrypto.JsonWebKey
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** What makes the signatures of an RSA key worthless. */
function faultOfRsa(key: KeyObject, n: unknown): string | undefined {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < MODULUS_BITS.least) return `${modulusLength} bits are too few`
  if (modulusLength > MODULUS_BITS.most) return `${modulusLength} bits are too many`
  // With 1 every text is its own signature.
  if (publicExponent < 3n) return `${publicExponent} is no exponent`
  return hasRocaFingerprint(Buffer.from(String(n), 'base64url'))
    ? 'it was made by a faulty generator (CVE-2017-15361)'
    : undefined
}

function thumbprint({ x5c }: PublicJwk, hash: string): string | undefined {
  const [certificate] = Array.isArray(x5c) ? (x5c as unknown[]) : []
  if (typeof certificate !== 'string') return undefined
  return createHash(hash).update(Buffer.from(certificate, 'base64')).digest('base64url')
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/**
 * The keys that may have signed a token: those that it names by `kid`, or by the thumbprint of their certificate, or, if
 * it names none that is known, all whose type fits. A key serves only the algorithm that it is for.
 */
export function findKeys(
  { keys }: KeySet,
  alg: string,
  { kid, x5t, 'x5t#S256': x5tS256 }: Readonly<Record<string, unknown>>,
): readonly VerificationKey[] {
  const named = typeof kid === 'string' ? keys.filter((key) => key.kid === kid) : []
  if (named.length > 0) return named.filter((key) => fits(key, alg))
  const byCertificate = keys.filter(
    (key) =>
      (x5tS256 !== undefined && key.x5tS256 === x5tS256) || (x5t !== undefined && key.x5t === x5t),
  )
  if (byCertificate.length > 0) return byCertificate.filter((key) => fits(key, alg))
  return keys.filter((key) => fits(key, alg)).slice(0, MAX_NAMELESS)
}

function fits(key: VerificationKey, alg: string): boolean {
  const algorithm = ASYMMETRIC[alg]
  if (!algorithm || key.kty !== algorithm.kty) return false
  if (algorithm.crv !== undefined && key.crv !== algorithm.crv) return false
  return key.alg === undefined || isSameAlgorithm(key.alg, alg)
}
