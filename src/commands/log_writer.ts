import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isForbidden, UnreadableFile } from './sources.ts'

const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 }

/** Without blocking, since a pipe whose reader has stalled must not stall the gateway. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** How many bytes wait for a reader; what comes then is dropped. */
const MAX_WAITING = 1024 * 1024
/** Milliseconds until a reader that had no room is offered the rest again. */
const RETRY = 50
/** Milliseconds that a slow reader has for the rest when the process ends. */
const GRACE = 500

const MAY_NOT = 'Let the user that runs gatehouse write it and its folder'
/** What to do about a log that cannot be opened. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'Make its folder',
  ENOTDIR: 'Make its folder',
  EISDIR: 'Name a file in that folder',
  EROFS: 'Let it be in a folder that can be written',
  ENXIO: 'Let somebody read that pipe first',
}

export interface LogWriter {
  write(text: string): void
  /** Goes on in a new file, if somebody has moved the old one away. Throws `UnreadableFile`, and then goes on in the old one. */
  reopen(): void
}

/**
 * What writes to a log of Kong's settings: a path, `/dev/stdout`, `/dev/stderr`, or `off`, which writes nothing. Throws
 * `UnreadableFile` for a path that cannot be written; `setting` is what names another.
 */
export function logWriter(path: string, setting: string): LogWriter | undefined {
  if (path === 'off') return undefined
  const standard = STANDARD[path]
  let fd = standard === undefined ? open(path, setting) : withoutBlocking(standard)
  let waiting: Uint8Array[] = []
  let length = 0
  let dropped = 0
  /** Lines that could not be written, and whether a part of the first one was. */
  let lost = 0
  let isTorn = false
  let timer: Timer | undefined

  function write(bytes: Uint8Array): void {
    const { rest, isLost } = offer(fd, bytes)
    if (isLost) {
      lost += linesIn(rest)
      const last = bytes[bytes.length - rest.length - 1]
      if (last !== undefined) isTorn = last !== LINE_FEED
    }
    waiting = isLost || rest.length === 0 ? [] : [rest]
    length = isLost ? 0 : rest.length
    if (length > 0) timer = setTimeout(retry, RETRY).unref()
    else if (dropped > 0) {
      const note = `${dropped} lines are missing here: nobody read the log\n`
      dropped = 0
      write(Buffer.from(note))
    }
  }

  /** Once there may be room again; if there is none, nothing was told. */
  function tellLost(): void {
    if (lost === 0) return
    const before = lost
    lost = 0
    write(
      Buffer.from(
        `${isTorn ? '\n' : ''}${before} lines are missing here: the log could not be written\n`,
      ),
    )
    if (lost > 0) lost = before
    else isTorn = false
  }

  function retry(): void {
    timer = undefined
    write(Buffer.concat(waiting))
  }

  process.on('exit', () => {
    const end = performance.now() + GRACE
    let rest: Uint8Array = Buffer.concat(waiting)
    while (rest.length > 0 && performance.now() < end) {
      const offered = offer(fd, rest)
      if (offered.isLost) break
      rest = offered.rest
      if (rest.length > 0) Bun.sleepSync(1)
    }
  })
  return {
    write(text) {
      const bytes = Buffer.from(text)
      if (!timer) tellLost()
      if (!timer) return write(bytes)
      if (length + bytes.length > MAX_WAITING) {
        dropped += linesIn(bytes)
        return
      }
      waiting.push(bytes)
      length += bytes.length
    },
    reopen() {
      if (standard !== undefined) return
      const next = open(path, setting)
      closeSync(fd)
      fd = next
      isTorn = false
    },
  }
}

/** Writes what there is room for, and gives the rest; `isLost` if it can never be written, as on a disk without room. */
function offer(fd: number, bytes: Uint8Array): { rest: Uint8Array; isLost: boolean } {
  let rest = bytes
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest))
  } catch (error) {
    // A full disk or a reader that left must not stop the gateway.
    return { rest, isLost: (error as NodeJS.ErrnoException).code !== 'EAGAIN' }
  }
  return { rest, isLost: false }
}

const LINE_FEED = 0x0a

function linesIn(bytes: Uint8Array): number {
  return bytes.reduce((count, byte) => (byte === LINE_FEED ? count + 1 : count), 0)
}

/** A pipe can be opened a second time to write without blocking; whoever else writes to it is not disturbed. */
function withoutBlocking(fd: number): number {
  try {
    if (fstatSync(fd).isFIFO()) return openSync(`/dev/fd/${fd}`, FLAGS)
  } catch {
    // Another user's pipe: as it was given.
  }
  return fd
}

function open(path: string, setting: string): number {
  try {
    return openSync(path, FLAGS, 0o666)
  } catch (error) {
    const { code = 'failed' } = error as NodeJS.ErrnoException
    const advice = isForbidden(code) ? MAY_NOT : ADVICE[code]
    throw new UnreadableFile(
      `${path}: the log cannot be written (${code})`,
      advice === undefined ? `Set ${setting}` : `${advice}, or set ${setting}`,
    )
  }
}
