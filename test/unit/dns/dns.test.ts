import { expect, test } from 'bun:test'
import { Dns } from '../../../src/dns/dns.ts'
import { type Found, NameError } from '../../../src/dns/lookup.ts'
import { DEFAULT_DNS } from '../../../src/dns/settings.ts'

const a = (ttl: number, ...addresses: string[]): Found => ({
  type: 'A',
  ttl,
  places: addresses.map((address) => ({ address })),
})

/** A memory of names with a clock that is set, over answers that are given one after the other. */
function memory(...answers: (Found | NameError)[]) {
  const clock = { now: 1_000_000 }
  const asked: (string | undefined)[] = []
  const lookup = async (_: string, last: string | undefined) => {
    asked.push(last)
    const answer = answers[Math.min(asked.length, answers.length) - 1]!
    if (answer instanceof NameError) throw answer
    return answer
  }
  const dns = new Dns(DEFAULT_DNS, lookup, () => clock.now)
  return {
    asked,
    dns,
    pass: (seconds: number) => (clock.now += seconds * 1000),
    find: () => dns.find('a.test', clock.now),
  }
}

test('an answer is kept as long as its TTL, without a promise', async () => {
  const { asked, find, pass } = memory(a(10, '192.0.2.1'))
  const first = await find()
  expect(first).toEqual({ type: 'A', places: [{ address: '192.0.2.1' }] })
  pass(9)
  expect(find()).toBe(first)
  expect(asked).toHaveLength(1)
})

test('all who ask at once wait for one question', async () => {
  const { asked, find } = memory(a(10, '192.0.2.1'))
  const [one, two] = await Promise.all([find(), find()])
  expect(one).toBe(two)
  expect(asked).toHaveLength(1)
})

test('after its TTL the answer is used while it is asked for again, first for its own type', async () => {
  const { asked, find, pass } = memory(a(10, '192.0.2.1'), a(10, '192.0.2.2'))
  const first = await find()
  pass(11)
  expect(find()).toBe(first)
  await Bun.sleep(0)
  expect(asked).toEqual([undefined, 'A'])
  expect(find()).toEqual({ type: 'A', places: [{ address: '192.0.2.2' }] })
})

test('an answer that stays the same is the same object', async () => {
  const { find, pass } = memory(a(10, '192.0.2.1'))
  const first = await find()
  pass(11)
  find()
  await Bun.sleep(0)
  expect(find()).toBe(first)
})

test('past dns_stale_ttl too, it is waited for', async () => {
  const { find, pass } = memory(a(10, '192.0.2.1'))
  await find()
  pass(10 + DEFAULT_DNS.dns_stale_ttl)
  expect(find()).toBeInstanceOf(Promise)
})

test('what is not found is remembered for dns_not_found_ttl', async () => {
  const { asked, find, pass } = memory(new NameError('no', true), a(10, '192.0.2.1'))
  expect(find()).rejects.toThrow('no')
  await Bun.sleep(0)
  pass(29)
  expect(find).toThrow('no')
  expect(asked).toHaveLength(1)
  pass(1)
  expect(await find()).toEqual({ type: 'A', places: [{ address: '192.0.2.1' }] })
})

test('while servers fail, the stale answer goes on, and they are asked once in dns_error_ttl', async () => {
  const { asked, find, pass } = memory(a(10, '192.0.2.1'), new NameError('down', false))
  const first = await find()
  pass(11)
  for (let i = 0; i < 3; i++) {
    expect(find()).toBe(first)
    await Bun.sleep(0)
  }
  expect(asked).toHaveLength(2)
  pass(1)
  find()
  await Bun.sleep(0)
  expect(asked).toHaveLength(3)
})

test('a server that says there is no such name any more is believed', async () => {
  const { find, pass } = memory(a(10, '192.0.2.1'), new NameError('gone', true))
  await find()
  pass(11)
  find()
  await Bun.sleep(0)
  expect(find).toThrow('gone')
})

test('dns_valid_ttl counts in place of what the answer has, but not of what no server said', async () => {
  const asked: string[] = []
  let now = 0
  const lookup = async (host: string) => {
    asked.push(host)
    return a(host === 'localhost' ? Infinity : 10, '192.0.2.1')
  }
  const dns = new Dns({ ...DEFAULT_DNS, dns_valid_ttl: 1, dns_stale_ttl: 0 }, lookup, () => now)
  await dns.find('a.test', now)
  await dns.find('localhost', now)
  now = 5_000
  expect(dns.find('a.test', now)).toBeInstanceOf(Promise)
  expect(dns.find('localhost', now)).not.toBeInstanceOf(Promise)
})

test('what no server said is asked for again after a refresh, by those who watch it too', async () => {
  const { find, dns } = memory(a(Infinity, '192.0.2.1'), a(Infinity, '192.0.2.2'))
  const told: unknown[] = []
  const end = dns.watch('a.test', (result) => told.push(result))
  const first = await find()
  dns.refresh()
  await Bun.sleep(0)
  expect(find()).toEqual({ type: 'A', places: [{ address: '192.0.2.2' }] })
  expect(told).toEqual([first, find()])
  end()
})
