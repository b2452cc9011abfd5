import { UpstreamError } from '../upstream/errors.ts'
import type { Address } from './address.ts'

/** What a try, of a probe or of a request, says of an address: a status, or what went wrong before there was one. */
export type Result = number | 'connected' | 'timeout' | 'failed'

export interface ActiveChecksOptions {
  /** Seconds between two rounds over those that are healthy, and over the others; 0 is never. */
  readonly intervals: { readonly healthy: number; readonly unhealthy: number }
  /** How many are asked at once. */
  readonly concurrency: number
  addresses(): readonly Address[]
  /** Asks one; gives its status, or nothing where a connection is all that is asked for. Throws `UpstreamError`. */
  probe(address: Address): Promise<number | undefined>
  told(address: Address, result: Result): void
}

/** No interval is shorter, in milliseconds. */
const SHORTEST = 10

/** Asks the addresses of an upstream, round after round, how they are. */
export class ActiveChecks {
  readonly #options: ActiveChecksOptions
  readonly #timers: ReturnType<typeof setInterval>[] = []
  #isOver = false

  constructor(options: ActiveChecksOptions) {
    this.#options = options
    this.#begin(true, options.intervals.healthy)
    this.#begin(false, options.intervals.unhealthy)
  }

  stop(): void {
    this.#isOver = true
    for (const timer of this.#timers) clearInterval(timer)
  }

  #begin(isHealthy: boolean, seconds: number): void {
    if (seconds === 0) return
    let isRunning = false
    const round = async () => {
      // Where the answers take longer than the interval, a round is left out.
      if (isRunning) return
      isRunning = true
      await this.#round(isHealthy)
      isRunning = false
    }
    const timer = setInterval(round, Math.max(seconds * 1000, SHORTEST))
    timer.unref()
    this.#timers.push(timer)
  }

  async #round(isHealthy: boolean): Promise<void> {
    const { addresses, concurrency } = this.#options
    const list = addresses().filter(
      ({ weight, health }) => weight > 0 && health.isHealthy === isHealthy,
    )
    const worker = async () => {
      for (let address = list.shift(); address; address = list.shift()) await this.#check(address)
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, list.length) }, worker))
  }

  async #check(address: Address): Promise<void> {
    if (this.#isOver) return
    const result = await this.#options.probe(address).catch(resultOf)
    if (!this.#isOver) this.#options.told(address, result ?? 'connected')
  }
}

/** What an error of a try says of the address. An answer that cannot be read is status 0, as in Kong. */
export function resultOf(error: unknown): Result {
  if (!(error instanceof UpstreamError)) return 'failed'
  if (error.code === 'invalid_response') return 0
  return error.code.endsWith('_timeout') ? 'timeout' : 'failed'
}
