import type { Gateway } from '../../pdk.ts'
import { boolean, type Config, number, string } from '../../schema/field.ts'
import type { Calls, TokenResponse } from './calls.ts'
import type { ClusterCache } from './cluster_cache.ts'
import { fields as discovery } from './discovery.ts'
import { hashOfAll } from './hash.ts'
import type { Fields } from './headers.ts'
import type { Credential } from './methods/method.ts'
import { isTransient, Refusal } from './refusal.ts'
import type { Occasion } from './occasion.ts'
import { fields as transport } from './transport.ts'
import { fields as login } from './login/fields.ts'
import { fields as verification, parseJws, timeOf } from './verify.ts'

export const fields = {
  cache_tokens: boolean('Whether the tokens of the provider are kept for the next request.', {
    default: true,
  }),
  cache_tokens_salt: string(
    'What tells the kept tokens of this plugin from those of others: the same salt shares them. Without it nobody else has them.',
  ),
  token_cache_key_include_scope: boolean(
    'Whether tokens that were asked for with other scopes are kept apart, where the salt is the same.',
    { default: false },
  ),
  cache_ttl_min: number('The least time that tokens are kept; seconds.'),
  cache_ttl_max: number('The longest time that tokens are kept; seconds.'),
  cache_ttl_neg: number(
    'How long a refused refresh token or token is not offered to the provider again; seconds. Without it `cache_ttl`; refused passwords and clients only with it.',
  ),
  refresh_tokens: boolean(
    'Whether expired access tokens are renewed with the refresh token that came with them.',
    { default: true },
  ),
}

type Settings = Config<
  typeof fields &
    Pick<typeof discovery, 'cache_ttl'> &
    Pick<typeof verification, 'leeway'> &
    Pick<typeof transport, 'timeout'> &
    Pick<typeof login, 'login_tokens'>
>

/** The tokens of one answer of the provider. */
export interface TokenSet {
  readonly access_token: string
  readonly refresh_token: string | undefined
  readonly id_token: string | undefined
  /** Whether the ID token came with this answer, not with one before it. */
  readonly isIdTokenNew: boolean
  /** Until when it serves further requests; milliseconds since the epoch, 0 for never. */
  readonly ends: number
  /** When the access token is over, whatever is kept for how long; milliseconds since the epoch, unset if nobody says. */
  readonly expires: number | undefined
  /** All that the provider answered, where a client may be given it. */
  readonly members: Readonly<Record<string, unknown>> | undefined
  /** The headers of that answer that the client is sent. */
  readonly replayed: Fields
}

/**
 * A line of token sets, each got with the refresh token of the one before it. Every refresh token of the line leads
 * to its newest set, so that the provider never sees one a second time: with rotation that would end the line, and
 * RFC 9700 §4.14.2 has the provider take it for a theft.
 */
export interface Line {
  set: TokenSet
  /** Whether a client has presented the newest refresh token itself: until then presenting it asks for new tokens. */
  isPresented: boolean
  /** Why the provider gives no more tokens, and when it may be asked again whether it stays so. */
  ended: { readonly refusal: Refusal; readonly retryAt: number } | undefined
  /** The one call that is under way. */
  pending: Promise<void> | undefined
  /** Which call gave the newest set, whether it was this node's, and when; milliseconds since the epoch. */
  from: { readonly key: string; readonly isOurs: boolean; readonly at: number }
  /** Until when the line is worth keeping; milliseconds since the epoch. */
  lives: number
}

/** Tokens for a request, and the line that they belong to. */
export interface Held {
  readonly set: TokenSet
  readonly line: Line
  /** Whether they were there already, here or on another node, not asked for now. */
  readonly isCached: boolean
}

type Grants = Pick<Calls, 'password' | 'client_credentials' | 'refresh_token'>

