import { expect, test } from 'bun:test'
import { ipRestriction } from '../../../../src/plugins/ip-restriction/index.ts'
import { createMatcher } from '../../../../src/plugins/ip-restriction/addresses.ts'
import { check } from '../../../../src/schema/check.ts'

// prettier-ignore
test.each([
  [['192.0.2.1'],                    '192.0.2.1',        true],
  [['192.0.2.1'],                    '192.0.2.10',       false],
  [['192.0.2.0/24'],                 '192.0.2.255',      true],
  [['192.0.2.0/24'],                 '192.0.3.0',        false],
  [['192.0.2.7/24'],                 '192.0.2.1',        true],
  [['0.0.0.0/0'],                    '203.0.113.9',      true],
  [['0.0.0.0/0'],                    '2001:db8::1',      false],
  [['::/0'],                         '2001:db8::1',      true],
  [['::/0'],                         '192.0.2.1',        false],
  [['192.0.2.0/24'],                 '::ffff:192.0.2.1', true],
  [['::ffff:192.0.2.1'],             '192.0.2.1',        false],
  [['2001:db8::/32'],                '2001:db8:ffff::1', true],
  [['2001:db8::/32'],                '2001:db9::1',      false],
  [['2001:db8::1'],                  '2001:DB8:0::1',    true],
  [['192.0.2.1', '2001:db8::/128'],  '2001:db8::',       true],
  [['192.0.2.1', '198.51.100.0/31'], '198.51.100.1',     true],
])('%j holds %s: %p', (entries, address, holds) => {
  expect(createMatcher(entries)(address)).toBe(holds)
})

function faultsOf(config: Record<string, unknown>): string[] {
  return (check(ipRestriction.schema, config).faults ?? []).map(({ message }) => message)
}

test.each([
  'hello',
  '0.0.0.0/a',
  '0.0.0.0/-1',
  '0.0.0.0/33',
  '0.0.0.0/08',
  '192.0.2',
  '256.0.0.1',
  '::/a',
  '::1/129',
  'fe80::1%eth0',
  '192.0.2.1/',
])('%s is no address', (entry) => {
  const message = `invalid ip or cidr range: '${entry}'`
  expect(faultsOf({ allow: [entry] })).toEqual([message])
  expect(faultsOf({ deny: ['::/128', entry] })).toEqual([message])
})

const EMPTY = "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"

// prettier-ignore
test.each([
  [{},                                  EMPTY],
  [{ allow: [], deny: [] },             EMPTY],
  [{ allow: 12 },                       'expected an array'],
  [{ deny: ['::1'], status: 200 },      'expected a status between 400 and 599'],
  [{ deny: ['::1'], status: 403.5 },    'expected a status between 400 and 599'],
])('%j is refused', (config, message) => {
  expect(faultsOf(config)).toEqual([message])
})
