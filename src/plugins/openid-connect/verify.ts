import type { Gateway } from '../../pdk.ts'
import { array, boolean, type Config, number, string } from '../../schema/field.ts'
import type { Clients } from './clients.ts'
import type { fields as endpoints } from './endpoints.ts'
import type { Discovery } from './discovery.ts'
import { createTransport, type fields as transport } from './transport.ts'
import { type AnswerReader, createAnswerReader } from './verify/answers.ts'
import {
  createResolveClaims,
  fields as distributed,
  type ResolveClaims,
} from './verify/distributed.ts'
import { createDecrypt } from './verify/jwe.ts'
import { createUserRules, fields as users, type UserRules } from './verify/login.ts'
import { createVerifier, type Verifier } from './verify/verifier.ts'

export { isOfSameUser, judgeSameToken } from './verify/answers.ts'
export { judgeHashes } from './verify/hashes.ts'
export {
  type Expectations,
  isSameIssuer,
  judgeClaims,
  judgeIssuer,
  timeOf,
} from './verify/judgement.ts'
export { type Jws, looksLikeJws, parseJws, type TokenKind } from './verify/jws.ts'
export { createKeySet, type KeySet, type PublicJwk } from './verify/keys.ts'
export { verifySignature } from './verify/signature.ts'
export {
  type Expected,
  signatureSecret,
  type Verified,
  type Verifier,
  verifyWithKeys,
} from './verify/verifier.ts'

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
    "The issuers whose tokens are taken, instead of the provider's own name and the one that browsers know it by (`authorization_endpoint`).",
    string('An issuer.', { referenceable: true }),
  ),
  leeway: number('How far clocks may differ; seconds.', { default: 0 }),
  ...users,
  ...distributed,
}

/** All that finds out whether a token is good. */
export interface Verification {
  readonly verifier: Verifier
  /** Opens what the provider says of tokens and users. */
  readonly answers: AnswerReader
  readonly resolve: ResolveClaims
  readonly users: UserRules
}

interface Provider {
  readonly clients: Pick<Clients, 'all'>
  readonly discovery: Discovery
  /** The discovery of another issuer. */
  discoveryOf(issuer: string): Discovery
}

type Settings = Config<
  typeof fields & typeof transport & Pick<typeof endpoints, 'authorization_endpoint'>
> & {
  readonly issuer: string
  readonly cache_ttl: number
}

/** Prepares the verification of one plugin entity. Asks nothing. */
export function createVerification(
  config: Settings,
  { clients, discovery, discoveryOf }: Provider,
  gateway: Pick<Gateway, 'cache' | 'fetch' | 'log' | 'now'>,
): Verification {
  const decrypt = createDecrypt(clients.all)
  const verifier = createVerifier(config, discovery, decrypt, gateway)
  const resolve = createResolveClaims(config, {
    discovery,
    discoveryOf,
    transport: createTransport(config, gateway),
    gateway,
  })
  return {
    verifier,
    answers: createAnswerReader(config, verifier, decrypt, resolve),
    resolve,
    users: createUserRules(config),
  }
}
