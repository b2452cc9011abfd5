import { createHash, randomBytes } from 'node:crypto'
import type { AccessTokenOwner, Cache, Gateway, Oauth2Application } from '../pdk.ts'

/** What a token is given for. */
export interface Grant {
  readonly application: Oauth2Application
  /** The only service that it is for. */
  readonly service: { readonly id: string } | undefined
  readonly authenticated_userid: string | undefined
  readonly scope: string | undefined
}

/** For how long tokens count; seconds. */
export interface Lifetime {
  /** Of the access token; it has no end with 0 or less. */
  readonly expires_in: number
  /** Of both, and of the refresh token alone. */
  readonly ttl: number
}

/** A grant that a refresh token stands for. */
export interface Renewable extends Grant {
  /** Takes back both tokens. */
  withdraw(): void
  /** Takes back the access token and gives another one; the refresh token stays. */
  renew(lifetime: Lifetime): string
}

/** The tokens of the oauth2 plugin: those of the configuration, and those that it has given since the start. */
export interface Oauth2Tokens {
  /** Whose access token it is, unless it was taken back. It may be over. */
  find(access_token: string): AccessTokenOwner | undefined
  findByRefreshToken(refresh_token: string): Renewable | undefined
  give(grant: Grant, lifetime: Lifetime): string
  giveWithRefreshToken(
    grant: Grant,
    lifetime: Lifetime,
  ): { readonly access_token: string; readonly refresh_token: string }
}

/** The tokens as one configuration sees them: an application that is gone has none. */
export function oauth2Tokens(
  gateway: Pick<Gateway, 'cache' | 'consumers' | 'keep' | 'now'>,
): Oauth2Tokens {
  const { consumers, now } = gateway
  const byAccessToken = gateway.cache<Given>('oauth2:access_tokens')
  const byRefreshToken = gateway.cache<Given>('oauth2:refresh_tokens')
  // At most as many as files have held since the start.
  const withdrawn = gateway.keep('oauth2:withdrawn_tokens', () => new Set<string>())
  const seconds = () => Math.floor(now() / 1000)
  // As in Kong an entity without a time was made when it was loaded.
  const loadedAt = seconds()

  function add(grant: Grant, lifetime: Lifetime, refresh: string | undefined): string {
    const access_token = drawToken()
    const given: Given = {
      ...keptOf(grant),
      created_at: seconds(),
      expires_in: lifetime.expires_in,
      access: keyOf(access_token),
      refresh,
    }
    const { expires_in, ttl } = lifetime
    const size = sizeOf(grant)
    byAccessToken.set(given.access, given, expires_in > 0 ? Math.min(expires_in, ttl) : ttl, size)
    if (refresh !== undefined) byRefreshToken.set(refresh, given, ttl, size)
    return access_token
  }

  function renewable(grant: Grant, refresh: string, withdraw: () => void): Renewable {
    return {
      ...grant,
      withdraw,
      renew(lifetime) {
        withdraw()
        return add(grant, lifetime, refresh)
      },
    }
  }

  return {
    find(access_token) {
      const key = keyOf(access_token)
      const given = byAccessToken.get(key)
      if (given) {
        const owner = findApplication(given, consumers)
        return owner && { ...owner, token: given }
      }
      const owner = consumers.findByAccessToken(access_token)
      if (!owner || withdrawn.has(key)) return undefined
      return { ...owner, token: { ...owner.token, created_at: owner.token.created_at ?? loadedAt } }
    },
    findByRefreshToken(refresh_token) {
      const refresh = keyOf(refresh_token)
      const given = byRefreshToken.get(refresh)
      if (given) {
        const application = findApplication(given, consumers)
        const { service, authenticated_userid, scope } = given
        const grant = application && { application, service, authenticated_userid, scope }
        return (
          grant &&
          renewable(grant, refresh, () => {
            drop(byAccessToken, given.access, given)
            drop(byRefreshToken, refresh, given)
          })
        )
      }
      const owner = consumers.findByRefreshToken(refresh_token)
      if (!owner || withdrawn.has(refresh)) return undefined
      const { token, consumer, credential } = owner
      const { service, authenticated_userid, scope } = token
      const grant = { application: { consumer, credential }, service, authenticated_userid, scope }
      return renewable(grant, refresh, () => {
        withdrawn.add(keyOf(token.access_token))
        withdrawn.add(refresh)
      })
    },
    give: (grant, lifetime) => add(grant, lifetime, undefined),
    giveWithRefreshToken(grant, lifetime) {
      const refresh_token = drawToken()
      return { access_token: add(grant, lifetime, keyOf(refresh_token)), refresh_token }
    },
  }
}

/** What is remembered of a grant beyond a configuration: no part of one, and no token. */
export interface Kept extends Omit<Grant, 'application'> {
  readonly client_id: string
  readonly credential: string
  readonly consumer: string
}

interface Given extends Kept {
  /** Seconds since the epoch. */
  readonly created_at: number
  readonly expires_in: number
  /** The key of the access token. */
  readonly access: string
  readonly refresh: string | undefined
}

export function keptOf({ application, service, authenticated_userid, scope }: Grant): Kept {
  const { consumer, credential } = application
  const { id, client_id } = credential
  const whose = { client_id, credential: id, consumer: consumer.id }
  return { ...whose, service, authenticated_userid, scope }
}

/** The application in this configuration: not one that only stands in its place, or is another consumer's by now. */
export function findApplication(
  { client_id, credential, consumer }: Kept,
  consumers: Gateway['consumers'],
): Oauth2Application | undefined {
  const found = consumers.findByClientId(client_id)
  const isSame = found?.credential.id === credential && found.consumer.id === consumer
  return isSame ? found : undefined
}

/** A token or a code in Kong's form: 32 letters and digits. */
export function drawToken(): string {
  const text = randomBytes(36).toString('base64').replace(/[+/]/g, '')
  return text.length < 32 ? drawToken() : text.slice(0, 32)
}

/** What a token is remembered by. */
export function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}

/** About how many bytes are kept of a grant. */
export function sizeOf({ authenticated_userid = '', scope = '' }: Omit<Grant, 'application'>) {
  return 700 + authenticated_userid.length + scope.length
}

function drop<V>(cache: Cache<V>, key: string, value: V): void {
  cache.set(key, value, 0)
}
