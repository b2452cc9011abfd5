import { array, boolean, string } from '../../../schema/field.ts'

/** Ending a session, and the revocation of its tokens. */
export const fields = {
  logout_uri_suffix: string(
    "The end of the path that ends the session. Behind it, `/frontchannel` and `/backchannel` hear of the provider's own logouts.",
  ),
  logout_query_arg: string('The argument of the query that ends the session.'),
  logout_post_arg: string('The argument of the body that ends the session.'),
  logout_methods: array(
    'The methods with which a session can be ended.',
    string('A method.', { one_of: ['DELETE', 'GET', 'POST'] }),
    { default: ['DELETE', 'POST'] },
  ),
  logout_revoke: boolean('Whether a logout revokes the tokens at the provider.', {
    default: false,
  }),
  logout_revoke_access_token: boolean('Whether the access token is among them.', {
    default: true,
  }),
  logout_revoke_refresh_token: boolean('Whether the refresh token is among them.', {
    default: true,
  }),
}
