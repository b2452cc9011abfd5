import { array, boolean, number, record, string } from '../../../schema/field.ts'
import { redisFields } from './redis.ts'

const text = string('A text.')

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

/** What passes between the client and the token endpoint. */
export const passing = {
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
  resolve_distributed_claims: boolean('Whether claims that are kept elsewhere are fetched.', {
    default: false,
  }),
}
