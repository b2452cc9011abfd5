/** What is counted, by the names that the limits have in `healthchecks`. */
export type Counter = 'successes' | 'tcp_failures' | 'timeouts' | 'http_failures'

/** What a check of Kong's `healthchecks` says of its answers; a limit of 0 counts nothing. */
export interface Limits {
  readonly healthy: {
    readonly http_statuses: readonly number[]
    readonly successes: number
  }
  readonly unhealthy: {
    readonly http_statuses: readonly number[]
    readonly tcp_failures: number
    readonly timeouts: number
    readonly http_failures: number
  }
}

/**
 * Whether an address works, by what was counted (lua-resty-healthcheck's rules): it changes when one counter reaches its
 * limit. A success takes all failures back and the other way round; what would change nothing is not counted.
 */
export class Health {
  isHealthy = true
  /** Nothing speaks against the present state. */
  #isCertain = true
  readonly #counts: Record<Counter, number> = {
    successes: 0,
    tcp_failures: 0,
    timeouts: 0,
    http_failures: 0,
  }

  /** Counts once. True if the state has changed. */
  count(counter: Counter, limit: number): boolean {
    const isSuccess = counter === 'successes'
    if (limit === 0 || (this.#isCertain && isSuccess === this.isHealthy)) return false
    const counts = this.#counts
    counts[counter]++
    if (isSuccess) counts.tcp_failures = counts.timeouts = counts.http_failures = 0
    else counts.successes = 0
    if (counts[counter] < limit) {
      if (isSuccess !== this.isHealthy) this.#isCertain = false
      return false
    }
    const hasChanged = this.isHealthy !== isSuccess
    this.isHealthy = isSuccess
    this.#isCertain = true
    return hasChanged
  }

  /** Counts a status, if the check says anything of it; one that cannot be read is 0, and bad. True if the state has changed. */
  countStatus(status: number, { healthy, unhealthy }: Limits): boolean {
    if (healthy.http_statuses.includes(status)) return this.count('successes', healthy.successes)
    if (status === 0 || unhealthy.http_statuses.includes(status))
      return this.count('http_failures', unhealthy.http_failures)
    return false
  }

  /** Sets the state, whatever was counted. True if it has changed. */
  force(isHealthy: boolean): boolean {
    const hasChanged = this.isHealthy !== isHealthy
    this.isHealthy = isHealthy
    this.#isCertain = true
    for (const each of Object.keys(this.#counts) as Counter[]) this.#counts[each] = 0
    return hasChanged
  }
}
