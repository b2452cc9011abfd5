import type { Gateway } from '../../pdk.ts'
import { boolean, type Config } from '../../schema/field.ts'
import type { Calls } from './calls.ts'
import type { Claims } from './claims.ts'
import type { ClusterCache } from './cluster_cache.ts'
import { fields as discovery } from './discovery.ts'
import { hashOfAll } from './hash.ts'
import type { Metrics } from './metrics.ts'
import type { Occasion } from './occasion.ts'
import { isTransient, Refusal } from './refusal.ts'
import { fields as caching } from './tokens.ts'
import { type fields as verification, timeOf, type Verification } from './verify.ts'

export const fields = {
  introspection_check_active: boolean('Whether the answer has to say that the token is active.', {
    default: true,
  }),
  cache_introspection: boolean('Whether what introspection tells is kept.', { default: true }),
  cache_user_info: boolean('Whether the user info is kept.', { default: true }),
}

type Settings = Config<
  typeof fields &
    Pick<typeof discovery, 'cache_ttl' | 'cache_ttl_resurrect'> &
    Pick<typeof caching, 'cache_ttl_min' | 'cache_ttl_max' | 'cache_ttl_neg'> &
    Pick<typeof verification, 'leeway' | 'verify_claims'>
>

/** What the provider told of a token or of its user. */
export interface Told {
  readonly claims: Claims
  /** As it came, if it was a JWT. */
  readonly jwt: string | undefined
  /** Until when it serves without asking again; milliseconds since the epoch, 0 for this request only. */
  readonly ends: number
}

/** An answer as it is kept: until its end as it is, and then while there is nothing newer; milliseconds since the epoch. */
interface Kept {
  readonly told: Told
  readonly until: number
}

/** How long an old answer serves before the provider is asked again; seconds. */
const RETRY_AFTER = 5

/** What the provider is asked about tokens; each answer is kept, and asked for once for all who wait. Throw `Refusal`. */
export interface Lookups {
  /** What introspection (RFC 7662) tells of a token; a refusal for one that is not active. */
  introspect(token: string, occasion: Occasion): Promise<Told>
  /** The claims of the user whose access token it is (OpenID Connect Core §5.3). */
  userInfo(access_token: string, occasion: Occasion): Promise<Told>
}

/** `identity` names what answers depend on beside these settings, the token and the occasion: salt, issuer, client. */
export function createLookups(
  config: Settings,
  calls: Pick<Calls, 'introspect' | 'userInfo'>,
  { answers }: Pick<Verification, 'answers'>,
  cluster: ClusterCache | undefined,
  gateway: Pick<Gateway, 'cache' | 'now'>,
  identity: string,
  { caches }: Pick<Metrics, 'caches'>,
): Lookups {
  const { cache_ttl, cache_ttl_min = 0, cache_ttl_max = Infinity, cache_ttl_resurrect = 0 } = config
  const { now } = gateway
  const asked = Object.entries(config).filter(([name]) =>
    /(?:^|_)(?:introspection|userinfo)_/.test(name),
  )
  const fingerprint = hashOfAll(identity, JSON.stringify(asked))
  const kept = gateway.cache<Kept>('oidc:told')
  // Apart, so that nobody can push out what is of use by presenting invented tokens.
  const refused = gateway.cache<Refusal>('oidc:inactive')

  /** Until when an answer serves: never beyond the end of the token that it tells of. */
  function endOf(claims: Claims): number {
    const exp = timeOf(claims, 'exp')
    const left = exp === undefined ? cache_ttl : exp + config.leeway - now() / 1000
    const seconds = Math.min(Math.max(left, cache_ttl_min), cache_ttl_max)
    return now() + Math.min(seconds, exp === undefined ? Infinity : left) * 1000
  }

  async function find(
    kind: 'introspection' | 'userInfo',
    isKept: boolean,
    token: string,
    occasion: Occasion,
    load: () => Promise<Told>,
  ): Promise<Told> {
    const { key: passed } = occasion.passed(kind === 'userInfo' ? 'userinfo' : kind)
    const key = hashOfAll(fingerprint, kind, token, occasion.client?.client_id ?? '', passed)
    const counts = caches[kind === 'userInfo' ? 'userinfo' : kind]
    if (!isKept) return { ...(await load()), ends: 0 }
    const refusal = refused.get(key)
    const before = kept.get(key)
    const isKnown = refusal !== undefined || (before !== undefined && before.told.ends > now())
    ;(isKnown ? counts.hits : counts.misses).value++
    if (refusal) throw refusal
    if (before && isKnown) return before.told
    const loaded = await kept.once(key, async () => {
      try {
        const told = await (kind === 'introspection' ? loadShared(key, load) : load())
        // Beyond its time it is asked for anew, and serves if that fails.
        return keep(key, { told, until: told.ends + cache_ttl_resurrect * 1000 })
      } catch (error) {
        if (isTransient(error) && before && isWithin(before.told)) {
          const told = { ...before.told, ends: Math.min(now() + RETRY_AFTER * 1000, before.until) }
          return keep(key, { told, until: before.until })
        }
        if (isFinal(error)) refused.set(key, error, config.cache_ttl_neg ?? cache_ttl, 0)
        throw error
      }
    })
    return loaded.told
  }

  function keep(key: string, value: Kept): Kept {
    kept.set(key, value, (value.until - now()) / 1000, JSON.stringify(value.told).length)
    return value
  }

  /** Takes what another node was told, or tells the others. */
  async function loadShared(key: string, load: () => Promise<Told>): Promise<Told> {
    if (!cluster?.shares('introspection')) return load()
    const shared = (await cluster.get('introspection', key)) as Told | undefined
    if (shared && shared.ends > now()) return shared
    const told = await load()
    await cluster.set('introspection', key, told, (told.ends - now()) / 1000)
    return told
  }

  /** Whether an old answer may serve: not if the token is over by what it says itself. */
  function isWithin({ claims }: Pick<Told, 'claims'>): boolean {
    const exp = timeOf(claims, 'exp')
    return exp === undefined || exp + config.leeway > now() / 1000
  }

  return {
    introspect: (token, occasion) =>
      find('introspection', config.cache_introspection, token, occasion, async () => {
        const answer = await calls.introspect(token, occasion.asker('introspection'))
        const { claims, ends } = await answers.introspection(answer, occasion.client)
        if (config.introspection_check_active && claims.active !== true)
          throw new Refusal('invalid_token', 'introspection says that the token is not active')
        if (config.verify_claims && !isWithin({ claims }))
          throw new Refusal('token_expired', 'introspection says when the token was over')
        const nbf = config.verify_claims ? timeOf(claims, 'nbf') : undefined
        if (nbf !== undefined && nbf - config.leeway > now() / 1000)
          throw new Refusal('token_not_yet_valid', 'introspection says that the token is for later')
        return { claims, jwt: answer.jwt, ends: Math.min(endOf(claims), ends ?? Infinity) }
      }),

    userInfo: (token, occasion) =>
      find('userInfo', config.cache_user_info, token, occasion, async () => {
        const answer = await calls.userInfo(token, occasion.asker('userinfo'))
        const { claims, ends } = await answers.userInfo(answer, occasion.client)
        return { claims, jwt: answer.jwt, ends: Math.min(endOf({}), ends ?? Infinity) }
      }),
  }
}

/** Whether a token will be refused the next time too. */
function isFinal(error: unknown): error is Refusal {
  return error instanceof Refusal && error.code === 'invalid_token'
}
