import { array, boolean, number, string } from '../../../schema/field.ts'
import { AUTH_METHODS } from '../methods/method.ts'
import { badCookieAttribute, badCookieName } from '../session/cookies.ts'

const text = string('A text.')

/** Logging in with a browser: the authorization code flow. */
export const fields = {
  authorization_query_args_names: array(
    'The names of further arguments of the authorization request.',
    text,
  ),
  authorization_query_args_values: array('Their values, in the same order.', text),
  authorization_cookie_name: string('The name of the cookie that holds the logins under way.', {
    default: 'authorization',
    custom: badCookieName,
  }),
  authorization_cookie_path: string('The `Path` of that cookie.', {
    default: '/',
    custom: badCookieAttribute,
  }),
  authorization_cookie_domain: string('The `Domain` of that cookie.', {
    custom: badCookieAttribute,
  }),
  authorization_cookie_same_site: string(
    'The `SameSite` of that cookie. `Default` is sent as it is, which browsers take for none said.',
    { default: 'Default', one_of: ['Default', 'Lax', 'None', 'Strict'] },
  ),
  authorization_cookie_http_only: boolean('Whether scripts are kept from that cookie.', {
    default: true,
  }),
  authorization_cookie_secure: boolean(
    'Whether that cookie is sent over TLS only; without it those of requests that came over TLS.',
  ),
  authorization_rolling_timeout: number('How long a login may take; seconds, 0 for ever.', {
    default: 600,
  }),
  response_mode: string(
    'How the provider hands over the code. Those with `jwt` are signed by it (JARM); of a fragment the gateway never hears.',
    {
      default: 'query',
      one_of: [
        'form_post',
        'form_post.jwt',
        'fragment',
        'fragment.jwt',
        'jwt',
        'query',
        'query.jwt',
      ],
    },
  ),
  response_type: array('What the authorization request asks for.', text, { default: ['code'] }),
  preserve_query_args: boolean(
    'Whether the service, or with `login_action: redirect` the browser, has the query again after a login that the request came with before it.',
    { default: false },
  ),
  require_proof_key_for_code_exchange: boolean(
    'Whether the code is bound to the gateway with PKCE; without it unless the provider says that it cannot do so.',
  ),
  require_pushed_authorization_requests: boolean(
    'Whether the authorization request is handed in beforehand (PAR); without it as the provider announces.',
  ),
  require_signed_request_object: boolean(
    'Whether the authorization request is signed (JAR); without it as the provider announces.',
  ),
  verify_nonce: boolean('Whether the ID token has to repeat the nonce of the request.', {
    default: true,
  }),
  login_action: string(
    'What follows a login: its request goes on to the service, the browser is sent elsewhere, or it is answered with tokens.',
    { default: 'upstream', one_of: ['redirect', 'response', 'upstream'] },
  ),
  login_methods: array(
    'The methods that count as a login.',
    string('A method.', { one_of: AUTH_METHODS }),
    { default: ['authorization_code'] },
  ),
  login_tokens: array(
    'What the client is given after a login that does not go on to the service; null for nothing.',
    string('A token.', {
      one_of: ['access_token', 'id_token', 'introspection', 'refresh_token', 'tokens'],
    }),
    { default: ['id_token'] },
  ),
  login_redirect_mode: string('Where in the URL it is put.', {
    default: 'fragment',
    one_of: ['fragment', 'query'],
  }),
}
