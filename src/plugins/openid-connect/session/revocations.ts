/** How many are remembered of each kind: about 20 MB. Who ends more in a day keeps sessions in a storage. */
const MAX = 100_000

/**
 * What was ended before its time. A cookie cannot be taken back from one who has a copy of it, but this process takes
 * it no more. All times are milliseconds since the epoch; at `until` a name is forgotten.
 */
export class Revocations {
  readonly #ids: Names
  readonly #owners: Names

  constructor(now: () => number) {
    this.#ids = new Names(now)
    this.#owners = new Names(now)
  }

  /** Ends one session at `at`. */
  end(id: string, at: number, until: number): void {
    this.#ids.set(id, Math.min(at, this.#ids.get(id) ?? at), until)
  }

  /** Ends all sessions of an owner that have begun until `at`. */
  endAll(owner: string, at: number, until: number): void {
    this.#owners.set(owner, Math.max(at, this.#owners.get(owner) ?? at), until)
  }

  hasEnded(id: string, now: number): boolean {
    const at = this.#ids.get(id)
    return at !== undefined && at <= now
  }

  hasEndedAll(owner: string, created: number): boolean {
    const at = this.#owners.get(owner)
    return at !== undefined && created <= at
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0 && this.#owners.size === 0
  }
}

class Names {
  readonly #names = new Map<string, { readonly at: number; readonly until: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get(name: string): number | undefined {
    return this.#names.get(name)?.at
  }

  set(name: string, at: number, until: number): void {
    const known = this.#names.get(name)
    this.#names.delete(name)
    this.#makeRoom()
    this.#names.set(name, { at, until: Math.max(until, known?.until ?? until) })
  }

  get size(): number {
    return this.#names.size
  }

  /** Drops the oldest ones as long as they are over, or too many. */
  #makeRoom(): void {
    const now = this.#now()
    for (const [name, { until }] of this.#names) {
      if (until > now && this.#names.size < MAX) return
      this.#names.delete(name)
    }
  }
}
