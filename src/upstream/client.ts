import { Deadlines } from '../http1/deadlines.ts'
import { connect } from './connect.ts'
import type { UpstreamConnection, UpstreamConnectionOwner } from './connection.ts'
import type { Address, Target } from './target.ts'

/** Kong's `upstream_keepalive_*`: idle connections to one target, seconds they are kept, requests that one serves; 0 of the last two is no limit. */
export interface KeepaliveLimits {
  readonly poolSize: number
  readonly idleTimeout: number
  readonly maxRequests: number
}

/** Connections to servers, kept for the next request. HTTP/1.1, our own, because `fetch` has one limit for all servers. */
export class UpstreamClient implements UpstreamConnectionOwner {
  readonly deadlines = new Deadlines()
  readonly #limits: KeepaliveLimits
  readonly #idle = new Map<string, UpstreamConnection[]>()
  readonly #connectTo: ReadonlyMap<string, Address>

  /** `connectTo` sends what is meant for one `host:port` to another address, as curl's option of that name. */
  constructor(limits: KeepaliveLimits, connectTo: ReadonlyMap<string, Address> = new Map()) {
    this.#limits = {
      poolSize: limits.poolSize,
      idleTimeout: limits.idleTimeout || Infinity,
      maxRequests: limits.maxRequests || Infinity,
    }
    this.#connectTo = connectTo
  }

  /** An open connection that waits for a request, if there is one: the way without a promise. */
  take(target: Target): UpstreamConnection | undefined {
    return this.#idle.get(target.key)?.pop()
  }

  /**
   * One that was in use a moment ago, at most `age` milliseconds: for what may be sent only once. The longer a server has
   * left a connection alone, the more likely it is to close it just now.
   */
  takeFresh(target: Target, age: number): UpstreamConnection | undefined {
    const newest = this.#idle.get(target.key)?.at(-1)
    return newest && performance.now() - newest.heardAt <= age ? this.take(target) : undefined
  }

  /** Whether `connectTo` says where that is. */
  leadsElsewhere(host: string, port: number): boolean {
    return this.#connectTo.has(`${host}:${port}`)
  }

  /** A new connection; `timeout` in milliseconds. Throws `UpstreamError`. */
  connect(target: Target, timeout: number): Promise<UpstreamConnection> {
    const instead = this.#connectTo.get(`${target.host}:${target.port}`)
    return connect(instead ? { ...target, ...instead } : target, timeout, this)
  }

  release(connection: UpstreamConnection): void {
    const { key } = connection.target
    let idle = this.#idle.get(key)
    if (!idle) this.#idle.set(key, (idle = []))
    if (idle.length >= this.#limits.poolSize || connection.requests >= this.#limits.maxRequests)
      return connection.abort()
    connection.park(this.#limits.idleTimeout * 1000)
    idle.push(connection)
  }

  forget(connection: UpstreamConnection): void {
    const { key } = connection.target
    const idle = this.#idle.get(key)
    const at = idle?.indexOf(connection) ?? -1
    if (!idle || at < 0) return
    idle.splice(at, 1)
    if (idle.length === 0) this.#idle.delete(key)
  }

  /** Closes every idle connection. */
  close(): void {
    for (const idle of [...this.#idle.values()])
      for (const connection of [...idle]) connection.abort()
  }
}
