import type { Awaitable, Cache } from '../../pdk.ts'
import { LENGTH, type Window } from './window.ts'

/** Keeps counts of requests. */
export interface Counts {
  /** How many requests came before this one, in each window. Throws, or rejects, if that cannot be told. */
  usage(windows: readonly Window[]): Awaitable<readonly number[]>
  /** Counts a request that may pass. */
  increment(windows: readonly Window[]): void
}

interface Count {
  value: number
}

/** About how many bytes one takes beside its key. */
const COUNT_BYTES = 32

/** Counts in this process. Those of refused requests do not rise. */
export class LocalCounts implements Counts {
  readonly #counts: Cache<Count>

  constructor(counts: Cache<Count>) {
    this.#counts = counts
  }

  usage(windows: readonly Window[]): readonly number[] {
    return windows.map(({ key }) => this.#counts.get(key)?.value ?? 0)
  }

  increment(windows: readonly Window[]): void {
    for (const { key, period } of windows) {
      const count = this.#counts.get(key)
      if (count) count.value++
      else this.#counts.set(key, { value: 1 }, LENGTH[period], COUNT_BYTES)
    }
  }
}
