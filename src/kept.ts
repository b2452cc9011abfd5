/** Milliseconds that requests under way may still need what the configuration after theirs does not name. */
const GRACE = 60_000

type Disposed = Partial<AsyncDisposable & Disposable>

/**
 * What lives longer than a configuration, by name. What can be disposed of is, some time after a reload has taken over
 * whose plugins did not ask for it, and when the gateway ends; all else, such as proofs that were used, is kept.
 */
export class Kept implements AsyncDisposable {
  readonly #all = new Map<string, object>()
  readonly #grace: number
  readonly #timers = new Set<Timer>()
  /** What was asked for beside any configuration, and by the one that is served. */
  readonly #own = new Set<string>()
  #inUse: ReadonlySet<string> = new Set()

  constructor(grace: number = GRACE) {
    this.#grace = grace
  }

  /** Gives what is kept by that name, made when it is first asked for. `names` are those that a configuration asks for. */
  keep<T extends object>(name: string, create: () => T, names: Set<string> = this.#own): T {
    names.add(name)
    let it = this.#all.get(name)
    if (!it) this.#all.set(name, (it = create()))
    return it as T
  }

  /** The configuration that these names are of has taken over: what is not among them is let go after a while. */
  takeOver(names: ReadonlySet<string>): void {
    this.#inUse = names
    const idle = [...this.#all].flatMap(([name, it]) =>
      this.#isIdle(name) && isDisposed(it) ? [name] : [],
    )
    if (idle.length === 0) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      // A reload since may have asked for some again.
      void this.#letGo(idle.filter((name) => this.#isIdle(name)))
    }, this.#grace)
    this.#timers.add(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#letGo([...this.#all.keys()])
  }

  #isIdle(name: string): boolean {
    return !this.#inUse.has(name) && !this.#own.has(name)
  }

  async #letGo(names: readonly string[]): Promise<void> {
    const those = names.map((name): Disposed => this.#all.get(name) ?? {})
    for (const name of names) this.#all.delete(name)
    // What takes time to end has last words to say, by connections that end at once.
    await Promise.all(those.map((it) => it[Symbol.asyncDispose]?.()))
    for (const it of those) it[Symbol.dispose]?.()
  }
}

function isDisposed(it: Disposed): boolean {
  return it[Symbol.asyncDispose] !== undefined || it[Symbol.dispose] !== undefined
}
