import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import type { Log } from '../../pdk.ts'

const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 }
/** Without blocking: a pipe that nobody reads must not stop the gateway. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** Characters that are gathered before they are written, and milliseconds. */
const GATHERED = 32 * 1024
const DELAY = 100
/** Bytes that wait for a reader who has no room; what comes then is lost. */
const MAX_WAITING = 1024 * 1024
/** Milliseconds between two complaints about the same file. */
const QUIET = 60_000
const NOTHING = new Uint8Array(0)

/** A file that lines are added to, gathered so that a busy gateway makes few system calls. It is opened when there is a line. */
export class LogFile implements Disposable {
  readonly #path: string
  readonly #log: Log
  #fd: number | undefined
  #lines = ''
  #reopens = false
  #waiting: Uint8Array = NOTHING
  #timer: Timer | undefined
  #quietUntil = 0

  /** `log` is told of a file that cannot be written. */
  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
  }

  /** Adds a line, which ends with its line feed; with `reopens` the file is opened anew. */
  add(line: string, reopens: boolean): void {
    this.#lines += line
    this.#reopens ||= reopens
    if (this.#lines.length > GATHERED) this.#write()
    else this.#timer ??= setTimeout(() => this.#write(), DELAY).unref()
  }

  [Symbol.dispose](): void {
    this.#write()
    clearTimeout(this.#timer)
    this.#close()
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = Buffer.from(this.#lines)
    this.#lines = ''
    let rest = this.#waiting
    // Whole lines are lost, never the rest of one that was begun.
    if (rest.length > 0 && rest.length + lines.length > MAX_WAITING)
      this.#complain('nobody reads it fast enough')
    else rest = Buffer.concat([rest, lines])
    this.#waiting = NOTHING
    if (rest.length === 0) return
    try {
      if (this.#reopens) this.#close()
      this.#reopens = false
      this.#fd ??= open(this.#path)
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#waiting = rest
        this.#timer = setTimeout(() => this.#write(), DELAY).unref()
        return
      }
      this.#close()
      this.#complain(error)
    }
  }

  #close(): void {
    if (this.#fd !== undefined && this.#fd > 2) closeSync(this.#fd)
    this.#fd = undefined
  }

  #complain(cause: unknown): void {
    if (performance.now() < this.#quietUntil) return
    this.#quietUntil = performance.now() + QUIET
    this.#log.error('lines of file-log are lost', { code: 'log_failed', path: this.#path, cause })
  }
}

/** Throws Node's error. */
function open(path: string): number {
  const standard = STANDARD[path]
  if (standard === undefined) return openSync(path, FLAGS, 0o644)
  try {
    // A pipe can be opened a second time; whoever else writes to it is not disturbed.
    if (fstatSync(standard).isFIFO()) return openSync(`/dev/fd/${standard}`, FLAGS)
  } catch {
    // Another user's pipe: as it was given.
  }
  return standard
}
