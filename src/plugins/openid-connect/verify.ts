import { compactVerify, createLocalJWKSet, errors, type JWK } from 'jose'
import { array, boolean, type Config, number, string } from '../../schema/field.ts'
import type { Claims } from './claims.ts'
import { quotable, Refusal } from './refusal.ts'

/** The grants whose tokens come from the provider itself, so that a signature proves little more than TLS did. */
const GRANTS = [
  'authorization_code',
  'client_credentials',
  'introspection',
  'password',
  'refresh_token',
  'session',
  'userinfo',
] as const

export const fields = {
  verify_signature: boolean('Whether the signatures of tokens are checked.', { default: true }),
  ignore_signature: array(
    'The grants whose tokens are not checked for a signature.',
    string('A grant.', { one_of: GRANTS }),
    { default: [] },
  ),
  enable_hs_signatures: boolean(
    'Whether tokens may be signed with the client secret (HS256, HS384, HS512).',
    { default: false },
  ),
  verify_claims: boolean('Whether `iss`, `exp`, `nbf` and `iat` of tokens are checked.', {
    default: true,
  }),
  issuers_allowed: array(
    "The issuers whose tokens are taken, instead of the provider's own.",
    string('An issuer.', { referenceable: true }),
  ),
  leeway: number('How far clocks may differ; seconds.', { default: 0 }),
}

const ASYMMETRIC = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
]
const SYMMETRIC = ['HS256', 'HS384', 'HS512']

/** The keys of a provider. A new one is made whenever they change, so that what they proved can be told apart. */
export interface KeySet {
  readonly named: ReturnType<typeof createLocalJWKSet>
  readonly nameless: ReturnType<typeof createLocalJWKSet>
}

/** More than any provider publishes; bounds the work for a token that names no key. */
const MAX_KEYS = 100

/** Makes a key set of JWKs of unknown quality: those that cannot verify are left out. */
export function createKeySet(jwks: readonly unknown[]): KeySet {
  const keys = jwks.filter(isJwk).map(publicPart).slice(0, MAX_KEYS)
  return {
    named: createLocalJWKSet({ keys }),
    nameless: createLocalJWKSet({ keys: keys.filter(({ kid }) => kid === undefined) }),
  }
}

/** What a compact JWS says of itself; nothing is proved by it. */
export interface Jws {
  readonly token: string
  readonly alg: string
  readonly claims: Claims
}

/**
 * Reads a compact JWS with a JSON payload (RFC 7515 §3.1, RFC 7519). Only its one canonical text is read: padding or
 * stray bits would give one token many texts, and each a place in the caches. Throws `Refusal`.
 */
export function parseJws(token: string): Jws {
  const parts = token.split('.')
  const [head, payload, signature] = parts
  if (parts.length !== 3 || !parts.every(isCanonical) || signature === '')
    throw new Refusal('invalid_token', 'the token is no JWT')
  const header = parseObject(head!)
  const claims = parseObject(payload!)
  if (!header || !claims) throw new Refusal('invalid_token', 'the token is no JWT')
  const { alg, typ } = header
  if (alg === undefined) throw new Refusal('invalid_token', 'the token names no algorithm')
  if (typeof alg !== 'string' || !(ASYMMETRIC.includes(alg) || SYMMETRIC.includes(alg)))
    throw new Refusal('invalid_token', `the algorithm "${quotable(alg)}" is not allowed`)
  // RFC 7515 §4.1.11 wants unknown extensions refused; the others would let the token name its own key.
  for (const name of ['crit', 'zip', 'jku', 'x5u', 'jwk']) {
    if (Object.hasOwn(header, name))
      throw new Refusal('invalid_token', `the header "${name}" is not allowed`)
  }
  // RFC 8725 §3.11: a logout token or a DPoP proof of the same provider is no access token.
  if (typeof typ === 'string' && /\+jwt$/i.test(typ) && !/^(application\/)?at\+jwt$/i.test(typ))
    throw new Refusal('invalid_token', `the type "${quotable(typ)}" is no access token`)
  return { token, alg, claims }
}

