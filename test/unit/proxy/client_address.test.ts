import { expect, test } from 'bun:test'
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
  return new ClientAddress(settings).of({ headers } as RequestHead, '10.0.0.1')
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
