import { describe, expect, test } from 'bun:test'
import { Address } from '../../../src/balancer/address.ts'
import type { Algorithm } from '../../../src/balancer/algorithm.ts'
import { ConsistentHashing } from '../../../src/balancer/consistent_hashing.ts'
import { addLatency, Latency } from '../../../src/balancer/latency.ts'
import { LeastConnections } from '../../../src/balancer/least_connections.ts'
import { RoundRobin } from '../../../src/balancer/round_robin.ts'

/** Addresses a, b, c… with these weights, of one target each. */
function addressesOf(...weights: number[]): Address[] {
  return weights.map((weight, i) => new Address('t', String.fromCharCode(97 + i), 80, weight))
}

function over<A extends Algorithm>(algorithm: A, addresses: readonly Address[]) {
  algorithm.update(addresses.map((each) => ({ name: each.ip, port: 80, addresses: [each] })))
  return (value = '', tried: readonly Address[] = [], now = 0) =>
    algorithm.choose(value, tried, now)
}

function countOf(times: number, choose: () => Address | undefined): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const { ip } = choose() ?? { ip: 'none' }
    counts[ip] = (counts[ip] ?? 0) + 1
  }
  return counts
}

// ---- what holds for all of them

describe.each([
  ['round-robin', () => new RoundRobin()],
  ['least-connections', () => new LeastConnections()],
  ['latency', () => new Latency()],
  ['consistent-hashing', () => new ConsistentHashing(1000)],
] as const)('%s', (_, create) => {
  test('gives nobody where nobody is', () => {
    expect(over(create(), [])()).toBeUndefined()
  })

  test('never gives a weight of 0, one that is unhealthy, or one that was tried', () => {
    const [a, b, c, d] = addressesOf(1, 0, 1, 1) as [Address, Address, Address, Address]
    const choose = over(create(), [a, b, c, d])
    c.health.force(false)
    for (let i = 0; i < 50; i++) {
      expect(choose(`${i}`)).toBeOneOf([a, d])
      expect(choose(`${i}`, [a])).toBe(d)
      expect(choose(`${i}`, [a, d])).toBeUndefined()
    }
  })
})

// ---- round-robin

test.each([
  [[1, 1, 1], { a: 1, b: 1, c: 1 }],
  [[100, 200, 300], { a: 1, b: 2, c: 3 }],
  [[5, 1, 1], { a: 5, b: 1, c: 1 }],
  [[65535, 0, 1], { a: 65535, c: 1 }],
])(
  'round-robin: weights %j are shares of one round exactly, and of each round',
  (weights, shares) => {
    const choose = over(new RoundRobin(), addressesOf(...weights))
    const round = Object.values(shares).reduce((sum, each) => sum + each)
    for (let i = 0; i < 3; i++) expect(countOf(round, choose)).toEqual(shares)
  },
)

test('round-robin spreads a weight over its round', () => {
  const choose = over(new RoundRobin(), addressesOf(5, 1, 1))
  const order = Array.from({ length: 7 }, () => choose()!.ip).join('')
  expect(order).toBe('aabacaa')
})

test('round-robin goes on where it was after another address came', () => {
  const addresses = addressesOf(1, 1, 1)
  const algorithm = new RoundRobin()
  const choose = over(algorithm, addresses.slice(0, 2))
  expect(choose()!.ip).toBe('a')
  over(algorithm, addresses)
  expect(choose()!.ip).not.toBe('a')
})

// ---- least connections

test('least-connections: who has least on the way beside its weight, then one after the other', () => {
  const addresses = addressesOf(1, 2, 1)
  const choose = over(new LeastConnections(), addresses)
  const order = Array.from({ length: 4 }, () => {
    const address = choose()!
    address.connections++
    return address.ip
  })
  expect(order.toSorted()).toEqual(['a', 'b', 'b', 'c'])
  expect(order[0]).toBe('b')
  addresses[1]!.connections = 0
  expect(choose()!.ip).toBe('b')
})

test('least-connections: idle equals take turns', () => {
  const choose = over(new LeastConnections(), addressesOf(1, 1, 1))
  expect(countOf(9, choose)).toEqual({ a: 3, b: 3, c: 3 })
})

// ---- latency

test('latency: the faster of two always wins, the slowest of three never', () => {
  const addresses = addressesOf(1, 1, 1)
  const choose = over(new Latency(), addresses)
  for (const [i, time] of [10, 100, 1000].entries()) addLatency(addresses[i]!, time, 0)
  const counts = countOf(1_000, choose)
  expect(counts.c).toBeUndefined()
  // Of two by chance, a is among them in two of three.
  expect(counts.a!).toBeWithin(550, 780)
})

test('latency: a weight makes one seem faster', () => {
  const addresses = addressesOf(1, 20)
  const choose = over(new Latency(), addresses)
  addLatency(addresses[0]!, 10, 100_000)
  addLatency(addresses[1]!, 100, 100_000)
  expect(countOf(20, () => choose('', [], 100_000))).toEqual({ b: 20 })
})

test('latency: who was slow is tried again after a while, and who is new begins with the mean', () => {
  const addresses = addressesOf(1, 1, 1)
  const algorithm = new Latency()
  over(algorithm, addresses.slice(0, 2))
  addLatency(addresses[0]!, 10, 50_000)
  addLatency(addresses[1]!, 30, 50_000)
  const choose = over(algorithm, addresses)
  expect(addresses[2]!.latency).toBeCloseTo((addresses[0]!.latency! + addresses[1]!.latency!) / 2)
  addLatency(addresses[0]!, 10, 100_000)
  const counts = countOf(300, () => choose('', [], 100_000))
  expect(counts.a).toBeUndefined()
})
