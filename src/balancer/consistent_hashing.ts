import type { Address } from './address.ts'
import type { Algorithm, TargetAddresses } from './algorithm.ts'

/** Points of a target on the ring, if all have the same weight. */
const POINTS_OF_TARGET = 160
const LEAST_SLOTS = 1000
/** How much of a ring that is too small is filled: the fuller it is, the longer it takes to find a free slot. */
const FILLED = 0.75

/**
 * A ring on which each address has points, as many as its weight says. A request goes to the owner of the next point
 * below its own, so when an address goes, only its requests go elsewhere. Kong's ring point by point, so that a value
 * goes to the same target there and here.
 */
export class ConsistentHashing implements Algorithm {
  readonly #slots: number
  #ring: (Address | undefined)[] = []

  constructor(slots: number) {
    this.#slots = Math.max(slots, LEAST_SLOTS)
  }

  update(targets: readonly TargetAddresses[]): void {
    const ring: (Address | undefined)[] = Array(this.#slots).fill(undefined)
    const count = targets.length
    // Kong gives up where the ring has no room for all; here all get less.
    const isFull = count * POINTS_OF_TARGET > this.#slots
    const points = isFull ? Math.floor((this.#slots * FILLED) / count) : POINTS_OF_TARGET
    const total = targets
      .flatMap(({ addresses }) => addresses)
      .reduce((sum, a) => sum + a.weight, 0)
    // In one order, whatever order they are written in: who comes first keeps a point that two would have.
    for (const { addresses } of targets.toSorted(byName)) {
      for (const address of addresses.toSorted(byPlace)) {
        const share = Math.floor((address.weight / total) * count * points)
        this.#place(ring, address, address.weight > 0 ? Math.max(share, 1) : 0)
      }
    }
    this.#ring = ring
  }

  #place(ring: (Address | undefined)[], address: Address, points: number): void {
    let placed = 0
    for (let i = 1; placed < points && i <= this.#slots; i++) {
      // Both colons are Kong's.
      const slot = this.#slotOf(`${address.srvName ?? address.ip}::${address.port} ${i}`)
      if (ring[slot]) continue
      ring[slot] = address
      placed++
    }
  }

  #slotOf(value: string): number {
    return Bun.hash.xxHash32(Buffer.from(value, 'latin1')) % this.#slots
  }

  choose(value: string, tried: readonly Address[]): Address | undefined {
    const from = this.#slotOf(value)
    for (let i = 0; i < this.#slots; i++) {
      const address = this.#ring[(from - i + this.#slots) % this.#slots]
      if (address?.isOpen && !tried.includes(address)) return address
    }
    return undefined
  }
}

function byName(a: TargetAddresses, b: TargetAddresses): number {
  return compare(a.name, b.name) || a.port - b.port
}

function byPlace(a: Address, b: Address): number {
  return compare(`${a.srvName ?? a.ip}:${a.port}`, `${b.srvName ?? b.ip}:${b.port}`)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
