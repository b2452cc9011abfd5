import { beforeEach, describe, expect, test } from 'bun:test'
import { openidConnect } from '../../../../src/plugins/openid-connect/index.ts'
import { basic, bearer, configure, create, gatewayOf } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

// What Kong has changed, by the number of the change.
const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const CLIENT = {
  client_id: ['kong'],
  client_secret: ['secret'],
  client_auth: ['client_secret_post'],
}
const ALEX = { headers: [basic('alex', 'doe')] }
const by = (config: Record<string, unknown>, gateway = gatewayOf(provider)) =>
  new Visitor(create(provider, { auth_methods: ['bearer'], ...CLIENT, ...config }, gateway))
const ask = async (config: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  by(config).send({ headers: [bearer(await provider.accessToken(claims))] })
const seconds = () => Math.floor(provider.now / 1000)

test.each([0, -1])('§10 #1: expires_in %i is not kept', async (expires_in) => {
  provider.over = { expires_in }
  const visitor = by({ auth_methods: ['password'] })
  for (let i = 1; i < 4; i++) {
    expect((await visitor.send(ALEX)).status).toBe(200)
    expect(provider.calls).toBe(i)
  }
})

test.each(['scopes', 'audience', 'groups', 'roles'])(
  '§10 #5: %s_claim may be nested',
  async (what) => {
    const config = { [`${what}_claim`]: ['a', 'b.c', '2', 'd'], [`${what}_required`]: ['x y', 'z'] }
    const claims = (d: unknown) => ({ a: { 'b.c': [0, { d }] } })
    expect((await ask(config, claims('x w y'))).status).toBe(200)
    expect((await ask(config, claims(['z']))).status).toBe(200)
    expect((await ask(config, claims('x'))).status).toBe(403)
    expect((await ask(config, {})).status).toBe(403)
  },
)

test('§10 #7: no redirect_uri is sent with a password, client credentials or a refresh token', async () => {
  const config = {
    auth_methods: ['session', 'password'],
    session_secret: 's',
    redirect_uri: ['https://a.test/'],
  }
  const visitor = by(config)
  await visitor.send(ALEX)
  provider.pass(300)
  await visitor.send()
  await by({ ...config, auth_methods: ['client_credentials'] }).send(ALEX)
  expect(
    provider.tokenCalls.map(({ form }) => [form.get('grant_type'), form.has('redirect_uri')]),
  ).toEqual([
    ['password', false],
    ['refresh_token', false],
    ['client_credentials', false],
  ])
})

test('§10 #8: what a client sends under a configured name is dropped, though the claim is missing', async () => {
  const config = { upstream_headers: [{ header: 'x-team', path: ['team'] }] }
  const sent = {
    headers: [
      bearer(await provider.accessToken()),
      ['X_Team', 'red'] as const,
      ['x-team', 'red'] as const,
    ],
  }
  const { status, ctx } = await by(config).send(sent)
  expect([
    status,
    ctx.upstream.headers.fields.filter(({ spelling }) => spelling === 'x-team'),
  ]).toEqual([200, []])
})

test('§10 #10: times may be texts', async () => {
  const times = { exp: String(seconds() + 10), nbf: String(seconds()), iat: String(seconds()) }
  expect((await ask({}, times)).status).toBe(200)
  expect((await ask({}, { ...times, exp: String(seconds()) })).code).toBe('token_expired')
})

test.each(['password', 'client_credentials', 'bearer'])(
  '§10 #11: %s recovers from a provider that was down at the start',
  async (method) => {
    const visitor = by({ auth_methods: [method] })
    const sent = method === 'bearer' ? { headers: [bearer(await provider.accessToken())] } : ALEX
    provider.instead['/openid-configuration'] = () => ({ status: 503, text: '' })
    expect((await visitor.send(sent)).status).toBe(401)
    provider.instead = {}
    provider.pass(5)
    expect((await visitor.send(sent)).status).toBe(200)
  },
)

test('§10 #12: another issuer is named, with the kind of the token and those that are expected', async () => {
  const { exit } = await ask({ issuers_allowed: ['https://a.test', 'https://b.test'] })
  const { message } = exit?.reason?.cause as Error
  for (const part of ['access token', ISSUER, 'https://a.test', 'https://b.test'])
    expect(message).toContain(part)
})

test('§10 #13: ignore_signature is warned about', () => {
  const [warning] = openidConnect.warnings!(
    configure({ ignore_signature: ['password'], auth_methods: ['password'], client_id: ['a'] }),
  ).filter(({ fields }) => fields.includes('ignore_signature'))
  expect(warning?.message).toContain('password')
})

test('§10 #17: who is forbidden is sent to forbidden_redirect_uri', async () => {
  const config = {
    scopes_required: ['admin'],
    forbidden_redirect_uri: ['https://a.test/forbidden'],
    unauthorized_redirect_uri: ['https://a.test/unauthorized'],
  }
  expect((await ask(config)).header('location')).toBe('https://a.test/forbidden')
  expect((await by(config).send()).header('location')).toBe('https://a.test/unauthorized')
})

test('§10 #18: a configuration asks the provider for nothing', async () => {
  by({ auth_methods: ['password', 'session'], verify_parameters: true, session_secret: 's' })
  await Bun.sleep(1)
  expect(provider.requests).toEqual([])
})

test('§10 #21: token_cache_key_include_scope counts the scopes of the configuration', async () => {
  const gateway = gatewayOf(provider)
  for (const scope of ['a', 'b', 'a'])
    await by(
      {
        auth_methods: ['password'],
        cache_tokens_salt: 's',
        token_cache_key_include_scope: true,
        scopes: [scope],
      },
      gateway,
    ).send(ALEX)
  expect(provider.calls).toBe(2)
})

test('§10 #23: discovery that failed is tried again after 5 seconds, keys that were unknown after rediscovery_lifetime', async () => {
  provider.instead['/openid-configuration'] = () => ({ status: 503, text: '' })
  const visitor = by({})
  const tries = async () => {
    await visitor.send({ headers: [bearer(await provider.accessToken())] })
    return provider.asked('/openid-configuration')
  }
  expect(await tries()).toBe(1)
  provider.pass(4.9)
  expect(await tries()).toBe(1)
  provider.pass(0.1)
  expect(await tries()).toBe(2)
  provider.instead = {}
  provider.pass(5)
  expect(await tries()).toBe(3)
  const unknown = await signingKey('unknown')
  const forged = async () => {
    await visitor.send({ headers: [bearer(await provider.accessToken({}, unknown))] })
    return provider.asked('/keys')
  }
  const before = provider.asked('/keys')
  provider.pass(29)
  expect(await forged()).toBe(before)
  provider.pass(1)
  expect(await forged()).toBe(before + 1)
  expect(await forged()).toBe(before + 1)
})

test('§10 #24: using_pseudo_issuer counts from the moment that it is set', async () => {
  const gateway = gatewayOf(provider)
  const keys = { jwks_endpoint: `${ISSUER}/keys` }
  const token = { headers: [bearer(await provider.accessToken())] }
  expect((await by(keys, gateway).send(token)).status).toBe(200)
  const before = provider.asked('/openid-configuration')
  expect((await by({ ...keys, using_pseudo_issuer: true }, gateway).send(token)).status).toBe(200)
  expect([before, provider.asked('/openid-configuration')]).toEqual([1, 1])
})

test('§10 #27: an address may be that of the issuer and of keys', async () => {
  const url = `${ISSUER}/.well-known/openid-configuration`
  const { status } = await ask({ issuer: url, extra_jwks_uris: [url] })
  expect(status).toBe(200)
})

describe('§10 #28: at the second that a token ends it is over', () => {
  test.each([
    ['a bearer token', {}, 0],
    ['one that was known', {}, 1],
    ['with leeway', { leeway: 7 }, 0],
  ])('%s', async (_, config, before) => {
    const visitor = by(config)
    const exp = seconds() + 60
    const sent = { headers: [bearer(await provider.accessToken({ exp }))] }
    for (let i = 0; i < before; i++) expect((await visitor.send(sent)).status).toBe(200)
    provider.now = (exp + ((config as { leeway?: number }).leeway ?? 0)) * 1000 - 1
    expect((await visitor.send(sent)).status).toBe(200)
    provider.now += 1
    expect((await visitor.send(sent)).code).toBe('token_expired')
  })
})

test('§10 #32: expose_error_code off leaves the challenge without an error', async () => {
  const { header } = await ask({ expose_error_code: false, scopes_required: ['admin'] })
  expect(header('www-authenticate')).toBe('Bearer realm="provider.test"')
})

test('§10 #33: session_cookie_http_only off is honoured', async () => {
  const config = { auth_methods: ['session', 'password'], session_secret: 's' }
  const [cookie] = (await by({ ...config, session_cookie_http_only: false }).send(ALEX)).cookies
  expect(cookie).not.toContain('HttpOnly')
  expect((await by(config).send(ALEX)).cookies[0]).toContain('HttpOnly')
})

describe('jwt_session_cookie', () => {
  const config = { jwt_session_cookie: 'sid' }
  const send = async (visitor: Visitor, claims: object, cookie?: string) =>
    visitor.send({
      headers: [
        bearer(await provider.accessToken({ ...claims })),
        ...(cookie ? [['Cookie', cookie] as const] : []),
      ],
    })

  test.each([
    ['says the same as the token', { sid: 's1' }, 'a=b; sid=s1', 200],
    ['says something else', { sid: 's1' }, 'sid=s2', 401],
    ['is not there', { sid: 's1' }, undefined, 401],
    ['has nothing to be compared with', {}, 'sid=s1', 401],
    ['has a list to be compared with', { sid: ['s1'] }, 'sid=s1', 401],
  ])('the cookie %s', async (_, claims, cookie, status) => {
    expect((await send(by(config), claims, cookie)).status).toBe(status)
  })

  test('is looked at for each request, however well the token is known', async () => {
    const visitor = by(config)
    const headers = [bearer(await provider.accessToken({ sid: 's1' }))]
    const cookie = (value: string) => ({
      headers: [...headers, ['Cookie', `sid=${value}`] as const],
    })
    for (const value of ['s1', 's2', 's1', 's2'])
      expect((await visitor.send(cookie(value))).status).toBe(value === 's1' ? 200 : 401)
  })

  test('is another claim with jwt_session_claim', async () => {
    const other = { ...config, jwt_session_claim: 'session_state' }
    expect((await send(by(other), { session_state: 's1' }, 'sid=s1')).status).toBe(200)
  })

  test('is none of a session’s affairs, once that has begun', async () => {
    const visitor = by({ ...config, auth_methods: ['session', 'bearer'], session_secret: 's' })
    expect((await send(visitor, { sid: 's1' }, 'sid=s1')).status).toBe(200)
    for (const connection of [visitor.connection, {}])
      expect((await visitor.send({}, { connection })).status).toBe(200)
  })
})
