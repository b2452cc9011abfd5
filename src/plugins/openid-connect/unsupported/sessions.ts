import { array, boolean, string } from '../../../schema/field.ts'
import { AUTH_METHODS } from '../methods/method.ts'
import { fields as sessions } from '../session/fields.ts'

/** Browser sessions. */
export const fields = {
  ...sessions,
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
