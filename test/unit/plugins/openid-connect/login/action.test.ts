import { expect, test } from 'bun:test'
import { createClients } from '../../../../../src/plugins/openid-connect/clients.ts'
import { createLoginAction } from '../../../../../src/plugins/openid-connect/login/index.ts'
import type { MethodName } from '../../../../../src/plugins/openid-connect/methods/method.ts'
import type { Proof } from '../../../../../src/plugins/openid-connect/proof.ts'
import { withDefaults } from '../../../../../src/plugins/openid-connect/schema.ts'
import { configure } from '../plugin.ts'

const BEGAN = 'https://gateway.test/shop?hello=world&x=a?b'
const MEMBERS = { access_token: 'at', id_token: 'it', expires_in: 300 }

function proofWith(identity: object, members?: object): Proof {
  const tokens = { id_token: 'it', access_token: 'at', refresh_token: 'rt', ...identity }
  return { identity: tokens, set: { members } } as unknown as Proof
}

/** What follows a login with a configuration. */
function follow(
  config: Record<string, unknown>,
  { method = 'authorization_code' as MethodName, proof = proofWith({}), hasReturn = true } = {},
) {
  const whole = withDefaults(configure({ client_id: ['kong'], ...config }))
  return createLoginAction(whole)(
    method,
    proof,
    createClients(whole).first,
    hasReturn ? BEGAN : undefined,
  )
}

const location = (exit: ReturnType<typeof follow>) =>
  exit?.headers.find(([name]) => name === 'Location')?.[1]

test('usually the request goes on to the service', () => {
  expect(follow({})).toBeUndefined()
})

test('only a method of login_methods is followed by anything', () => {
  const config = { login_action: 'response' }
  expect(follow(config, { method: 'password' })).toBeUndefined()
  expect(follow({ ...config, login_methods: ['password'] }, { method: 'password' })?.status).toBe(
    200,
  )
})

// prettier-ignore
test.each([
  [{},                                                            'https://gateway.test/shop#id_token=it'],
  [{ login_tokens: null },                                        'https://gateway.test/shop'],
  [{ login_tokens: [] },                                          'https://gateway.test/shop'],
  [{ login_tokens: null, preserve_query_args: true },             'https://gateway.test/shop?hello=world&x=a?b'],
  [{ preserve_query_args: true, login_redirect_mode: 'query' },   'https://gateway.test/shop?hello=world&x=a?b&id_token=it'],
  [{ login_tokens: ['access_token', 'id_token', 'refresh_token'] }, 'https://gateway.test/shop#id_token=it&access_token=at&refresh_token=rt'],
  [{ login_redirect_uri: ['https://app.test/'] },                 'https://app.test/#id_token=it'],
  [{ login_redirect_uri: ['https://app.test/?a=b#c'] },           'https://app.test/?a=b#c&id_token=it'],
  [{ login_redirect_uri: ['https://app.test/?a=b#c'], login_redirect_mode: 'query' }, 'https://app.test/?a=b&id_token=it#c'],
  [{ login_redirect_uri: ['https://app.test/'], preserve_query_args: true, login_tokens: null }, 'https://app.test/?hello=world&x=a?b'],
])('redirect with %j leads to %s', (config, target) => {
  const exit = follow({ login_action: 'redirect', ...config })
  expect(exit?.status).toBe(302)
  expect(exit?.headers).toContainEqual(['Cache-Control', 'no-store'])
  expect(location(exit)).toBe(target)
})

test('a redirect that has no place to go to goes on to the service', () => {
  const around = { method: 'password' as MethodName, hasReturn: false }
  const config = { login_action: 'redirect', login_methods: ['password'] }
  expect(follow(config, around)).toBeUndefined()
  expect(follow({ ...config, login_redirect_uri: ['https://app.test/'] }, around)?.status).toBe(302)
})

// prettier-ignore
test.each([
  [['id_token'],                   {},                                    undefined, { id_token: 'it' }],
  [null,                           {},                                    undefined, {}],
  [['id_token', 'refresh_token'],  { refresh_token: undefined },          undefined, { id_token: 'it' }],
  [['tokens', 'id_token'],         {},                                    MEMBERS,   MEMBERS],
  [['tokens', 'access_token'],     {},                                    undefined, { access_token: 'at' }],
  [['introspection', 'id_token'],  { introspection: { active: true } },   undefined, { active: true }],
  [['introspection', 'tokens'],    { introspection: { active: true } },   MEMBERS,   MEMBERS],
  [['introspection', 'id_token'],  {},                                    undefined, { id_token: 'it' }],
])('the response to %j, with %j and %j', (login_tokens, identity, members, body) => {
  const exit = follow({ login_action: 'response', login_tokens }, { proof: proofWith(identity, members) })
  expect(exit?.status).toBe(200)
  expect(exit?.headers).toContainEqual(['Cache-Control', 'no-store'])
  expect(JSON.parse(String(exit?.body))).toEqual(body)
})
