import { expect, test } from 'bun:test'
import { Capacity, connectionsFor } from '../../../src/front/capacity.ts'

// prettier-ignore
test.each([
  [Infinity, 16_384],
  [1_048_576, 16_384],
  [1_024,    480],
  [100,      18],
  [10,       1],
])('%d open files are enough for %d clients', (openFiles, clients) => {
  expect(connectionsFor(openFiles)).toBe(clients)
})

test('who leaves makes room for another', () => {
  const capacity = new Capacity(2)
  expect([capacity.enter(), capacity.enter(), capacity.enter()]).toEqual([true, true, false])
  capacity.leave()
  expect(capacity.enter()).toBe(true)
})
