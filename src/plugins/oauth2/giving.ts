import { type AccessContext, errorExit, type Exit } from '../../pdk.ts'
import type { Grant, Lifetime, Oauth2Tokens, Renewable } from '../oauth2_tokens.ts'
import type { Config } from './schema.ts'

/** What a client is given (RFC 6749 §5.1). */
export type TokenAnswer = Readonly<Record<string, unknown>>

/** Gives tokens of the lifetime that a configuration says. */
export interface Giving {
  withRefreshToken(grant: Grant): TokenAnswer
  withoutRefreshToken(grant: Grant): TokenAnswer
  /** By a refresh token, for the grant that it stands for; a new one is for `service`. */
  again(refresh_token: string, grant: Renewable, service: Grant['service']): TokenAnswer
}

export function createGiving(config: Config, tokens: Oauth2Tokens): Giving {
  const { token_expiration, refresh_token_ttl, reuse_refresh_token } = config
  const isEndless = !(token_expiration > 0)
  const lifetime: Lifetime = {
    expires_in: token_expiration,
    ttl: isEndless || refresh_token_ttl === 0 ? Infinity : refresh_token_ttl,
  }
  const answer = (access_token: string, refresh_token?: string): TokenAnswer => ({
    access_token,
    token_type: 'bearer',
    ...(!isEndless && { expires_in: token_expiration }),
    ...(refresh_token !== undefined && { refresh_token }),
  })
  const withoutRefreshToken = (grant: Grant) => answer(tokens.give(grant, lifetime))

  function withRefreshToken(grant: Grant): TokenAnswer {
    // What never ends is not to be renewed.
    if (isEndless) return withoutRefreshToken(grant)
    const { access_token, refresh_token } = tokens.giveWithRefreshToken(grant, lifetime)
    return answer(access_token, refresh_token)
  }

  return {
    withRefreshToken,
    withoutRefreshToken,
    again(refresh_token, grant, service) {
      if (reuse_refresh_token) return answer(grant.renew(lifetime), refresh_token)
      grant.withdraw()
      return withRefreshToken({ ...grant, service })
    },
  }
}

/** The only service that a token is for: that of the route, unless credentials are global. */
export function serviceFor(
  { service }: AccessContext,
  { global_credentials }: Config,
): { readonly id: string } | undefined {
  return global_credentials || !service ? undefined : { id: service.id }
}

/** A token for a service cannot be given where there is none: an error in Kong, and so here. */
export function withoutService({ request }: AccessContext): Exit {
  return errorExit(request, 500, 'An unexpected error occurred', [], {
    code: 'service_missing',
    cause:
      'a token is for the service of its route unless global_credentials is on, and the route has none',
  })
}
