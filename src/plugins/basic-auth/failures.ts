import { createHash } from 'node:crypto'
import type { Awaitable, Cache, Gateway } from '../../pdk.ts'
import type { Redis } from '../../redis.ts'
import { keepRedis } from '../redis.ts'
import type { Config } from './schema.ts'

/** Counts wrong passwords by the name that they were sent for, whether anybody has it or not. */
export interface Failures {
  /**
   * Notes an attempt, and gives for how many seconds nobody may try that name: 0 if this attempt counts as what it was.
   * While one has to wait each attempt is a failure, right or wrong, and doubles the time: else the answer would tell
   * which password is right.
   */
  attempt(username: string, isRight: boolean): Awaitable<number>
}

/** What counts as the configuration says; nothing where nothing is counted. */
export function createFailures(
  { brute_force_protection: { strategy, redis } }: Config,
  gateway: Gateway,
): Failures | undefined {
  if (strategy === 'memory') return new LocalFailures(gateway)
  if (strategy !== 'redis') return undefined
  return new RedisFailures(keepRedis('basic-auth', redis, gateway).redis)
}

/** After so many failures whoever uses the name has to wait. */
const LIMIT = 3
/** An hour, in seconds. */
const LONGEST = 3600

/** How often a wrong password was sent for a name, and until when that counts; milliseconds since the epoch. */
interface Count {
  readonly failures: number
  readonly until: number
}

class LocalFailures implements Failures {
  readonly #counts: Cache<Count>
  readonly #now: () => number

  constructor({ cache, now }: Pick<Gateway, 'cache' | 'now'>) {
    this.#counts = cache<Count>('basic-auth:failures')
    this.#now = now
  }

  attempt(username: string, isRight: boolean): number {
    const key = keyOf(username)
    const before = this.#counts.get(key)
    const failures = before && before.until > this.#now() ? before.failures : 0
    if (isRight && failures < LIMIT) return 0
    const seconds = Math.min(2 ** (failures + 1), LONGEST)
    const until = this.#now() + seconds * 1000
    this.#counts.set(key, { failures: failures + 1, until }, seconds, SIZE)
    return failures < LIMIT ? 0 : seconds
  }
}

/** About how many bytes a count takes. */
const SIZE = 200

/** Counts in a Redis, which other gateways may share. If it cannot be asked, nobody gets in: 500, as in Kong. */
class RedisFailures implements Failures {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
  }

  async attempt(username: string, isRight: boolean): Promise<number> {
    const key = `basic-auth:failures:${keyOf(username)}`
    const args = [ATTEMPT, '1', key, isRight ? '1' : '0', String(LIMIT), String(LONGEST)]
    return Number(await this.#redis.send('EVAL', args))
  }
}

/** The same in one step, so that many guesses at once are counted one by one. */
const ATTEMPT = `local failures = tonumber(redis.call('get', KEYS[1]) or '0')
local limit = tonumber(ARGV[2])
if ARGV[1] == '1' and failures < limit then return 0 end
local seconds = math.min(2 ^ (failures + 1), tonumber(ARGV[3]))
redis.call('set', KEYS[1], string.format('%d', failures + 1), 'EX', string.format('%d', seconds))
if failures < limit then return 0 end
return seconds`

/** A name may be long, and a client's mistake for its password. */
function keyOf(username: string): string {
  return createHash('sha256').update(username).digest('base64')
}
