import type { Address } from './address.ts'
import { type Algorithm, type TargetAddresses, weighed } from './algorithm.ts'

/** How fast what was measured is forgotten; milliseconds. Kong's. */
const DECAY = 10_000

/**
 * The faster one, beside its weight, of two that chance has chosen: by the mean of its times, in which older ones weigh
 * less (peak EWMA). One that nothing was sent to for a while seems faster and faster, so it is tried again.
 */
export class Latency implements Algorithm {
  #addresses: readonly Address[] = []

  /** Who is new begins with the mean of the others, or it would get everything. */
  update(targets: readonly TargetAddresses[]): void {
    this.#addresses = weighed(targets)
    const known = this.#addresses.filter(({ latency }) => latency !== undefined)
    if (known.length === 0) return
    const mean = known.reduce((sum, { latency }) => sum + latency!, 0) / known.length
    const now = Math.max(...known.map(({ latencyAt }) => latencyAt))
    for (const address of this.#addresses) {
      if (address.latency !== undefined) continue
      address.latency = mean
      address.latencyAt = now
    }
  }

  choose(_value: string, tried: readonly Address[], now: number): Address | undefined {
    const [one, other] = twoOf(this.#addresses)
    if (one && other && isFree(one, tried) && isFree(other, tried)) return faster(one, other, now)
    // Only where some are not free, all have to be looked at.
    const [first, second] = twoOf(this.#addresses.filter((each) => isFree(each, tried)))
    return first && second ? faster(first, second, now) : first
  }
}

/** Two of them by chance, or the one that there is. */
function twoOf(addresses: readonly Address[]): readonly (Address | undefined)[] {
  const count = addresses.length
  if (count < 2) return addresses
  const first = Math.floor(Math.random() * count)
  // Any but the first.
  const second = (first + 1 + Math.floor(Math.random() * (count - 1))) % count
  return [addresses[first], addresses[second]]
}

function isFree(address: Address, tried: readonly Address[]): boolean {
  return address.isOpen && !tried.includes(address)
}

function faster(one: Address, other: Address, now: number): Address {
  return score(other, now) < score(one, now) ? other : one
}

function score(address: Address, now: number): number {
  return decayed(address, 0, now) / address.weight
}

/** Reckons a time in. Both in milliseconds. */
export function addLatency(address: Address, time: number, now: number): void {
  address.latency = address.latency === undefined ? time : decayed(address, time, now)
  address.latencyAt = now
}

function decayed({ latency = 0, latencyAt }: Address, time: number, now: number): number {
  const kept = Math.exp(-Math.max(now - latencyAt, 0) / DECAY)
  return latency * kept + time * (1 - kept)
}
