import { beforeEach, describe, expect, test } from 'bun:test'
import { exportJWK, generateKeyPair } from 'jose'
import type { Sent } from '../context.ts'
import { basic, bearer, create, gatewayOf } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const TWO = {
  client_id: ['first', 'second'],
  client_secret: ['secret-1', 'secret-2'],
  client_auth: ['client_secret_post'],
}
const ALEX = basic('alex', 'doe')
const by = (config: Record<string, unknown>, gateway = gatewayOf(provider)) =>
  new Visitor(create(provider, { auth_methods: ['password'], ...TWO, ...config }, gateway))
const form = (body: string): Sent => ({
  method: 'POST',
  headers: [['Content-Type', 'application/x-www-form-urlencoded'], ALEX],
  body,
})

describe('of several clients', () => {
  // prettier-ignore
  test.each<[string, Sent, string]>([
    ['the first, where nothing is said',      { headers: [ALEX] },                                                          'first'],
    ['that of a header',                      { headers: [ALEX, ['Client-ID', 'second']] },                                 'second'],
    ['that of a header with X-',              { headers: [ALEX, ['X-Client-ID', 'second']] },                               'second'],
    ['that of a header by its position',      { headers: [ALEX, ['Client-ID', '2']] },                                      'second'],
    ['that of the query',                     { headers: [ALEX], query: 'client_id=second' },                               'second'],
    ['that of the body',                      form('client_id=second'),                                                     'second'],
    ['the header before the query',           { headers: [ALEX, ['Client-ID', '1']], query: 'client_id=second' },           'first'],
    ['the query before the body',             { ...form('client_id=first'), query: 'client_id=second' },                    'second'],
    ['the first, where an unknown one is named', { headers: [ALEX, ['Client-ID', 'third']] },                               'first'],
    ['the first, where a position is beyond', { headers: [ALEX, ['Client-ID', '3']] },                                      'first'],
    ['the first, where a position is 0',      { headers: [ALEX, ['Client-ID', '0']] },                                      'first'],
    ['the first, where two are named at once', { headers: [ALEX], query: 'client_id=second&client_id=first' },              'first'],
  ])('%s', async (_, sent, expected) => {
    expect((await by({}).send(sent)).status).toBe(200)
    expect(provider.lastForm.client_id).toBe(expected)
    expect(provider.lastForm.client_secret).toBe(expected === 'first' ? 'secret-1' : 'secret-2')
  })

  test.each([
    ['{"client_config":2}', 'second'],
    ['{"client_config":"2"}', 'second'],
    ['{"client_config":2,"client_config":1}', 'first'],
    ['{"client_config":[2]}', 'first'],
    ['{"client_config":false}', 'first'],
  ])('the body %s names the %s', async (body, expected) => {
    const type = ['Content-Type', 'application/json'] as const
    await by({ client_arg: 'client_config' }).send({ method: 'POST', headers: [ALEX, type], body })
    expect(provider.lastForm.client_id).toBe(expected)
  })

  test('client_arg is another name for all of these places', async () => {
    const config = { client_arg: 'client_config' }
    await by(config).send({ headers: [ALEX, ['X-Client-Config', 'second']] })
    await by(config).send({ headers: [ALEX], query: 'client_config=2' })
    await by(config).send({ headers: [ALEX, ['Client-ID', 'second']] })
    expect(provider.tokenCalls.map((call) => call.form.get('client_id'))).toEqual([
      'second',
      'second',
      'first',
    ])
  })

  test('each has tokens of its own, and is answered from them without a promise', async () => {
    const visitor = by({})
    const tokens = new Set<string>()
    for (let i = 0; i < 3; i++)
      for (const id of ['first', 'second']) {
        const outcome = await visitor.send({ headers: [ALEX, ['Client-ID', id]] })
        expect(outcome.isAtOnce).toBe(i > 0)
        tokens.add(outcome.told('authorization')!)
      }
    expect([provider.calls, tokens.size]).toEqual([2, 2])
  })

  test.each([
    ['alone', {}, ALEX],
    ['with what is passed', { token_post_args_client: ['tenant'] }, ALEX],
    ['introspection', { auth_methods: ['introspection'] }, bearer('opaque')],
  ])(
    'plugins that share a salt share nothing of different clients in one place: %s',
    async (_, config, credential) => {
      provider.introspected.opaque = {}
      const gateway = gatewayOf(provider)
      const shared = { ...config, cache_tokens_salt: 's' }
      const one = by(shared, gateway)
      const other = by({ ...shared, client_id: ['first', 'third'] }, { ...gateway, id: 'other' })
      const asked = () => provider.calls + provider.introspections.length
      const second = { headers: [credential, ['Client-ID', '2'] as const], query: 'tenant=t' }
      expect([(await one.send(second)).status, asked()]).toEqual([200, 1])
      expect([(await other.send(second)).status, asked()]).toEqual([200, 2])
      expect([(await one.send(second)).status, asked()]).toEqual([200, 2])
    },
  )

  test('§10 #2: the key, the way and the redirect go with the client', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(privateKey)), kid: 'of-second' }
    const config = {
      client_auth: ['client_secret_post', 'private_key_jwt'],
      client_alg: ['ES256', 'ES256'],
      client_jwk: [{ kty: 'oct', k: 'AAAA' }, jwk],
      unauthorized_redirect_uri: ['https://a.test/', 'https://b.test/'],
    }
    const second = { headers: [ALEX, ['Client-ID', 'second'] as const] }
    const visitor = by(config)
    expect((await visitor.send(second)).status).toBe(200)
    const [head = ''] = provider.lastForm.client_assertion!.split('.')
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toMatchObject({
      kid: 'of-second',
    })
    provider.password = 'changed'
    const refused = await visitor.send({ headers: [basic('bob', 'doe'), ['Client-ID', 'second']] })
    expect([refused.status, refused.header('location')]).toEqual([302, 'https://b.test/'])
    const first = await visitor.send({ headers: [basic('bob', 'doe')] })
    expect(first.header('location')).toBe('https://a.test/')
  })

  test('a session is of the client that it began with, whatever its requests choose', async () => {
    const visitor = by({ auth_methods: ['session', 'password'], session_secret: 's' })
    await visitor.send({ headers: [ALEX, ['Client-ID', 'second']] })
    provider.pass(300)
    expect((await visitor.send({ headers: [['Client-ID', 'first']] })).status).toBe(200)
    expect([provider.lastForm.grant_type, provider.lastForm.client_id]).toEqual([
      'refresh_token',
      'second',
    ])
  })

  test('client_credentials are the caller’s own, whichever is chosen', async () => {
    const visitor = by({ auth_methods: ['client_credentials'] })
    await visitor.send({ headers: [basic('app', 'app-secret'), ['Client-ID', 'second']] })
    expect([provider.lastForm.client_id, provider.lastForm.client_secret]).toEqual([
      'app',
      'app-secret',
    ])
  })
})

