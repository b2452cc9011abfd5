import { isIP } from 'node:net'
import type { Dns } from '../dns/dns.ts'
import { NameError, type Place, type Resolved } from '../dns/lookup.ts'
import type { Target as TargetEntity, Upstream } from '../entities/index.ts'
import type { Log } from '../pdk.ts'
import { ActiveChecks, type Result } from './active_checks.ts'
import { Address } from './address.ts'
import type { Algorithm, TargetAddresses } from './algorithm.ts'
import { ConsistentHashing } from './consistent_hashing.ts'
import { addLatency, Latency } from './latency.ts'
import { LeastConnections } from './least_connections.ts'
import type { Limits } from './health.ts'
import { RoundRobin } from './round_robin.ts'

export interface BalancerOptions {
  readonly upstream: Upstream
  readonly targets: readonly TargetEntity[]
  readonly dns: Dns
  readonly log: Log
  /** Asks an address how it is: see `ActiveChecksOptions`. */
  readonly probe: (upstream: Upstream, address: Address) => Promise<number | undefined>
  /** The balancer of the same upstream before a reload: what it knows of addresses that stay is taken over. */
  readonly before: Balancer | undefined
}

interface Target extends TargetAddresses {
  readonly id: string
  readonly weight: number
  addresses: Address[]
  /** What its name leads to; nothing for an address, and as long as nobody has told. */
  resolved: Resolved | NameError | undefined
  isWaiting: boolean
}

/** As Kong's Admin API tells it: `HEALTHCHECKS_OFF` where nothing is counted. */
export type HealthWord = 'HEALTHY' | 'UNHEALTHY' | 'HEALTHCHECKS_OFF' | 'DNS_ERROR'

export interface UpstreamHealth {
  readonly id: string
  readonly name: string
  readonly health: HealthWord
  /** Whether requests are sent there at all. */
  readonly balancer_health: HealthWord
  readonly weight: WeightHealth
  readonly targets: readonly TargetHealth[]
}

export interface WeightHealth {
  readonly total: number
  readonly available: number
  readonly unavailable: number
}

export interface TargetHealth {
  readonly id: string
  /** As `host:port`. */
  readonly target: string
  readonly weight: number
  readonly health: HealthWord
  /** The type of the records that its name has, or why there are none. */
  readonly dns: string | undefined
  readonly addresses: readonly {
    readonly ip: string
    readonly port: number
    readonly weight: number
    readonly health: HealthWord
  }[]
}

/** Chooses among the addresses of one upstream's targets, and keeps count of how they are. */
export class Balancer {
  readonly upstream: Upstream
  readonly #targetEntities: readonly TargetEntity[]
  readonly #log: Log
  readonly #algorithm: Algorithm
  readonly #targets: Target[]
  readonly #addresses = new Map<string, Address>()
  readonly #isChecked: boolean
  readonly #ends: (() => void)[] = []
  /** Settled once there is someone, or once all names are known to lead nowhere. */
  readonly #settled = Promise.withResolvers<void>()
  /** Whether enough of the weight is healthy, and what the log says of that. */
  #isUp = false
  #wasUp: boolean
  /** The balancer of the same upstream after a reload, which knows the same addresses. */
  #successor: Balancer | undefined

