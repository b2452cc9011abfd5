import { expect, test } from 'bun:test'
import { readHosts, readNameServer, readResolvConf } from '../../../src/dns/files.ts'

test('resolv.conf is read as the system reads it', () => {
  const text = `
# a remark
; another
domain older.test
search a.test  b.test.
nameserver 192.0.2.1
nameserver 2001:db8::1   # with a remark
nameserver not-an-address
nameserver 192.0.2.2
nameserver 192.0.2.3
options ndots:2 timeout:1 attempts:3 rotate
`
  expect(readResolvConf(text)).toEqual({
    servers: [
      { host: '192.0.2.1', port: 53 },
      { host: '2001:db8::1', port: 53 },
      { host: '192.0.2.2', port: 53 },
    ],
    search: ['a.test', 'b.test'],
    ndots: 2,
    timeout: 1000,
    attempts: 3,
  })
})

test('without resolv.conf it is the name server of this machine; too much is cut', () => {
  expect(readResolvConf('')).toEqual({
    servers: [{ host: '127.0.0.1', port: 53 }],
    search: [],
    ndots: 1,
    timeout: 2000,
    attempts: 2,
  })
  expect(readResolvConf('options ndots:99 timeout:0 attempts:99')).toMatchObject({
    ndots: 15,
    timeout: 1000,
    attempts: 5,
  })
})

// prettier-ignore
const SERVERS: [text: string, host: string, port: number][] = [
  ['192.0.2.1',         '192.0.2.1', 53],
  ['192.0.2.1:5353',    '192.0.2.1', 5353],
  ['2001:db8::1',       '2001:db8::1', 53],
  ['[2001:db8::1]',     '2001:db8::1', 53],
  ['[2001:db8::1]:5353', '2001:db8::1', 5353],
]

test.each(SERVERS)('the name server %s', (text, host, port) => {
  expect(readNameServer(text)).toEqual([{ host, port }])
})

test.each(['192.0.2.1:0', '192.0.2.1:70000', 'dns.test', ''])('%j is no name server', (text) => {
  expect(readNameServer(text)).toEqual([])
})

test('a hosts file: the first address of each family, names in any case', () => {
  const hosts = readHosts(
    '127.0.0.1 localhost\n::1 localhost ip6-localhost\n192.0.2.1\tA.test a # b.test\n192.0.2.2 a.test\nnone c.test\n',
  )
  expect(Object.fromEntries(hosts)).toEqual({
    localhost: { ipv4: '127.0.0.1', ipv6: '::1' },
    'ip6-localhost': { ipv6: '::1' },
    'a.test': { ipv4: '192.0.2.1' },
    a: { ipv4: '192.0.2.1' },
  })
})
