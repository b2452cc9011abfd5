import { expect, test } from 'bun:test'
import { type BalancedRequest, hashValueOf } from '../../../src/balancer/hash_value.ts'
import type { Upstream } from '../../../src/entities/index.ts'
import { HeaderList } from '../../../src/headers.ts'

const REQUEST: BalancedRequest = {
  request: {
    ip: '192.0.2.1',
    path: '/a b',
    query: 'k=2&k=%31&flag&sp+ace=x+y&k%C3%A9=1',
    headers: HeaderList.of([
      ['X-Key', 'one'],
      ['x-key', 'two'],
      ['Cookie', 'a=b; KEY = c=d '],
    ]),
  },
  consumer: { id: 'consumer' },
  credential: { id: 'credential' },
  uri_captures: { 0: '/a', name: 'captured' },
}
const NOBODY = { ...REQUEST, consumer: undefined, credential: undefined }

/** The value for these fields of an upstream. */
function valueOf(upstream: object, request = REQUEST): string {
  const all = { hash_on: 'none', hash_fallback: 'none', hash_on_cookie_path: '/', ...upstream }
  return hashValueOf(all as Upstream, request).value
}

// prettier-ignore
const VALUES: [upstream: object, value: string, request?: BalancedRequest][] = [
  [{ hash_on: 'none' },                                              ''],
  [{ hash_on: 'ip' },                                                '192.0.2.1'],
  [{ hash_on: 'path' },                                              '/a b'],
  [{ hash_on: 'consumer' },                                          'consumer'],
  [{ hash_on: 'consumer' },                                          'credential', { ...REQUEST, consumer: undefined }],
  [{ hash_on: 'consumer' },                                          '', NOBODY],
  [{ hash_on: 'consumer', hash_fallback: 'ip' },                     '192.0.2.1', NOBODY],
  [{ hash_on: 'header', hash_on_header: 'X-KEY' },                   'one, two'],
  [{ hash_on: 'header', hash_on_header: 'x-none' },                  ''],
  [{ hash_on: 'header', hash_on_header: 'x-none', hash_fallback: 'header', hash_fallback_header: 'x-key' }, 'one, two'],
  [{ hash_on: 'cookie', hash_on_cookie: 'key' },                     'c=d'],
  [{ hash_on: 'ip', hash_fallback: 'cookie', hash_on_cookie: 'key' }, '192.0.2.1'],
  [{ hash_on: 'query_arg', hash_on_query_arg: 'k' },                 '1,2'],
  [{ hash_on: 'query_arg', hash_on_query_arg: 'flag' },              'true'],
  [{ hash_on: 'query_arg', hash_on_query_arg: 'sp ace' },            'x y'],
  [{ hash_on: 'query_arg', hash_on_query_arg: 'ké' },                '1'],
  [{ hash_on: 'query_arg', hash_on_query_arg: 'none', hash_fallback: 'query_arg', hash_fallback_query_arg: 'flag' }, 'true'],
  [{ hash_on: 'uri_capture', hash_on_uri_capture: 'name' },          'captured'],
  [{ hash_on: 'uri_capture', hash_on_uri_capture: 'none', hash_fallback: 'uri_capture', hash_fallback_uri_capture: '0' }, '/a'],
]

test.each(VALUES)('%j: %s', (upstream, value, request = REQUEST) => {
  expect(valueOf(upstream, request)).toBe(value)
})

test('a new cookie has a value of its own, which is hashed', () => {
  const upstream = { hash_on: 'cookie', hash_on_cookie: 'other', hash_on_cookie_path: '/in' }
  const one = hashValueOf(upstream as Upstream, REQUEST)
  const two = hashValueOf(upstream as Upstream, REQUEST)
  expect(one.value).not.toBe(two.value)
  expect(one.setCookie).toBe(`other=${one.value}; Path=/in; Same-Site=Lax; HttpOnly`)
})
