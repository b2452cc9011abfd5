import type { Cache } from '../pdk.ts'

interface Entry<V> {
  readonly value: V
  readonly ends: number
  readonly bytes: number
  /** How many bytes had been set when it was last put at the end of the line. */
  turn: number
}

/** What an entry takes beside the texts in it, as measured for tokens; bytes. */
const ENTRY = 300
/** What is taken for the size of a value of which nothing is said: tokens with their claims, mostly; bytes. */
const VALUE = 4096

/** A cache in this process: about `limit` bytes, the least recently used leave first. `now` in milliseconds. */
export class MemoryCache<V> implements Cache<V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #pending = new Map<string, Promise<V>>()
  readonly #limit: number
  readonly #now: () => number
  readonly #joined: () => void
  #bytes = 0
  #turn = 0
  /** Goes round the entries, for ever. */
  #hand: Iterator<[string, Entry<V>]>

  /** `joined` is called for who gets the answer that another one has asked for. */
  constructor(limit: number, now: () => number, joined: () => void = () => {}) {
    this.#hand = this.#entries.entries()
    this.#limit = limit
    this.#now = now
    this.#joined = joined
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.ends <= this.#now()) {
      this.#drop(key, entry)
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

  set(key: string, value: V, ttl: number, size = VALUE): void {
    const before = this.#entries.get(key)
    if (before) this.#drop(key, before)
    const bytes = ENTRY + key.length + size
    if (!(ttl > 0) || bytes > this.#limit) return
    const now = this.#now()
    this.#bytes += bytes
    this.#turn += bytes
    this.#entries.set(key, { value, ends: now + ttl * 1000, bytes, turn: this.#turn })
    this.#dropEnded(now)
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#limit) break
      this.#drop(oldest, entry)
    }
  }

  #drop(key: string, { bytes }: Entry<V>): void {
    this.#entries.delete(key)
    this.#bytes -= bytes
  }

  /** For each value that comes two are looked at, so that what has ended goes before what is of use, and soon. */
  #dropEnded(now: number): void {
    for (let i = 0; i < 2; i++) {
      let next = this.#hand.next()
      if (next.done) next = (this.#hand = this.#entries.entries()).next()
      if (next.done) return
      const [key, entry] = next.value
      if (entry.ends <= now) this.#drop(key, entry)
    }
  }

  once(key: string, load: () => Promise<V>): Promise<V> {
    const pending = this.#pending.get(key)
    if (pending) {
      this.#joined()
      return pending
    }
    const loading = load().finally(() => this.#pending.delete(key))
    this.#pending.set(key, loading)
    return loading
  }
}