export interface Tokens {
  /** Gives the tokens for a credential: kept ones, or new ones by one call for all who ask at once. Throws `Refusal`. */
  redeem(method: keyof Grants, credential: Credential, occasion: Occasion): Promise<Held>
  /** Begins a line with what a login gave. */
  begin(answer: TokenResponse): Held
  /** Lets a kept set serve no more, because it no longer verifies: the next `redeem` asks the provider. */
  spoil(held: Held): void
}

/** `identity` names all that the tokens depend on beside the credential: salt, issuer, client, arguments. */
export function createTokens(
  config: Settings,
  grants: Grants,
  cluster: ClusterCache | undefined,
  gateway: Pick<Gateway, 'cache' | 'now'>,
  identity: string,
): Tokens {
  const { cache_tokens, cache_ttl, cache_ttl_neg, refresh_tokens, leeway, timeout } = config
  const { now } = gateway
  const lines = gateway.cache<Line>('oidc:lines')
  // Apart from the lines, which nobody shall be able to push out by presenting invented tokens.
  const refused = gateway.cache<true>('oidc:refused')
  const keyOf = (method: keyof Grants, { name, secret }: Credential, { key }: Occasion) =>
    hashOfAll(identity, method, name, secret, key)
  const refreshKey = (secret: string, occasion: Occasion) =>
    keyOf('refresh_token', { name: '', secret }, occasion)
  const isFresh = ({ ends }: TokenSet) => ends - leeway * 1000 > now()

  /**
   * Asks the provider once for all nodes; without a cluster, or if nothing is to be kept, for this one. What a refresh
   * token gave is there for `late` seconds at least, for nodes that are asked with it later. An answer that is no newer
   * than `since` is of no use: this node had it, and it is over or does not verify.
   */
  async function ask(
    key: string,
    load: () => Promise<TokenResponse>,
    { late = 0, since = -Infinity } = {},
  ): Promise<Received> {
    let isOurs = false
    const receive = async () => {
      const answer = await load()
      isOurs = true
      return { answer, at: now() }
    }
    const share = async () => {
      const value = await receive()
      return { value, ttl: Math.max(secondsToKeep(value.answer, config, value.at), late) }
    }
    const { answer, at } =
      cluster?.shares('tokens') && cache_tokens
        ? await cluster.once('tokens', key, timeout / 1000, share, (value) => value.at > since)
        : await receive()
    return { answer, from: { key, isOurs, at } }
  }

  function keep(line: Line, key: string): void {
    if (cache_tokens) lines.set(key, line, (line.lives - now()) / 1000, sizeOfSet(line.set))
  }

  function newLine({ answer, from }: Received, presented?: string): Line {
    const set = setOf(answer, config, from.at, presented)
    return {
      set,
      isPresented: set.refresh_token === presented,
      ended: undefined,
      pending: undefined,
      from,
      lives: livesUntil(answer, set, from.at),
    }
  }

  /** Redeems the newest refresh token of a line; who comes meanwhile gets the same answer. */
  function advance(line: Line, newest: string, occasion: Occasion): Promise<void> {
    const key = `refresh ${refreshKey(newest, occasion)}`
    // Only without rotation it is the same call again; an answer to any other is news, whatever its node's clock says.
    const since = line.from.key === key ? line.from.at : undefined
    line.pending ??= ask(key, () => grants.refresh_token(newest, occasion.asker('token')), {
      late: LATE,
      ...(since !== undefined && { since }),
    })
      .then(
        ({ answer, from }) => {
          line.set = setOf(answer, config, from.at, newest, line.set.id_token)
          line.isPresented = false
          line.ended = undefined
          line.from = from
          line.lives = livesUntil(answer, line.set, from.at)
          keep(line, refreshKey(line.set.refresh_token ?? newest, occasion))
        },
        (error: unknown) => {
          if (isRefused(error)) {
            line.ended = { refusal: error, retryAt: now() + (cache_ttl_neg ?? cache_ttl) * 1000 }
            line.set = { ...line.set, ends: 0 }
          }
          throw error
        },
      )
      .finally(() => (line.pending = undefined))
    return line.pending
  }

  async function redeemRefreshToken(credential: Credential, occasion: Occasion): Promise<Held> {
    const { secret } = credential
    const key = keyOf('refresh_token', credential, occasion)
    if (refused.get(key))
      throw new Refusal('invalid_grant', 'the provider has refused this refresh token before')
    const line = cache_tokens ? lines.get(key) : undefined
    if (!line) {
      const begun = await lines.once(key, () => beginWith(secret, key, occasion))
      // Another node got it, some time ago.
      if (begun.set.ends > 0 && begun.set.ends <= now())
        await advance(begun, begun.set.refresh_token ?? secret, occasion)
      return { set: begun.set, line: begun, isCached: !begun.from.isOurs }
    }
    if (line.ended && now() < line.ended.retryAt) throw line.ended.refusal
    const { refresh_token } = line.set
    const asksForNew = secret === refresh_token && !line.isPresented
    if (isFresh(line.set) && !asksForNew) return { set: line.set, line, isCached: true }
    await advance(line, refresh_token ?? secret, occasion)
    if (line.set.refresh_token === secret) line.isPresented = true
    keep(line, key)
    return { set: line.set, line, isCached: !line.from.isOurs }
  }

  async function beginWith(secret: string, key: string, occasion: Occasion): Promise<Line> {
    const asked = ask(
      `refresh ${key}`,
      () => grants.refresh_token(secret, occasion.asker('token')),
      { late: LATE },
    )
    const received = await asked.catch((error: unknown) => {
      if (isRefused(error) && cache_tokens) refused.set(key, true, cache_ttl_neg ?? cache_ttl, 0)
      throw error
    })
    const line = newLine(received, secret)
    keep(line, key)
    const { refresh_token } = line.set
    if (refresh_token !== undefined) keep(line, refreshKey(refresh_token, occasion))
    return line
  }

  async function redeemGrant(
    method: 'password' | 'client_credentials',
    credential: Credential,
    occasion: Occasion,
  ): Promise<Held> {
    const key = keyOf(method, credential, occasion)
    const line = cache_tokens ? lines.get(key) : undefined
    if (line && !line.ended) {
      if (isFresh(line.set)) return { set: line.set, line, isCached: true }
      const { refresh_token } = line.set
      if (method === 'password' && refresh_tokens && refresh_token !== undefined) {
        const isAdvanced = await advance(line, refresh_token, occasion).then(
          () => true,
          (error: unknown) => {
            if (isTransient(error)) throw error
            return false
          },
        )
        if (isAdvanced) {
          keep(line, key)
          return { set: line.set, line, isCached: !line.from.isOurs }
        }
      }
    }
    if (refused.get(key))
      throw new Refusal('invalid_grant', 'the provider has refused these credentials before')
    const begun = await lines.once(key, async () => {
      const load = () =>
        grants[method](credential, occasion.asker('token')).catch((error: unknown) => {
          // Only where the operator says for how long: what is wrong now may be a new password in a minute.
          if (isRefused(error) && cache_tokens && cache_ttl_neg !== undefined)
            refused.set(key, true, cache_ttl_neg, 0)
          throw error
        })
      const fresh = newLine(await ask(key, load, line && { since: line.from.at }))
      // A set that is not for a second use leaves nothing to keep: the credential can be redeemed again.
      if (fresh.set.ends === 0) return fresh
      keep(fresh, key)
      const { refresh_token } = fresh.set
      if (method === 'password' && refresh_token !== undefined)
        keep(fresh, refreshKey(refresh_token, occasion))
      return fresh
    })
    return { set: begun.set, line: begun, isCached: !begun.from.isOurs }
  }

  return {
    redeem: (method, credential, occasion) =>
      method === 'refresh_token'
        ? redeemRefreshToken(credential, occasion)
        : redeemGrant(method, credential, occasion),
    begin(answer) {
      const line = newLine({ answer, from: { key: '', isOurs: true, at: now() } })
      return { set: line.set, line, isCached: false }
    },
    spoil({ line, set }) {
      if (line.set === set) line.set = { ...set, ends: 0 }
    },
  }
}

