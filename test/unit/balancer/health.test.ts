import { expect, test } from 'bun:test'
import { Health, type Limits } from '../../../src/balancer/health.ts'

const LIMITS: Limits = {
  healthy: { http_statuses: [200, 302], successes: 2 },
  unhealthy: { http_statuses: [500, 503], tcp_failures: 2, timeouts: 3, http_failures: 2 },
}

/** What becomes of an address that this is seen of: statuses, `t` for a timeout, `c` for a failed connection. */
function seen(events: string, limits = LIMITS): string {
  const health = new Health()
  const { unhealthy } = limits
  return events
    .split(' ')
    .map((event) => {
      if (event === 't') health.count('timeouts', unhealthy.timeouts)
      else if (event === 'c') health.count('tcp_failures', unhealthy.tcp_failures)
      else health.countStatus(Number(event), limits)
      return health.isHealthy ? '+' : '-'
    })
    .join('')
}

// prettier-ignore
const CASES: [name: string, events: string, states: string][] = [
  ['bad answers up to their limit',                       '500 503 503',             '+--'],
  ['a success takes failures back, once there are enough to be healthy', '500 200 500 500', '+++-'],
  ['each counter has its own limit',                      't c 500 t 500',           '++++-'],
  ['timeouts',                                            't t t',                   '++-'],
  ['connections',                                         'c c',                     '+-'],
  ['a status that nobody lists says nothing',             '500 404 404 500',         '+++-'],
  ['a status that cannot be read is bad',                 '0 0',                     '+-'],
  ['successes up to their limit make it healthy again',   'c c 200 302',             '+--+'],
  ['a failure takes successes back',                      'c c 200 500 200 200',     '+----+'],
  ['health begins anew after a change',                   'c c 200 200 c c',         '+--++-'],
]

test.each(CASES)('%s', (_, events, states) => {
  expect(seen(events)).toBe(states)
})

test('a limit of 0 never changes anything, and where successes count nothing, failures stay', () => {
  const none = { ...LIMITS.unhealthy, tcp_failures: 0, timeouts: 0, http_failures: 0 }
  expect(seen('500 500 500 c c c t t t t', { ...LIMITS, unhealthy: none })).toBe('+'.repeat(10))
  expect(seen('500 200 200 500', { ...LIMITS, healthy: { ...LIMITS.healthy, successes: 0 } })).toBe(
    '+++-',
  )
})

test('an operator may set it, and what was counted is forgotten', () => {
  const health = new Health()
  expect(health.force(false)).toBe(true)
  expect(health.force(false)).toBe(false)
  health.count('successes', 2)
  health.force(true)
  health.count('tcp_failures', 2)
  expect(health.isHealthy).toBe(true)
})
