import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Address } from '../../../src/balancer/address.ts'
import { ConsistentHashing } from '../../../src/balancer/consistent_hashing.ts'

type Given = readonly [name: string, port: number, weight: number]

function ring(slots: number, targets: readonly Given[]) {
  const algorithm = new ConsistentHashing(slots)
  const all = targets.map(([name, port, weight]) => ({
    name,
    port,
    addresses: [new Address(name, name, port, weight)],
  }))
  algorithm.update(all)
  const of = (value: string) => {
    const { ip, port } = algorithm.choose(value, [])!
    return `${ip}:${port}`
  }
  return { algorithm, of, addresses: all.flatMap(({ addresses }) => addresses) }
}

const values = Array.from({ length: 2_000 }, (_, i) => `user-${i}`)
const THREE: Given[] = [
  ['10.0.0.1', 80, 100],
  ['10.0.0.2', 80, 100],
  ['10.0.0.3', 80, 100],
]

test('a value goes where Kong sends it', () => {
  const { of } = ring(10_000, THREE)
  expect(['10.1.2.3', '10.1.2.4', '10.1.2.9'].map(of)).toEqual([
    '10.0.0.1:80',
    '10.0.0.3:80',
    '10.0.0.2:80',
  ])
})

test('the order of the targets means nothing', () => {
  const { of } = ring(1_000, THREE)
  const { of: ofReverse } = ring(1_000, THREE.toReversed())
  expect(values.map(of)).toEqual(values.map(ofReverse))
})

test('when an address fails, only its values go elsewhere; when it is back, they come back', () => {
  const { of, addresses } = ring(10_000, THREE)
  const before = values.map(of)
  addresses[1]!.health.force(false)
  const without = values.map(of)
  expect(new Set(without)).toEqual(new Set(['10.0.0.1:80', '10.0.0.3:80']))
  for (const [i, at] of before.entries()) if (at !== '10.0.0.2:80') expect(without[i]!).toBe(at)
  addresses[1]!.health.force(true)
  expect(values.map(of)).toEqual(before)
})

test('a try after a failed one goes to the next address, as it would if the first were gone', () => {
  const { algorithm, addresses } = ring(10_000, THREE)
  for (const value of values.slice(0, 100)) {
    const first = algorithm.choose(value, [])!
    const second = algorithm.choose(value, [first])!
    first.health.force(false)
    expect(algorithm.choose(value, [])).toBe(second)
    first.health.force(true)
    expect(second).not.toBe(first)
  }
  expect(algorithm.choose('user-1', addresses)).toBeUndefined()
})

test('a ring that is too small for all still has all of them', () => {
  const many = Array.from({ length: 300 }, (_, i): Given => [`10.0.${i >> 8}.${i & 255}`, 80, 1])
  const { of } = ring(10, many)
  expect(new Set([...values, ...values.map((each) => `${each}b`)].map(of)).size).toBe(300)
})

const VECTORS = join(import.meta.dir, '../../../../shared/data/core-vectors.jsonl')

describe.skipIf(!existsSync(VECTORS))("Kong's own maps (../shared/data/core-vectors.jsonl)", () => {
  const vectors = existsSync(VECTORS)
    ? readFileSync(VECTORS, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"kind":"chash"'))
        .map((line) => JSON.parse(line) as { slots: number; targets: Given[]; map: object })
    : []

  test.each(vectors.map((vector) => [vector.slots, vector.targets.length, vector] as const))(
    '%d slots, %d targets',
    (_slots, _targets, { slots, targets, map }) => {
      const { of } = ring(slots, targets)
      const own = Object.fromEntries(Object.keys(map).map((value) => [value, of(value)]))
      expect(own).toEqual(map as never)
    },
  )
})
