import type { Address } from './address.ts'
import { type Algorithm, type TargetAddresses, weighed } from './algorithm.ts'

/** Who has the fewest requests on their way, beside its weight; among equals, one after the other. */
export class LeastConnections implements Algorithm {
  #addresses: readonly Address[] = []
  #last = 0

  update(targets: readonly TargetAddresses[]): void {
    this.#addresses = weighed(targets)
  }

  choose(_value: string, tried: readonly Address[]): Address | undefined {
    const count = this.#addresses.length
    const first = this.#last + 1
    let best: Address | undefined
    let least = Infinity
    for (let i = 0; i < count; i++) {
      const at = (first + i) % count
      const address = this.#addresses[at]!
      const load = (address.connections + 1) / address.weight
      if (load >= least || !address.isOpen || tried.includes(address)) continue
      best = address
      least = load
      this.#last = at
    }
    return best
  }
}
