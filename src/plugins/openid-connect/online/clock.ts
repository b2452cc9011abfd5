import type { Config } from '../schema.ts'
import type { Found } from './found.ts'

/**
 * How far the clock of a server is from ours by the `Date` of its answer: the least that explains it, given when the
 * request went and when the answer came (milliseconds). Seconds, above zero if it is ahead; nothing without a date.
 */
export function skewOf(headers: Headers, sent: number, received: number): number | undefined {
  const date = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(date)) return undefined
  // RFC 9111 §5.1: a cache has kept it for so long. Neither number has fractions.
  const age = Number(headers.get('age') ?? 0) || 0
  const earliest = date + age * 1000
  const latest = earliest + (age > 0 ? 2000 : 1000)
  if (earliest > received) return (earliest - received) / 1000
  if (latest < sent) return (latest - sent) / 1000
  return 0
}

/** More than clocks that are set by NTP ever differ, and more than any leeway makes good; seconds. */
const NOTICEABLE = 5
const TOO_MUCH = 60

export function checkClock({ leeway }: Pick<Config, 'leeway'>, skew: number): Found[] {
  const apart = Math.abs(skew)
  if (apart <= NOTICEABLE) return []
  const where = skew > 0 ? 'ahead of' : 'behind'
  const outcome =
    skew > 0 ? 'so that its tokens count as not yet valid' : 'so that its tokens end too early'
  return [
    {
      level: apart > leeway + TOO_MUCH ? 'error' : 'warning',
      code: 'clock_skew',
      field: ['leeway'],
      message: `the clock of the provider is ${Math.round(apart)} s ${where} the one of this machine (leeway is ${leeway} s), ${outcome}; set both by NTP`,
    },
  ]
}
