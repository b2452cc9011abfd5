import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import type { LogContext } from '../../../src/pdk.ts'
import { logEntry } from '../../../src/plugins/log_entry.ts'
import { TestContext } from './context.ts'

interface Over {
  readonly query?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly answered?: readonly (readonly [string, string])[]
  readonly host?: string
}

/** A request that is over, whose secret arguments are `key` and `x-key`. */
function over({ query = '', headers = [], answered = [], host = 'a.test' }: Over): LogContext {
  const { request } = new TestContext({ query, headers })
  const names = new Set(['key', 'x-key'])
  return {
    request: { ...request, host },
    route: undefined,
    service: undefined,
    consumer: undefined,
    credential: undefined,
    source: 'exit',
    status: 200,
    headers: HeaderList.of(answered),
    startedAt: 1,
    latencies: { request: 10, kong: 2, proxy: 5 },
    sizes: { request: 100, response: 200 },
    upstreamStatus: undefined,
    upstreamUri: undefined,
    tries: [],
    secrets: {
      has: (name) => names.has(name.toLowerCase()),
      leaveOut: (text) => text.replaceAll('s3cret', '[redacted]'),
    },
  }
}

// prettier-ignore
test.each<[string, Record<string, string | true | (string | true)[]>]>([
  ['',                    {}],
  ['a=1&b=2',             { a: '1', b: '2' }],
  ['a=1&a=2&a',           { a: ['1', '2', true] }],
  ['a=&=1&&b',            { a: '', b: true }],
  ['a%20b=c+d',           { 'a b': 'c d' }],
  ['a=%zz%',              { a: '%zz%' }],
  ['u=%C3%BC&%C3%BC=1',   { u: 'ü', 'ü': '1' }],
  ['u=\xc3\xbc',          { u: 'ü' }],
  ['Key=a&%6Bey=b&a=c',   { Key: 'REDACTED', key: 'REDACTED', a: 'c' }],
])('the query %j is told as %j', (query, told) => {
  expect(logEntry(over({ query })).request.querystring).toEqual(told)
})

test('an argument with the name of a member of objects is one like any other', () => {
  const { querystring } = logEntry(over({ query: '__proto__=1&constructor=2' })).request
  expect(JSON.stringify(querystring)).toBe('{"__proto__":"1","constructor":"2"}')
})

test('headers are told in lower case, several of one name as a list, and as UTF-8', () => {
  const headers = [
    ['Accept', 'a'],
    ['X-Name', '\xc3\xbc'],
    ['accept', 'b'],
  ] as const
  expect(logEntry(over({ headers })).request.headers).toEqual({ accept: ['a', 'b'], 'x-name': 'ü' })
})

test('what carries a credential is not told, in any spelling of its name', () => {
  const headers = ['Authorization', 'Proxy_Authorization', 'Cookie', 'X_Key', 'Referer'].map(
    (name) => [name, 's3cret'] as const,
  )
  const answered = [['Set-Cookie', 's3cret'] as const, ['Location', '/?a=s3cret'] as const]
  const entry = logEntry(over({ headers, answered, query: 'a=s3cret' }))
  expect(JSON.stringify(entry)).not.toContain('s3cret')
  expect(entry.request.headers).toEqual({
    authorization: 'REDACTED',
    proxy_authorization: 'REDACTED',
    cookie: 'REDACTED',
    x_key: 'REDACTED',
    referer: '[redacted]',
  })
})

// prettier-ignore
test.each([
  ['A.test',      'http://a.test:8000/'],
  ['a.test:1234', 'http://a.test:8000/'],
  ['[::1]:80',    'http://[::1]:8000/'],
  ['[::1]',       'http://[::1]:8000/'],
])('the address of a request to %s has the port that it came to', (host, url) => {
  expect(logEntry(over({ host })).request.url).toBe(url)
})

test('the time to receive an answer is what remains', () => {
  expect(logEntry(over({})).latencies).toEqual({ request: 10, kong: 2, proxy: 5, receive: 3 })
})
