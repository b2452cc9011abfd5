import { beforeEach, describe, expect, test } from 'bun:test'
import { MemoryCache } from '../../../../src/cache/memory.ts'
import type { Handler } from '../../../../src/pdk.ts'
import { send } from '../context.ts'
import { basic, bearer, create, gatewayOf, HOW_TO, refreshToken } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'

const key = await signingKey('one')
const next = await signingKey('two')
let provider: ScriptedProvider
let handler: Handler
beforeEach(() => {
  provider = new ScriptedProvider(key)
  handler = create(provider, HOW_TO)
})

interface Given {
  readonly status: number
  readonly access: string | undefined
  readonly refresh: string | undefined
}

async function ask(header: [string, string], by = handler): Promise<Given> {
  const { exit, upstream } = await send(by, { headers: [header] })
  return {
    status: exit?.status ?? 200,
    access: upstream.get('authorization'),
    refresh: upstream.get('refresh-token'),
  }
}
const login = (by = handler) => ask(basic('alex', 'doe'), by)
const present = (token: string | undefined, by = handler) => ask(refreshToken(token!), by)
const OK = (given: Given) => given.status === 200

describe('a line of refresh tokens', () => {
  test('a redeemed token leads to the set that it was redeemed for', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    expect(await present(token)).toEqual(first)
    expect(provider.calls).toBe(1)
  })

  test('once the access token has expired, a spent token is answered with the newest one', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    provider.pass(301)
    const second = await present(token)
    expect(second.status).toBe(200)
    expect(second.access).not.toBe(first.access)
    expect(provider.lastForm.refresh_token).toBe(first.refresh!)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('a token that the gateway has spent itself leads to the newest set', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    provider.pass(301)
    const second = await present(token)
    expect(await present(first.refresh)).toEqual(second)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('the newest token, never presented before, is redeemed; then all lead to its set', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    const second = await present(first.refresh)
    expect(second.access).not.toBe(first.access)
    expect(await present(first.refresh)).toEqual(second)
    expect(await present(token)).toEqual(second)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('a long way of presenting any token of the line never spends one twice', async () => {
    const tokens = [provider.refreshToken()]
    for (let i = 0; i < 60; i++) {
      const given = await present(tokens[(i * 7) % tokens.length])
      expect(given.status).toBe(200)
      if (!tokens.includes(given.refresh!)) tokens.push(given.refresh!)
      if (i % 3 === 0) provider.pass(200)
    }
    expect(provider.reuses).toBe(0)
    expect(tokens.length).toBeGreaterThan(10)
  })

  test('a provider that does not rotate is asked once while the access token lives', async () => {
    provider.rotates = false
    const token = provider.refreshToken()
    const first = await present(token)
    expect(first.refresh).toBe(token)
    expect(await present(token)).toEqual(first)
    provider.pass(301)
    expect((await present(token)).status).toBe(200)
    expect(provider.calls).toBe(2)
  })

  test('a refused token is a 401 and is not offered again', async () => {
    expect((await present('invented')).status).toBe(401)
    expect((await present('invented')).status).toBe(401)
    expect(provider.calls).toBe(1)
  })

  test('when the provider ends the session, the whole line ends', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    provider.revoke()
    provider.pass(301)
    expect((await present(token)).status).toBe(401)
    expect((await present(first.refresh)).status).toBe(401)
    expect((await present(token)).status).toBe(401)
    expect(provider.calls).toBe(2)
  })

  test('a line that has ended answers nobody, though its access token has time left', async () => {
    const token = provider.refreshToken()
    const first = await present(token)
    provider.revoke()
    expect((await present(first.refresh)).status).toBe(401)
    expect((await present(token)).status).toBe(401)
  })

  // prettier-ignore
  test.each([
    ['500', () => ({ status: 500, text: 'sorry' })],
    ['a cut connection', () => { throw Object.assign(new Error('closed'), { code: 'closed' }) }],
    ['temporarily_unavailable', () => ({ status: 400, json: { error: 'temporarily_unavailable' } })],
  ])('%s does not end a line', async (_, instead) => {
    const token = provider.refreshToken()
    await present(token)
    provider.pass(301)
    provider.instead['/token'] = instead
    expect((await present(token)).status).toBe(401)
    delete provider.instead['/token']
    expect((await present(token)).status).toBe(200)
    expect(provider.reuses).toBe(0)
  })

  test('an access token that is over at once is used once, and its token is never spent twice', async () => {
    provider.over = { expires_in: 0 }
    const token = provider.refreshToken()
    expect((await present(token)).status).toBe(200)
    expect((await present(token)).status).toBe(200)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('a line outlives its access tokens by the life of its refresh token', async () => {
    provider.over = { refresh_expires_in: 86_400 }
    const token = provider.refreshToken()
    await present(token)
    for (let hour = 0; hour < 30; hour++) {
      provider.pass(3600)
      expect((await present(token)).status).toBe(200)
    }
    expect(provider.reuses).toBe(0)
  })
})

describe('many requests at once', () => {
  test('100 equal passwords are one call', async () => {
    const given = await Promise.all(Array.from({ length: 100 }, () => login()))
    expect(given.filter(OK).length).toBe(100)
    expect(new Set(given.map(({ access }) => access)).size).toBe(1)
    expect(provider.calls).toBe(1)
  })

  test('40 single-use tokens are one call and 40 answers', async () => {
    const token = provider.refreshToken()
    const given = await Promise.all(Array.from({ length: 40 }, () => present(token)))
    expect(given.filter(OK).length).toBe(40)
    expect([provider.calls, provider.reuses]).toEqual([1, 0])
  })

  test('40 of them are one call too when the access token has expired', async () => {
    const token = provider.refreshToken()
    const { refresh } = await present(token)
    provider.pass(301)
    const open = Promise.withResolvers<void>()
    provider.gate = open.promise
    const asked = Array.from({ length: 40 }, (_, i) => present(i % 2 ? token : refresh))
    await Bun.sleep(1)
    const late = Array.from({ length: 10 }, () => present(token))
    open.resolve()
    const given = await Promise.all([...asked, ...late])
    expect(given.filter(OK).length).toBe(50)
    expect(new Set(given.map(({ access }) => access)).size).toBe(1)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('a password and its refresh token at once redeem the token once', async () => {
    const { refresh } = await login()
    provider.pass(301)
    const given = await Promise.all([login(), present(refresh), login(), present(refresh)])
    expect(given.filter(OK).length).toBe(4)
    expect(new Set(given.map(({ access }) => access)).size).toBe(1)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('a failure is shared as well: 40 wrong passwords at once are one call', async () => {
    const wrong = () => ask(basic('alex', 'wrong'))
    const given = await Promise.all(Array.from({ length: 40 }, wrong))
    expect(given.filter(({ status }) => status === 401).length).toBe(40)
    expect(provider.calls).toBe(1)
  })

  test('expired passwords without a refresh token are one call', async () => {
    handler = create(provider, { ...HOW_TO, refresh_tokens: false })
    await login()
    provider.pass(301)
    await Promise.all(Array.from({ length: 20 }, () => login()))
    expect(provider.calls).toBe(2)
  })

  test('a session that has ended makes one new login for all', async () => {
    await login()
    provider.revoke()
    provider.pass(301)
    const given = await Promise.all(Array.from({ length: 20 }, () => login()))
    expect(given.filter(OK).length).toBe(20)
    const grants = provider.tokenCalls.map(({ form }) => form.get('grant_type'))
    expect(grants).toEqual(['password', 'refresh_token', 'password'])
  })
})

describe('a password', () => {
  test('is renewed with its refresh token', async () => {
    const first = await login()
    provider.pass(301)
    expect((await login()).status).toBe(200)
    expect(provider.lastForm).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: first.refresh!,
    })
  })

  test('moves on with its line when its refresh token is presented', async () => {
    const first = await login()
    const second = await present(first.refresh)
    expect(await login()).toEqual(second)
    provider.pass(301)
    await login()
    expect(provider.lastForm.refresh_token).toBe(second.refresh!)
    expect(provider.reuses).toBe(0)
  })

  test('begins anew when the provider has ended its session; the old token stays refused', async () => {
    const first = await login()
    provider.revoke()
    provider.pass(301)
    const second = await login()
    expect(second.status).toBe(200)
    expect((await present(first.refresh)).status).toBe(401)
    expect(await login()).toEqual(second)
  })

  test('begins anew where refresh_tokens is off', async () => {
    handler = create(provider, { ...HOW_TO, refresh_tokens: false })
    await login()
    provider.pass(301)
    await login()
    expect(provider.lastForm.grant_type).toBe('password')
  })

  test('of another user has tokens of its own', async () => {
    const [alex, eva] = [await login(), await ask(basic('eva', 'doe'))]
    expect(alex.access).not.toBe(eva.access)
    expect(provider.calls).toBe(2)
  })

  test('is not mixed up with another whose parts make the same text', async () => {
    const asArguments = (username: string, password: string) =>
      send(handler, { query: new URLSearchParams({ username, password }).toString() })
    provider.password = 'b:doe'
    expect((await asArguments('a', 'b:doe')).exit).toBeUndefined()
    provider.password = 'doe'
    expect((await asArguments('a:b', 'doe')).exit).toBeUndefined()
    expect(provider.calls).toBe(2)
    expect(provider.lastForm).toMatchObject({ username: 'a:b', password: 'doe' })
  })
})

describe('how long a set is kept', () => {
  // prettier-ignore
  test.each([
    // expires_in, configuration, seconds that it serves, seconds after which it does not
    [300,       {},                                       299,   301],
    ['300',     {},                                       299,   301],
    [0,         {},                                       undefined, 0],
    [-1,        {},                                       undefined, 0],
    ['0',       {},                                       undefined, 0],
    [0,         { cache_ttl_min: 60 },                    undefined, 0],
    [300,       { cache_ttl_max: 10 },                    9,     11],
    [10,        { cache_ttl_min: 100 },                   99,    101],
    [300,       { leeway: 100 },                          199,   201],
    [300,       { cache_tokens: false },                  undefined, 0],
  ])('expires_in %p with %j serves %p s, not %p s', async (expires_in, config, serves, ends) => {
    provider.accessTokenLife = 100_000
    provider.over = { expires_in, refresh_token: undefined }
    handler = create(provider, { ...HOW_TO, ...config })
    expect((await login()).status).toBe(200)
    if (serves !== undefined) {
      provider.pass(serves)
      expect((await login()).status).toBe(200)
      expect(provider.calls).toBe(1)
    }
    provider.pass(ends - (serves ?? 0))
    expect((await login()).status).toBe(200)
    expect(provider.calls).toBe(2)
  })

  test("without expires_in the access token's own end counts", async () => {
    provider.accessTokenLife = 50
    provider.over = { expires_in: undefined, refresh_token: undefined }
    await login()
    provider.pass(49)
    await login()
    expect(provider.calls).toBe(1)
    provider.pass(2)
    await login()
    expect(provider.calls).toBe(2)
  })

  test('an opaque token without expires_in is kept for cache_ttl', async () => {
    provider.over = { access_token: 'opaque', expires_in: undefined, refresh_token: undefined }
    handler = create(provider, { ...HOW_TO, cache_ttl: 20 })
    expect((await login()).access).toBe('Bearer opaque')
    provider.pass(19)
    await login()
    expect(provider.calls).toBe(1)
    provider.pass(2)
    await login()
    expect(provider.calls).toBe(2)
  })
})

describe('who shares tokens', () => {
  const config = { ...HOW_TO, auth_methods: ['password'] }
  const two = (one: object, other: object, ids = ['plugin-1', 'plugin-2']) => {
    const gateway = gatewayOf(provider)
    const at = (id: string) => ({ ...gateway, id })
    return [
      create(provider, { ...config, ...one }, at(ids[0]!)),
      create(provider, { ...config, ...other }, at(ids[1]!)),
    ] as const
  }

  test('plugins with the same salt do', async () => {
    const [one, other] = two({ cache_tokens_salt: 's' }, { cache_tokens_salt: 's' })
    expect(await login(one)).toEqual(await login(other))
    expect(provider.calls).toBe(1)
  })

  test('plugins without a salt do not', async () => {
    const [one, other] = two({}, {})
    await login(one)
    await login(other)
    expect(provider.calls).toBe(2)
  })

  test('a plugin that is loaded again keeps its tokens', async () => {
    const [one, other] = two({}, {}, ['plugin-1', 'plugin-1'])
    expect(await login(one)).toEqual(await login(other))
    expect(provider.calls).toBe(1)
  })

  test('token_cache_key_include_scope keeps scopes apart', async () => {
    const salted = { cache_tokens_salt: 's' }
    const [one, other] = two({ ...salted, scopes: ['a'] }, { ...salted, scopes: ['b'] })
    await login(one)
    await login(other)
    expect(provider.calls).toBe(1)
    const apart = { ...salted, token_cache_key_include_scope: true }
    const [third, fourth] = two({ ...apart, scopes: ['a'] }, { ...apart, scopes: ['b'] })
    await login(third)
    await login(fourth)
    expect(provider.calls).toBe(3)
  })

  test('what one plugin lets in, another with stricter rules still judges itself', async () => {
    const strict = { cache_tokens_salt: 's', scopes_required: ['admin'] }
    const [one, other] = two({ cache_tokens_salt: 's' }, strict)
    expect((await login(one)).status).toBe(200)
    expect((await login(other)).status).toBe(403)
    expect(provider.calls).toBe(1)
  })
})

describe('when the provider changes its keys', () => {
  test('kept tokens that no longer verify are fetched anew, once', async () => {
    const first = await login()
    provider.jwks = [next.jwk]
    Object.assign(provider, { key: next })
    provider.pass(31)
    // A token of the new key makes the gateway ask for keys again.
    const both = create(provider, { ...HOW_TO, auth_methods: ['bearer'] }, gateway)
    expect((await ask(bearer(await provider.accessToken()), both)).status).toBe(200)
    const second = await login()
    expect(second.status).toBe(200)
    expect(second.access).not.toBe(first.access)
    expect(provider.calls).toBe(2)
    expect(await login()).toEqual(second)
  })

  test('new tokens that do not verify either are refused, and the next request asks again', async () => {
    provider.accessTokenLife = 10_000
    await login()
    provider.jwks = [next.jwk]
    provider.pass(3601)
    expect((await login()).status).toBe(401)
    expect(provider.calls).toBe(2)
    provider.jwks = [key.jwk]
    provider.pass(31)
    expect((await login()).status).toBe(200)
    expect([provider.calls, provider.reuses]).toEqual([3, 0])
  })

  test('tokens are not thrown away because the keys cannot be loaded just now', async () => {
    provider.instead['/keys'] = () => ({ status: 503, text: '' })
    expect((await login()).status).toBe(401)
    delete provider.instead['/keys']
    provider.pass(6)
    expect((await login()).status).toBe(200)
    expect(provider.calls).toBe(1)
  })

  let gateway: ReturnType<typeof gatewayOf>
  beforeEach(() => {
    gateway = gatewayOf(provider)
    handler = create(provider, HOW_TO, gateway)
  })
})

test.each([
  ['many short tokens', 10, true],
  ['few long ones', 10_000, false],
])('a cache has room for %s', async (_, length, isKept) => {
  provider.claims = { padding: 'x'.repeat(length) }
  const lines = new MemoryCache<never>(200_000, () => provider.now)
  const nothing = new MemoryCache<never>(0, () => provider.now)
  const cache = (namespace: string) => (namespace === 'oidc:lines' ? lines : nothing)
  const by = create(provider, { ...HOW_TO, cache_tokens_salt: 's' }, gatewayOf(provider, { cache }))
  const users = Array.from({ length: 20 }, (_, i) => basic(`user-${i}`, 'doe'))
  for (const user of users) expect(OK(await ask(user, by))).toBe(true)
  const { calls } = provider
  expect(OK(await ask(users[0]!, by))).toBe(true)
  expect(provider.calls === calls).toBe(isKept)
})
