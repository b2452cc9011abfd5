import { expect, test } from 'bun:test'
import { Queue, queueField, type QueueSettings } from '../../../src/plugins/queue.ts'
import { check } from '../../../src/schema/check.ts'

/** A queue whose receiver fails as often as it is told to. */
function create(settings: Partial<QueueSettings> = {}) {
  const sent: (readonly string[])[] = []
  const lines: string[] = []
  const receiver = { failures: 0, gate: Promise.resolve() }
  const write = (message: string, facts = {}) =>
    void lines.push(`${message} ${JSON.stringify(facts)}`)
  const queue = new Queue({
    settings: { ...check(queueField, {}).value!, initial_retry_delay: 0.001, ...settings },
    facts: {},
    log: { debug: write, info: write, notice: write, warn: write, error: write },
    async send(entries) {
      await receiver.gate
      if (receiver.failures-- > 0) throw new Error('busy')
      sent.push(entries)
    },
  })
  return {
    queue,
    sent,
    lines,
    receiver,
    arrived: (count: number) => until(() => sent.flat().length >= count),
  }
}

async function until(done: () => boolean): Promise<void> {
  const limit = performance.now() + 3_000
  while (!done()) {
    if (performance.now() > limit) throw new Error('waited in vain')
    await Bun.sleep(1)
  }
}

test('by default each entry is sent by itself, in order', async () => {
  const { queue, sent, arrived } = create()
  for (const each of ['a', 'b', 'c']) queue.add(each)
  await arrived(3)
  expect(sent).toEqual([['a'], ['b'], ['c']])
})

test('a full batch is sent at once', async () => {
  const { queue, sent, arrived } = create({ max_batch_size: 2, max_coalescing_delay: 60 })
  queue.add('a')
  await Bun.sleep(1)
  queue.add('b')
  await arrived(2)
  expect(sent).toEqual([['a', 'b']])
})

test('a batch that is not full is sent after the delay', async () => {
  const { queue, sent, arrived } = create({ max_batch_size: 10, max_coalescing_delay: 0.05 })
  const began = performance.now()
  queue.add('a')
  queue.add('b')
  await arrived(2)
  expect(sent).toEqual([['a', 'b']])
  expect(performance.now() - began).toBeGreaterThanOrEqual(45)
})

test('what is refused is sent again, before what came later', async () => {
  const { queue, sent, receiver, lines, arrived } = create()
  receiver.failures = 3
  queue.add('a')
  queue.add('b')
  await arrived(2)
  expect(sent).toEqual([['a'], ['b']])
  expect(lines.filter((line) => line.startsWith('entries were not taken')).length).toBe(3)
})

test('after max_retry_time a batch is given up, and the next one tried', async () => {
  const { queue, sent, receiver, lines, arrived } = create({ max_retry_time: 0 })
  receiver.failures = 1
  queue.add('a')
  queue.add('b')
  await arrived(1)
  expect(sent).toEqual([['b']])
  expect(lines.at(-1)).toContain('entries are lost')
  expect(lines.at(-1)).toContain('max_retry_time')
})

test('of too many entries the newest are kept, and that is told once', async () => {
  const { queue, sent, receiver, lines, arrived } = create({ max_entries: 3, max_batch_size: 3 })
  const { promise, resolve } = Promise.withResolvers<void>()
  receiver.gate = promise
  for (let i = 0; i < 3; i++) queue.add(`first ${i}`)
  // The first batch is under way; it does not count.
  await Bun.sleep(1)
  for (let i = 0; i < 100; i++) queue.add(String(i))
  resolve()
  await arrived(6)
  expect(sent[1]).toEqual(['97', '98', '99'])
  expect(lines.filter((line) => line.includes('the queue is full')).length).toBe(1)
  expect(lines.filter((line) => line.includes('80 % of max_entries')).length).toBe(1)
})

test('of too many bytes too, and an entry above them is never taken', async () => {
  const { queue, sent, receiver, lines, arrived } = create({
    max_bytes: 10,
    max_batch_size: 100,
    max_coalescing_delay: 0.01,
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  receiver.gate = promise
  queue.add('a')
  await Bun.sleep(20)
  queue.add('x'.repeat(11))
  for (const each of ['1234', '5678', 'üü']) queue.add(each)
  resolve()
  await arrived(3)
  expect(sent).toEqual([['a'], ['5678', 'üü']])
  expect(lines[0]).toContain('11 bytes are more than max_bytes')
})

test('without a limit of concurrency nobody waits for anybody', async () => {
  const { queue, sent, receiver, arrived } = create({ concurrency_limit: -1 })
  receiver.failures = 1
  for (const each of ['a', 'b', 'c']) queue.add(each)
  await arrived(3)
  expect(sent[0]).toEqual(['b'])
  expect(sent.flat().toSorted()).toEqual(['a', 'b', 'c'])
})

test('at the end what is there is sent without waiting', async () => {
  const { queue, sent } = create({ max_batch_size: 10, max_coalescing_delay: 60 })
  queue.add('a')
  await queue[Symbol.asyncDispose]()
  expect(sent).toEqual([['a']])
})

test('and what nobody takes is told', async () => {
  const { queue, sent, receiver, lines } = create({ initial_retry_delay: 60 })
  receiver.failures = 100
  queue.add('a')
  queue.add('b')
  await until(() => lines.length > 0)
  await queue[Symbol.asyncDispose]()
  expect(sent).toEqual([])
  expect(lines.filter((line) => line.includes('entries are lost')).length).toBe(2)
})
