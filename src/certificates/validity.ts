/** From when to when an authority means what it has signed; milliseconds since the epoch. */
export interface Validity {
  readonly thisUpdate: number
  readonly nextUpdate: number
}

/** How far the clock of another may be ahead; milliseconds. */
const SKEW = 5 * 60 * 1000

/** Whether a list of revocations or an answer of OCSP is of today. */
export function isCurrent({ thisUpdate, nextUpdate }: Validity, now: number): boolean {
  return thisUpdate <= now + SKEW && now < nextUpdate
}
