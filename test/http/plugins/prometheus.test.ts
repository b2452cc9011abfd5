import { expect, test } from 'bun:test'
import type { Page } from '../../../src/pdk.ts'
import { VERSION } from '../../../src/version.ts'
import { gateway, proxied, type TestGateway } from '../gateway.ts'
import { answering, ok, service } from '../service.ts'

const ALL =
  '{ status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true, per_consumer: true }'
const plugin = (config = ALL) => `plugins: [{ name: prometheus, config: ${config} }]\n`

/** What Prometheus would read. */
function metrics({ running }: TestGateway): string {
  const page = running.pages.get('/metrics')!() as Page
  expect(page.contentType).toBe('text/plain; charset=UTF-8')
  return page.body
}

/** The samples of a metric, by their labels. */
function samplesOf(text: string, name: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  return Object.fromEntries(
    lines.map((line) => {
      const end = line.lastIndexOf('}')
      return [line.slice(name.length + 1, end), Number(line.slice(end + 1))]
    }),
  )
}

const get = ({ port }: TestGateway, path = '/', init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, init)

test('requests, bytes and times are counted by the names of Kong', async () => {
  using target = await service(answering(ok('x'.repeat(1000))))
  await using running = await gateway(`${proxied(target.port)}${plugin()}`)
  await get(running)
  await (await get(running, '/', { method: 'POST', body: 'y'.repeat(500) })).text()
  const text = metrics(running)
  expect(samplesOf(text, 'kong_http_requests_total')).toEqual({
    'service="service",route="route",code="200",source="service",workspace="default",consumer=""': 2,
  })
  const bytes = (direction: string) =>
    samplesOf(text, 'kong_bandwidth_bytes')[
      `service="service",route="route",direction="${direction}",workspace="default",consumer=""`
    ]
  expect(bytes('ingress')).toBeWithin(500, 2_000)
  expect(bytes('egress')).toBeWithin(2_000, 4_000)
  for (const name of ['request', 'kong', 'upstream']) {
    const where = 'service="service",route="route",workspace="default"'
    expect(samplesOf(text, `kong_${name}_latency_ms_count`)).toEqual({ [where]: 2 })
    const buckets = samplesOf(text, `kong_${name}_latency_ms_bucket`)
    expect(buckets[`${where},le="+Inf"`]).toBe(2)
    const counts = Object.values(buckets)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  }
  expect(Object.keys(samplesOf(text, 'kong_kong_latency_ms_bucket')).length).toBe(18)
  expect(Object.keys(samplesOf(text, 'kong_upstream_latency_ms_bucket')).length).toBe(14)
})

test('what the gateway answers itself is told apart, and who asked', async () => {
  using target = await service(answering(ok()))
  const keys = 'consumers: [{ username: "al\\"ex", keyauth_credentials: [{ key: k }] }]\n'
  await using running = await gateway(
    `${proxied(target.port, '', 'paths: ["/here"]')}${keys}plugins: [{ name: key-auth }, { name: prometheus, config: ${ALL} }]\n`,
  )
  await get(running, '/here')
  await get(running, '/here', { headers: { apikey: 'k' } })
  await get(running, '/nowhere')
  const text = metrics(running)
  expect(samplesOf(text, 'kong_http_requests_total')).toEqual({
    'service="service",route="route",code="401",source="kong",workspace="default",consumer=""': 1,
    'service="service",route="route",code="200",source="service",workspace="default",consumer="al\\"ex"': 1,
  })
  expect(samplesOf(text, 'kong_upstream_latency_ms_count')).toEqual({
    'service="service",route="route",workspace="default"': 1,
  })
})

test('nothing is counted that nobody asked for, but the node tells of itself', async () => {
  using target = await service(answering(ok()))
  await using running = await gateway(`${proxied(target.port)}${plugin('{}')}`)
  await get(running)
  const text = metrics(running)
  expect(text).not.toContain('kong_http_requests_total')
  expect(text).not.toContain('latency_ms')
  expect(text).not.toContain('kong_bandwidth_bytes')
  const { id } = running.running.node
  expect(text).toContain(`kong_node_info{node_id="${id}",version="${VERSION}"} 1\n`)
  expect(text).toContain('kong_datastore_reachable 1\n')
  expect(text).toContain('kong_nginx_metric_errors_total 0\n')
  expect(samplesOf(text, 'kong_nginx_requests_total')).toEqual({
    [`node_id="${id}",subsystem="http"`]: 1,
  })
  const connections = samplesOf(text, 'kong_nginx_connections_total')
  expect(connections[`node_id="${id}",subsystem="http",state="accepted"`]).toBe(1)
})

test('counts go on over a reload, and are not shown without the plugin', async () => {
  using target = await service(answering(ok()))
  const yaml = proxied(target.port)
  await using running = await gateway(`${yaml}${plugin()}`)
  await get(running)
  running.reload(`${yaml}${plugin()}`)
  await get(running)
  expect(Object.values(samplesOf(metrics(running), 'kong_http_requests_total'))).toEqual([2])
  running.reload(yaml)
  expect(metrics(running)).not.toContain('kong_http_requests_total')
})

test('each line is a sample or says what the samples below it are', async () => {
  using target = await service(answering(ok()))
  await using running = await gateway(`${proxied(target.port)}${plugin()}`)
  await get(running)
  const lines = metrics(running).trimEnd().split('\n')
  const seen = new Set<string>()
  let family = ''
  for (const line of lines) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
    if (line.startsWith('# HELP ')) continue
    if (type) {
      family = type[1]!
      expect(seen).not.toContain(family)
      seen.add(family)
      continue
    }
    const [, name = ''] =
      /^([a-z_]+)(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? [\d.e+]+$/.exec(line) ?? []
    expect(name.startsWith(family), line).toBe(true)
  }
  expect([...seen]).toEqual([...seen].toSorted())
})
