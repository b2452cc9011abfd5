/** Something that must not wait for ever. */
export interface Waiter {
  /** When its patience ends, in `performance.now()` milliseconds; `Infinity` while it waits for nothing. */
  deadline: number
  expire(): void
}

/** How late a deadline may be noticed, in milliseconds. */
const STEP = 25

/**
 * Time limits for all connections by one timer: setting a limit is an assignment, so a request costs no timers.
 * The timer runs only while there is a waiter.
 */
export class Deadlines {
  readonly #waiters = new Set<Waiter>()
  #timer: Timer | undefined

  add(waiter: Waiter): void {
    this.#waiters.add(waiter)
    this.#timer ??= setInterval(() => this.#sweep(), STEP)
  }

  delete(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    if (this.#waiters.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #sweep(): void {
    const now = performance.now()
    const faults: unknown[] = []
    for (const waiter of this.#waiters) {
      if (waiter.deadline > now) continue
      waiter.deadline = Infinity
      try {
        waiter.expire()
      } catch (fault) {
        faults.push(fault)
      }
    }
    // Only now, so that one waiter's fault is not the others'.
    if (faults.length > 0) throw new AggregateError(faults, 'a deadline could not be kept')
  }
}
