import { createHmac, timingSafeEqual } from 'node:crypto'

/** The request's header field by which the holder of `explain_key` asks for a trace; in lower case. */
export const EXPLAIN = 'gatehouse-explain'
/** The answer's header field with the trace. */
export const TRACE = 'Gatehouse-Trace'

/** How far the clocks may be apart, and how long a signature serves; milliseconds. */
const VALID = 60_000
/** Signatures remembered as used; with more of them valid at once nobody is told anything. */
const MOST_USED = 10_000

/** `rehearse` asks for all but the service. */
export type ExplainMode = 'rehearse' | 'send'

/** What is signed of a request: as it stands on the wire. */
export interface SignedRequest {
  readonly method: string
  readonly target: string
  readonly host: string
}

/** The value of the header field: `now` in milliseconds since the epoch. */
export function signExplain(
  key: string,
  mode: ExplainMode,
  request: SignedRequest,
  now: number,
): string {
  return `${mode} ${now} ${signature(key, mode, request, String(now))}`
}

function signature(
  key: string,
  mode: string,
  { method, target, host }: SignedRequest,
  time: string,
): string {
  const signed = JSON.stringify(['gatehouse-explain', mode, time, method, target, host])
  return createHmac('sha256', key).update(signed).digest('base64url')
}

/** Says whether a request may be explained; each signature serves once. */
export class ExplainKey {
  readonly #key: string
  readonly #now: () => number
  /** When each signature that was used is over, the oldest first. */
  readonly #used = new Map<string, number>()

  constructor(key: string, now: () => number = Date.now) {
    this.#key = key
    this.#now = now
  }

  /** What the signed field asks for; nothing for one that is stale, used, or signed by nobody. */
  verify(value: string, request: SignedRequest): ExplainMode | undefined {
    const [, mode, time, given] = /^(rehearse|send) (\d{1,15}) ([\w-]{43})$/.exec(value) ?? []
    if (mode === undefined || time === undefined || given === undefined) return undefined
    const now = this.#now()
    if (Math.abs(now - Number(time)) > VALID) return undefined
    const expected = signature(this.#key, mode, request, time)
    if (!timingSafeEqual(Buffer.from(given), Buffer.from(expected))) return undefined
    if (!this.#use(expected, now)) return undefined
    return mode as ExplainMode
  }

  #use(signature: string, now: number): boolean {
    for (const [each, until] of this.#used) {
      if (until >= now) break
      this.#used.delete(each)
    }
    if (this.#used.has(signature) || this.#used.size >= MOST_USED) return false
    // A clock of the future makes it valid for as much longer.
    this.#used.set(signature, now + 2 * VALID)
    return true
  }
}
