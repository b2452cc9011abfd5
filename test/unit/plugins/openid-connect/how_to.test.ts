import { beforeEach, expect, test } from 'bun:test'
import type { Handler } from '../../../../src/pdk.ts'
import { messageOf, send, TestContext } from '../context.ts'
import { basic, bearer, create, HOW_TO, refreshToken } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
let handler: Handler
beforeEach(() => {
  provider = new ScriptedProvider(key)
  handler = create(provider, HOW_TO)
})

test('a password becomes an access token and a refresh token upstream', async () => {
  const { exit, ctx, upstream } = await send(handler, { headers: [basic('alex', 'doe')] })
  expect(exit).toBeUndefined()
  expect(upstream.get('authorization')).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
  expect([...upstream].map(([name]) => name)).toEqual(['Authorization', 'Refresh-Token'])
  expect(upstream.get('refresh-token')).toMatch(/^refresh-/)
  expect(ctx.credential).toEqual({ id: 'alex-id' })
  expect(provider.lastForm).toEqual({
    grant_type: 'password',
    username: 'alex',
    password: 'doe',
    scope: 'openid',
    client_id: 'kong',
    client_secret: 'kong-secret',
  })
})

test.each(['password', 'refresh token', 'bearer token'])(
  'a repeat of a %s makes no call, and is answered without a promise',
  async (kind) => {
    handler = create(provider, { ...HOW_TO, auth_methods: ['bearer', ...HOW_TO.auth_methods] })
    const headers = {
      password: [basic('alex', 'doe')],
      'refresh token': [refreshToken(provider.refreshToken())],
      'bearer token': [bearer(await provider.accessToken())],
    }[kind]!
    const first = await send(handler, { headers })
    expect(first.exit).toBeUndefined()
    const asked = provider.requests.length
    const again = new TestContext({ headers })
    expect(handler.access?.(again)).toBeUndefined()
    expect(provider.requests.length).toBe(asked)
    expect([...again.upstream.headers]).toEqual([...first.upstream])
  },
)

// prettier-ignore
test.each([
  ['Refresh-Token', ''], ['refresh_token', ''], ['REFRESH_TOKEN', ''], ['refresh-token', 'Bearer '],
])('the token in %s, behind "%s", is redeemed', async (name, prefix) => {
  const first = await send(handler, { headers: [basic('alex', 'doe')] })
  const token = first.upstream.get('refresh-token')!
  const { exit, upstream } = await send(handler, { headers: [[name, prefix + token]] })
  expect(exit).toBeUndefined()
  expect(upstream.get('authorization')).not.toBe(first.upstream.get('authorization'))
  expect(upstream.get('refresh-token')).not.toBe(token)
  expect(upstream.has('refresh_token')).toBe(false)
  expect(provider.calls).toBe(2)
})

// prettier-ignore
test.each([
  ['nothing',            [],                                  0],
  ['a wrong password',   [basic('alex', 'wrong')],            1],
  ['null',               [refreshToken('null')],              0],
  ['a broken token',     [refreshToken('broken')],            1],
  ['blanks in a token',  [refreshToken('a b')],               0],
  ['a huge token',       [refreshToken('x'.repeat(20_000))],  0],
  ['Basic nonsense',     [['Authorization', 'Basic nonsense']], 0],
  ['Basic alone',        [['Authorization', 'Basic']],        0],
  ['another scheme',     [['Authorization', 'Digest x="y"']], 0],
] as [string, [string, string][], number][])('%s is a 401', async (_, headers, calls) => {
  const { exit, ctx } = await send(handler, { headers })
  expect([exit?.status, messageOf(exit)]).toEqual([401, 'Unauthorized'])
  expect(ctx.credential).toBeUndefined()
  expect(provider.calls).toBe(calls)
})

test("a client's own header with the name of one of ours never passes", async () => {
  handler = create(provider, { ...HOW_TO, upstream_id_token_header: 'x_id_token' })
  const headers: [string, string][] = [
    basic('alex', 'doe'),
    ['X-Id-Token', 'forged'],
    ['X.ID_Token', 'forged'],
  ]
  const { upstream } = await send(handler, { headers })
  expect([...upstream].filter(([, value]) => value === 'forged')).toEqual([])
})
