import { sign, type KeyObject } from 'node:crypto'
import type { Provider, TokenPayload } from 'oidc-provider/lib/provider.js'

/** The key that signs, with the name it has in the provider's JWK set. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
}

/** The JWT that stands for a token on the wire, and the way back to the identifier it is kept under. */
export interface TokenFormat {
  encode(token: TokenPayload): string
  /** The identifier inside a JWT that `encode` made; `undefined` for anything that was changed on its way. */
  decode(value: string): string | undefined
}

/** Keycloak's token shapes: JWTs signed with RS256, refresh tokens too. */
export function createTokenFormat(issuer: string, { kid, privateKey }: SigningKey): TokenFormat {
  const jwt = (head: string, claims: string) => {
    const signature = sign('RSA-SHA256', Buffer.from(`${head}.${claims}`), privateKey)
    return `${head}.${claims}.${signature.toString('base64url')}`
  }
  // RFC 9068 §2.1: the type keeps an access token from being taken for an ID token.
  const heads = {
    AccessToken: base64url({ alg: 'RS256', typ: 'at+jwt', kid }),
    ClientCredentials: base64url({ alg: 'RS256', typ: 'at+jwt', kid }),
    RefreshToken: base64url({ alg: 'RS256', typ: 'JWT', kid }),
  }
  return {
    encode: (token) => jwt(heads[token.kind], base64url(claimsOf(issuer, token))),
    decode(value) {
      const [head, claims, signature] = value.split('.')
      if (head === undefined || claims === undefined || signature === undefined) return value
      // RS256 gives the same signature again, so comparing texts leaves no second spelling of a token.
      return jwt(head, claims) === value ? identifierIn(claims) : undefined
    },
  }
}

/** Lets the provider hand out JWTs in place of its own opaque values. */
export function useTokenFormat(provider: Provider, format: TokenFormat): void {
  for (const model of [provider.AccessToken, provider.ClientCredentials, provider.RefreshToken]) {
    const { find } = model
    const { getValueAndPayload } = model.prototype
    model.find = async (value, options) => {
      const identifier = format.decode(value)
      return identifier === undefined ? undefined : find.call(model, identifier, options)
    }
    model.prototype.getValueAndPayload = async function () {
      const { payload } = await getValueAndPayload.call(this)
      return { value: format.encode(payload), payload }
    }
  }
}

function claimsOf(issuer: string, token: TokenPayload): Record<string, unknown> {
  const username = token.accountId ?? `service-account-${token.clientId}`
  const common = {
    iss: issuer,
    sub: username,
    iat: token.iat,
    exp: token.exp,
    jti: token.jti,
    azp: token.clientId,
    scope: token.scope,
  }
  if (token.kind === 'RefreshToken') return { ...common, typ: 'Refresh', aud: issuer }
  return {
    ...common,
    typ: 'Bearer',
    aud: token.clientId,
    client_id: token.clientId,
    preferred_username: username,
  }
}

function identifierIn(claims: string): string | undefined {
  const { jti }: { jti?: unknown } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  return typeof jti === 'string' ? jti : undefined
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
