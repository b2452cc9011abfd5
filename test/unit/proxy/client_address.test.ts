import { expect, test } from 'bun:test'
import { PLAIN } from '../../../src/front/origin.ts'
import { HeaderList } from '../../../src/headers.ts'
import type { RequestHead } from '../../../src/http1/head.ts'
import { ClientAddress } from '../../../src/proxy/client_address.ts'

/** The client as a trusted proxy tells it. */
function clientIn(field: string, real_ip_recursive: boolean): string {
  const settings = {
    trusted_ips: ['10.0.0.0/8'],
    real_ip_header: 'x-forwarded-for',
    real_ip_recursive,
  }
  const headers = HeaderList.of([['X-Forwarded-For', field]])
  return new ClientAddress(settings).of({ headers } as RequestHead, {
    remoteAddress: '10.0.0.1',
    origin: PLAIN,
  })
}

// prettier-ignore
test.each([
  // sent                          recursive        the last alone
  ['192.0.2.1',                    '192.0.2.1',     '192.0.2.1'],
  ['6.6.6.6, 192.0.2.1',           '192.0.2.1',     '192.0.2.1'],
  ['6.6.6.6, 192.0.2.1, 10.0.0.2', '192.0.2.1',     '10.0.0.2'],
  ['10.0.0.3, 10.0.0.2',           '10.0.0.3',      '10.0.0.2'],
  ['6.6.6.6, 192.0.2.1:5678',      '192.0.2.1',     '192.0.2.1'],
  ['6.6.6.6, [2001:db8::1]:5678',  '2001:db8::1',   '2001:db8::1'],
  ['6.6.6.6, [2001:db8::1]',       '2001:db8::1',   '2001:db8::1'],
  ['6.6.6.6, 2001:db8::1',         '2001:db8::1',   '2001:db8::1'],
  ['6.6.6.6, unknown',             '10.0.0.1',      '10.0.0.1'],
  ['6.6.6.6, unknown, 10.0.0.2',   '10.0.0.2',      '10.0.0.2'],
  ['6.6.6.6,',                     '10.0.0.1',      '10.0.0.1'],
])('%s is the client %s', (field, recursive, last) => {
  expect([clientIn(field, true), clientIn(field, false)]).toEqual([recursive, last])
})

// prettier-ignore
test.each([
  // sent twice         values                               the client
  ['x-real-ip',         ['192.0.2.1', '192.0.2.2'],          '192.0.2.1'],
  ['x-real-ip',         ['192.0.2.1, 192.0.2.3', '192.0.2.2'], '192.0.2.3'],
  ['x-real-ip',         ['unknown', '192.0.2.2'],            '10.0.0.1'],
  ['x-client',          ['192.0.2.1', '192.0.2.2'],          '192.0.2.1'],
  ['x-forwarded-for',   ['192.0.2.1', '192.0.2.2'],          '192.0.2.2'],
])('%s sent twice, as %j: the client is %s', (real_ip_header, values, client) => {
  const settings = { trusted_ips: ['10.0.0.0/8'], real_ip_header, real_ip_recursive: true }
  const headers = HeaderList.of(values.map((value) => [real_ip_header, value] as const))
  const peer = { remoteAddress: '10.0.0.1', origin: PLAIN }
  expect(new ClientAddress(settings).of({ headers } as RequestHead, peer)).toBe(client)
})

// prettier-ignore
test.each([
  // peer         trusted            told by PROXY   the client
  ['10.0.0.1',    ['10.0.0.0/8'],    '192.0.2.1',    '192.0.2.1'],
  ['10.0.0.1',    ['10.0.0.0/8'],    undefined,      '10.0.0.1'],
  ['203.0.113.9', ['10.0.0.0/8'],    '192.0.2.1',    '203.0.113.9'],
  ['10.0.0.1',    [],                '192.0.2.1',    '10.0.0.1'],
  ['unix:',       ['unix:'],         '192.0.2.1',    '192.0.2.1'],
  ['unix:',       ['10.0.0.0/8'],    '192.0.2.1',    'unix:'],
])('with real_ip_header = proxy_protocol: of %s, trusting %j, PROXY %p, it is %s', (remoteAddress, trusted_ips, proxiedAddress, client) => {
  const settings = { trusted_ips, real_ip_header: 'proxy_protocol', real_ip_recursive: true }
  const headers = HeaderList.of([['proxy_protocol', '6.6.6.6'], ['X-Real-IP', '6.6.6.6']])
  const peer = { remoteAddress, origin: { ...PLAIN, proxiedAddress } }
  expect(new ClientAddress(settings).of({ headers } as RequestHead, peer)).toBe(client)
})
