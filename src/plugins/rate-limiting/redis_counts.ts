import type { Redis } from '../../redis.ts'
import type { Counts } from './counts.ts'
import { LENGTH, type Window } from './window.ts'

/** Counts one request and gives the count before it; the count ends with its period. */
const COUNT = `local count = redis.call('incr', KEYS[1])
if count == 1 then redis.call('expire', KEYS[1], ARGV[1]) end
return count - 1`

/** Adds to a count that ends at a moment. */
const ADD = `local count = redis.call('incrby', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('expireat', KEYS[1], ARGV[2]) end
return count`

/** Counts in a Redis, which is asked for each request. As in Kong, those of refused requests rise too. */
export class RedisCounts implements Counts {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
  }

  usage(windows: readonly Window[]): Promise<readonly number[]> {
    // One script for each key, since the parts of a cluster know only their own keys.
    return Promise.all(
      windows.map(({ key, period }) =>
        this.#redis.send('EVAL', [COUNT, '1', key, String(LENGTH[period])]).then(Number),
      ),
    )
  }

  /** Looking has counted. */
  increment(): void {}
}

/** The longest that timers can count; milliseconds. */
const LONGEST = 2 ** 31 - 1

/** A count as it was in the Redis, and what came since. */
interface Shared {
  readonly ends: number
  before: number
  since: number
}

/** Counts in this process that are exchanged with a Redis every so many seconds. */
export class SyncedCounts implements Counts, AsyncDisposable {
  readonly #redis: Redis
  readonly #rate: number
  readonly #now: () => number
  readonly #failed: (error: unknown) => void
  readonly #counts = new Map<string, Shared>()
  #timer: Timer | undefined

  /** `rate` in seconds, `now` in milliseconds. `failed` is told of an exchange that failed; the next one makes up for it. */
  constructor(redis: Redis, rate: number, now: () => number, failed: (error: unknown) => void) {
    this.#redis = redis
    this.#rate = rate
    this.#now = now
    this.#failed = failed
  }

  usage(windows: readonly Window[]): readonly number[] | Promise<readonly number[]> {
    const unknown = windows.filter(({ key }) => !this.#counts.has(key))
    const told = () => windows.map(({ key }) => this.#told(key))
    return unknown.length === 0 ? told() : Promise.all(unknown.map((w) => this.#load(w))).then(told)
  }

  increment(windows: readonly Window[]): void {
    for (const { key } of windows) {
      const count = this.#counts.get(key)
      if (count) count.since++
    }
    this.#timer ??= setTimeout(
      () => void this.#exchange(),
      Math.min(this.#rate * 1000, LONGEST),
    ).unref()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    await this.#exchange()
  }

  #told(key: string): number {
    const count = this.#counts.get(key)
    return count ? count.before + count.since : 0
  }

  async #load({ key, period, begins }: Window): Promise<void> {
    const before = Number((await this.#redis.send('GET', [key])) ?? 0)
    // Somebody else may have asked at the same time, and counted since.
    if (!this.#counts.has(key))
      this.#counts.set(key, { ends: begins + LENGTH[period] * 1000, before, since: 0 })
  }

  async #exchange(): Promise<void> {
    const now = this.#now()
    for (const [key, { ends }] of this.#counts) if (ends <= now) this.#counts.delete(key)
    const counts = [...this.#counts]
    const results = await Promise.allSettled(counts.map(([key, count]) => this.#push(key, count)))
    this.#timer = undefined
    for (const result of results) {
      if (result.status === 'rejected') return this.#failed(result.reason)
    }
  }

  async #push(key: string, count: Shared): Promise<void> {
    const { since } = count
    if (since > 0) {
      const ends = String(Math.ceil(count.ends / 1000))
      count.before = Number(await this.#redis.send('EVAL', [ADD, '1', key, String(since), ends]))
      count.since -= since
    }
    // What nobody has counted meanwhile is read anew: others count there too.
    if (count.since === 0) this.#counts.delete(key)
  }
}
