import { expect, test } from 'bun:test'
import { ExplainKey, signExplain } from '../../src/explain_key.ts'

const KEY = 'k'.repeat(32)
const ASKED = { method: 'GET', target: '/a?b=c', host: 'a.test' }
const NOW = 1_800_000_000_000

test('a signature serves once', () => {
  const key = new ExplainKey(KEY, () => NOW)
  const value = signExplain(KEY, 'rehearse', ASKED, NOW)
  expect(key.verify(value, ASKED)).toBe('rehearse')
  expect(key.verify(value, ASKED)).toBeUndefined()
  expect(key.verify(signExplain(KEY, 'send', ASKED, NOW + 1), ASKED)).toBe('send')
})

// prettier-ignore
test.each([
  ['of another key',     signExplain('x'.repeat(32), 'send', ASKED, NOW)],
  ['that is stale',      signExplain(KEY, 'send', ASKED, NOW - 60_001)],
  ['of the future',      signExplain(KEY, 'send', ASKED, NOW + 60_001)],
  ['of another method',  signExplain(KEY, 'send', { ...ASKED, method: 'POST' }, NOW)],
  ['of another target',  signExplain(KEY, 'send', { ...ASKED, target: '/a?b=d' }, NOW)],
  ['of another host',    signExplain(KEY, 'send', { ...ASKED, host: 'b.test' }, NOW)],
  ['for another mode',   signExplain(KEY, 'send', ASKED, NOW).replace('send', 'rehearse')],
  ['for another time',   signExplain(KEY, 'send', ASKED, NOW).replace(String(NOW), String(NOW + 1))],
  ['that is cut',        signExplain(KEY, 'send', ASKED, NOW).slice(0, -1)],
  ['with more behind',   `${signExplain(KEY, 'send', ASKED, NOW)} `],
  ['that is none',       ''],
])('none %s', (_, value) => {
  expect(new ExplainKey(KEY, () => NOW).verify(value, ASKED)).toBeUndefined()
})

test('a used one is remembered as long as it would be good, and no longer', () => {
  let now = NOW
  const key = new ExplainKey(KEY, () => now)
  const early = signExplain(KEY, 'send', ASKED, NOW + 59_000)
  expect(key.verify(early, ASKED)).toBe('send')
  now += 118_000
  expect(key.verify(early, ASKED)).toBeUndefined()
  for (let i = 0; i < 20_000; i++) {
    now += 20
    expect(key.verify(signExplain(KEY, 'send', ASKED, now), ASKED)).toBe('send')
  }
})
