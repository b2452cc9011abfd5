import type { Config } from './schema.ts'
import { LENGTH, type Period, PERIODS, type Window } from './window.ts'

export interface Verdict {
  readonly refused: boolean
  /** What the client is told of its limits. */
  readonly fields: readonly (readonly [string, string])[]
}

/** Judges the counts of a request's windows, as of `now` in milliseconds. */
export type Judge = (windows: readonly Window[], usage: readonly number[], now: number) => Verdict

/** Prepares the limits of a configuration. Windows and counts come in the order of the periods. */
export function createJudge(config: Config): Judge {
  const limits = PERIODS.flatMap((period) => {
    const limit = config[period]
    return limit === undefined ? [] : [prepared(period, limit)]
  })
  return (windows, usage, now) => {
    // The longest of the periods that are used up, if there are several.
    const stop = limits.findLastIndex(({ limit }, i) => limit - usage[i]! <= 0)
    const fields: [string, string][] = []
    let nearest = 0
    let least = Infinity
    for (const [i, { limit, limitField, remainingField }] of limits.entries()) {
      // Kong's arithmetic: this request is taken off where it counts.
      const own = stop < 0 || stop === i ? 1 : 0
      const remaining = Math.max(0, limit - usage[i]! - own)
      if (remaining <= least) [nearest, least] = [i, remaining]
      fields.push([limitField, String(limit)], [remainingField, String(remaining)])
    }
    const { limit } = limits[nearest]!
    const { period, begins } = windows[nearest]!
    const reset = String(Math.max(1, LENGTH[period] - Math.floor((now - begins) / 1000)))
    fields.push(
      ['RateLimit-Limit', String(limit)],
      ['RateLimit-Remaining', String(least)],
      ['RateLimit-Reset', reset],
    )
    if (stop >= 0) fields.push(['Retry-After', reset])
    return { refused: stop >= 0, fields }
  }
}

function prepared(period: Period, limit: number) {
  const name = `${period[0]!.toUpperCase()}${period.slice(1)}`
  return {
    limit,
    limitField: `X-RateLimit-Limit-${name}`,
    remainingField: `X-RateLimit-Remaining-${name}`,
  }
}
