import { array, boolean, integer, number, record, string } from '../../../schema/field.ts'
import { AUTH_METHODS } from '../authenticate.ts'
import { redisFields } from './redis.ts'

const sessionHeaders = (whither: string) =>
  array(
    `The facts of the session that are sent to the ${whither} as \`Session-…\` headers.`,
    string('A fact.', {
      one_of: [
        'absolute-timeout',
        'audience',
        'id',
        'idling-timeout',
        'rolling-timeout',
        'subject',
        'timeout',
      ],
    }),
  )
const sameSite = ['Default', 'Lax', 'None', 'Strict'] as const

/** Browser sessions. */
export const fields = {
  session_secret: string('The key with which sessions are sealed.', {
    referenceable: true,
    encrypted: true,
  }),
  session_storage: string('Where sessions are kept.', {
    default: 'cookie',
    one_of: ['cookie', 'memcache', 'memcached', 'redis'],
  }),
  session_audience: string('The application that the session is for.', { default: 'default' }),
  session_bind: array(
    'What a session is bound to: from elsewhere its cookie is worth nothing.',
    string('A fact of the connection.', { one_of: ['ip', 'scheme', 'user-agent'] }),
  ),
  session_cookie_name: string('The name of the session cookie.', { default: 'session' }),
  session_cookie_path: string('The `Path` of the session cookie.', { default: '/' }),
  session_cookie_domain: string('The `Domain` of the session cookie.'),
  session_cookie_same_site: string('The `SameSite` of the session cookie.', {
    default: 'Lax',
    one_of: sameSite,
  }),
  session_cookie_http_only: boolean('Whether scripts are kept from the session cookie.', {
    default: true,
  }),
  session_cookie_secure: boolean('Whether the session cookie is sent over TLS only.'),
  session_idling_timeout: number('How long a session may be unused; seconds, 0 for ever.', {
    default: 900,
  }),
  session_rolling_timeout: number('How long a session lasts until it is renewed; seconds.', {
    default: 3600,
  }),
  session_absolute_timeout: number('How long a session can be renewed; seconds, 0 for ever.', {
    default: 86_400,
  }),
  session_remember: boolean('Whether sessions outlive the browser.', { default: false }),
  session_remember_cookie_name: string('The name of the cookie of such sessions.', {
    default: 'remember',
  }),
  session_remember_rolling_timeout: number('How long such a session lasts; seconds.', {
    default: 604_800,
  }),
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
  session_memcached_host: string('The host of the memcached.', { default: '127.0.0.1' }),
  session_memcached_port: integer('The port of the memcached.', {
    default: 11_211,
    between: [0, 65_535],
  }),
  session_memcached_prefix: string('What the keys in the memcached begin with.'),
  session_memcached_socket: string('The Unix socket of the memcached.'),
  session_memcached_ssl: boolean('Whether to connect to the memcached with TLS.'),
  session_memcached_ssl_verify: boolean("Whether the memcached's certificate is checked.", {
    default: true,
  }),
  redis: record('The Redis in which sessions are kept.', {
    ...redisFields,
    prefix: string('What the keys begin with.'),
    socket: string('The Unix socket.'),
  }),
  disable_session: array(
    'The methods that begin no session.',
    string('A method.', { one_of: AUTH_METHODS }),
  ),
  reverify: boolean('Whether the tokens of a session are verified for each request.', {
    default: false,
  }),
  unauthorized_destroy_session: boolean('Whether a 401 ends the session.', { default: true }),
  forbidden_destroy_session: boolean('Whether a 403 ends the session.', { default: true }),
  upstream_session_id_header: string('The header that carries the session id to the service.'),
  downstream_session_id_header: string('The header that carries the session id to the client.'),
}
