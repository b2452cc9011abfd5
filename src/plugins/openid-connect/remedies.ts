import type { Remedy } from '../../pdk.ts'
import type { Code } from './refusal.ts'

/** What of the configuration decides each refusal, the most likely field first. */
export const remedies: Readonly<Record<Code | 'unexpected', Remedy>> = {
  no_credentials: {
    fields: ['auth_methods'],
    advice: 'send one of the credentials that were looked for',
  },
  malformed_credentials: { fields: [], advice: 'look at what the client sends' },
  invalid_token: { fields: ['issuer', 'auth_methods'], advice: 'get a new token' },
  invalid_signature: {
    fields: ['issuer', 'extra_jwks_uris', 'verify_signature'],
    advice: 'the token comes from another provider, or its keys have changed',
  },
  invalid_issuer: {
    fields: ['issuer', 'issuers_allowed'],
    advice: 'add the issuer of the token to issuers_allowed, or get it from the provider of issuer',
  },
  invalid_audience: { fields: ['client_id', 'audience_required'] },
  invalid_nonce: { fields: [], advice: 'begin the login again' },
  invalid_domain: { fields: ['domains'] },
  login_too_old: { fields: ['max_age'] },
  invalid_state: {
    fields: ['authorization_cookie_name', 'redirect_uri'],
    advice: 'begin the login again',
  },
  invalid_login_answer: { fields: ['response_mode', 'response_type', 'redirect_uri'] },
  login_refused: { fields: ['client_id', 'redirect_uri', 'scopes'] },
  login_too_long: { fields: ['login_redirect_uri'] },
  session_mismatch: { fields: ['jwt_session_cookie', 'jwt_session_claim'] },
  unbound_token: { fields: ['proof_of_possession_mtls', 'proof_of_possession_dpop'] },
  no_client_certificate: { fields: ['proof_of_possession_mtls'] },
  certificate_mismatch: { fields: ['proof_of_possession_mtls'] },
  invalid_client_certificate: { fields: ['proof_of_possession_mtls'] },
  revoked_client_certificate: { fields: ['proof_of_possession_mtls'] },
  downgraded_token: { fields: ['proof_of_possession_dpop'] },
  dpop_key_mismatch: { fields: ['proof_of_possession_dpop'] },
  invalid_dpop_proof: { fields: ['proof_of_possession_dpop', 'dpop_proof_lifetime'] },
  replayed_dpop_proof: { fields: ['proof_of_possession_dpop'] },
  use_dpop_nonce: { fields: ['dpop_use_nonce'] },
  token_expired: {
    fields: ['leeway', 'verify_claims'],
    advice: 'get a new token; if it is new, the clocks differ',
  },
  token_not_yet_valid: { fields: ['leeway', 'verify_claims'], advice: 'the clocks differ' },
  invalid_grant: { fields: [] },
  too_many_attempts: {
    fields: [],
    advice: 'wait, or find out who guesses; the bound is GATEHOUSE_OIDC_PASSWORD_ATTEMPTS',
  },
  invalid_client: { fields: ['client_secret', 'client_id', 'client_auth'] },
  unauthorized_client: { fields: ['client_secret', 'client_id', 'auth_methods'] },
  invalid_scope: { fields: ['scopes'] },
  provider_refused: { fields: ['issuer', 'client_id', 'client_secret'] },
  provider_unreachable: { fields: ['issuer', 'ssl_verify'] },
  provider_timeout: { fields: ['timeout', 'issuer'] },
  provider_invalid_response: { fields: ['issuer'] },
  provider_mismatch: { fields: ['verify_parameters', 'issuer'] },
  insufficient_scope: {
    fields: ['scopes_required', 'scopes_claim', 'scopes'],
    advice: 'ask the provider for the scope, or require less',
  },
  insufficient_audience: { fields: ['audience_required', 'audience_claim', 'audience'] },
  insufficient_groups: { fields: ['groups_required', 'groups_claim'] },
  insufficient_roles: { fields: ['roles_required', 'roles_claim'] },
  forbidden_claim: { fields: ['claims_forbidden'] },
  consumer_not_found: {
    fields: ['consumer_claims', 'consumer_claim', 'consumer_by', 'consumer_optional'],
    advice: 'add a consumer of that name, or let those pass who are none (consumer_optional)',
  },
  consumer_group_not_found: { fields: ['consumer_groups_claim', 'consumer_groups_optional'] },
  unexpected: { fields: ['unexpected_redirect_uri'] },
}
