import type { Context, Provider } from 'oidc-provider/lib/provider.js'

/** How the grant refuses: the provider's own error classes. */
export type GrantErrors = typeof import('oidc-provider/lib/helpers/errors.js')

/** Someone who may log in. */
export interface User {
  readonly name: string
  readonly password: string
}

// Keycloak adds these to every grant, whatever was asked for.
const DEFAULT_SCOPES = ['profile', 'email']
const OPTIONAL_SCOPES = ['openid', 'offline_access']

/** RFC 6749 §4.3, which the provider does not have: gives the handler that exchanges `user`'s password for tokens. */
export function createPasswordGrant(provider: Provider, errors: GrantErrors, user: User) {
  return async (ctx: Context): Promise<void> => {
    const { username, password } = ctx.oidc.params
    if (username === undefined || password === undefined) {
      throw new errors.InvalidRequest('username and password are required')
    }
    const scope = grantedScope(ctx, errors)
    // One answer for an unknown user and for a wrong password.
    if (username !== user.name || password !== user.password) {
      throw new errors.InvalidGrant('invalid user credentials')
    }
    ctx.body = await issue(provider, ctx, username, scope)
  }
}

function grantedScope(ctx: Context, errors: GrantErrors): string {
  const requested = ctx.oidc.params.scope?.split(' ') ?? []
  const granted = [
    ...OPTIONAL_SCOPES.filter((scope) => requested.includes(scope)),
    ...DEFAULT_SCOPES,
  ]
  const unknown = requested.find((scope) => !granted.includes(scope))
  if (unknown !== undefined) throw new errors.InvalidScope('unknown scope', unknown)
  return granted.join(' ')
}

/** RFC 6749 §5.1: the token response; with the scope `openid` an ID token too. */
async function issue(provider: Provider, ctx: Context, accountId: string, scope: string) {
  const { client } = ctx.oidc
  const grant = new provider.Grant({ accountId, clientId: client.clientId })
  grant.addOIDCScope(scope)
  const facts = { accountId, client, grantId: await grant.save(), gty: 'password', scope }
  const accessToken = new provider.AccessToken(facts)
  ctx.oidc.entity('Grant', grant)
  return {
    access_token: await accessToken.save(),
    expires_in: accessToken.expiration,
    refresh_token: await new provider.RefreshToken(facts).save(),
    id_token: scope.startsWith('openid')
      ? await issueIdToken(provider, ctx, accountId, scope)
      : undefined,
    scope,
    token_type: 'Bearer',
  }
}

async function issueIdToken(provider: Provider, ctx: Context, accountId: string, scope: string) {
  const claims = { sub: accountId, preferred_username: accountId }
  const token = new provider.IdToken(claims, { ctx })
  token.scope = scope
  return token.issue({ use: 'idtoken' })
}