describe('what is copied from the client', () => {
  test.each([
    ['token_post_args_client', ['tenant'], (tenant: string) => ({ query: `tenant=${tenant}` })],
    [
      'token_headers_client',
      ['X-Tenant'],
      (tenant: string) => ({ headers: [['X-Tenant', tenant] as const] }),
    ],
    [
      'token_post_args_client',
      ['tenant'],
      (tenant: string) => ({ headers: [['Tenant', tenant] as const] }),
    ],
  ])('%s %p: two callers never share', async (field, names, sent) => {
    const visitor = by({ [field]: names })
    const ask = (tenant: string) => {
      const { headers = [], ...more } = sent(tenant) as Sent
      return visitor.send({ headers: [ALEX, ...headers], ...more })
    }
    const [a, b] = [await ask('a'), await ask('b')]
    expect(a.told('authorization')).not.toBe(b.told('authorization'))
    expect(provider.calls).toBe(2)
    for (const tenant of ['a', 'b', 'a', 'b']) await ask(tenant)
    expect(provider.calls).toBe(2)
    const said = provider.tokenCalls.map(
      ({ form, headers }) => form.get('tenant') ?? headers.get('x-tenant'),
    )
    expect(said).toEqual(['a', 'b'])
  })

  test('introspection and user info are asked apart too', async () => {
    provider.introspected.opaque = {}
    provider.users.opaque = {}
    const config = {
      auth_methods: ['introspection'],
      search_user_info: true,
      introspection_post_args_client: ['tenant'],
      userinfo_query_args_client: ['tenant'],
    }
    const visitor = by(config)
    for (const tenant of ['a', 'b', 'a', 'b'])
      expect(
        (await visitor.send({ headers: [bearer('opaque')], query: `tenant=${tenant}` })).status,
      ).toBe(200)
    expect(provider.introspections.map(({ tenant }) => tenant)).toEqual(['a', 'b'])
    expect(provider.asked('/userinfo')).toBe(2)
  })

  test('token_post_args_client: [scope] lets the caller choose its scopes', async () => {
    const visitor = by({ token_post_args_client: ['scope'] })
    await visitor.send({ headers: [ALEX], query: 'scope=a%20b' })
    expect(provider.lastForm.scope).toBe('a b')
  })
})

