import { isRecord } from '../../../schema/check.ts'
import type { Claims } from '../claims.ts'
import { quotable, Refusal } from '../refusal.ts'
import { ASYMMETRIC, SYMMETRIC } from './algorithms.ts'
import { isCanonical, parseObject } from './compact.ts'

/** What a token is taken for, in the words of the log. */
export type TokenKind =
  | 'access token'
  | 'id token'
  | 'logout token'
  | 'authorization response'
  | 'introspection answer'
  | 'user info'
  | 'claims'

/** The types that a token of a kind may name, beside none and `JWT`. */
const TYPES: Readonly<Record<TokenKind, readonly string[]>> = {
  'access token': ['at+jwt'],
  'id token': [],
  'logout token': ['logout+jwt'],
  'authorization response': [],
  'introspection answer': ['token-introspection+jwt', 'at+jwt'],
  'user info': [],
  claims: [],
}

/** The kinds that Keycloak tells by the claim `typ`, where the header says `JWT` of all. */
const KEYCLOAK_TYPES: Readonly<Record<string, TokenKind | undefined>> = {
  Bearer: 'access token',
  DPoP: 'access token',
  ID: 'id token',
  Logout: 'logout token',
  Refresh: undefined,
  Offline: undefined,
}

/** The event that makes a token one of back-channel logout (§2.4). */
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** What a compact JWS says of itself; nothing is proved by it. */
export interface Jws {
  readonly token: string
  readonly alg: string
  readonly claims: Claims
}

/**
 * Reads a compact JWS with a JSON payload (RFC 7515 §3.1, RFC 7519), in its one canonical text. What the token says that
 * it is must fit `kind`; without one the header alone is judged, as that of an access token. Throws `Refusal`.
 */
export function parseJws(token: string, kind?: TokenKind): Jws {
  const parts = token.split('.')
  const [head, payload, signature] = parts
  if (parts.length !== 3 || !parts.every(isCanonical) || signature === '')
    throw new Refusal('invalid_token', 'the token is no JWT')
  const header = parseObject(head!)
  const claims = parseObject(payload!)
  if (!header || !claims) throw new Refusal('invalid_token', 'the token is no JWT')
  const { alg } = header
  if (alg === undefined) throw new Refusal('invalid_token', 'the token names no algorithm')
  if (typeof alg !== 'string' || !(Object.hasOwn(ASYMMETRIC, alg) || SYMMETRIC.includes(alg)))
    throw new Refusal('invalid_token', `the algorithm "${quotable(alg)}" is not allowed`)
  // RFC 7515 §4.1.11 wants unknown extensions refused, RFC 7797 §7 its own where they are not meant; the others would
  // let the token name its own key.
  for (const name of ['crit', 'b64', 'zip', 'jku', 'x5u', 'jwk']) {
    if (Object.hasOwn(header, name))
      throw new Refusal('invalid_token', `the header "${name}" is not allowed`)
  }
  judgeType(header.typ, kind ?? 'access token')
  if (kind) judgeTypeOfClaims(claims, kind)
  return { token, alg, claims }
}

/** RFC 8725 §3.11: a logout token or a DPoP proof of the same provider is no access token. */
function judgeType(typ: unknown, kind: TokenKind): void {
  if (typ === undefined) return
  const name = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
  if (name === 'jwt' || TYPES[kind].includes(name)) return
  throw new Refusal('invalid_token', `the type "${quotable(typ)}" is no ${kind}`)
}

function judgeTypeOfClaims({ typ, events }: Claims, kind: TokenKind): void {
  const isTold = typeof typ === 'string' && Object.hasOwn(KEYCLOAK_TYPES, typ)
  // User info and answers about tokens repeat the claims of the token.
  const isOfKind = ['user info', 'introspection answer', 'claims'].includes(kind)
  if (isTold && !isOfKind && KEYCLOAK_TYPES[typ] !== kind)
    throw new Refusal('invalid_token', `the type "${typ}" is no ${kind}`)
  if (kind !== 'logout token' && isRecord(events) && Object.hasOwn(events, LOGOUT_EVENT))
    throw new Refusal('invalid_token', `a logout token is no ${kind}`)
}

/** Whether a text has the form of a compact JWS; others are opaque to the gateway. */
export function looksLikeJws(token: string): boolean {
  const parts = token.split('.')
  return parts.length === 3 && parts[0] !== '' && parseObject(parts[0]!)?.alg !== undefined
}
