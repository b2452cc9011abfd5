import {
  array,
  boolean,
  type EntityCheck,
  type Infer,
  number,
  record,
  string,
} from '../../schema/field.ts'
import { badRealm } from '../realm.ts'

export const schema = record(
  'Gives access tokens to the applications of consumers (RFC 6749), and lets those pass who send one.',
  {
    scopes: array('The scopes that may be asked for.', string('A scope.')),
    mandatory_scope: boolean('Whether a scope has to be asked for. Needs `scopes`.', {
      required: true,
      default: false,
    }),
    provision_key: string(
      'What the application that users log in at shows when it asks for a code or token in the name of a user. Drawn at each load if absent.',
      { auto: true, encrypted: true },
    ),
    token_expiration: number('For how long an access token counts; seconds. 0 is for ever.', {
      required: true,
      default: 7200,
    }),
    enable_authorization_code: boolean(
      'Whether codes are given at `/oauth2/authorize` (RFC 6749 §4.1).',
      { required: true, default: false },
    ),
    enable_implicit_grant: boolean(
      'Whether tokens are given at `/oauth2/authorize` (RFC 6749 §4.2).',
      { required: true, default: false },
    ),
    enable_client_credentials: boolean(
      'Whether applications get tokens of their own (RFC 6749 §4.4).',
      { required: true, default: false },
    ),
    enable_password_grant: boolean(
      'Whether who has checked a user’s password gets tokens for that user (RFC 6749 §4.3).',
      { required: true, default: false },
    ),
    hide_credentials: boolean('Whether the token is taken out of the request to the service.', {
      required: true,
      default: true,
    }),
    accept_http_if_already_terminated: boolean(
      'Whether codes and tokens are given over HTTP too, if a trusted proxy says that it was asked by HTTPS.',
      { required: true, default: false },
    ),
    anonymous: string(
      'The id or username of the consumer that stands for callers without a valid token. Without it they are refused.',
    ),
    global_credentials: boolean(
      'Whether tokens count for all services whose plugin says so too, not only for the service that they were given for.',
      { required: true, default: false },
    ),
    auth_header_name: string('The header that carries the token.', { default: 'authorization' }),
    refresh_token_ttl: number(
      'For how long a refresh token counts, and the token that it was given with; seconds. 0 is for ever.',
      { required: true, default: 1_209_600, between: [0, 100_000_000] },
    ),
    reuse_refresh_token: boolean('Whether a refresh token stays the same when it is used.', {
      required: true,
      default: false,
    }),
    pkce: string(
      'Who has to prove that the code is theirs (RFC 7636): applications that cannot keep a secret (`lax`), all (`strict`), or only those that have begun it.',
      { default: 'lax', one_of: ['none', 'lax', 'strict'] },
    ),
    realm: string('The realm that `WWW-Authenticate` names.', { custom: badRealm }),
  },
  { required: true },
  { checks: [withoutGrant, withoutScopes] },
)

export type Config = Infer<typeof schema>

const GRANTS = [
  'enable_authorization_code',
  'enable_implicit_grant',
  'enable_client_credentials',
  'enable_password_grant',
]

type Checked = Parameters<EntityCheck>[0]

function withoutGrant(config: Checked): ReturnType<EntityCheck> {
  if (GRANTS.some((name) => config[name] === true)) return undefined
  return `at least one of these fields must be true: ${GRANTS.join(', ')}`
}

function withoutScopes({ mandatory_scope, scopes }: Checked): ReturnType<EntityCheck> {
  if (mandatory_scope !== true || scopes !== undefined) return undefined
  return [
    { field: 'scopes', message: 'required field missing' },
    "failed conditional validation given value of field 'mandatory_scope'",
  ]
}
