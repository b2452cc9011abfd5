import { array, boolean, foreign, type Infer, integer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** An application that the oauth2 plugin gives tokens to. */
export const oauth2_credential = record(
  'An application that the oauth2 plugin gives tokens to.',
  {
    id,
    consumer: foreign('The owner.', 'consumers', { required: true }),
    name: string('What the application is called.', { required: true }),
    client_id: string('Its id; drawn at each load if absent. Unique.', { auto: true }),
    client_secret: string('Its secret; drawn at each load if absent.', {
      auto: true,
      encrypted: true,
    }),
    hash_secret: boolean('Whether the secret is kept as a hash.', {
      required: true,
      default: false,
    }),
    client_type: string('Whether it can keep a secret.', {
      required: true,
      default: 'confidential',
      one_of: ['confidential', 'public'],
    }),
    redirect_uris: array(
      'Where its users may be sent back to.',
      string('A URI without a fragment.', { custom: badUri }),
    ),
    tags,
    created_at,
  },
  { required: true },
)

/** A token that the oauth2 plugin gave. */
export const oauth2_token = record(
  'A token that the oauth2 plugin gave.',
  {
    id,
    credential: foreign('The application.', 'oauth2_credentials', { required: true }),
    service: foreign('The only service that it is for.', 'services'),
    token_type: string('Its type.', { required: true, default: 'bearer', one_of: ['bearer'] }),
    expires_in: integer('Seconds that it lives.', { required: true }),
    access_token: string('The token; drawn at each load if absent. Unique.', {
      auto: true,
      encrypted: true,
    }),
    refresh_token: string('What renews it. Unique.', { encrypted: true }),
    authenticated_userid: string('The user.'),
    scope: string('Its scopes.'),
    created_at,
  },
  { required: true },
)

export type Oauth2Credential = Infer<typeof oauth2_credential>
export type Oauth2Token = Infer<typeof oauth2_token>

function badUri(uri: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#]+/i.test(uri)) return `cannot parse '${uri}'`
  return uri.includes('#') ? `fragment not allowed in '${uri}'` : undefined
}