describe('an ID token beside the access token', () => {
  const config = {
    auth_methods: ['bearer'],
    client_id: ['kong', 'other'],
    id_token_param_name: 'id_token',
    upstream_id_token_header: 'x-id',
    upstream_headers: [{ header: 'x-email', path: ['email'] }],
  }
  const send = async (id_token: string | undefined, more: Sent = {}, visitor = by(config)) =>
    visitor.send({
      headers: [
        bearer(await provider.accessToken()),
        ...(id_token ? [['Id-Token', id_token] as const] : []),
      ],
      ...more,
    })

  test('is verified, tells claims, and is hidden', async () => {
    const id_token = await provider.idToken({ email: 'a@x' })
    const { status, told } = await send(id_token)
    expect([status, told('x-email'), told('x-id'), told('id-token')]).toEqual([
      200,
      'a@x',
      id_token,
      undefined,
    ])
    expect((await send(undefined)).told('x-email')).toBeUndefined()
  })

  test.each([
    ['a forged one', async () => provider.idToken({}, await signingKey('x')), 'invalid_signature'],
    ['one that is over', async () => provider.idToken({ exp: 1 }), 'token_expired'],
    [
      'one for somebody else',
      async () => provider.idToken({ aud: 'stranger' }),
      'invalid_audience',
    ],
    ['no JWT', async () => 'opaque', 'invalid_token'],
  ])('%s is a 401', async (_, make, code) => {
    const refused = await send(await make())
    expect([refused.status, refused.code]).toEqual([401, code])
  })

  test('alone proves nothing', async () => {
    const refused = await by(config).send({ headers: [['Id-Token', await provider.idToken()]] })
    expect([refused.status, refused.code]).toEqual([401, 'no_credentials'])
  })

  test('is part of what is remembered: the same access token with another is judged anew', async () => {
    const token = bearer(await provider.accessToken())
    const visitor = by(config)
    const ask = async (id_token?: string) => {
      const headers = [token, ...(id_token ? [['Id-Token', id_token] as const] : [])]
      return visitor.send({ headers })
    }
    const [a, b] = [
      await provider.idToken({ email: 'a@x' }),
      await provider.idToken({ email: 'b@x' }),
    ]
    for (let i = 0; i < 2; i++) {
      expect((await ask(a)).told('x-email')).toBe('a@x')
      expect((await ask(b)).told('x-email')).toBe('b@x')
      expect((await ask()).told('x-email')).toBeUndefined()
      expect((await ask('bad')).status).toBe(401)
    }
  })
})
