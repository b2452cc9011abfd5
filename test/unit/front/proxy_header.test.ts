import { expect, test } from 'bun:test'
import { readProxyHeader } from '../../../src/front/proxy_header.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'
const MAPPED = Array.from({ length: 16 }, (_, i) => (i < 10 ? 0 : i < 12 ? 0xff : i))

/** A header of version 2: version and command, family and transport, and what its length is of. */
function binary(command: number, family: number, content: number[], length = content.length) {
  return Buffer.concat([
    bytes(SIGNATURE),
    Buffer.of(command, family, length >> 8, length & 0xff, ...content),
  ])
}

const IPV4 = [192, 0, 2, 1, 10, 0, 0, 1, 0xdb, 0x00, 0x01, 0xbb]
const IPV6 = [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 1, ...Array(16).fill(0), 0, 1, 0, 2]

// prettier-ignore
test.each([
  ['an address of IPv4',           bytes('PROXY TCP4 192.0.2.1 10.0.0.1 56000 443\r\n'),      '192.0.2.1'],
  ['an address of IPv6',           bytes('PROXY TCP6 2001:db8::1 ::1 56000 443\r\n'),         '2001:db8::1'],
  ['nobody',                       bytes('PROXY UNKNOWN\r\n'),                                undefined],
  ['nobody, at length',            bytes('PROXY UNKNOWN ff:: 1.2.3 x y\r\n'),                 undefined],
  ['an address of IPv4, binary',   binary(0x21, 0x11, IPV4),                                  '192.0.2.1'],
  ['more after its address',       binary(0x21, 0x11, [...IPV4, 4, 0, 1, 0]),                 '192.0.2.1'],
  ['an address of IPv6, binary',   binary(0x21, 0x21, IPV6),                                  '2001:db8::1'],
  ['IPv4 within IPv6',             binary(0x21, 0x21, [...MAPPED, ...MAPPED, 0, 1, 0, 2]),    '::ffff:c0d:e0f'],
  ['the proxy itself',             binary(0x20, 0x11, IPV4),                                  undefined],
  ['the proxy itself, in short',   binary(0x20, 0x00, []),                                    undefined],
  ['a Unix socket',                binary(0x21, 0x31, Array(216).fill(65)),                   undefined],
  ['no family',                    binary(0x21, 0x00, [1, 2, 3]),                             undefined],
])('a header that tells %s', (_, header, address) => {
  const whole = Buffer.concat([header, bytes('GET / HTTP/1.1\r\n')])
  expect(readProxyHeader(whole)).toEqual({ address, length: header.length })
  for (let end = 0; end < header.length; end++)
    expect(readProxyHeader(whole.subarray(0, end)), `of ${end} bytes`).toBeUndefined()
})

// prettier-ignore
test.each([
  ['a request',                bytes('GET / HTTP/1.1\r\n')],
  ['TLS',                      Buffer.of(22, 3, 1, 2, 0)],
  ['small letters',            bytes('proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n')],
  ['IPv6 for IPv4',            bytes('PROXY TCP4 ::1 10.0.0.1 1 2\r\n')],
  ['a name',                   bytes('PROXY TCP4 localhost 10.0.0.1 1 2\r\n')],
  ['no ports',                 bytes('PROXY TCP4 192.0.2.1 10.0.0.1\r\n')],
  ['a port too large',         bytes('PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n')],
  ['a port with a zero',       bytes('PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n')],
  ['two blanks',               bytes('PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n')],
  ['more words',               bytes('PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n')],
  ['another transport',        bytes('PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n')],
  ['a line feed alone',        bytes(`PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n${'x'.repeat(80)}`)],
  ['no end',                   bytes(`PROXY UNKNOWN ${'x'.repeat(93)}`)],
  ['version 3',                binary(0x31, 0x11, IPV4)],
  ['an unknown command',       binary(0x22, 0x11, IPV4)],
  ['an unknown family',        binary(0x21, 0x41, IPV4)],
  ['an unknown transport',     binary(0x21, 0x13, IPV4)],
  ['no room for addresses',    binary(0x21, 0x11, IPV4.slice(1))],
  ['too much beside them',     binary(0x21, 0x11, IPV4, 4097)],
])('%s is no header', (_, header) => {
  expect(() => readProxyHeader(header)).toThrow(/PROXY header/)
})
