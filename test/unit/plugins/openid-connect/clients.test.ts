import { describe, expect, test } from 'bun:test'
import { createClients } from '../../../../src/plugins/openid-connect/clients.ts'
import { createPassing, NOTHING } from '../../../../src/plugins/openid-connect/passing.ts'
import { schema, withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { readBodyArguments } from '../../../../src/plugins/arguments.ts'
import { check } from '../../../../src/schema/check.ts'
import { type Sent, TestContext } from '../context.ts'

function configOf(config: Record<string, unknown>) {
  const { value, faults } = check(schema, { issuer: 'https://provider.test', ...config })
  if (faults) throw new Error(JSON.stringify(faults))
  return withDefaults(value)
}

const form = (body: string): Sent => ({
  method: 'POST',
  headers: [['Content-Type', 'application/x-www-form-urlencoded']],
  body,
})

describe('a request chooses a client', () => {
  const clients = createClients(configOf({ client_id: ['a', 'b', '1'] }))
  const choose = (sent: Sent) => clients.choose(new TestContext(sent).request)

  // prettier-ignore
  test.each<[string, Sent, number | undefined]>([
    ['by its id in the query',             { query: 'client_id=b' },                               1],
    ['by its position, from 1',            { query: 'client_id=2' },                               1],
    ['by its id before a position',        { query: 'client_id=1' },                               2],
    ['by X-Client-ID',                     { headers: [['X-Client-ID', 'b']] },                    1],
    ['by Client-ID',                       { headers: [['Client-ID', 'b']] },                      1],
    ['by client_id as a header',           { headers: [['client_id', 'b']] },                      1],
    ['by a header before the query',       { headers: [['Client-ID', 'b']], query: 'client_id=a' }, 1],
    ['not by an unknown id',               { query: 'client_id=c' },                               undefined],
    ['not by a position beyond the last',  { query: 'client_id=4' },                               undefined],
    ['not by two of them',                 { query: 'client_id=b&client_id=b' },                   undefined],
    ['not by nothing',                     {},                                                     undefined],
  ])('%s', (_, sent, index) => {
    expect(choose(sent)).toBe(index)
  })

  test('in its body, which is read for that if there is a choice', async () => {
    const { request } = new TestContext(form('x=y&client_id=b'))
    expect(clients.inBody(request)).toBe(true)
    expect(clients.choose(request, await readBodyArguments(request))).toBe(1)
    expect(clients.inBody(new TestContext().request)).toBe(false)
    expect(createClients(configOf({ client_id: ['a'] })).inBody(request)).toBe(false)
  })

  test('by the name of client_arg alone', () => {
    const named = createClients(configOf({ client_id: ['a', 'b'], client_arg: 'client_config' }))
    const chosen = (sent: Sent) => named.choose(new TestContext(sent).request)
    expect(chosen({ headers: [['X-Client-Config', '2']] })).toBe(1)
    expect(chosen({ query: 'client_config=b' })).toBe(1)
    expect(chosen({ query: 'client_id=b' })).toBeUndefined()
  })

  test('where there is one client, there is none', () => {
    const one = createClients(configOf({ client_id: ['a'] }))
    expect(one.choose(new TestContext({ query: 'client_id=a' }).request)).toBeUndefined()
    expect(createClients(configOf({})).first).toBeUndefined()
  })
})

test("a caller's client has a secret of its own, and no key of the gateway's", () => {
  const jwk = { kty: 'oct', k: 'x' }
  const { callers } = createClients(
    configOf({ client_id: ['a'], client_auth: ['private_key_jwt'], client_jwk: [jwk] }),
  )
  expect(callers('caller', 'its')).toMatchObject({ client_id: 'caller', client_secret: 'its' })
  expect(callers('caller', 'its').jwk).toBeUndefined()
  expect(callers('caller', 'its').auth).toBeUndefined()
})

describe('what is passed on', () => {
  test('is the same nothing for every request where nothing is configured', () => {
    const passing = createPassing(configOf({}))
    const { request } = new TestContext({ query: 'scope=a' })
    for (const to of ['token', 'introspection', 'userinfo', 'authorization'] as const) {
      expect(passing.of(to, request)).toBe(NOTHING)
      expect(passing.inBody(to, request)).toBe(false)
    }
  })

  test('to the token endpoint comes from query, body or headers, and has a key', async () => {
    const passing = createPassing(
      configOf({
        token_post_args_client: ['scope', 'tenant', 'org'],
        token_headers_client: ['x_trace', 'Content_Type', 'Host'],
      }),
    )
    const sent = form('tenant=body&scope=body')
    const { request } = new TestContext({
      ...sent,
      query: 'scope=query',
      headers: [...sent.headers!, ['Org', 'header'], ['X-Trace', 't']],
    })
    expect(passing.inBody('token', request)).toBe(true)
    const { headers, args, key } = passing.of('token', request, await readBodyArguments(request))
    expect(headers).toEqual([['x_trace', 't']])
    expect(args).toEqual([
      ['scope', 'query'],
      ['tenant', 'body'],
      ['org', 'header'],
    ])
    expect(key).not.toBe('')
    const other = passing.of('token', new TestContext({ query: 'scope=other' }).request)
    expect(other.key).not.toBe(key)
    expect(passing.of('token', new TestContext().request)).toBe(NOTHING)
  })

  test('to introspection and user info does not come from headers, unless it is said', () => {
    const passing = createPassing(
      configOf({
        introspection_post_args_client: ['a'],
        introspection_post_args_client_headers: ['X-B'],
        userinfo_query_args_client: ['a'],
      }),
    )
    const { request } = new TestContext({
      headers: [
        ['a', '1'],
        ['x-b', '2'],
      ],
    })
    expect(passing.of('introspection', request).args).toEqual([['X-B', '2']])
    expect(passing.of('userinfo', request)).toBe(NOTHING)
  })

  test("is never what makes a request the gateway's own, nor what was sent twice", () => {
    const names = [
      'grant_type',
      'client_id',
      'client_secret',
      'client_assertion',
      'code',
      'subject_token',
      'username',
      'redirect_uri',
      'ok',
    ]
    const passing = createPassing(configOf({ token_post_args_client: names }))
    const query = [...names, 'twice', 'twice'].map((name) => `${name}=x`).join('&')
    expect(passing.of('token', new TestContext({ query }).request).args).toEqual([['ok', 'x']])
    expect(passing.of('token', new TestContext({ query: 'ok=1&ok=2' }).request)).toBe(NOTHING)
  })
})
