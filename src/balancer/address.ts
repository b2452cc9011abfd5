import { Health } from './health.ts'

/** One address of a target, with all that is remembered of it: the same object as long as it is there, over reloads. */
export class Address {
  /** The target's host, as it was written. */
  readonly name: string
  readonly ip: string
  readonly port: number
  /** The name that an SRV record has for it. */
  readonly srvName: string | undefined
  weight: number
  readonly health = new Health()
  /** Requests that are on their way. */
  connections = 0
  /** Where round-robin stands with it. */
  turn = 0
  /** The weighed mean of its times, in milliseconds, and when it was reckoned; undefined before the first. */
  latency: number | undefined
  latencyAt = 0

  constructor(
    name: string,
    ip: string,
    port: number,
    weight: number,
    srvName: string | undefined = undefined,
  ) {
    this.name = name
    this.ip = ip
    this.port = port
    this.weight = weight
    this.srvName = srvName
  }

  /** Whether it takes requests: a weight of 0 drains it. */
  get isOpen(): boolean {
    return this.weight > 0 && this.health.isHealthy
  }
}
