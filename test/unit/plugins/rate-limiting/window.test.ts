import { expect, test } from 'bun:test'
import { beginningsOf, PERIODS } from '../../../../src/plugins/rate-limiting/window.ts'

test('periods begin where they begin in UTC', () => {
  const begins = beginningsOf(Date.parse('2026-03-31T23:59:58.765Z'))
  expect(PERIODS.map((period) => new Date(begins[period]).toISOString())).toEqual([
    '2026-03-31T23:59:58.000Z',
    '2026-03-31T23:59:00.000Z',
    '2026-03-31T23:00:00.000Z',
    '2026-03-31T00:00:00.000Z',
    '2026-03-01T00:00:00.000Z',
    '2026-01-01T00:00:00.000Z',
  ])
})
