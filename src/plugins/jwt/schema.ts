import {
  boolean,
  type EntityCheck,
  type Infer,
  number,
  record,
  set,
  string,
} from '../../schema/field.ts'
import { badRealm } from '../realm.ts'

const names = (what: string, where: string, initial: readonly string[]) =>
  set(`The names of the ${what} that hold tokens.`, string(`The name of a ${where}.`), {
    default: initial,
  })

export const schema = record(
  'Lets those pass who send a JWT that a secret or a key of a consumer has signed.',
  {
    uri_param_names: names('query arguments', 'query argument', ['jwt']),
    cookie_names: names('cookies', 'cookie', []),
    header_names: names('headers, after `Bearer`,', 'header', ['authorization']),
    key_claim_name: string(
      'The claim by which the secret is found: its value is the `key` of one of `jwt_secrets`. Looked for among the claims, then in the header of the token.',
      { default: 'iss' },
    ),
    secret_is_base64: boolean('Whether the secrets of HMAC are written in Base64.', {
      required: true,
      default: false,
    }),
    claims_to_verify: set(
      'The times of a token that are checked. Without them a token never ends.',
      string('A claim.', { one_of: ['exp', 'nbf'] }),
    ),
    maximum_expiration: number(
      'How far ahead the end of a token may lie, in seconds; 0 is no limit. Needs `exp` in `claims_to_verify`.',
      { default: 0, between: [0, 31_536_000] },
    ),
    anonymous: string(
      'The id or username of the consumer that stands for callers without a valid token. Without it they are refused.',
    ),
    run_on_preflight: boolean('Whether `OPTIONS` requests need a token too.', {
      required: true,
      default: true,
    }),
    realm: string('The realm that `WWW-Authenticate` names.', { custom: badRealm }),
  },
  { required: true },
  { checks: [endIsNotChecked] },
)

export type Config = Infer<typeof schema>

function endIsNotChecked(config: Parameters<EntityCheck>[0]): ReturnType<EntityCheck> {
  const { maximum_expiration, claims_to_verify } = config
  if (!(Number(maximum_expiration) > 0)) return undefined
  if (Array.isArray(claims_to_verify) && claims_to_verify.includes('exp')) return undefined
  const message =
    claims_to_verify === undefined ? 'required field missing' : 'expected to contain: exp'
  return [
    { field: 'claims_to_verify', message },
    "failed conditional validation given value of field 'config.maximum_expiration'",
  ]
}
