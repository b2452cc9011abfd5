import type { Facts, Log } from './pdk.ts'

/** nginx's levels, from the least to the most urgent. */
export const LEVELS = ['debug', 'info', 'notice', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/**
 * A log that writes one line a message, as nginx begins it and with facts as `name=value`:
 * `2026/01/31 12:00:00 [notice] 401 Unauthorized code=invalid_token …`. `write` takes a line with its line feed.
 */
export function createLog(
  level: Level,
  write: (line: string) => void,
  now: () => number = Date.now,
): Log {
  const least = LEVELS.indexOf(level)
  const at = (name: Level) =>
    LEVELS.indexOf(name) < least
      ? () => {}
      : (message: string, facts?: Facts) =>
          write(`${timestamp(now())} [${name}] ${plain(message)}${writeFacts(facts)}\n`)
  return {
    debug: at('debug'),
    info: at('info'),
    notice: at('notice'),
    warn: at('warn'),
    error: at('error'),
  }
}

function writeFacts(facts: Facts = {}): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${quote(value)}`)
    .join('')
}

function quote(value: unknown): string {
  const text = plain(value instanceof Error ? explain(value) : String(value))
  return /[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text
}

/** An error's message and those of its causes; never its stack. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const message = error.message || error.name
  if (error.cause === undefined) return message
  const cause = explain(error.cause)
  return cause === '' || message.includes(cause) ? message : `${message}: ${cause}`
}

/** What comes from outside must not be able to forge a line or steer a terminal. */
function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ')
}
