import type { Claims } from '../claims.ts'
import { quotable, Refusal } from '../refusal.ts'
import { isSameText } from './compact.ts'
import type { TokenKind } from './jws.ts'

/** By what a token's claims are judged. Times in seconds since the epoch. */
export interface Expectations {
  /** What kind of token it is, for the sentence in the log. */
  readonly kind: TokenKind
  readonly issuers: readonly string[]
  readonly leeway: number
  readonly now: number
  /** Whether `iss` and `exp` must be there, and what else a token of its kind must have. */
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
  const { kind, issuers, leeway, now, strict, nonce, isKept = false } = expected
  const { iss } = claims
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
  if (strict && kind === 'id token') judgeIdToken(claims, iat)
  if (nonce !== undefined) judgeNonce(claims, nonce, kind)
  judgeAudience(claims, expected)
}

/** Judges whether a token was made for a login (OpenID Connect Core §3.1.3.7, 11). Throws `Refusal`. */
export function judgeNonce(claims: Claims, nonce: string, kind: TokenKind): void {
  if (isSameText(claims.nonce, nonce)) return
  throw new Refusal('invalid_nonce', `invalid nonce claim was specified for ${kind}`)
}

/** What every ID token has (OpenID Connect Core §2). */
function judgeIdToken({ sub }: Claims, iat: number | undefined): void {
  if (typeof sub !== 'string' || sub === '')
    throw new Refusal('invalid_token', 'the sub claim is missing in the id token')
  if (iat === undefined)
    throw new Refusal('invalid_token', 'the iat claim is missing in the id token')
}

/** OpenID Connect Core §3.1.3.7, 3 to 5: for whom an ID token is, and who has asked for it. */
function judgeAudience({ aud, azp }: Claims, { audience, kind }: Expectations): void {
  if (audience === undefined) return
  const ours: readonly unknown[] = [audience].flat()
  const theirs: readonly unknown[] = [aud].flat()
  if (!theirs.some((each) => ours.includes(each)))
    throw new Refusal('invalid_audience', `invalid aud claim was specified for ${kind}`)
  // One for others too is ours if it says that we have asked for it.
  const isShared = theirs.some((each) => !ours.includes(each))
  const isAskedByOthers = azp === undefined ? isShared : !ours.includes(azp)
  if (kind === 'id token' && isAskedByOthers)
    throw new Refusal('invalid_audience', `invalid azp claim was specified for ${kind}`)
}

/** Judges who has issued a token. Throws `Refusal`. */
export function judgeIssuer(iss: unknown, issuers: readonly string[], kind: TokenKind): void {
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
