/** Why a request was refused: the codes of the log, each with what it means. */
export const REASONS = {
  no_credentials: 'The request carries none of the credentials that auth_methods allows.',
  malformed_credentials: 'A credential was found that cannot be one, such as the text "null".',
  invalid_token: 'The token is no JWT, or breaks the rules for one.',
  invalid_signature: 'No key of the provider has signed the token.',
  invalid_issuer: 'The token was issued by somebody else.',
  invalid_audience: 'The ID token was issued for another client.',
  invalid_nonce: 'The ID token was issued for another login.',
  invalid_domain: 'The user is of none of the organizations that domains names.',
  login_too_old: 'The user logged in longer ago than max_age.',
  invalid_state: 'What came as an answer of the provider belongs to no login of this browser.',
  invalid_login_answer: "The provider's answer to a login breaks the protocol.",
  login_refused: 'The provider answered a login with an error.',
  login_too_long: 'The address that a login was begun at is too long for its cookie.',
  session_mismatch: 'The cookie of jwt_session_cookie belongs to another session than the token.',
  unbound_token: 'The token is bound to no key, and only bound ones pass.',
  no_client_certificate: 'The token is bound to a certificate, and the client showed none.',
  certificate_mismatch: 'The token is bound to another certificate than the client showed.',
  invalid_client_certificate: 'The client certificate in the header leads to no authority.',
  revoked_client_certificate: 'The authority has revoked the client certificate in the header.',
  downgraded_token: 'The token is bound to a key (DPoP) and was sent as a bearer token.',
  dpop_key_mismatch: 'The token is bound to another key than that of the DPoP proof.',
  invalid_dpop_proof: 'The DPoP proof breaks a rule of RFC 9449, or there is none.',
  replayed_dpop_proof: 'The DPoP proof was used before.',
  use_dpop_nonce: 'The DPoP proof has to repeat a nonce of ours, and a new one.',
  token_expired: 'The token is too old.',
  token_not_yet_valid: 'The token is for later.',
  invalid_grant: 'The provider refused the password or the refresh token.',
  too_many_attempts:
    'Wrong passwords were sent for this user so often that the provider is not asked for a while.',
  invalid_client: 'The provider refused the client and its secret.',
  unauthorized_client: 'The provider does not allow the client this grant, or refused its secret.',
  invalid_scope: 'The provider refused the scopes.',
  provider_refused: 'The provider refused the request with another OAuth error.',
  provider_unreachable: 'The provider could not be reached.',
  provider_timeout: 'The provider did not answer in time.',
  provider_invalid_response: 'The provider gave an answer that breaks the protocol.',
  provider_mismatch:
    'The provider does not offer what the configuration asks for (verify_parameters).',
  insufficient_scope: 'The token lacks a scope of scopes_required.',
  insufficient_audience: 'The token lacks an audience of audience_required.',
  insufficient_groups: 'The token lacks a group of groups_required.',
  insufficient_roles: 'The token lacks a role of roles_required.',
  forbidden_claim: 'The token has a claim of claims_forbidden.',
  consumer_not_found: 'No consumer has the name that the claims of consumer_claims give.',
  consumer_group_not_found: 'No consumer group has a name that consumer_groups_claim gives.',
} as const

export type Code = keyof typeof REASONS

const FORBIDDEN: ReadonlySet<Code> = new Set<Code>([
  'insufficient_scope',
  'insufficient_audience',
  'insufficient_groups',
  'insufficient_roles',
  'forbidden_claim',
  'consumer_not_found',
  'consumer_group_not_found',
])

/** Codes whose sentence quotes the provider: that is for the operator, and nothing for a client. */
const QUOTING: ReadonlySet<Code> = new Set<Code>([
  'login_refused',
  'invalid_grant',
  'invalid_client',
  'unauthorized_client',
  'invalid_scope',
  'provider_refused',
  'provider_unreachable',
  'provider_timeout',
  'provider_invalid_response',
  'provider_mismatch',
])

/** What is thrown where a request cannot pass; the message is for the operator and never holds a secret. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: Code
  /** After how many seconds the same may go well, where that is known. */
  readonly retryAfter: number | undefined

  constructor(code: Code, message: string = REASONS[code], cause?: unknown, retryAfter?: number) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retryAfter = retryAfter
  }

  /** What a client may be told with `display_errors`. */
  get shown(): string {
    return QUOTING.has(this.code) ? REASONS[this.code] : this.message
  }

  /** 403 for a caller who is known but may not pass; 401 for all else, a provider that is down included. */
  get status(): 401 | 403 {
    return FORBIDDEN.has(this.code) ? 403 : 401
  }
}

/** Whether the same may go well another time: a provider that says no in the words of OAuth means it. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Refusal)) return true
  return error.code.startsWith('provider_') && error.code !== 'provider_refused'
}

/**
 * Makes text of others fit for the log: short, one line, and without anything that looks like a token. Anyone can send
 * such text, so the time for it grows with its length and no faster.
 */
export function quotable(text: unknown): string {
  return String(text)
    .replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, ' ')
    .replace(/[\w.-]+/g, (word) => (looksLikeToken(word) ? '…' : word))
    .slice(0, 200)
}

/** Whether something as long as the head of a token is followed by two dots. */
function looksLikeToken(word: string): boolean {
  return word.split('.').some((part, i, all) => part.length >= 8 && i + 2 < all.length)
}
