import { splitPort } from './traditional_host.ts'

/** A host with a `*`, which stands for one byte or more. Without a port of its own it goes with any. */
export class Wildcard {
  readonly host: string
  readonly front: string
  readonly end: string
  readonly #hasPort: boolean

  constructor(host: string) {
    const star = host.indexOf('*')
    this.host = host
    this.front = host.slice(0, star)
    this.end = host.slice(star + 1)
    this.#hasPort = splitPort(host, undefined).hasPort
  }

  /** Takes the request's host with its port. */
  matches(host: string): boolean {
    if (this.#fits(host)) return true
    return !this.#hasPort && this.#fits(withoutPort(host))
  }

  #fits(host: string): boolean {
    const { front, end } = this
    return host.length > front.length + end.length && host.startsWith(front) && host.endsWith(end)
  }
}

/** Finds the wildcards that a host matches, however many there are: by what they begin with, or else end with. */
export class Wildcards {
  readonly #fronts = new Map<string, Wildcard[]>()
  readonly #ends = new Map<string, Wildcard[]>()
  readonly #frontLengths: readonly number[]
  readonly #endLengths: readonly number[]
  /** The place of each, by its host. */
  readonly #places = new Map<string, number>()

  /** Of those with the same host the first counts. */
  constructor(wildcards: readonly Wildcard[]) {
    for (const wildcard of wildcards) {
      const { host, front, end } = wildcard
      if (this.#places.has(host)) continue
      this.#places.set(host, this.#places.size)
      const [lists, key] = front === '' ? [this.#ends, end] : [this.#fronts, front]
      const list = lists.get(key)
      if (list) list.push(wildcard)
      else lists.set(key, [wildcard])
    }
    this.#frontLengths = lengthsOf(this.#fronts)
    this.#endLengths = lengthsOf(this.#ends)
  }

  /** The wildcards that match the request's host with its port, in their order. */
  find(host: string): string[] {
    const bare = withoutPort(host)
    const keys = new Set(
      [host, bare].flatMap((each) => this.#endLengths.map((length) => tail(each, length))),
    )
    const found = [
      ...this.#frontLengths.flatMap((length) => this.#fronts.get(host.slice(0, length)) ?? []),
      ...[...keys].flatMap((key) => this.#ends.get(key) ?? []),
    ]
    return found
      .filter((wildcard) => wildcard.matches(host))
      .map((wildcard) => wildcard.host)
      .sort((a, b) => this.#places.get(a)! - this.#places.get(b)!)
  }
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}

/** The last bytes of a text, or all of a shorter one. */
function tail(text: string, length: number): string {
  return text.slice(Math.max(0, text.length - length))
}

function lengthsOf(lists: ReadonlyMap<string, unknown>): number[] {
  return [...new Set([...lists.keys()].map(({ length }) => length))]
}
