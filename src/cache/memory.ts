import type { Cache } from '../pdk.ts'

interface Entry<V> {
  readonly value: V
  readonly ends: number
  /** How many values had been set when it was last put at the end of the line. */
  turn: number
}

/** A cache in this process: at most `limit` entries, the least recently used leave first. `now` in milliseconds. */
export class MemoryCache<V> implements Cache<V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #pending = new Map<string, Promise<V>>()
  readonly #limit: number
  readonly #now: () => number
  #turn = 0
  /** Goes round the entries, for ever. */
  #hand: Iterator<[string, Entry<V>]>

  constructor(limit: number, now: () => number) {
    this.#hand = this.#entries.entries()
    this.#limit = limit
    this.#now = now
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.ends <= this.#now()) {
      this.#entries.delete(key)
      return undefined
    }
    // Who is near the end of the line stays there: most hits are a look, and nothing is written.
    if (this.#turn - entry.turn > this.#limit / 8) {
      this.#entries.delete(key)
      this.#entries.set(key, entry)
      entry.turn = this.#turn
    }
    return entry.value
  }

  set(key: string, value: V, ttl: number): void {
    this.#entries.delete(key)
    if (!(ttl > 0)) return
    const now = this.#now()
    this.#entries.set(key, { value, ends: now + ttl * 1000, turn: ++this.#turn })
    this.#dropEnded(now)
    if (this.#entries.size > this.#limit) this.#entries.delete(this.#entries.keys().next().value!)
  }

  /** For each value that comes two are looked at, so that what has ended goes before what is of use, and soon. */
  #dropEnded(now: number): void {
    for (let i = 0; i < 2; i++) {
      let next = this.#hand.next()
      if (next.done) next = (this.#hand = this.#entries.entries()).next()
      if (next.done) return
      const [key, { ends }] = next.value
      if (ends <= now) this.#entries.delete(key)
    }
  }

  once(key: string, load: () => Promise<V>): Promise<V> {
    const pending = this.#pending.get(key)
    if (pending) return pending
    const loading = load().finally(() => this.#pending.delete(key))
    this.#pending.set(key, loading)
    return loading
  }
}
