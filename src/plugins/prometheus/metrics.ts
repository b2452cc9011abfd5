import type { LogContext } from '../../pdk.ts'
import { Counter, type Family, Histogram, type Labels, labels } from '../exposition.ts'
import type { Config } from './schema.ts'

type RouteOf = NonNullable<LogContext['route']>

// Kong's bounds; milliseconds.
// prettier-ignore
const OWN_BOUNDS = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000]
// prettier-ignore
const SERVICE_BOUNDS = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000]

/** What was counted of all requests since the start, by Kong's names. */
export class Metrics {
  readonly #requests = new Counter('kong_http_requests_total', 'Requests that were answered.')
  readonly #bytes = new Counter(
    'kong_bandwidth_bytes',
    'Bytes that came from clients and went to them.',
  )
  readonly #request = new Histogram(
    'kong_request_latency_ms',
    'Milliseconds from the head of a request to the end of its answer.',
    SERVICE_BOUNDS,
  )
  readonly #service = new Histogram(
    'kong_upstream_latency_ms',
    'Milliseconds until the service answered.',
    SERVICE_BOUNDS,
  )
  readonly #own = new Histogram(
    'kong_kong_latency_ms',
    'Milliseconds that the gateway and its plugins took.',
    OWN_BOUNDS,
  )
  readonly #prefixes = new WeakMap<RouteOf, Labels>()

  get families(): readonly Family[] {
    return [this.#requests, this.#bytes, this.#request, this.#service, this.#own]
  }

  /** Counts a request. As in Kong, one without a route is not counted. */
  count(ctx: LogContext, config: Config): void {
    const { route, consumer, status, source, sizes, latencies } = ctx
    if (!route) return
    const prefix = this.#prefixOf(route, ctx.service)
    const name = (config.per_consumer && consumer?.username) || ''
    if (config.status_code_metrics) {
      const code = labels({ code: status, source: source === 'service' ? 'service' : 'kong' })
      this.#requests.add(`${prefix},${code},${ending(name)}`, 1)
    }
    if (config.bandwidth_metrics) {
      for (const [direction, size] of [
        ['ingress', sizes.request],
        ['egress', sizes.response],
      ] as const)
        if (size > 0) this.#bytes.add(`${prefix},direction="${direction}",${ending(name)}`, size)
    }
    if (config.latency_metrics) {
      const where = `${prefix},workspace="default"`
      this.#request.observe(where, latencies.request)
      if (latencies.proxy >= 0) this.#service.observe(where, latencies.proxy)
      this.#own.observe(where, latencies.kong)
    }
  }

  #prefixOf(route: RouteOf, service: LogContext['service']): Labels {
    let prefix = this.#prefixes.get(route)
    if (prefix === undefined) {
      const name = service ? (service.name ?? service.host) : ''
      prefix = labels({ service: name, route: route.name ?? route.id })
      this.#prefixes.set(route, prefix)
    }
    return prefix
  }
}

function ending(consumer: string): Labels {
  return consumer === ''
    ? 'workspace="default",consumer=""'
    : labels({ workspace: 'default', consumer })
}
