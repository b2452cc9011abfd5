import { expect, test } from 'bun:test'
import {
  createUseOnce,
  UsedProofs,
} from '../../../../../src/plugins/openid-connect/possession/used_proofs.ts'

const START = 1_000_000

function proofs(max?: number) {
  const clock = { seconds: START }
  const used = new UsedProofs(() => clock.seconds * 1000, max)
  return { clock, used }
}

test('a proof is used once, for as long as it is good', () => {
  const { clock, used } = proofs()
  expect(used.add('a', START, START + 300)).toBe(true)
  clock.seconds += 299
  expect(used.add('a', START, START + 300)).toBe(false)
  expect(used.add('b', START, START + 300)).toBe(true)
})

test('the longer of two times counts for a proof', () => {
  const { clock, used } = proofs()
  used.add('a', START, START + 10)
  used.add('b', START, START + 100)
  clock.seconds += 50
  expect(used.add('a', START, START + 100)).toBe(false)
})

test('a flood is bounded, and lets no used proof pass again', () => {
  const { clock, used } = proofs(100)
  expect(used.add('first', START, START + 300)).toBe(true)
  for (let i = 0; i < 1000; i++) {
    clock.seconds = START + 10 + Math.floor(i / 10)
    expect(used.add(`flood ${i}`, clock.seconds, clock.seconds + 300)).toBe(true)
  }
  expect(used.size).toBeLessThanOrEqual(100)
  expect(used.add('first', START, START + 300)).toBe(false)
  for (let i = 0; i < 1000; i++) {
    const made = START + 10 + Math.floor(i / 10)
    expect(used.add(`flood ${i}`, made, made + 300)).toBe(false)
  }
  // One that is made now is as good as ever.
  expect(used.add('now', clock.seconds, clock.seconds + 300)).toBe(true)
})

test('a flood of one moment is bounded too', () => {
  const { clock, used } = proofs(100)
  let passed = 0
  for (let i = 0; i < 1000; i++) if (used.add(`${i}`, START, START + 300)) passed++
  expect(passed).toBe(101)
  expect(used.size).toBe(0)
  clock.seconds += 10
  expect(used.add('now', clock.seconds, clock.seconds + 300)).toBe(true)
})

test('what is over is forgotten', () => {
  const { clock, used } = proofs()
  for (let i = 0; i < 50; i++) used.add(`${i}`, START + i, START + i + 300)
  clock.seconds += 1000
  used.add('now', clock.seconds, clock.seconds + 300)
  expect(used.size).toBe(1)
})

test('a proof that another node has locked is used; a Redis that fails refuses nobody', async () => {
  const { used } = proofs()
  const asked: [string, number][] = []
  const answers = [{ unlock: async () => {} }, 'held', undefined] as const
  const lock = async (key: string, ttl: number) => {
    asked.push([key, ttl])
    return answers[asked.length - 1]
  }
  const useOnce = createUseOnce(used, { lock }, () => START * 1000)
  expect(await useOnce('a', START, START + 300)).toBe(true)
  expect(await useOnce('b', START, START + 300)).toBe(false)
  expect(await useOnce('c', START, START + 300)).toBe(true)
  expect(await useOnce('a', START, START + 300)).toBe(false)
  expect(asked).toEqual([
    ['dpop a', 300],
    ['dpop b', 300],
    ['dpop c', 300],
  ])
})
