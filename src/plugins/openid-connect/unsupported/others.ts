import { array, boolean, number, record, string } from '../../../schema/field.ts'
import { redisFields } from './redis.ts'

const text = string('A text.')
const secret = { referenceable: true, encrypted: true } as const

/** Consumers: mapping claims to them. */
export const consumers = {
  consumer_claims: array(
    'The paths of the claims that may name a consumer; the first that is there counts.',
    array('The path of a claim.', string('The name of a member, or a position in a list, from 1.')),
  ),
  consumer_by: array(
    'The fields of a consumer with which the claim is compared.',
    string('A field.', { one_of: ['custom_id', 'id', 'username'] }),
    { default: ['custom_id', 'username'] },
  ),
  by_username_ignore_case: boolean('Whether the case of usernames is of no account.', {
    default: false,
  }),
  consumer_optional: boolean('Whether callers without a consumer may pass.', { default: false }),
  consumer_groups_optional: boolean('Whether callers without a consumer group may pass.', {
    default: false,
  }),
}

/** The binding of tokens to their holder: what the guards need beside them. */
export const binding = {
  proof_of_possession_auth_methods_validation: boolean(
    'Whether only methods may be configured with which tokens can be bound.',
    { default: true },
  ),
  dpop_use_nonce: boolean('Whether the client has to repeat a nonce of ours.', { default: false }),
  dpop_proof_lifetime: number('How long a proof is good; seconds.', { default: 300 }),
  jwt_session_claim: string('The claim that `jwt_session_cookie` has to repeat.', {
    default: 'sid',
  }),
}

/** Authenticating the client with keys and certificates, and choosing one of several. */
export const clientKeys = {
  client_arg: string('The argument with which a request chooses one of several clients.', {
    default: 'client_id',
  }),
  client_alg: array(
    'The algorithms with which the clients sign.',
    string('An algorithm.', {
      // prettier-ignore
      one_of: ['ES256', 'ES384', 'ES512', 'EdDSA', 'HS256', 'HS384', 'HS512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
    }),
  ),
  client_jwk: array(
    'The keys with which the clients sign.',
    record('A JSON Web Key (RFC 7517).', {
      issuer: text,
      kty: text,
      use: text,
      key_ops: array('Texts.', text),
      alg: text,
      kid: text,
      x5u: text,
      x5c: array('Texts.', text),
      x5t: text,
      'x5t#S256': text,
      k: string('A secret part.', secret),
      x: text,
      y: text,
      crv: text,
      n: text,
      e: text,
      d: string('A secret part.', secret),
      p: string('A secret part.', secret),
      q: string('A secret part.', secret),
      dp: string('A secret part.', secret),
      dq: string('A secret part.', secret),
      qi: string('A secret part.', secret),
      oth: string('A secret part.', secret),
      r: string('A secret part.', secret),
      t: string('A secret part.', secret),
    }),
  ),
  tls_client_auth_cert_id: string('The id of the certificate of the client.'),
  tls_client_auth_ssl_verify: boolean("Whether the provider's certificate is checked meanwhile.", {
    default: true,
  }),
  mtls_token_endpoint: string('The token endpoint for clients with a certificate.'),
}

/** The way to the provider. */
export const transport = {
  http_version: number('The version of HTTP: 1.1 or 1.0.', { default: 1.1 }),
  http_proxy: string('The proxy for `http:`.'),
  http_proxy_authorization: string('How to log in to it.', { referenceable: true }),
  https_proxy: string('The proxy for `https:`.'),
  https_proxy_authorization: string('How to log in to it.', { referenceable: true }),
  no_proxy: string('The hosts that are reached without a proxy.'),
}

/** What passes between the client and the token endpoint. */
export const passing = {
  token_post_args_client: array(
    'The arguments of the client that are passed on to the token endpoint.',
    text,
  ),
  token_headers_client: array(
    'The headers of the client that are passed on to the token endpoint.',
    text,
  ),
  token_headers_replay: array(
    'The headers of the token endpoint that are passed on to the client.',
    text,
  ),
  token_headers_prefix: string('What is put before their names.'),
  token_headers_grants: array(
    'The grants for which they are passed on.',
    string('A grant.', {
      one_of: ['authorization_code', 'client_credentials', 'password', 'refresh_token'],
    }),
  ),
  id_token_param_name: string('The name under which clients may send an ID token.'),
  id_token_param_type: array(
    'Where ID tokens are looked for.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

/** Keys that are shown to others. */
export const keyHeaders = {
  upstream_access_token_jwk_header: string(
    'The header that carries the key of the access token to the service.',
  ),
  upstream_id_token_jwk_header: string(
    'The header that carries the key of the ID token to the service.',
  ),
  downstream_access_token_jwk_header: string(
    'The header that carries the key of the access token to the client.',
  ),
  downstream_id_token_jwk_header: string(
    'The header that carries the key of the ID token to the client.',
  ),
}

/** Caches beside the one for tokens. */
export const caches = {
  cache_ttl_resurrect: number(
    'How long an old value serves where a new one cannot be had; seconds.',
  ),
  cache_token_exchange: boolean('Whether tokens of `token_exchange_endpoint` are kept.', {
    default: true,
  }),
  cluster_cache_strategy: string('Where the nodes share what they keep.', {
    default: 'off',
    one_of: ['off', 'redis'],
  }),
  cluster_cache_items: array(
    'What they share.',
    string('A kind.', { one_of: ['introspection', 'tokens'] }),
    { default: ['introspection'] },
  ),
  cluster_cache_redis: record('The Redis in which they share it.', redisFields),
}

/** Checks that Kong makes beside verification. */
export const checks = {
  verify_parameters: boolean('Whether the configuration is compared with the discovery document.', {
    default: false,
  }),
  resolve_distributed_claims: boolean('Whether claims that are kept elsewhere are fetched.', {
    default: false,
  }),
}
