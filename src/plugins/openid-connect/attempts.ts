import type { Cache, Gateway } from '../../pdk.ts'
import type { Calls } from './calls.ts'
import { hashOfAll } from './hash.ts'
import type { Credential } from './methods/method.ts'
import { Refusal } from './refusal.ts'

/** How much more often a password may be wrong for a user in all than from one address. */
const IN_ALL = 4
/** How long the provider is not asked when the bound is reached; seconds. Each failure after that doubles it. */
const FIRST_PAUSE = 60
const LONGEST_PAUSE = 3600
/** Failures are forgotten so long after the last one, as Keycloak does; seconds. */
const WINDOW = 12 * 3600
/** About how many bytes a tally takes: with its key half a million of them are kept, the least recently used go. */
const SIZE = 100

/** The wrong passwords that were sent for a user: from one address, or in all. */
class Tally {
  failures = 0
  /** Until when the provider is not asked; milliseconds since the epoch. */
  until = 0
  /** The calls that are under way, each of which may be a failure. */
  pending = 0
  /** Whether a password was right, so that it is the user's own address. */
  isUsers = false
  #over = Promise.withResolvers<void>()

  /** Until one of the calls that are under way is over. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  begin(): void {
    this.pending++
  }

  end(): void {
    this.pending--
    this.#over.resolve()
    this.#over = Promise.withResolvers<void>()
  }

  fail(limit: number, now: number): void {
    this.failures++
    if (this.failures < limit) return
    const seconds = Math.min(FIRST_PAUSE * 2 ** (this.failures - limit), LONGEST_PAUSE)
    this.until = now + seconds * 1000
  }

  clear(): void {
    this.failures = 0
    this.until = 0
  }
}

interface Bound {
  readonly tally: Tally
  readonly limit: number
}

/**
 * Bounds how often the provider is asked with wrong passwords for one user, before it locks the account: `limit` times
 * from one address, and four times as often from all. Only what would reach the provider counts, so that nobody is kept
 * from tokens that are there already. An address from which the user has come in keeps its own bound alone: others
 * cannot shut it out.
 */
export class Attempts {
  readonly #limit: number
  readonly #issuer: string
  readonly #tallies: Cache<Tally>
  readonly #now: () => number

  constructor(limit: number, issuer: string, { cache, now }: Pick<Gateway, 'cache' | 'now'>) {
    this.#limit = limit
    this.#issuer = issuer
    this.#tallies = cache<Tally>('oidc:attempts')
    this.#now = now
  }

  /** Asks the provider, unless that has failed too often. Throws `Refusal`, with the seconds to wait. */
  async make<T>({ name, address = '' }: Credential, ask: () => Promise<T>): Promise<T> {
    // Most providers tell no cases apart, so that others would be one user's further attempts.
    const user = name.normalize('NFKC').toLowerCase()
    const here = this.#tallyOf(user, networkOf(address))
    const all = this.#tallyOf(user, 'all')
    const bounds = [
      { tally: here, limit: this.#limit },
      ...(here.isUsers ? [] : [{ tally: all, limit: this.#limit * IN_ALL }]),
    ]
    // Nothing may be waited for between the last look and the beginning.
    for (let full = this.#full(bounds); full; full = this.#full(bounds)) await full.over
    here.begin()
    all.begin()
    try {
      const answer = await ask()
      here.isUsers = true
      for (const tally of [here, all]) tally.clear()
      this.#keep(user, address, here, all)
      return answer
    } catch (error) {
      if (error instanceof Refusal && error.code === 'invalid_grant') {
        here.fail(this.#limit, this.#now())
        all.fail(this.#limit * IN_ALL, this.#now())
        this.#keep(user, address, here, all)
      }
      throw error
    } finally {
      here.end()
      all.end()
    }
  }

  /**
   * What is to be waited for, because so many calls are under way that all of them together may be too many. Throws
   * `Refusal`.
   */
  #full(bounds: readonly Bound[]): Tally | undefined {
    const until = Math.max(...bounds.map(({ tally }) => tally.until))
    const seconds = Math.ceil((until - this.#now()) / 1000)
    if (seconds > 0)
      throw new Refusal(
        'too_many_attempts',
        `wrong passwords were sent for this user; the provider is asked again in ${seconds} seconds`,
        undefined,
        seconds,
      )
    return bounds.find(
      ({ tally, limit }) => tally.pending > 0 && tally.failures + tally.pending >= limit,
    )?.tally
  }

  #tallyOf(user: string, from: string): Tally {
    const key = this.#keyOf(user, from)
    let tally = this.#tallies.get(key)
    if (!tally) this.#tallies.set(key, (tally = new Tally()), WINDOW, SIZE)
    return tally
  }

  /** Has both last from now on. */
  #keep(user: string, address: string, here: Tally, all: Tally): void {
    this.#tallies.set(this.#keyOf(user, networkOf(address)), here, WINDOW, SIZE)
    this.#tallies.set(this.#keyOf(user, 'all'), all, WINDOW, SIZE)
  }

  /** A name may be a client's mistake for its password. */
  #keyOf(user: string, from: string): string {
    return hashOfAll(this.#issuer, user, from)
  }
}

/** The same calls, of which those with passwords are bounded if the node's setting asks for it. */
export function boundPasswords(
  calls: Calls,
  { issuer }: { readonly issuer: string },
  gateway: Pick<Gateway, 'cache' | 'now' | 'oidc_password_attempts'>,
): Calls {
  const { oidc_password_attempts: limit = 0 } = gateway
  if (limit === 0) return calls
  const attempts = new Attempts(limit, issuer, gateway)
  return {
    ...calls,
    password: (credential, by) => attempts.make(credential, () => calls.password(credential, by)),
  }
}

/** What one client can send from: an IPv4 address, or the 64 bits that an IPv6 network is given out by. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  if (address.includes('.')) return address.slice(address.lastIndexOf(':') + 1)
  const [head = '', tail] = address.split('::')
  const before = head.split(':').filter((group) => group !== '')
  const after = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
