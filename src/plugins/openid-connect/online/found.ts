import type { Finding } from '../../../pdk.ts'
import type { Code } from '../refusal.ts'

/** What `gatehouse check --online` finds beside failures of calls, which have the codes of the log; each with what it means. */
export const FINDINGS = {
  issuer_mismatch: 'The provider calls itself something else than `issuer` says.',
  issuer_not_allowed: 'The provider is not among `issuers_allowed`.',
  certificate_expired: "The provider's certificate has run out.",
  certificate_name: "The provider's certificate is for another name.",
  certificate_trust: "The provider's certificate is of an authority that is not trusted here.",
  certificate_ends_soon: "The provider's certificate runs out in less than 30 days.",
  client_certificate:
    'The certificate that the clients show is not there, has run out, or does so in less than 30 days.',
  ssl_verify_possible: '`ssl_verify` is off, and the certificate would pass.',
  plain_http: 'A server on another machine is asked without TLS.',
  plain_http_refused:
    'The provider names an endpoint without TLS, which is not asked where `issuer` has TLS.',
  keys_missing: 'There is no place of keys, or no key in it that can verify tokens.',
  key_unusable:
    'One of the keys cannot verify tokens: too short, malformed, or of an unknown kind.',
  algorithm_not_supported: 'One side signs in a way that the other does not take.',
  endpoint_missing:
    'Something needs an endpoint that the provider does not name, or that is no URL of http or https.',
  grant_not_supported: 'The provider does not offer the grant of one of `auth_methods`.',
  response_type_not_supported:
    'The provider does not offer `response_type`, or it is one that brings no code.',
  response_mode_not_supported: 'The provider does not offer `response_mode`, or does not say so.',
  pkce_not_supported: 'The provider does not offer PKCE with S256, or does not say so.',
  pkce_off: 'PKCE is off, and the provider offers it.',
  par_required: 'The provider takes pushed authorization requests only, and they are off.',
  jar_required: 'The provider takes signed authorization requests only, and they are off.',
  jar_not_supported: 'The provider takes no signed authorization requests.',
  client_auth_not_supported:
    'A client authenticates at an endpoint in a way that the provider does not offer.',
  scope_openid_missing: 'A login asks for no `openid`.',
  scope_not_supported: 'The provider does not name one of `scopes`; it may have it all the same.',
  claim_not_announced:
    'The provider does not name a claim that the configuration reads; most providers name few.',
  address_not_absolute: 'An address for browsers is none.',
  address_with_fragment: 'A redirect URI has a fragment.',
  address_without_tls: 'An address for browsers is on another machine and without TLS.',
  callback_elsewhere: 'A redirect URI comes to another `openid-connect` plugin.',
  callback_unguarded: 'A redirect URI comes to a route without the plugin.',
  callback_not_routed: 'A redirect URI comes to no route of the configuration.',
  clock_skew: 'The clocks differ by more than 5 s; an error above `leeway` and 60 s.',
  client_taken: '`--try-clients`: the provider takes the client.',
  client_not_tried:
    '`--try-clients`: the client has nothing to prove who it is, or a key that the running gateway publishes.',
} as const

/** What is found of this plugin. */
export interface Found extends Finding {
  readonly code: keyof typeof FINDINGS | Code
}
