import type { Gateway } from '../../../pdk.ts'
import type { Redis } from '../../../redis.ts'
import { type Config, string } from '../../../schema/field.ts'
import { fullRedisRecord, keepRedis } from '../../redis.ts'
import type { SessionStorage } from './storage.ts'

export const fields = {
  redis: fullRedisRecord('The Redis in which sessions are kept, by `session_storage`.', {
    prefix: string('What the keys begin with, before a colon.'),
    socket: string('The path of a Unix socket, in place of the host and the port.'),
  }),
}

/** How many sessions are listed under one owner. */
const MOST = 1000

// Each script has one key, since the parts of a cluster know only their own keys.

/** Lists a key until a moment (epoch seconds, or `inf`), without those that have ended; the list lasts as long as its last key. */
const LIST = `redis.call('zadd', KEYS[1], ARGV[2], ARGV[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[3])
redis.call('zremrangebyrank', KEYS[1], 0, -1 - ARGV[4])
local last = redis.call('zrange', KEYS[1], -1, -1, 'withscores')[2]
if last == 'inf' then redis.call('persist', KEYS[1])
elseif last then redis.call('expireat', KEYS[1], last) end`

const SHORTEN = `local left = redis.call('ttl', KEYS[1])
if left == -1 or left > tonumber(ARGV[1]) then redis.call('expire', KEYS[1], ARGV[1]) end`

/** Keeps sessions in the Redis of the configuration. Its methods throw `RedisError`. */
export function createRedisStorage(
  config: Config<typeof fields>,
  gateway: Pick<Gateway, 'ca' | 'keep' | 'now'>,
): SessionStorage {
  const { redis } = keepRedis('openid-connect', config.redis ?? {}, gateway)
  return new RedisStorage(redis, config.redis?.prefix, gateway.now)
}

class RedisStorage implements SessionStorage {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #now: () => number

  constructor(redis: Redis, prefix: string | undefined, now: () => number) {
    this.#redis = redis
    this.#prefix = prefix ? `${prefix}:` : ''
    this.#now = now
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#redis.sendForBytes('GET', [this.#keyOf(key)])
    return value instanceof Uint8Array ? value : undefined
  }

  async set(
    key: string,
    value: Uint8Array,
    ttl: number,
    owners: readonly string[],
    isThere = false,
  ): Promise<boolean> {
    const now = Math.floor(this.#now() / 1000)
    const ends = ttl > 0 ? now + ttl : 'inf'
    // The lists first, so that no session is there which they do not name.
    await Promise.all(
      owners.map((owner) =>
        this.#redis.send('EVAL', [LIST, 1, this.#listOf(owner), key, ends, now, MOST]),
      ),
    )
    const said = await this.#redis.send('SET', [
      this.#keyOf(key),
      Buffer.from(value.buffer, value.byteOffset, value.byteLength),
      ...(ttl > 0 ? ['EX', ttl] : []),
      ...(isThere ? ['XX'] : []),
    ])
    return said !== null && said !== undefined
  }

  async shorten(key: string, ttl: number): Promise<void> {
    await this.#redis.send('EVAL', [SHORTEN, 1, this.#keyOf(key), ttl])
  }

  async delete(key: string, owners: readonly string[]): Promise<void> {
    await Promise.all([
      this.#redis.send('DEL', [this.#keyOf(key)]),
      ...owners.map((owner) => this.#redis.send('ZREM', [this.#listOf(owner), key])),
    ])
  }

  async find(owner: string): Promise<readonly string[]> {
    const after = `(${Math.floor(this.#now() / 1000)}`
    const keys = await this.#redis.send('ZRANGEBYSCORE', [this.#listOf(owner), after, '+inf'])
    return Array.isArray(keys) ? keys.map(String) : []
  }

  #keyOf(key: string): string {
    return this.#prefix + key
  }

  #listOf(owner: string): string {
    return `${this.#prefix}sessions-of:${owner}`
  }
}