/** An answer of the provider, and where it is from. */
interface Received {
  readonly answer: TokenResponse
  readonly from: Line['from']
}

/** How long other nodes can have what one got for a refresh token, if the tokens last no longer; seconds. */
const LATE = 60

/** The salt of a configuration. Without one the plugin's id tells it from others, and is the same on all nodes. */
export function saltOf(
  { cache_tokens_salt }: Config<Pick<typeof fields, 'cache_tokens_salt'>>,
  { id }: Pick<Gateway, 'id'>,
): string {
  return cache_tokens_salt ?? `the plugin ${id}`
}

type Lifetimes = Config<
  Pick<typeof fields, 'cache_ttl_min' | 'cache_ttl_max'> &
    Pick<typeof discovery, 'cache_ttl'> &
    Pick<typeof login, 'login_tokens'>
>

/** Makes a set of an answer. What a refresh did not renew stays: the refresh token (RFC 6749 §6) and the ID token. */
function setOf(
  answer: TokenResponse,
  config: Lifetimes,
  now: number,
  refresh_token?: string,
  id_token?: string,
): TokenSet {
  const seconds = secondsToKeep(answer, config, now)
  const life = lifeOf(answer, now)
  return {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token ?? refresh_token,
    id_token: answer.id_token ?? id_token,
    isIdTokenNew: answer.id_token !== undefined,
    ends: seconds > 0 ? now + seconds * 1000 : 0,
    expires: life === undefined ? undefined : now + life * 1000,
    members: config.login_tokens?.includes('tokens') ? answer.members : undefined,
    replayed: answer.replayed ?? NO_FIELDS,
  }
}

