import { createHmac, randomUUID } from 'node:crypto'
import type { Gateway, Warning } from '../../pdk.ts'
import type { Redis } from '../../redis.ts'
import { array, type Config, string } from '../../schema/field.ts'
import { fullRedisRecord, keepRedis } from '../redis.ts'
import { createSeal, deriveKey, type Seal } from './session/sealed.ts'

const KINDS = ['introspection', 'tokens'] as const

/** What of the caches is shared. */
export type Kind = (typeof KINDS)[number]

export const fields = {
  cluster_cache_strategy: string('Where the nodes share what they keep.', {
    default: 'off',
    one_of: ['off', 'redis'],
  }),
  cluster_cache_items: array(
    'What they share; it is encrypted with what they have in common: the secrets of the clients and `session_secret`.',
    string('A kind.', { one_of: KINDS }),
    { default: ['introspection'] },
  ),
  cluster_cache_redis: fullRedisRecord('The Redis in which they share it.', {}),
}

/** The settings whose secrets are in the configuration of every node, and of nobody else. */
interface Secrets {
  readonly issuer: string
  readonly client_secret?: readonly (string | undefined)[] | undefined
  readonly client_jwk?: readonly unknown[] | undefined
  readonly session_secret?: string | undefined
  readonly cache_tokens_salt?: string | undefined
}

type Settings = Config<typeof fields> & Secrets

/** What a node may do alone: nobody else does it until it is unlocked, or until it ends by itself. */
export interface Lock {
  unlock(): Promise<void>
}

/**
 * The memory that the nodes of a cluster share, behind the one of each process. Nothing here rejects: a Redis that fails
 * is no fault of a request, and each node does its own work then.
 */
export interface ClusterCache {
  /** Whether that kind is shared; if not, `get` finds nothing of it and `set` keeps nothing. */
  shares(kind: Kind): boolean
  /** `key` is a hash of all that the value depends on, equal on all nodes. What it gives went through JSON. */
  get(kind: Kind, key: string): Promise<unknown>
  /** Keeps what JSON can express, for `ttl` seconds; not, if that is not above zero. */
  set(kind: Kind, key: string, value: unknown, ttl: number): Promise<void>
  /** Locks for `ttl` seconds at most. `held` if another has it, undefined if nobody can tell. */
  lock(key: string, ttl: number): Promise<Lock | 'held' | undefined>
  /**
   * Runs `load` on one node for all that ask for `key` at the same time, and gives all what it gave: for what can be had
   * but once, such as the answer to a rotating refresh token. `limit` is what `load` may take, in seconds: who waits looks
   * every 50 ms, takes over if `load` failed or has taken a second longer, and goes alone after twice that. A value that
   * is there and not good is replaced. Rejects as `load` does.
   */
  once<V>(
    kind: Kind,
    key: string,
    limit: number,
    load: () => Promise<Shared<V>>,
    isGood?: (value: V) => boolean,
  ): Promise<V>
}

/** A value and how many seconds the others may use it. */
export interface Shared<V> {
  readonly value: V
  readonly ttl: number
}

/** Nothing where nodes share nothing. Contacts nobody before it is asked. */
export function createClusterCache(
  config: Settings,
  gateway: Pick<Gateway, 'ca' | 'keep' | 'log' | 'now'>,
): ClusterCache | undefined {
  const { cluster_cache_strategy, cluster_cache_items, cluster_cache_redis = {} } = config
  if (cluster_cache_strategy !== 'redis' || cluster_cache_items.length === 0) return undefined
  const secret = secretOf(config)
  if (secret === undefined) return undefined
  const { redis, name } = keepRedis('openid-connect', cluster_cache_redis, gateway)
  const state = gateway.keep(`${name} cluster cache`, (): State => ({ toldAt: 0, pausedUntil: 0 }))
  return new RedisCache(redis, secret, new Set(cluster_cache_items), state, gateway)
}

/** What the operator should know of the cluster cache of a configuration. */
export function clusterCacheWarnings(config: Settings): Warning[] {
  if (config.cluster_cache_strategy !== 'redis' || config.cluster_cache_items.length === 0)
    return []
  if (secretOf(config) !== undefined) return []
  const message =
    'redis, and yet nothing is shared: there is no client_secret, client_jwk or session_secret to encrypt it with'
  return [{ fields: ['cluster_cache_strategy'], message }]
}

/** The salt alone is no secret: it may be anything, and is made to tell caches apart. */
function secretOf(config: Secrets): string | undefined {
  const { issuer, client_secret = [], client_jwk = [], session_secret, cache_tokens_salt } = config
  const isThere = client_secret.some(Boolean) || client_jwk.length > 0 || !!session_secret
  return isThere
    ? JSON.stringify([issuer, client_secret, client_jwk, session_secret, cache_tokens_salt])
    : undefined
}

/** Milliseconds since the epoch; of a Redis, for all who use it. */
interface State {
  toldAt: number
  /** A Redis that failed is left alone until then. */
  pausedUntil: number
}

