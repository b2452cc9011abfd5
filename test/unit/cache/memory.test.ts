import { expect, test } from 'bun:test'
import { MemoryCache } from '../../../src/cache/memory.ts'

/** Room for `limit` bytes: three values of which no size is told. */
function cacheOf(limit = 15_000) {
  const clock = { now: 1_000_000 }
  return { clock, cache: new MemoryCache<string>(limit, () => clock.now) }
}

test('a value lives for its seconds', () => {
  const { cache, clock } = cacheOf()
  cache.set('a', '1', 2)
  clock.now += 1_999
  expect(cache.get('a')).toBe('1')
  clock.now += 1
  expect(cache.get('a')).toBeUndefined()
})

test('reading a value does not lengthen its life, setting it does', () => {
  const { cache, clock } = cacheOf()
  cache.set('a', '1', 2)
  clock.now += 1_000
  cache.get('a')
  cache.set('b', '2', 1)
  cache.set('b', '3', 9)
  clock.now += 1_000
  expect([cache.get('a'), cache.get('b')]).toEqual([undefined, '3'])
})

test.each([0, -1, Number.NaN])(
  'a value for %p seconds is not kept, and ends the one before',
  (ttl) => {
    const { cache } = cacheOf()
    cache.set('a', '1', 10)
    cache.set('a', '2', ttl)
    expect(cache.get('a')).toBeUndefined()
  },
)

test('of too many the least recently used goes first', () => {
  const { cache } = cacheOf()
  for (const key of ['a', 'b', 'c']) cache.set(key, key, 10)
  cache.get('a')
  cache.set('d', 'd', 10)
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual(['a', undefined, 'c', 'd'])
})

test('it never holds more than its limit', () => {
  const { cache } = cacheOf(1_000_000)
  const sizes = Array.from({ length: 10_000 }, (_, i) => (i * 7919) % 20_000)
  for (const [i, size] of sizes.entries()) cache.set(String(i), 'x', 10, size)
  const held = sizes.filter((_, i) => cache.get(String(i)))
  const bytes = held.reduce((sum, size) => sum + size)
  expect(bytes).toBeLessThan(1_000_000)
  expect(bytes).toBeGreaterThan(900_000)
  expect(sizes.slice(-held.length)).toEqual(held)
})

test('a large value takes the room of several, and of no more than it must', () => {
  const { cache } = cacheOf(10_000)
  const keys = [...'abcdefghij']
  for (const key of keys) cache.set(key, key, 10, 600)
  cache.set('large', 'large', 10, 2_500)
  expect([...keys, 'large'].filter((key) => cache.get(key))).toEqual([...'defghij', 'large'])
})

test('what is larger than the whole cache is not kept, and pushes nobody out', () => {
  const { cache } = cacheOf(10_000)
  cache.set('a', '1', 10, 100)
  cache.set('b', '2', 10, 100)
  cache.set('b', '3', 10, 10_000)
  expect([cache.get('a'), cache.get('b')]).toEqual(['1', undefined])
})

test('what was replaced takes no room, nor does what has ended', () => {
  const { cache, clock } = cacheOf(10_000)
  cache.set('kept', 'kept', 1_000, 100)
  for (let i = 0; i < 50; i++) cache.set('again', String(i), 1_000, 2_000)
  for (let i = 0; i < 50; i++) {
    cache.set('looked at', 'x', 1, 2_000)
    clock.now += 1_000
    cache.get('looked at')
  }
  for (let i = 0; i < 50; i++) {
    cache.set(`forgotten ${i}`, 'x', 1, 2_000)
    clock.now += 1_000
  }
  expect([cache.get('kept'), cache.get('again')]).toEqual(['kept', '49'])
})

test('once loads once for all who ask at the same time, and again for those who ask later', async () => {
  const { cache } = cacheOf()
  let loads = 0
  const load = async () => {
    await Promise.resolve()
    return String(++loads)
  }
  const all = await Promise.all(Array.from({ length: 100 }, () => cache.once('a', load)))
  expect([...new Set(all), loads]).toEqual(['1', 1])
  expect(await cache.once('a', load)).toBe('2')
  expect(await Promise.all([cache.once('b', load), cache.once('c', load)])).toEqual(['3', '4'])
  expect(cache.get('a')).toBeUndefined()
})

test('a failure is told to all who wait, and the next one may try', async () => {
  const { cache } = cacheOf()
  const fail = () => Promise.reject(new Error('down'))
  const both = await Promise.allSettled([cache.once('a', fail), cache.once('a', fail)])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await cache.once('a', async () => 'up')).toBe('up')
})

test('what has ended makes room before what is of use does', () => {
  let now = 0
  // Room for a hundred of them.
  const cache = new MemoryCache<number>(140_000, () => now)
  for (let i = 0; i < 100; i++) cache.set(`${i}`, i, i === 20 ? 3600 : 1, 1_000)
  now = 2_000
  for (let i = 0; i < 99; i++) cache.set(`new ${i}`, i, 3600, 1_000)
  expect([cache.get('20'), cache.get('new 0'), cache.get('new 98')]).toEqual([20, 0, 98])
})
