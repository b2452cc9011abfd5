import type { Gateway, Node, Plugin } from '../../pdk.ts'
import { VERSION } from '../../version.ts'
import { Counter, type Family, gauge, labels, Registry } from '../exposition.ts'
import { Metrics } from './metrics.ts'
import { type Config, schema } from './schema.ts'

/** Counts for Prometheus. */
export const prometheus: Plugin<Config> = {
  name: 'prometheus',
  priority: 13,
  schema,
  warnings({ ai_metrics, wasm_metrics }) {
    const message = 'accepted, not honoured (there is nothing to count)'
    return [
      ...(ai_metrics ? [{ fields: ['ai_metrics'], message }] : []),
      ...(wasm_metrics ? [{ fields: ['wasm_metrics'], message }] : []),
    ]
  },
  create(config, gateway) {
    const metrics = metricsOf(gateway)
    return { log: (ctx) => metrics.count(ctx, config) }
  },
  pages: (node, configs) => ({
    '/metrics': () => {
      const now = configs()
      const families = [
        ...nodeMetrics(node),
        // What other plugins count by themselves, such as openid-connect: it costs nothing to tell.
        ...Registry.of(node).families,
        ...(now.some((config) => config.upstream_health_metrics) ? [healthOf(node)] : []),
        // What was counted before stays, unless nobody wants it any more.
        ...(now.length > 0 ? metricsOf(node).families : []),
      ]
      const text = families
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((family) => family.write())
      return { contentType: 'text/plain; charset=UTF-8', body: text.join('') }
    },
  }),
}

function metricsOf({ keep }: Pick<Gateway, 'keep'>): Metrics {
  return keep('prometheus', () => new Metrics())
}

/** nginx's states of connections, as `Statistics` has them. */
const STATES = ['accepted', 'active', 'handled', 'reading', 'waiting', 'writing'] as const

function nodeMetrics({ id, statistics }: Node): Family[] {
  const counted = statistics()
  const node = { node_id: id, subsystem: 'http' }
  // Dashboards look whether it is 0.
  const errors = new Counter('kong_nginx_metric_errors_total', 'Faults in counting.')
  errors.add('', 0)
  const { heapUsed } = process.memoryUsage()
  const worker = labels({ node_id: id, pid: process.pid, kong_subsystem: 'http' })
  return [
    gauge('kong_nginx_connections_total', 'Connections of clients, by what they are at.', [
      ...STATES.map(
        (state) => [labels({ ...node, state }), counted[`connections_${state}`]] as const,
      ),
      [labels({ ...node, state: 'total' }), counted.total_requests],
    ]),
    gauge('kong_nginx_requests_total', 'Requests that came.', [
      [labels(node), counted.total_requests],
    ]),
    errors,
    gauge('kong_datastore_reachable', 'Always 1: the configuration is a file.', [['', 1]]),
    gauge('kong_node_info', 'Which node this is.', [
      [labels({ node_id: id, version: VERSION }), 1],
    ]),
    gauge('kong_memory_workers_lua_vms_bytes', 'What the JavaScript heap of this process takes.', [
      [worker, heapUsed],
    ]),
  ]
}

/** Kong's words for how an address is. */
const HEALTH = ['healthchecks_off', 'healthy', 'unhealthy', 'dns_error'] as const

function healthOf({ upstreams }: Node): Family {
  const samples = upstreams().flatMap(({ name, targets }) =>
    targets.flatMap(({ target, addresses }) => {
      const seen =
        addresses.length > 0
          ? addresses.map(({ ip, port, health }) => [`${ip}:${port}`, health.toLowerCase()])
          : [['', 'dns_error']]
      return seen.flatMap(([address = '', health]) =>
        HEALTH.map((state) => {
          const named = { upstream: name, target, address, state, subsystem: 'http' }
          return [labels(named), state === health ? 1 : 0] as const
        }),
      )
    }),
  )
  return gauge(
    'kong_upstream_target_health',
    'How targets are: 1 for the state that holds.',
    samples,
  )
}
