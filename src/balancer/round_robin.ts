import type { Address } from './address.ts'
import { type Algorithm, type TargetAddresses, weighed } from './algorithm.ts'

/**
 * One after the other, each as often as its weight says, spread evenly: whose turn is most overdue. After as many choices
 * as the weights sum up to (by their greatest common divisor), each has had exactly its share.
 */
export class RoundRobin implements Algorithm {
  #addresses: readonly Address[] = []

  update(targets: readonly TargetAddresses[]): void {
    this.#addresses = weighed(targets)
  }

  choose(_value: string, tried: readonly Address[]): Address | undefined {
    let best: Address | undefined
    let total = 0
    const isFirst = tried.length === 0
    for (const address of this.#addresses) {
      if (!address.health.isHealthy || (!isFirst && tried.includes(address))) continue
      address.turn += address.weight
      total += address.weight
      if (!best || address.turn > best.turn) best = address
    }
    if (best) best.turn -= total
    return best
  }
}
