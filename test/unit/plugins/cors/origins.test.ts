import { expect, test } from 'bun:test'
import { badOrigin, createJudge } from '../../../../src/plugins/cors/origins.ts'

const A = 'https://a.test'

// prettier-ignore
test.each([
  // one for all
  [[],                                   A,                         '*'],
  [['*'],                                undefined,                 '*'],
  [['a.test'],                           'https://other.test',      'a.test'],
  [['https://a.test'],                   undefined,                 'https://a.test'],
  // several
  [['https://a.test', 'https://b.test'], A,                         A],
  [['https://a.test', 'https://b.test'], 'https://b.test',          'https://b.test'],
  [['https://a.test', 'https://b.test'], 'https://c.test',          undefined],
  [['https://a.test', 'https://b.test'], 'http://a.test',           undefined],
  [['https://a.test', 'https://b.test'], undefined,                 undefined],
  [['https://a.test', 'https://b.test'], '',                        undefined],
  [['https://a.test', '*'],              'https://c.test',          '*'],
  // a port that goes without saying
  [['https://a.test', 'http://b.test'],  'https://a.test:443',      A],
  [['https://a.test', 'http://b.test'],  'http://b.test:80',        'http://b.test'],
  [['https://a.test', 'http://b.test'],  'https://a.test:444',      undefined],
  [['http://a.test:8000', 'http://b.t'], 'http://a.test:8000',      'http://a.test:8000'],
  // regular expressions: for the host, for all of it, anchored in any case
  [['.*\\.a(-x)?\\.test'],               'https://w.a-x.test:8443', 'https://w.a-x.test:8443'],
  [['.*\\.a\\.test'],                    'https://w.a.test.evil',   undefined],
  [['a\\.test'],                         'https://evil-a.test',     undefined],
  [['^https://[a-z]+\\.a\\.test$'],      'https://w.a.test',        'https://w.a.test'],
  [['https://[a-z]+\\.a\\.test'],        'http://w.a.test',         undefined],
  [['(?i)https://A\\.test(:[0-9]+)?'],   'https://a.test:1',        'https://a.test:1'],
  [['[a-z]+'],                           'null',                    'null'],
])('%j for %j allows %j', (origins, origin, allow) => {
  expect(createJudge(origins)(origin).allow).toBe(allow as string)
})

test('an origin cannot keep a regular expression busy', () => {
  const judge = createJudge(['https://(a+)+\\.test'])
  const before = performance.now()
  expect(judge(`https://${'a'.repeat(5_000)}!`).allow).toBeUndefined()
  expect(performance.now() - before).toBeLessThan(1_000)
})

test('an answer that is not for everybody varies', () => {
  expect(createJudge(['*'])(A).varies).toBe(false)
  expect(createJudge([A])(A).varies).toBe(true)
  expect(createJudge([A, '*'])(A).varies).toBe(true)
  expect(createJudge([A, 'https://b.test'])(undefined).varies).toBe(true)
})

// prettier-ignore
test.each([
  ['*',               undefined],
  ['a.test',          undefined],
  ['.*\\.a\\.test',   undefined],
  ['invalid_**regex', "'invalid_**regex' is not a valid regex (nothing to repeat before *)"],
  ['(?=a).*',         "'(?=a).*' is not a valid regex (look-around is not supported: (?=)"],
])('%s: %s', (entry, message) => {
  expect(badOrigin(entry)).toBe(message as string)
})
