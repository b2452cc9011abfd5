import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Awaitable } from '../../../pdk.ts'
import { isRecord } from '../../../schema/check.ts'
import { quotable, Refusal } from '../refusal.ts'
import { decodeBase64url } from '../session/sealed.ts'
import { type Algorithm, ALGORITHMS } from './algorithms.ts'

/** A proof of RFC 9449 §4.2. Its form is as it has to be; what it says has still to be compared with the request. */
export interface DpopProof {
  readonly jti: string
  readonly htm: string
  readonly htu: string
  /** Seconds since the epoch. */
  readonly iat: number
  readonly ath: string | undefined
  readonly nonce: string | undefined
  /** The thumbprint of its key (RFC 7638): a SHA-256. */
  readonly thumbprint: Buffer
  /** Whether its key has signed it. */
  isSigned(): Awaitable<boolean>
}

/** Longer than any proof with an RSA key of 8192 bits. */
const MAX_LENGTH = 8192
const MAX_RSA = 8192
/** RFC 7518 §3.3. */
const MIN_RSA = 2048

/** What a key holds that nobody else may know (RFC 7518 §6). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** The members of a public key that its thumbprint is of, and no others. */
type PublicJwk = Readonly<Record<string, string>>

/** The members that a thumbprint is of, in its order (RFC 7638 §3.2, RFC 8037 §2). */
const MEMBERS = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
} as const

/** Reads a proof: the checks 2 to 5 and 7 of RFC 9449 §4.3. Throws `Refusal`. */
export function readDpopProof(text: string): DpopProof {
  if (text.length > MAX_LENGTH) throw broken('is too long')
  const parts = text.split('.')
  const [head, payload, signature] = parts.map(decodeBase64url)
  if (parts.length !== 3 || !head || !payload || !signature?.length) throw broken('is no JWT')
  const header = parseObject(head)
  const claims = parseObject(payload)
  if (!header || !claims) throw broken('is no JWT')
  if (header.typ !== 'dpop+jwt') throw broken('has not the type "dpop+jwt"')
  const { alg } = header
  const algorithm = typeof alg === 'string' ? ALGORITHMS.get(alg) : undefined
  if (!algorithm) throw broken(`has the algorithm "${quotable(alg)}", which is not allowed`)
  // RFC 7515 §4.1.11: what has to be understood and is not.
  if (Object.hasOwn(header, 'crit')) throw broken('has the header "crit"')
  const jwk = readJwk(header.jwk, alg as string, algorithm)
  const signed = Buffer.from(text.slice(0, text.lastIndexOf('.')))
  return {
    ...readClaims(claims),
    thumbprint: thumbprintOf(jwk),
    isSigned: () =>
      (algorithm.isSlow ? isSignedApart : isSigned)(signed, signature, jwk, algorithm),
  }
}

function readClaims(claims: Readonly<Record<string, unknown>>) {
  const text = (name: string) => {
    const value = claims[name]
    if (typeof value !== 'string' || value === '') throw broken(`has no "${name}"`)
    return value
  }
  const { iat, ath, nonce } = claims
  if (typeof iat !== 'number' || !Number.isFinite(iat)) throw broken('has no "iat"')
  return {
    jti: text('jti'),
    htm: text('htm'),
    htu: text('htu'),
    iat,
    ath: typeof ath === 'string' ? ath : undefined,
    nonce: typeof nonce === 'string' ? nonce : undefined,
  }
}

function readJwk(jwk: unknown, alg: string, algorithm: Algorithm): PublicJwk {
  if (!isRecord(jwk)) throw broken('has no "jwk"')
  if (PRIVATE.some((name) => Object.hasOwn(jwk, name))) throw broken('shows a private key')
  const isFit =
    jwk.kty === algorithm.kty &&
    (algorithm.crv === undefined || jwk.crv === algorithm.crv) &&
    (jwk.alg === undefined || jwk.alg === alg) &&
    (jwk.use === undefined || jwk.use === 'sig') &&
    MEMBERS[algorithm.kty].every((name) => typeof jwk[name] === 'string')
  if (!isFit) throw broken('has a "jwk" that is not for its algorithm')
  // Nothing else of it is read.
  return Object.fromEntries(MEMBERS[algorithm.kty].map((name) => [name, jwk[name] as string]))
}

/** RFC 7638 §3: of its members in their order, without blanks. */
function thumbprintOf(jwk: PublicJwk): Buffer {
  return createHash('sha256').update(JSON.stringify(jwk)).digest()
}

function isSigned(
  data: Buffer,
  signature: Buffer,
  jwk: PublicJwk,
  { hash, options }: Algorithm,
): boolean {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    return isLongEnough(key) && verify(hash, data, { key, ...options }, signature)
  } catch {
    // A key that is none has signed nothing.
    return false
  }
}

/** The same on another thread. */
async function isSignedApart(
  data: Buffer,
  signature: Buffer,
  jwk: PublicJwk,
  { crv, hash }: Algorithm,
): Promise<boolean> {
  try {
    const curve = { name: 'ECDSA', namedCurve: crv! }
    const key = await crypto.subtle.importKey('jwk', jwk, curve, false, ['verify'])
    const digest = { name: 'ECDSA', hash: hash!.replace('sha', 'SHA-') }
    return await crypto.subtle.verify(digest, key, new Uint8Array(signature), new Uint8Array(data))
  } catch {
    return false
  }
}

function isLongEnough({ asymmetricKeyDetails }: KeyObject): boolean {
  const length = asymmetricKeyDetails?.modulusLength
  return length === undefined || (length >= MIN_RSA && length <= MAX_RSA)
}

function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A sentence that goes on after "the DPoP proof". */
export function broken(why: string): Refusal {
  return new Refusal('invalid_dpop_proof', `the DPoP proof ${why}`)
}