/** Milliseconds. */
const TELL_EVERY = 60_000
const PAUSE = 5_000
const LOOK_EVERY = 50
/** Seconds. */
const SLACK = 1

/** Unlocks for the one who locked; a lock that ended by itself may be another's by now. */
const UNLOCK = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0`

class RedisCache implements ClusterCache {
  readonly #redis: Redis
  readonly #seal: Seal
  readonly #nameKey: Buffer
  readonly #kinds: ReadonlySet<string>
  readonly #state: State
  readonly #gateway: Pick<Gateway, 'log' | 'now'>

  constructor(
    redis: Redis,
    secret: string,
    kinds: ReadonlySet<string>,
    state: State,
    gateway: Pick<Gateway, 'log' | 'now'>,
  ) {
    this.#redis = redis
    this.#seal = createSeal(secret, 'cluster cache: values')
    this.#nameKey = deriveKey(secret, 'cluster cache: names')
    this.#kinds = kinds
    this.#state = state
    this.#gateway = gateway
  }

  shares(kind: Kind): boolean {
    return this.#kinds.has(kind)
  }

  async get(kind: Kind, key: string): Promise<unknown> {
    if (!this.shares(kind)) return undefined
    const name = this.#nameOf(kind, key)
    const sealed = await this.#ask(() => this.#redis.sendForBytes('GET', [name]))
    if (!(sealed instanceof Uint8Array)) return undefined
    // What was sealed for another name does not open, so that nobody can put one caller's tokens in another's place.
    const plain = this.#seal.openBytes(sealed, name)
    if (!plain) return undefined
    const [ends, value] = JSON.parse(plain.toString()) as [number, unknown]
    // Nor can an old value be put back.
    return ends > this.#gateway.now() ? value : undefined
  }

  async set(kind: Kind, key: string, value: unknown, ttl: number): Promise<void> {
    const millis = Math.floor(ttl * 1000)
    if (!this.shares(kind) || !(millis > 0)) return
    const name = this.#nameOf(kind, key)
    const plain = JSON.stringify([this.#gateway.now() + millis, value])
    const sealed = this.#seal.sealBytes(Buffer.from(plain), name)
    await this.#ask(() => this.#redis.send('SET', [name, sealed, 'PX', Math.min(millis, LONGEST)]))
  }

  async lock(key: string, ttl: number): Promise<Lock | 'held' | undefined> {
    const name = this.#nameOf('lock', key)
    const token = randomUUID()
    const millis = Math.ceil(ttl * 1000)
    const said = await this.#ask(async () => ({
      answer: await this.#redis.send('SET', [name, token, 'NX', 'PX', millis]),
    }))
    if (!said) return undefined
    if (said.answer !== 'OK') return 'held'
    return {
      unlock: async () => {
        await this.#ask(() => this.#redis.send('EVAL', [UNLOCK, 1, name, token]))
      },
    }
  }

  async once<V>(
    kind: Kind,
    key: string,
    limit: number,
    load: () => Promise<Shared<V>>,
    isGood: (value: V) => boolean = () => true,
  ): Promise<V> {
    if (!this.shares(kind)) return (await load()).value
    // What `load` gave at the last moment must still be put there under the lock.
    const lasts = limit + SLACK
    const until = performance.now() + 2 * lasts * 1000
    const lockKey = `${kind} ${key}`
    do {
      const lock = await this.lock(lockKey, lasts)
      if (lock === undefined) break
      // Under the lock too: who had it before may have put the value there just now.
      const found = (await this.get(kind, key)) as V | undefined
      const value = found !== undefined && isGood(found) ? found : undefined
      if (lock === 'held') {
        if (value !== undefined) return value
        await Bun.sleep(LOOK_EVERY)
        continue
      }
      try {
        if (value !== undefined) return value
        const loaded = await load()
        await this.set(kind, key, loaded.value, loaded.ttl)
        return loaded.value
      } finally {
        await lock.unlock()
      }
    } while (performance.now() < until)
    return (await load()).value
  }

  /** Keyed: whoever reads the Redis cannot try whether a token that he knows of was used. */
  #nameOf(kind: Kind | 'lock', key: string): string {
    const hash = createHmac('sha256', this.#nameKey).update(`${kind} ${key}`).digest('base64url')
    return `gatehouse:openid-connect:${kind}:${hash}`
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T | undefined> {
    const { now, log } = this.#gateway
    const state = this.#state
    if (now() < state.pausedUntil) return undefined
    try {
      return await ask()
    } catch (cause) {
      state.pausedUntil = now() + PAUSE
      if (now() - state.toldAt >= TELL_EVERY) {
        state.toldAt = now()
        log.warn('the cluster cache cannot be used, each node keeps its own', { cause })
      }
      return undefined
    }
  }
}

/** The longest time that is asked of a Redis; milliseconds. */
const LONGEST = 365 * 24 * 3600 * 1000