/** Whether a text has the form of a compact JWS; others are opaque to the gateway. */
export function looksLikeJws(token: string): boolean {
  const parts = token.split('.')
  return parts.length === 3 && parts[0] !== '' && parseObject(parts[0]!)?.alg !== undefined
}

/** Checks the signature with a provider's keys, or with the client secret where that is allowed. Throws `Refusal`. */
export async function verifySignature(
  jws: Jws,
  keys: KeySet,
  secret: string | undefined,
): Promise<void> {
  if (SYMMETRIC.includes(jws.alg)) {
    // A secret of one character is Kong's idiom for a client that has none.
    if (secret === undefined || secret.length < 2)
      throw new Refusal('invalid_token', `the algorithm "${jws.alg}" is not allowed`)
    return verifyWith(jws, SYMMETRIC, Buffer.from(secret))
  }
  try {
    await verifyWith(jws, ASYMMETRIC, keys.named)
  } catch (error) {
    if (!(error instanceof Refusal) || !(error.cause instanceof errors.JWKSNoMatchingKey))
      throw error
    await verifyNameless(jws, keys, error)
  }
}

/** A provider with keys that have no `kid` may still put one into its tokens. */
async function verifyNameless(jws: Jws, keys: KeySet, refusal: Refusal): Promise<void> {
  await verifyWith(jws, ASYMMETRIC, (header, token) => {
    const { kid: _, ...rest } = header
    return keys.nameless(rest as typeof header, token)
  }).catch(() => {
    throw refusal
  })
}

type Key = Uint8Array | CryptoKey | Parameters<typeof compactVerify>[1]

async function verifyWith(jws: Jws, algorithms: string[], key: Key): Promise<void> {
  try {
    await compactVerify(jws.token, key as Parameters<typeof compactVerify>[1], { algorithms })
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw unsigned(error)
    for await (const each of error) {
      const isIt = await compactVerify(jws.token, each, { algorithms }).then(
        () => true,
        () => false,
      )
      if (isIt) return
    }
    throw unsigned(error)
  }
}

function unsigned(cause: unknown): Refusal {
  const isMissing = cause instanceof errors.JWKSNoMatchingKey
  const sentence = isMissing
    ? 'the provider has no key that fits the token'
    : 'the signature does not fit the token'
  return new Refusal('invalid_signature', sentence, cause)
}

/** By what a token's claims are judged. Times in seconds since the epoch. */
export interface Expectations {
  /** What kind of token it is, for the sentence in the log. */
  readonly kind: 'access token' | 'id token'
  readonly issuers: readonly string[]
  readonly leeway: number
  readonly now: number
  /** Whether `iss` and `exp` must be there. */
  readonly strict: boolean
  /** The client for which an ID token must have been made, or one of which. */
  readonly audience?: string | readonly string[] | undefined
  /** What an ID token has to repeat of the request for it. */
  readonly nonce?: string | undefined
  /** An ID token tells of a login, and is kept for longer than it may be used for one: its end does not count again. */
  readonly isKept?: boolean
}