  /** Begins to ask for names and to check at once; `stop` ends that. */
  constructor(options: BalancerOptions) {
    const { upstream, targets, before, dns } = options
    this.upstream = upstream
    this.#targetEntities = targets
    this.#log = options.log
    this.#algorithm = algorithmOf(upstream)
    this.#isChecked = isChecked(upstream)
    for (const [key, address] of before ? before.#addresses : []) {
      this.#addresses.set(key, address)
      // Nobody would ever say that it is healthy again.
      if (!this.#isChecked) address.health.force(true)
    }
    this.#targets = targets.map((entity) => this.#targetOf(entity, before))
    this.#wasUp = before ? before.#wasUp : true
    this.#refresh()
    for (const target of this.#targets) {
      if (isIP(target.name) > 0) continue
      this.#ends.push(dns.watch(target.name, (result) => this.#told(target, result)))
    }
    const { active } = upstream.healthchecks
    const checks = new ActiveChecks({
      intervals: { healthy: active.healthy.interval, unhealthy: active.unhealthy.interval },
      concurrency: active.concurrency,
      addresses: () => this.#all(),
      probe: (address) => options.probe(upstream, address),
      told: (address, result) => this.#count(address, result, active),
    })
    this.#ends.push(() => checks.stop())
    if (before) before.#successor = this
  }

  /** Whether it is the balancer of an upstream with these targets, to the last field. */
  isFor(upstream: Upstream, targets: readonly TargetEntity[]): boolean {
    return Bun.deepEquals([this.upstream, this.#targetEntities], [upstream, targets])
  }

  /** Checks no more. Requests that are on their way may still tell how they ended. */
  stop(): void {
    for (const end of this.#ends) end()
  }

  /**
   * Who gets a request: `value` is what of it counts, `tried` who had it before. Undefined where nobody can take it. Who gets
   * it must be told of the end by `ended`.
   */
  choose(value: string, tried: readonly Address[], now: number): Address | undefined {
    if (!this.#isUp) return undefined
    const chosen =
      this.#algorithm.choose(value, tried, now) ??
      (tried.length > 0 ? this.#algorithm.choose(value, [], now) : undefined)
    if (chosen) chosen.connections++
    return chosen
  }

  /** If nobody is there only because nobody has told yet where names lead: a promise that ends when it is known. */
  get settled(): Promise<void> | undefined {
    const isEarly = this.#targets.some(({ isWaiting }) => isWaiting) && this.#all().length === 0
    return isEarly ? this.#settled.promise : undefined
  }

  /**
   * A try is over: what came of it, after how many milliseconds, if that says anything of the address. `isLast`: the client
   * is told so.
   */
  ended(
    address: Address,
    result: Result | undefined,
    time: number,
    now: number,
    isLast: boolean,
  ): void {
    address.connections--
    if (result === undefined) return
    addLatency(address, time, now)
    const { passive } = this.upstream.healthchecks
    this.#count(address, result, passive)
    // Kong counts what the client is told, too: a file may have put its trust in that alone.
    if (isLast && result === 'failed') this.#count(address, 502, passive)
  }

  /** How all of it is, for an operator. */
  get health(): UpstreamHealth {
    const { id, name } = this.upstream
    const weight = this.#weight()
    const balancer_health = this.#isUp ? 'HEALTHY' : 'UNHEALTHY'
    return {
      id,
      name,
      health: this.#isChecked ? balancer_health : 'HEALTHCHECKS_OFF',
      balancer_health,
      weight,
      targets: this.#targets.map((target) => this.#healthOf(target)),
    }
  }

  #healthOf(target: Target): TargetHealth {
    const { id, weight, resolved } = target
    const addresses = target.addresses.map((each) => ({
      ip: each.ip,
      port: each.port,
      weight: each.weight,
      health: this.#wordOf(weight, each.health.isHealthy),
    }))
    const isAny = target.addresses.some(({ health }) => health.isHealthy)
    return {
      id,
      target: nameOf(target),
      weight,
      health: addresses.length === 0 ? 'DNS_ERROR' : this.#wordOf(weight, isAny),
      dns: resolved instanceof NameError ? resolved.message : resolved?.type,
      addresses,
    }
  }

  #wordOf(weight: number, isHealthy: boolean): HealthWord {
    if (!this.#isChecked || weight === 0) return 'HEALTHCHECKS_OFF'
    return isHealthy ? 'HEALTHY' : 'UNHEALTHY'
  }

  // ---- names

  #targetOf({ id, target, weight }: TargetEntity, before: Balancer | undefined): Target {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target) ?? []
    const name = host.replace(/^\[|\]$/g, '')
    const made: Target = {
      id,
      name,
      port: Number(port),
      weight,
      addresses: [],
      resolved: undefined,
      isWaiting: false,
    }
    if (isIP(name) > 0) {
      made.addresses = [this.#addressOf(made, { address: name })]
      return made
    }
    const same = (before ? before.#targets : []).find(
      (each) => each.name === name && each.port === made.port,
    )
    if (same?.resolved === undefined) made.isWaiting = true
    else this.#lead(made, same.resolved)
    return made
  }

  #told(target: Target, result: Resolved | NameError): void {
    target.isWaiting = false
    this.#lead(target, result)
    if (result instanceof NameError) {
      const { name } = this.upstream
      this.#log.warn(`target ${nameOf(target)} of upstream ${name} has no address`, {
        code: 'target_without_address',
        upstream: name,
        target: nameOf(target),
        cause: result,
      })
    }
    this.#refresh()
  }

  #lead(target: Target, result: Resolved | NameError): void {
    const places = result instanceof NameError ? [] : result.places
    target.resolved = result
    target.addresses = [...new Set(places.map((place) => this.#addressOf(target, place)))]
  }

  #addressOf(target: Target, { address: ip, srv }: Place): Address {
    const port = srv?.port || target.port
    const key = `${target.name} ${target.port} ${ip} ${port} ${srv?.name ?? ''}`
    const weight = srv && target.weight > 0 ? srv.weight : target.weight
    let address = this.#addresses.get(key)
    if (address) address.weight = weight
    else this.#addresses.set(key, (address = new Address(target.name, ip, port, weight, srv?.name)))
    return address
  }

  #all(): Address[] {
    return this.#targets.flatMap(({ addresses }) => addresses)
  }

  // ---- health

  #count(address: Address, result: Result, limits: Limits): void {
    const { health } = address
    if (count(health, result, limits)) this.#changed(address)
  }

  #changed(address: Address): void {
    // Requests that began before a reload end after it.
    if (this.#successor) return this.#successor.#changed(address)
    const { isHealthy } = address.health
    const word = isHealthy ? 'healthy' : 'unhealthy'
    const at = `${address.ip}:${address.port}`
    const { name } = this.upstream
    this.#log.warn(`${at} of upstream ${name} is ${word}`, {
      ...(isHealthy ? { code: 'target_healthy' } : { code: 'target_unhealthy' }),
      upstream: name,
      target: address.name,
      address: at,
    })
    this.#judge()
  }

  #weight(): WeightHealth {
    let total = 0
    let available = 0
    for (const { weight, health } of this.#all()) {
      total += weight
      if (health.isHealthy) available += weight
    }
    return { total, available, unavailable: total - available }
  }

  /** Takes over other addresses. One that is not there any more is forgotten, with its health. */
  #refresh(): void {
    const all = new Set(this.#all())
    for (const [key, address] of this.#addresses) if (!all.has(address)) this.#addresses.delete(key)
    this.#algorithm.update(this.#targets)
    this.#judge()
  }

  /** Whether enough of the weight is healthy. */
  #judge(): void {
    const { total, available } = this.#weight()
    const { name, healthchecks } = this.upstream
    this.#isUp = total > 0 && (available / total) * 100 > healthchecks.threshold
    // As long as names are not known, nothing is.
    if (!this.#isUp && this.#targets.some(({ isWaiting }) => isWaiting)) return
    this.#settled.resolve()
    if (this.#isUp === this.#wasUp) return
    this.#wasUp = this.#isUp
    const word = this.#isUp ? 'healthy' : 'unhealthy'
    this.#log.warn(`upstream ${name} is ${word}`, {
      ...(this.#isUp ? { code: 'upstream_healthy' } : { code: 'upstream_unhealthy' }),
      upstream: name,
    })
  }
}

function count(health: Address['health'], result: Result, limits: Limits): boolean {
  switch (result) {
    case 'connected':
      return health.count('successes', limits.healthy.successes)
    case 'timeout':
      return health.count('timeouts', limits.unhealthy.timeouts)
    case 'failed':
      return health.count('tcp_failures', limits.unhealthy.tcp_failures)
    default:
      return health.countStatus(result, limits)
  }
}

function algorithmOf({ algorithm, slots }: Upstream): Algorithm {
  switch (algorithm) {
    case 'consistent-hashing':
      return new ConsistentHashing(slots)
    case 'least-connections':
      return new LeastConnections()
    case 'latency':
      return new Latency()
    default:
      return new RoundRobin()
  }
}

/** Whether anything can make a target unhealthy. */
function isChecked({ healthchecks: { active, passive } }: Upstream): boolean {
  const { tcp_failures, timeouts, http_failures } = passive.unhealthy
  return [
    active.healthy.interval,
    active.unhealthy.interval,
    tcp_failures,
    timeouts,
    http_failures,
  ].some((each) => each !== 0)
}

function nameOf({ name, port }: { name: string; port: number }): string {
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`
}
