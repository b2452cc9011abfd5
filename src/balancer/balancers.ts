import type { Dns } from '../dns/dns.ts'
import type { Target, Upstream } from '../entities/index.ts'
import type { Log } from '../pdk.ts'
import { Balancer, type BalancerOptions, type UpstreamHealth } from './balancer.ts'

export interface BalancersOptions {
  readonly dns: Dns
  readonly log: Log
}

/** The balancers of all upstreams, kept over reloads. */
export class Balancers {
  readonly #options: BalancersOptions
  #balancers = new Map<string, Balancer>()
  #probe: BalancerOptions['probe'] = async () => undefined

  constructor(options: BalancersOptions) {
    this.#options = options
  }

  /**
   * Takes over other upstreams and targets: what did not change stays, and of the rest what is known of addresses that stay.
   * Gives the balancers by the names of their upstreams. `probe` asks an address how it is.
   */
  update(
    upstreams: readonly Upstream[],
    targets: readonly Target[],
    probe: BalancerOptions['probe'],
  ): ReadonlyMap<string, Balancer> {
    this.#probe = probe
    const old = this.#balancers
    const byUpstream = Map.groupBy(targets, ({ upstream }) => upstream.id)
    this.#balancers = new Map(
      upstreams.map((upstream) => {
        const before = old.get(upstream.name)
        const own = byUpstream.get(upstream.id) ?? []
        if (before?.isFor(upstream, own)) return [upstream.name, before]
        return [upstream.name, this.#create(upstream, own, before)]
      }),
    )
    const kept = new Set(this.#balancers.values())
    for (const balancer of old.values()) if (!kept.has(balancer)) balancer.stop()
    return this.#balancers
  }

  #create(upstream: Upstream, targets: readonly Target[], before: Balancer | undefined): Balancer {
    return new Balancer({
      ...this.#options,
      upstream,
      targets,
      before,
      // A reload may change how a balancer that stays is to ask, as by another certificate.
      probe: (...args) => this.#probe(...args),
    })
  }

  /** How all upstreams are, for an operator. */
  get health(): UpstreamHealth[] {
    return [...this.#balancers.values()].map(({ health }) => health)
  }

  stop(): void {
    for (const balancer of this.#balancers.values()) balancer.stop()
  }
}
