import type { Session } from './session.ts'

/** The facts of a session that headers can tell. */
export const FACTS = [
  'absolute-timeout',
  'audience',
  'id',
  'idling-timeout',
  'rolling-timeout',
  'subject',
  'timeout',
] as const

type Fact = (typeof FACTS)[number]

/** What is told of a session for such a name; timeouts are the seconds that are left. Nothing where there is none. */
export function factOf(
  { id, subject, ends }: Session,
  name: Fact,
  audience: string,
  now: number,
): string | undefined {
  const left = (end: number) =>
    end === Infinity ? undefined : String(Math.max(0, Math.floor((end - now) / 1000)))
  switch (name) {
    case 'id':
      return id
    case 'audience':
      return audience
    case 'subject':
      return subject
    case 'timeout':
      return left(Math.min(ends.idling, ends.rolling, ends.absolute))
    case 'idling-timeout':
      return left(ends.idling)
    case 'rolling-timeout':
      return left(ends.rolling)
    case 'absolute-timeout':
      return left(ends.absolute)
  }
}

/** `Session-Idling-Timeout` for `idling-timeout`. */
export function headerOf(fact: string): string {
  return `session-${fact}`.replace(/\b[a-z]/g, (letter) => letter.toUpperCase())
}
