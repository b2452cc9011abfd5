import { asNameError, type Found, NameError, type Resolved } from './lookup.ts'
import type { RecordType } from './message.ts'
import type { DnsSettings } from './settings.ts'

/** What is remembered of a name; times in milliseconds on the clock of `now`. */
interface Entry {
  readonly host: string
  answer: Resolved | undefined
  expiresAt: number
  failure: NameError | undefined
  /** Until when it is not asked for again. */
  failedUntil: number
  pending: Promise<Resolved> | undefined
}

type Times = Pick<
  DnsSettings,
  'dns_valid_ttl' | 'dns_stale_ttl' | 'dns_not_found_ttl' | 'dns_error_ttl'
>

/** A watched name is asked for again after these milliseconds at the earliest, even if its TTL is 0, and at the latest. */
const WATCH_EARLIEST = 500
const WATCH_LATEST = 3_600_000

/** The gateway's own memory of names: nobody waits for an answer that was known before. */
export class Dns {
  readonly #times: Times
  readonly #lookup: (host: string, last: RecordType | undefined) => Promise<Found>
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  /** Has each watched name asked for, if its time is over. */
  readonly #wakes = new Set<() => void>()

  /** `lookup` asks, and throws `NameError`; `now` in milliseconds. */
  constructor(
    times: Times,
    lookup: (host: string, last: RecordType | undefined) => Promise<Found>,
    now: () => number = () => performance.now(),
  ) {
    this.#times = times
    this.#lookup = lookup
    this.#now = now
  }

  /**
   * What is known of a name at `now`, else a promise of it; the same object as long as the answer stays the same. An answer
   * that is past its time is given while it is asked for again. Throws `NameError`, and so may the promise.
   */
  find(host: string, now: number): Resolved | Promise<Resolved> {
    const entry = this.#entry(host)
    if (entry.answer) {
      if (now < entry.expiresAt) return entry.answer
      if (now < this.#staleUntil(entry)) {
        // That it fails is remembered in the entry; nobody waits for this one.
        if (now >= entry.failedUntil) this.#renew(entry).catch(() => {})
        return entry.answer
      }
    }
    if (entry.failure && now < entry.failedUntil) throw entry.failure
    return this.#renew(entry)
  }

  /**
   * Tells what a name leads to, and tells it again whenever it has become something else; asks whenever an answer's time is
   * over. Ends by the function given back.
   */
  watch(host: string, told: (result: Resolved | NameError) => void): () => void {
    const entry = this.#entry(host)
    let isOver = false
    let last: Resolved | string | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async () => {
      clearTimeout(timer)
      const result = await this.#freshest(entry)
      if (isOver) return
      clearTimeout(timer)
      const sign = result instanceof NameError ? result.message : result
      if (sign !== last) told(result)
      last = sign
      const wait = Math.max(entry.expiresAt, entry.failedUntil) - this.#now()
      timer = setTimeout(look, Math.min(Math.max(wait, WATCH_EARLIEST), WATCH_LATEST))
      timer.unref()
    }
    const wake = () => void look()
    this.#wakes.add(wake)
    wake()
    return () => {
      isOver = true
      this.#wakes.delete(wake)
      clearTimeout(timer)
    }
  }

  /** Asks again for all that no server said, and so has no end of its own: the hosts file may have changed. */
  refresh(): void {
    const now = this.#now()
    for (const entry of this.#entries.values())
      if (entry.expiresAt === Infinity) entry.expiresAt = now
    for (const wake of this.#wakes) wake()
  }

  /** What counts after the name was asked for, if its time was over. */
  async #freshest(entry: Entry): Promise<Resolved | NameError> {
    const now = this.#now()
    if (entry.answer && now < entry.expiresAt) return entry.answer
    if (now >= entry.failedUntil) await this.#renew(entry).catch(() => {})
    if (entry.answer && this.#now() < this.#staleUntil(entry)) return entry.answer
    return entry.failure ?? asNameError(undefined, entry.host)
  }

  #staleUntil({ expiresAt }: Entry): number {
    return expiresAt + this.#times.dns_stale_ttl * 1000
  }

  #entry(host: string): Entry {
    let entry = this.#entries.get(host)
    if (entry) return entry
    entry = {
      host,
      answer: undefined,
      expiresAt: -Infinity,
      failure: undefined,
      failedUntil: -Infinity,
      pending: undefined,
    }
    this.#entries.set(host, entry)
    return entry
  }

  /** One question for all who wait for it. */
  #renew(entry: Entry): Promise<Resolved> {
    entry.pending ??= this.#load(entry).finally(() => (entry.pending = undefined))
    return entry.pending
  }

  async #load(entry: Entry): Promise<Resolved> {
    const { dns_not_found_ttl, dns_error_ttl, dns_valid_ttl } = this.#times
    try {
      const { type, places, ttl } = await this.#lookup(entry.host, entry.answer?.type)
      if (entry.answer?.type !== type || !Bun.deepEquals(entry.answer.places, places))
        entry.answer = { type, places }
      const seconds = ttl === Infinity ? ttl : (dns_valid_ttl ?? ttl)
      entry.expiresAt = this.#now() + seconds * 1000
      entry.failure = undefined
      entry.failedUntil = -Infinity
      return entry.answer
    } catch (error) {
      const failure = asNameError(error, entry.host)
      // A server that is down says nothing of the name; one that says there is none is believed.
      if (failure.notFound) entry.answer = undefined
      entry.failure = failure
      const seconds = failure.notFound ? dns_not_found_ttl : dns_error_ttl
      entry.failedUntil = this.#now() + seconds * 1000
      throw failure
    }
  }
}