const NO_FIELDS: Fields = []

/** About how many bytes a set holds. */
export function sizeOfSet({ access_token, refresh_token = '', id_token = '' }: TokenSet): number {
  return access_token.length + refresh_token.length + id_token.length
}

/** How long an access token may be kept. What the provider says is over at once stays so, whatever the bounds. */
function secondsToKeep(answer: TokenResponse, config: Lifetimes, now: number): number {
  const { cache_ttl, cache_ttl_min = 0, cache_ttl_max = Infinity } = config
  const seconds = lifeOf(answer, now) ?? cache_ttl
  return seconds > 0 ? Math.min(Math.max(seconds, cache_ttl_min), cache_ttl_max) : 0
}

/** How long an access token lives, by the answer or by its own `exp`; seconds. */
function lifeOf({ expires_in, access_token }: TokenResponse, now: number): number | undefined {
  return expires_in ?? secondsLeft(access_token, now)
}

/** How long a line is kept whose refresh token does not say how long it lives; milliseconds. */
const MONTH = 30 * 24 * 3600 * 1000

/**
 * Until when a line is worth keeping: as long as its refresh token lives. A line that is forgotten too early has its used
 * token go to the provider again; one that is kept too long is pushed out by others.
 */
function livesUntil(answer: TokenResponse, { ends, refresh_token }: TokenSet, now: number): number {
  if (refresh_token === undefined) return ends
  const { refresh_expires_in = 0 } = answer
  // Keycloak writes 0 for a refresh token without an end.
  const told = refresh_expires_in > 0 ? refresh_expires_in : secondsLeft(refresh_token, now)
  return Math.max(ends, now + (told === undefined ? MONTH : told * 1000))
}

/** The seconds that a token has left by its own `exp`, if it is a JWT that has one. */
function secondsLeft(token: string, now: number): number | undefined {
  try {
    const exp = timeOf(parseJws(token).claims, 'exp')
    return exp === undefined ? undefined : exp - now / 1000
  } catch {
    return undefined
  }
}

function isRefused(error: unknown): error is Refusal {
  return error instanceof Refusal && error.code === 'invalid_grant'
}
