import { openSync, writeSync } from 'node:fs'
import { UnreadableFile } from './sources.ts'

const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 }

/**
 * What writes to a log of Kong's settings: a path, `/dev/stdout`, `/dev/stderr`, or `off`, which writes nothing. Throws
 * `UnreadableFile` for a path that cannot be written.
 */
export function logWriter(path: string): ((text: string) => void) | undefined {
  if (path === 'off') return undefined
  const fd = STANDARD[path] ?? open(path)
  return (text) => {
    try {
      writeSync(fd, text)
    } catch {
      // A full disk or a reader that left must not stop the gateway.
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'a')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UnreadableFile(
      `${path}: the log cannot be written (${code})\nMake its folder, or set KONG_PROXY_ACCESS_LOG and KONG_PROXY_ERROR_LOG`,
    )
  }
}
