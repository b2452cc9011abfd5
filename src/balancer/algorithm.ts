import type { Address } from './address.ts'

/** The addresses of one target of an upstream. */
export interface TargetAddresses {
  /** Host and port as they were written. */
  readonly name: string
  readonly port: number
  readonly addresses: readonly Address[]
}

/** How an address is chosen for a request. */
export interface Algorithm {
  /** Takes over other addresses or weights. */
  update(targets: readonly TargetAddresses[]): void
  /**
   * An open address that is not among `tried`, if there is one. `value` is what of the request counts, for those that
   * look at it, one character a byte.
   */
  choose(value: string, tried: readonly Address[], now: number): Address | undefined
}

/** The addresses of targets that may ever get a request. */
export function weighed(targets: readonly TargetAddresses[]): Address[] {
  return targets.flatMap(({ addresses }) => addresses.filter(({ weight }) => weight > 0))
}
