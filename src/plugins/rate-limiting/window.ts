/** Kong's periods, the shortest first. */
export const PERIODS = ['second', 'minute', 'hour', 'day', 'month', 'year'] as const
export type Period = (typeof PERIODS)[number]

/** How long a period is counted to be, in seconds: each month has 30 days, as in Kong. */
export const LENGTH: Readonly<Record<Period, number>> = {
  second: 1,
  minute: 60,
  hour: 3_600,
  day: 86_400,
  month: 2_592_000,
  year: 31_536_000,
}

/** When the periods that hold a moment began, in UTC; milliseconds since the epoch. */
export type Beginnings = Readonly<Record<Period, number>>

export function beginningsOf(now: number): Beginnings {
  const date = new Date(now)
  const year = date.getUTCFullYear()
  return {
    second: now - (now % 1_000),
    minute: now - (now % 60_000),
    hour: now - (now % 3_600_000),
    day: now - (now % 86_400_000),
    month: Date.UTC(year, date.getUTCMonth()),
    year: Date.UTC(year, 0),
  }
}

/** One count: whose requests, in which period. */
export interface Window {
  /** Kong's key for it, so that a Redis may be shared with Kong. */
  readonly key: string
  readonly period: Period
  readonly begins: number
}
