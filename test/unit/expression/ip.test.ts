import { expect, test } from 'bun:test'
import { isNetwork, isSameIp, isWithin, readCidr, readIp } from '../../../src/expression/ip.ts'

// prettier-ignore
test.each([
  ['0.0.0.0',                 32,  0n],
  ['1.2.3.4',                 32,  0x01020304n],
  ['::',                      128, 0n],
  ['::1',                     128, 1n],
  ['1::',                     128, 1n << 112n],
  ['fd00:0:0:1::a',           128, (0xfd00n << 112n) | (1n << 64n) | 10n],
  ['1:2:3:4:5:6:7:8',         128, 0x00010002000300040005000600070008n],
  ['::ffff:1.2.3.4',          128, 0xffff01020304n],
] as const)('%s is an address', (text, bits, value) => {
  expect(readIp(text)).toEqual({ bits, value })
})

// prettier-ignore
test.each([
  '', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.x', ':', '1:2', '1::2::3', '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8', '12345::', 'g::', '::1.2.3', '::1.2.3.256', '1.2.3.4:80',
])('%s is none', (text) => {
  expect(readIp(text)).toBeUndefined()
})

// prettier-ignore
test.each([
  ['10.1.2.3',  '10.0.0.0/8',   true],
  ['11.1.2.3',  '10.0.0.0/8',   false],
  ['10.1.2.3',  '10.1.2.3/32',  true],
  ['10.1.2.3',  '0.0.0.0/0',    true],
  ['::1',       '0.0.0.0/0',    false],
  ['fd00::5',   'fd00::/64',    true],
  ['fd00:0:0:1::5', 'fd00::/64', false],
])('%s in %s: %p', (ip, network, within) => {
  expect(isWithin(readIp(ip)!, readCidr(network)!)).toBe(within)
})

test('a network has a length that its addresses have, and says whether more is set', () => {
  expect([readCidr('10.0.0.0/33'), readCidr('10.0.0.0'), readCidr('::/129')]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(isNetwork(readCidr('10.0.0.0/8')!)).toBe(true)
  expect(isNetwork(readCidr('10.0.0.1/8')!)).toBe(false)
})

test('an address of IPv4 is not the same one of IPv6', () => {
  expect(isSameIp(readIp('1.2.3.4')!, readIp('1.2.3.4')!)).toBe(true)
  expect(isSameIp(readIp('0.0.0.1')!, readIp('::1')!)).toBe(false)
})