/** Judges the standard claims. Throws `Refusal`. */
export function judgeClaims(claims: Claims, expected: Expectations): void {
  const { kind, issuers, leeway, now, strict, audience, nonce, isKept = false } = expected
  const { iss, aud, azp } = claims
  if (strict || iss !== undefined) judgeIssuer(iss, issuers, kind)
  const exp = timeOf(claims, 'exp', kind)
  const nbf = timeOf(claims, 'nbf', kind)
  const iat = timeOf(claims, 'iat', kind)
  // Kong takes a bearer token without an end; RFC 9068 §2.2 does not, and nothing could take such a token back.
  if (exp === undefined && strict)
    throw new Refusal('token_expired', `the exp claim is missing in the ${kind}`)
  if (exp !== undefined && exp + leeway <= now && !isKept)
    throw new Refusal('token_expired', `invalid exp claim (${exp}) was specified for ${kind}`)
  if (nbf !== undefined && nbf - leeway > now)
    throw new Refusal('token_not_yet_valid', `invalid nbf claim (${nbf}) was specified for ${kind}`)
  // Clocks differ by fractions of a second, and `iat` has none.
  if (iat !== undefined && iat - leeway > now + 1)
    throw new Refusal('token_not_yet_valid', `invalid iat claim (${iat}) was specified for ${kind}`)
  if (nonce !== undefined && claims.nonce !== nonce)
    throw new Refusal('invalid_nonce', `invalid nonce claim was specified for ${kind}`)
  if (audience === undefined) return
  const audiences: readonly unknown[] = [audience].flat()
  if (![aud].flat().some((each) => audiences.includes(each)))
    throw new Refusal('invalid_audience', `invalid aud claim was specified for ${kind}`)
  // OpenID Connect Core §3.1.3.7: whoever asked for the token is its authorized party.
  if (azp !== undefined && !audiences.includes(azp))
    throw new Refusal('invalid_audience', `invalid azp claim was specified for ${kind}`)
}

/** Judges who has issued a token. Throws `Refusal`. */
export function judgeIssuer(
  iss: unknown,
  issuers: readonly string[],
  kind: Expectations['kind'],
): void {
  if (issuers.some((issuer) => isSameIssuer(issuer, iss))) return
  const value = typeof iss === 'string' ? ` (${quotable(iss)})` : ''
  const sentence =
    iss === undefined
      ? `the iss claim is missing in the ${kind}`
      : `invalid iss claim${value} was specified for ${kind}`
  throw new Refusal('invalid_issuer', `${sentence}, expected: ${issuers.join(', ')}`)
}

/** A claim that is a time, in seconds; some providers write it as a text. Throws `Refusal` for any other value. */
export function timeOf(claims: Claims, name: string, kind = 'token'): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  const isNumeral = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value)
  const time = isNumeral ? Number(value) : value
  if (typeof time === 'number' && Number.isFinite(time)) return time
  throw new Refusal('invalid_token', `invalid ${name} claim was specified for ${kind}`)
}

/** The secret with which tokens may be signed, if the configuration allows any. */
export function signatureSecret(
  config: Config<Pick<typeof fields, 'enable_hs_signatures'>>,
  client_secret: string | undefined,
): string | undefined {
  return config.enable_hs_signatures ? client_secret : undefined
}

/** Whether two issuers are one: a slash at the end makes no other. */
export function isSameIssuer(expected: string, iss: unknown): boolean {
  return typeof iss === 'string' && withoutSlashes(iss) === withoutSlashes(expected)
}

// A regular expression would begin anew at each of the slashes that a forged token may have by the thousand.
function withoutSlashes(issuer: string): string {
  let end = issuer.length
  while (issuer[end - 1] === '/') end--
  return issuer.slice(0, end)
}

function isCanonical(part: string): boolean {
  if (!/^[\w-]*$/.test(part) || part.length % 4 === 1) return false
  const rest = part.length % 4
  if (rest === 0) return true
  // The bits that the last character has to spare are zero in the canonical text.
  const spare = rest === 2 ? 0b1111 : 0b11
  return (BASE64URL.indexOf(part.at(-1)!) & spare) === 0
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function parseObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const bytes = Buffer.from(part, 'base64url')
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Readonly<Record<string, unknown>>
  } catch {}
  return undefined
}

function isJwk(value: unknown): value is JWK {
  if (typeof value !== 'object' || value === null) return false
  const { kty, use } = value as JWK
  const isSignatureKey = use === undefined || use === 'sig'
  return isSignatureKey && (kty === 'RSA' || kty === 'EC' || kty === 'OKP')
}

/** A provider that publishes private parts by mistake must not make the key unusable. */
function publicPart({ kty, kid, alg, use, n, e, crv, x, y }: JWK): JWK {
  const all = { kty, kid, alg, use, n, e, crv, x, y }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => typeof value === 'string'))
}
