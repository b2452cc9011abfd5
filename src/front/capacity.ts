import { readFileSync } from 'node:fs'

/** Kong's `worker_connections`. */
const MOST = 16_384
/** Descriptors for files, for listening and for the runtime. */
const RESERVED = 64

/** How many clients may be connected at once. */
export class Capacity {
  #used = 0
  /** How many clients came, and how many of them there was a place for. */
  readonly count = { accepted: 0, handled: 0 }
  readonly most: number

  constructor(most = connectionsFor(openFilesLimit())) {
    this.most = most
  }

  get used(): number {
    return this.#used
  }

  /** Takes a place. False if there is none. */
  enter(): boolean {
    this.count.accepted++
    if (this.#used >= this.most) return false
    this.count.handled++
    this.#used++
    return true
  }

  leave(): void {
    this.#used--
  }
}

/** A client needs a descriptor, and its service another; without one, `accept` fails for ever and takes a whole core. */
export function connectionsFor(openFiles: number): number {
  return Math.max(1, Math.min(MOST, Math.floor((openFiles - RESERVED) / 2)))
}

/** What the system allows this process; `Infinity` where it does not say. */
function openFilesLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}
