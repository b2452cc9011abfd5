import type { Awaitable } from '../../../pdk.ts'
import type { ClusterCache } from '../cluster_cache.ts'

/** Seconds of proofs that are forgotten together. */
const STEP = 10
/** How many proofs are remembered: about 30 MB. */
const MAX = 262_144

interface Bucket {
  /** When the last of its proofs is over; seconds since the epoch. */
  ends: number
  readonly keys: Set<string>
}

/**
 * The proofs that were used (RFC 9449 §11.1), for as long as they are good. When there are too many, the oldest are
 * forgotten, and whatever is as old is taken for used: a flood makes proofs age sooner, and lets no used one pass again.
 */
export class UsedProofs {
  readonly #now: () => number
  readonly #max: number
  /** By the time at which proofs were made, in steps: the same for a proof whenever it comes. */
  readonly #buckets = new Map<number, Bucket>()
  #count = 0
  /** What was made before is forgotten. */
  #floor = -Infinity
  #nextSweep = 0

  /** `now` in milliseconds. */
  constructor(now: () => number, max = MAX) {
    this.#now = now
    this.#max = max
  }

  /** How many are remembered. */
  get size(): number {
    return this.#count
  }

  /** Remembers a proof until it is over; false if it was used. Both times are seconds since the epoch. */
  add(key: string, created: number, ends: number): boolean {
    this.#sweep()
    const step = Math.floor(created / STEP)
    if (step < this.#floor) return false
    let bucket = this.#buckets.get(step)
    if (!bucket) this.#buckets.set(step, (bucket = { ends, keys: new Set() }))
    if (bucket.keys.has(key)) return false
    bucket.keys.add(key)
    bucket.ends = Math.max(bucket.ends, ends)
    this.#count++
    if (this.#count > this.#max) this.#forgetOldest()
    return true
  }

  #sweep(): void {
    const now = this.#now() / 1000
    if (now < this.#nextSweep) return
    this.#nextSweep = now + STEP
    for (const [step, { ends }] of this.#buckets) if (ends <= now) this.#forget(step)
  }

  #forgetOldest(): void {
    const step = Math.min(...this.#buckets.keys())
    this.#forget(step)
    this.#floor = Math.max(this.#floor, step + 1)
  }

  #forget(step: number): void {
    this.#count -= this.#buckets.get(step)!.keys.size
    this.#buckets.delete(step)
  }
}

/** Remembers a proof; false if it was used, on any node where they share a Redis. Both times are seconds since the epoch. */
export type UseOnce = (key: string, created: number, ends: number) => Awaitable<boolean>

/**
 * Who comes first with a proof locks it for the other nodes, until it is over. A Redis that fails is no reason to refuse
 * everybody: a node then knows its own proofs alone, and the cluster cache says so in the log.
 */
export function createUseOnce(
  used: UsedProofs,
  cluster: Pick<ClusterCache, 'lock'> | undefined,
  now: () => number,
): UseOnce {
  if (!cluster) return (key, created, ends) => used.add(key, created, ends)
  return (key, created, ends) => {
    if (!used.add(key, created, ends)) return false
    return cluster.lock(`dpop ${key}`, ends - now() / 1000).then((lock) => lock !== 'held')
  }
}
