import { boolean, string } from '../../../schema/field.ts'

/** Asking the provider about tokens: introspection and user info. */
export const fields = {
  introspection_check_active: boolean('Whether the answer has to say that the token is active.', {
    default: true,
  }),
  cache_introspection: boolean('Whether the answers are kept.', { default: true }),
  upstream_introspection_header: string('The header that carries the answer to the service.'),
  upstream_introspection_jwt_header: string(
    'The header that carries the answer to the service, where it is a JWT.',
  ),
  downstream_introspection_header: string('The header that carries the answer to the client.'),
  downstream_introspection_jwt_header: string(
    'The header that carries the answer to the client, where it is a JWT.',
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
