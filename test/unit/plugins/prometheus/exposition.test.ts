import { expect, test } from 'bun:test'
import type { Node, Page } from '../../../../src/pdk.ts'
import { Counter, Histogram, labels } from '../../../../src/plugins/exposition.ts'
import { prometheus } from '../../../../src/plugins/prometheus/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { testGateway } from '../context.ts'

test('what would end a label is escaped', () => {
  expect(labels({ a: 'b"\\\n', c: 1 })).toBe('a="b\\"\\\\\\n",c="1"')
})

test('a metric without samples is not there', () => {
  expect(new Counter('a', 'Some.').write()).toBe('')
  expect(new Histogram('a', 'Some.', [1]).write()).toBe('')
})

test('a value on a bound is not above it', () => {
  const histogram = new Histogram('a', 'Some.', [1, 5])
  for (const value of [0, 1, 2, 5, 6]) histogram.observe('b="c"', value)
  expect(histogram.write()).toBe(
    `# HELP a Some.
# TYPE a histogram
a_bucket{b="c",le="1"} 2
a_bucket{b="c",le="5"} 4
a_bucket{b="c",le="+Inf"} 5
a_count{b="c"} 5
a_sum{b="c"} 14
`,
  )
})

/** What a node with one upstream says, whose two targets are known and unknown. */
function page(config: Record<string, unknown>): string {
  const addresses = [
    { ip: '10.0.0.1', port: 80, health: 'HEALTHY' },
    { ip: '10.0.0.2', port: 80, health: 'UNHEALTHY' },
  ]
  const node = {
    ...testGateway(),
    id: 'node',
    statistics: () => ({ total_requests: 0 }),
    upstreams: () => [
      {
        name: 'up',
        targets: [
          { target: 'known:80', addresses },
          { target: 'unknown:80', addresses: [] },
        ],
      },
    ],
  } as unknown as Node
  const { value } = check(prometheus.schema, config)
  return (prometheus.pages!(node, () => [value!])['/metrics']!() as Page).body
}

test('the health of targets is told where it is asked for', () => {
  const lines = page({ upstream_health_metrics: true }).split('\n')
  const ones = lines.filter((line) => /^kong_upstream_target_health\{.* 1$/.test(line))
  expect(ones).toEqual([
    'kong_upstream_target_health{upstream="up",target="known:80",address="10.0.0.1:80",state="healthy",subsystem="http"} 1',
    'kong_upstream_target_health{upstream="up",target="known:80",address="10.0.0.2:80",state="unhealthy",subsystem="http"} 1',
    'kong_upstream_target_health{upstream="up",target="unknown:80",address="",state="dns_error",subsystem="http"} 1',
  ])
  expect(lines.filter((line) => line.startsWith('kong_upstream_target_health')).length).toBe(12)
  expect(page({})).not.toContain('kong_upstream_target_health')
})

test('what there is nothing of to count is warned about', () => {
  const { value } = check(prometheus.schema, { ai_metrics: true, wasm_metrics: true })
  expect(prometheus.warnings!(value!).flatMap(({ fields }) => fields)).toEqual([
    'ai_metrics',
    'wasm_metrics',
  ])
})
