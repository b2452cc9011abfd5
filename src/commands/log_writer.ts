import { openSync, writeSync } from 'node:fs'

const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 }

/** What writes to a log of Kong's settings: a path, `/dev/stdout`, `/dev/stderr`, or `off`, which writes nothing. */
export function logWriter(path: string): ((text: string) => void) | undefined {
  if (path === 'off') return undefined
  const fd = STANDARD[path] ?? openSync(path, 'a')
  return (text) => {
    try {
      writeSync(fd, text)
    } catch {
      // A full disk or a reader that left must not stop the gateway.
    }
  }
}
