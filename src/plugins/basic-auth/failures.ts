import { createHash } from 'node:crypto'
import type { Cache, Gateway } from '../../pdk.ts'

/** How often a wrong password was sent for a name, and until when that counts; milliseconds since the epoch. */
interface Count {
  readonly failures: number
  readonly until: number
}

/** After so many failures whoever uses the name has to wait. */
const LIMIT = 3
/** An hour, in seconds. */
const LONGEST = 3600

/** Counts wrong passwords by the name that they were sent for, whether anybody has it or not. */
export class Failures {
  readonly #counts: Cache<Count>
  readonly #now: () => number

  constructor({ cache, now }: Pick<Gateway, 'cache' | 'now'>) {
    this.#counts = cache<Count>('basic-auth:failures')
    this.#now = now
  }

  /**
   * For how many seconds nobody may try that name; 0 if it may be tried now. Asking while one has to wait counts as a
   * failure itself, right password or not, and doubles the time: else the answer would tell which password is right.
   */
  wait(username: string): number {
    const count = this.#counts.get(keyOf(username))
    if (!count || count.failures < LIMIT || count.until <= this.#now()) return 0
    return this.add(username)
  }

  /** Notes a failure. Gives for how many seconds it counts. */
  add(username: string): number {
    const key = keyOf(username)
    const before = this.#counts.get(key)
    const isOver = !before || before.until <= this.#now()
    const failures = isOver ? 1 : before.failures + 1
    const seconds = Math.min(2 ** failures, LONGEST)
    this.#counts.set(key, { failures, until: this.#now() + seconds * 1000 }, seconds, SIZE)
    return seconds
  }
}

/** About how many bytes a count takes. */
const SIZE = 200

/** A name may be long, and a client's mistake for its password. */
function keyOf(username: string): string {
  return createHash('sha256').update(username).digest('base64')
}
