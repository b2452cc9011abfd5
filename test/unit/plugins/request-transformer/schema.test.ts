import { expect, test } from 'bun:test'
import { requestTransformer } from '../../../../src/plugins/request-transformer/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { TestContext, testGateway } from '../context.ts'

// prettier-ignore
test.each<[object, string]>([
  [{ http_method: 'HELLO!' },                          'invalid value: HELLO!'],
  [{ http_method: 'get' },                             'invalid value: get'],
  [{ http_method: 'CONNECT' },                         'invalid method: CONNECT'],
  [{ add: { querystring: ['a:'] } },                   "key 'a' has no value"],
  [{ rename: { body: ['a'] } },                        "key 'a' has no value"],
  [{ remove: { body: [':a'] } },                       'a name is missing before the colon'],
  [{ remove: { headers: ['x a'] } },                   "'x a' is not a valid header"],
  [{ add: { headers: ['x-a'] } },                      'expected name:value'],
  [{ add: { headers: ['x.a:1'] } },                    "'x.a' is not a valid header"],
  [{ rename: { headers: ['x-a:x b'] } },               "'x b' is not a valid header"],
  [{ append: { headers: ['Host:a'] } },                'host cannot be appended to'],
  [{ replace: { uri: 'a' } },                          'path must start with /'],
])('%j is refused: %s', (config, message) => {
  expect(check(requestTransformer.schema, config).faults?.map((fault) => fault.message)).toEqual([message])
})

test.each([
  { add: { querystring: ['a:$(uri_captures user)'] } },
  { add: { headers: ['a:$(foo())'] } },
  { append: { body: ['a:$(1 + 1)'] } },
  { rename: { querystring: ['a:$(x)'] } },
  { replace: { uri: '/$(10 * uri_captures.user)' } },
])('%j is refused at load', (config) => {
  const [fault] = check(requestTransformer.schema, config).faults ?? []
  expect(fault?.message).toStartWith('value is not in supported format, error: ')
})

test('a fault never shows the value, which may be a secret', () => {
  const config = { add: { headers: ['Authorization:Basic c2VjcmV0$(x)'] } }
  expect(JSON.stringify(check(requestTransformer.schema, config).faults)).not.toContain('c2VjcmV0')
})

test('captures of the path are at hand, by name and by number', () => {
  const { value } = check(requestTransformer.schema, {
    replace: { uri: '/user/$(uri_captures.name)$(uri_captures[2])' },
    add: { querystring: ['n:$(uri_captures.none or "none")'] },
  })
  const handler = requestTransformer.create(value!, testGateway())
  const ctx = new TestContext()
  ctx.uri_captures = { 0: '/a/b', 1: 'é', name: 'é', 2: '/x' }
  handler.access?.(ctx)
  expect([ctx.upstream.path, ctx.upstream.query]).toEqual(['/user/\xc3\xa9/x', 'n=none'])
})
