import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import { OutgoingRequest, type ProxiedRequest } from '../../../src/proxy/context.ts'

const request = () =>
  new OutgoingRequest({
    method: 'GET',
    query: 'a=1',
    headers: new HeaderList(),
  } as unknown as ProxiedRequest)

test('what a plugin sets cannot begin a line of its own', () => {
  const upstream = request()
  upstream.path = '/a b\r\nX: 1'
  upstream.query = 'a=\r\nX: 1'
  upstream.host = 'a.test\r\nX: 1'
  expect([upstream.path, upstream.query, upstream.host]).toEqual([
    '/a%20b%0D%0AX:%201',
    'a=%0D%0AX:%201',
    'a.test  X: 1',
  ])
  expect(() => (upstream.method = 'GET / HTTP/1.1\r\n')).toThrow('is no method')
})

test('what no plugin sets is the client’s', () => {
  const { method, path, query, host } = request()
  expect([method, path, query, host]).toEqual(['GET', undefined, 'a=1', undefined])
})
