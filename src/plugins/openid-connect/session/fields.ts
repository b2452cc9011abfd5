import { array, boolean, number, string } from '../../../schema/field.ts'
import { badCookieAttribute, badCookieName } from './cookies.ts'
import { FACTS } from './facts.ts'
import { fields as memcached } from './memcached.ts'
import { fields as redis } from './redis.ts'

const sessionHeaders = (whither: string) =>
  array(
    `The facts of the session that are sent to the ${whither} as \`Session-…\` headers; timeouts are the seconds that are left.`,
    string('A fact.', { one_of: FACTS }),
  )

/** Browser sessions. */
export const fields = {
  session_secret: string(
    'What the key is made of with which sessions are sealed. Without it the gateway makes one, and keeps it where it can.',
    {
      referenceable: true,
      encrypted: true,
    },
  ),
  session_storage: string('Where sessions are kept.', {
    default: 'cookie',
    one_of: ['cookie', 'memcache', 'memcached', 'redis'],
  }),
  session_audience: string('The application that the session is for.', { default: 'default' }),
  session_bind: array(
    'What a session is bound to: from elsewhere its cookie is worth nothing.',
    string('A fact of the connection.', { one_of: ['ip', 'scheme', 'user-agent'] }),
  ),
  session_cookie_name: string(
    'The name of the session cookie; what is too long for one goes on in cookies with a number behind the name.',
    { default: 'session', custom: badCookieName },
  ),
  session_cookie_path: string('The `Path` of the session cookie.', {
    default: '/',
    custom: badCookieAttribute,
  }),
  session_cookie_domain: string('The `Domain` of the session cookie.', {
    custom: badCookieAttribute,
  }),
  session_cookie_same_site: string('The `SameSite` of the session cookie.', {
    default: 'Lax',
    one_of: ['Default', 'Lax', 'None', 'Strict'],
  }),
  session_cookie_http_only: boolean('Whether scripts are kept from the session cookie.', {
    default: true,
  }),
  session_cookie_secure: boolean(
    'Whether the session cookie is sent over TLS only; without it those of requests that came over TLS.',
  ),
  session_idling_timeout: number('How long a session may be unused; seconds, 0 for ever.', {
    default: 900,
  }),
  session_rolling_timeout: number(
    'How long a session lasts if it is not renewed; seconds, 0 for ever. It is renewed under a new id by a request in the last quarter of this time.',
    {
      default: 3600,
    },
  ),
  session_absolute_timeout: number('How long a session can be renewed; seconds, 0 for ever.', {
    default: 86_400,
  }),
  session_remember: boolean('Whether sessions outlive the browser.', { default: false }),
  session_remember_cookie_name: string('The name of the cookie of such sessions.', {
    default: 'remember',
    custom: badCookieName,
  }),
  session_remember_rolling_timeout: number(
    'How long such a session lasts if it is not used; seconds, 0 for ever.',
    {
      default: 604_800,
    },
  ),
  session_remember_absolute_timeout: number(
    'How long such a session can be renewed; seconds, 0 for ever.',
    { default: 2_592_000 },
  ),
  session_request_headers: sessionHeaders('service'),
  session_response_headers: sessionHeaders('client'),
  session_store_metadata: boolean('Whether the sessions of a subject are listed in the storage.', {
    default: false,
  }),
  session_enforce_same_subject: boolean(
    'Whether all audiences of one cookie have the same subject.',
    { default: false },
  ),
  session_hash_subject: boolean('Whether that list names subjects by their hash.', {
    default: false,
  }),
  session_hash_storage_key: boolean('Whether sessions are stored under the hash of their id.', {
    default: false,
  }),
  ...memcached,
  ...redis,
}
