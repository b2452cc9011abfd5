import { array, boolean, string } from '../../../schema/field.ts'
import { CLIENT_AUTH_METHODS } from '../client.ts'

const text = string('A text.')

/** Asking the provider about tokens: introspection and user info. */
export const fields = {
  introspection_endpoint: string('The introspection endpoint, instead of the discovered one.', {
    referenceable: true,
  }),
  introspection_endpoint_auth_method: string(
    'How the client authenticates there, instead of `client_auth`.',
    { one_of: CLIENT_AUTH_METHODS },
  ),
  mtls_introspection_endpoint: string('The introspection endpoint for clients with a certificate.'),
  introspection_accept: string('The form in which the answer is asked for.', {
    default: 'application/json',
    one_of: ['application/json', 'application/jwt', 'application/token-introspection+jwt'],
  }),
  introspection_hint: string('What the provider is told that the token is.', {
    default: 'access_token',
  }),
  introspection_check_active: boolean('Whether the answer has to say that the token is active.', {
    default: true,
  }),
  introspection_token_param_name: string('The name of the argument with the token.', {
    default: 'token',
  }),
  introspection_headers_names: array('The names of further headers of the request.', text),
  introspection_headers_values: array(
    'Their values, in the same order.',
    string('A value.', { referenceable: true }),
    { encrypted: true },
  ),
  introspection_headers_client: array('The headers of the client that the request repeats.', text),
  introspection_post_args_names: array('The names of further arguments of the request.', text),
  introspection_post_args_values: array('Their values, in the same order.', text),
  introspection_post_args_client: array(
    'The arguments of the client that the request repeats.',
    text,
  ),
  introspection_post_args_client_headers: array(
    'The headers of the client that the request repeats as arguments.',
    text,
  ),
  cache_introspection: boolean('Whether the answers are kept.', { default: true }),
  upstream_introspection_header: string('The header that carries the answer to the service.'),
  upstream_introspection_jwt_header: string(
    'The header that carries the answer to the service, where it is a JWT.',
  ),
  downstream_introspection_header: string('The header that carries the answer to the client.'),
  downstream_introspection_jwt_header: string(
    'The header that carries the answer to the client, where it is a JWT.',
  ),
  userinfo_endpoint: string('The user info endpoint, instead of the discovered one.'),
  userinfo_accept: string('The form in which the user info is asked for.', {
    default: 'application/json',
    one_of: ['application/json', 'application/jwt'],
  }),
  userinfo_headers_names: array('The names of further headers of the user info request.', text),
  userinfo_headers_values: array('Their values, in the same order.', text),
  userinfo_headers_client: array(
    'The headers of the client that the user info request repeats.',
    text,
  ),
  userinfo_query_args_names: array(
    'The names of further arguments of the user info request.',
    text,
  ),
  userinfo_query_args_values: array('Their values, in the same order.', text),
  userinfo_query_args_client: array(
    'The arguments of the client that the user info request repeats.',
    text,
  ),
  search_user_info: boolean('Whether claims are looked for in the user info too.', {
    default: false,
  }),
  cache_user_info: boolean('Whether the user info is kept.', { default: true }),
  upstream_user_info_header: string('The header that carries the user info to the service.'),
  upstream_user_info_jwt_header: string(
    'The header that carries the user info to the service, where it is a JWT.',
  ),
  downstream_user_info_header: string('The header that carries the user info to the client.'),
  downstream_user_info_jwt_header: string(
    'The header that carries the user info to the client, where it is a JWT.',
  ),
}
