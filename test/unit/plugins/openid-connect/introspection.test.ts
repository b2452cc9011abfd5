import { beforeEach, describe, expect, test } from 'bun:test'
import type { Consumer, Oauth2Credential, Oauth2Token } from '../../../../src/entities/index.ts'
import type { Sent } from '../context.ts'
import { bearer, create, gatewayOf } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

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
const by = (
  methods: string[],
  config: Record<string, unknown> = {},
  gateway = gatewayOf(provider),
) => new Visitor(create(provider, { ...CLIENT, auth_methods: methods, ...config }, gateway), false)
const withToken = (token: string): Sent => ({ headers: [bearer(token)] })
const ALEX = { sub: 'alex', scope: 'openid email', username: 'alex', groups: ['a', 'b'] }

describe('introspection', () => {
  test('lets an active token pass, and asks once for it; the token goes on to the service', async () => {
    provider.introspected.opaque = ALEX
    const visitor = by(['introspection'], { scopes_required: ['email'] })
    const first = await visitor.send(withToken('opaque'))
    expect([first.status, first.told('authorization')]).toEqual([200, 'Bearer opaque'])
    expect(provider.introspections).toEqual([
      {
        token: 'opaque',
        token_type_hint: 'access_token',
        client_id: 'kong',
        client_secret: 'secret',
      },
    ])
    for (let i = 0; i < 5; i++)
      expect((await visitor.send(withToken('opaque'))).isAtOnce).toBe(true)
    expect(provider.asked('/introspect')).toBe(1)
  })

  test('takes a JWT too where bearer is disabled, and never looks at its signature', async () => {
    const token = await provider.accessToken({}, await signingKey('unknown'))
    provider.introspected[token] = {}
    expect((await by(['introspection']).send(withToken(token))).status).toBe(200)
    expect((await by(['introspection', 'bearer']).send(withToken(token))).status).toBe(401)
    expect((await by(['bearer']).send(withToken(token))).status).toBe(401)
  })

  test('a token with two dots that is no JWT is opaque', async () => {
    provider.introspected['an.opaque.token'] = ALEX
    expect((await by(['introspection', 'bearer']).send(withToken('an.opaque.token'))).status).toBe(
      200,
    )
    expect((await by(['introspection']).send(withToken('an.opaque.token'))).status).toBe(200)
  })

  test.each([
    ['inactive', () => undefined],
    ['that is active without saying so', () => ({ active: undefined })],
    ['that says it in a text', () => ({ active: 'true' })],
    ['that is over, whatever else is said', () => ({ exp: Math.floor(provider.now / 1000) })],
  ])('a token %s is a 401 (RFC 7662 §2.2)', async (_, told) => {
    const answer = told()
    if (answer) provider.introspected.opaque = answer
    const refused = await by(['introspection']).send(withToken('opaque'))
    expect([refused.status, refused.header('www-authenticate')]).toEqual([
      401,
      'Bearer realm="provider.test", error="invalid_token"',
    ])
  })

  test('§10 #37: what is refused is refused for cache_ttl_neg, and then asked for again', async () => {
    const visitor = by(['introspection'], { cache_ttl_neg: 10 })
    for (let i = 0; i < 3; i++) expect((await visitor.send(withToken('late'))).status).toBe(401)
    expect(provider.asked('/introspect')).toBe(1)
    provider.introspected.late = ALEX
    provider.pass(9)
    expect((await visitor.send(withToken('late'))).status).toBe(401)
    provider.pass(1)
    expect((await visitor.send(withToken('late'))).status).toBe(200)
    expect(provider.asked('/introspect')).toBe(2)
  })

  test('introspection_check_active: false lets others judge, for this plugin alone', async () => {
    provider.introspected.opaque = { active: false, scope: 'x' }
    const gateway = gatewayOf(provider)
    const salt = { cache_tokens_salt: 's' }
    const lenient = by(['introspection'], { ...salt, introspection_check_active: false }, gateway)
    expect((await lenient.send(withToken('opaque'))).status).toBe(200)
    const strict = by(['introspection'], salt, { ...gateway, id: 'other' })
    expect((await strict.send(withToken('opaque'))).status).toBe(401)
  })

  test('answers are kept as long as they say, within cache_ttl_min and cache_ttl_max', async () => {
    const lasts = async (config: Record<string, unknown>, exp: number | undefined) => {
      provider = new ScriptedProvider(key)
      const end = exp === undefined ? {} : { exp: Math.floor(provider.now / 1000) + exp }
      provider.introspected.opaque = end
      const visitor = by(['introspection'], config)
      let seconds = 0
      while (seconds < 500) {
        await visitor.send(withToken('opaque'))
        if (provider.asked('/introspect') > 1) break
        provider.pass(10)
        seconds += 10
      }
      return seconds
    }
    expect(await lasts({}, 100)).toBe(100)
    expect(await lasts({ cache_ttl_max: 50 }, 100)).toBe(50)
    // Never beyond the end of the token, whatever the least time.
    expect(await lasts({ cache_ttl_min: 200 }, 100)).toBe(100)
    expect(await lasts({ cache_ttl: 60 }, undefined)).toBe(60)
    expect(await lasts({ cache_ttl: 60, cache_ttl_min: 90 }, undefined)).toBe(90)
  })

  test('cache_introspection: false asks for each request; those at once share an answer', async () => {
    provider.introspected.opaque = ALEX
    const visitor = by(['introspection'], { cache_introspection: false })
    for (let i = 0; i < 3; i++) await visitor.send(withToken('opaque'))
    expect(provider.asked('/introspect')).toBe(3)
    delete provider.introspected.opaque
    expect((await visitor.send(withToken('opaque'))).status).toBe(401)
    provider.introspected.opaque = ALEX
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
  })

  test('cache_ttl_resurrect: an old answer serves while the provider is down, asked every 5 seconds', async () => {
    provider.introspected.opaque = ALEX
    const visitor = by(['introspection'], { cache_ttl: 60, cache_ttl_resurrect: 30 })
    await visitor.send(withToken('opaque'))
    provider.instead['/introspect'] = () => ({ status: 503, text: 'busy' })
    provider.pass(61)
    for (let i = 0; i < 4; i++) expect((await visitor.send(withToken('opaque'))).status).toBe(200)
    expect(provider.asked('/introspect')).toBe(2)
    provider.pass(5)
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
    expect(provider.asked('/introspect')).toBe(3)
    provider.pass(30)
    expect((await visitor.send(withToken('opaque'))).status).toBe(401)
    provider.instead = {}
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
  })

  test('without cache_ttl_resurrect a provider that is down is a 401, and for no longer', async () => {
    provider.introspected.opaque = ALEX
    provider.instead['/introspect'] = () => ({ status: 503, text: 'busy' })
    const visitor = by(['introspection'])
    const refused = await visitor.send(withToken('opaque'))
    expect([refused.status, refused.code]).toEqual([401, 'provider_invalid_response'])
    provider.instead = {}
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
  })

  test('introspect_jwt_tokens: a JWT that was revoked is refused, one that is good is asked about once', async () => {
    const visitor = by(['bearer'], { introspect_jwt_tokens: true })
    const [good, revoked] = [await provider.accessToken(), await provider.accessToken()]
    provider.introspected[good] = {}
    for (let i = 0; i < 3; i++) expect((await visitor.send(withToken(good))).status).toBe(200)
    expect((await visitor.send(withToken(revoked))).status).toBe(401)
    expect(provider.asked('/introspect')).toBe(2)
    const forged = await provider.accessToken({}, await signingKey('unknown'))
    expect((await visitor.send(withToken(forged))).status).toBe(401)
    expect(provider.asked('/introspect')).toBe(2)
  })

  test('introspect_jwt_tokens: an answer about a token of another user or issuer is refused', async () => {
    const visitor = by(['bearer'], { introspect_jwt_tokens: true })
    for (const [told, status] of [
      [{ sub: 'alex-id', iss: `${ISSUER}/` }, 200],
      [{ sub: 'bob-id' }, 401],
      [{ iss: 'https://evil.test' }, 401],
    ] as const) {
      const token = await provider.accessToken({ jti: JSON.stringify(told) })
      provider.introspected[token] = told
      expect((await visitor.send(withToken(token))).status).toBe(status)
    }
  })

  test('an answer about a token that is for later is refused, until then', async () => {
    provider.introspected.opaque = { ...ALEX, nbf: Math.floor(provider.now / 1000) + 60 }
    const visitor = by(['introspection'])
    const { status, code } = await visitor.send(withToken('opaque'))
    expect([status, code]).toEqual([401, 'token_not_yet_valid'])
    provider.pass(60)
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
  })

  test.each([
    ['application/json; charset=utf-8', 200],
    ['text/html', 401],
    ['text/plain', 401],
    ['', 401],
  ])('an answer of the type %j is answered with %d', async (type, status) => {
    const gateway = gatewayOf(provider, {
      fetch: async (url, request) => {
        if (!url.endsWith('/introspect')) return provider.fetch(url, request)
        const body = new TextEncoder().encode(JSON.stringify({ active: true, ...ALEX }))
        return new Response(body, { headers: type === '' ? {} : { 'content-type': type } })
      },
    })
    const visitor = by(['introspection'], {}, gateway)
    expect((await visitor.send(withToken('opaque'))).status).toBe(status)
  })

  test('what it tells goes to the service, encoded', async () => {
    provider.introspected.opaque = { ...ALEX, phantom_token: 'a.b.c', admin: true, none: null }
    const header = (name: string) => ({ header: name.replaceAll('_', '-'), path: [name] })
    const visitor = by(['introspection'], {
      upstream_introspection_header: 'x_introspection',
      upstream_headers: ['phantom_token', 'groups', 'admin', 'none'].map(header),
      downstream_headers: [header('username')],
    })
    const outcome = await visitor.send({
      headers: [bearer('opaque'), ['None', 'mine'], ['X-Introspection', 'mine']],
    })
    const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
    expect(outcome.told('phantom-token')).toBe('a.b.c')
    expect(outcome.told('groups')).toBe(base64(['a', 'b']))
    expect(outcome.told('admin')).toBe('true')
    expect(outcome.told('none')).toBeUndefined()
    expect(outcome.told('x-introspection')).toBe(
      base64({ active: true, ...provider.introspected.opaque }),
    )
    expect(outcome.header('username')).toBe('alex')
  })

  test('40 requests at once with one token are one call', async () => {
    provider.introspected.opaque = ALEX
    const handler = create(provider, { ...CLIENT, auth_methods: ['introspection'] })
    const sent = await Promise.all(
      Array.from({ length: 40 }, () => new Visitor(handler).send(withToken('opaque'))),
    )
    expect(sent.map(({ status }) => status)).toEqual(Array(40).fill(200))
    expect(provider.asked('/introspect')).toBe(1)
  })

  test('§10 #31: a public client may ask (client_auth none)', async () => {
    provider.introspected.opaque = ALEX
    const visitor = by(['introspection'], { client_secret: null, client_auth: ['none'] })
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
    expect(provider.introspections).toEqual([
      { token: 'opaque', token_type_hint: 'access_token', client_id: 'kong' },
    ])
  })

  test('invented tokens do not push out what is kept of good ones', async () => {
    provider.introspected.opaque = ALEX
    const visitor = by(['introspection'])
    await visitor.send(withToken('opaque'))
    for (let i = 0; i < 2000; i++) await visitor.send(withToken(`invented-${i}`))
    await visitor.copy().send(withToken('opaque'))
    expect(provider.introspections.filter(({ token }) => token === 'opaque')).toHaveLength(1)
  })
})

describe('user info', () => {
  test('lets a token pass for which there is one, and its claims count', async () => {
    provider.users.opaque = ALEX
    const visitor = by(['userinfo'], { scopes_required: ['email'], groups_required: ['b'] })
    expect((await visitor.send(withToken('opaque'))).status).toBe(200)
    expect((await visitor.send(withToken('opaque'))).isAtOnce).toBe(true)
    expect(provider.asked('/userinfo')).toBe(1)
    const refused = await visitor.send(withToken('unknown'))
    expect([refused.status, refused.code]).toEqual([401, 'invalid_token'])
  })

  test('needs no client', async () => {
    provider.users.opaque = ALEX
    const visitor = by(['userinfo'], {
      client_id: null,
      client_secret: null,
      client_auth: null,
      userinfo_query_args_client: ['tenant'],
    })
    const sent = { ...withToken('opaque'), query: 'tenant=t1' }
    expect((await visitor.send(sent)).status).toBe(200)
  })

  test('is kept for cache_ttl, and not with cache_user_info: false', async () => {
    provider.users.opaque = ALEX
    const kept = by(['userinfo'], { cache_ttl: 60 })
    await kept.send(withToken('opaque'))
    provider.pass(59)
    await kept.send(withToken('opaque'))
    expect(provider.asked('/userinfo')).toBe(1)
    provider.pass(1)
    await kept.send(withToken('opaque'))
    expect(provider.asked('/userinfo')).toBe(2)
    const anew = by(['userinfo'], { cache_user_info: false })
    for (let i = 0; i < 3; i++) await anew.send(withToken('opaque'))
    expect(provider.asked('/userinfo')).toBe(5)
  })

  test('a refusal is kept for cache_ttl_neg, a failure is not', async () => {
    const visitor = by(['userinfo'], { cache_ttl_neg: 10 })
    for (let i = 0; i < 3; i++) await visitor.send(withToken('opaque'))
    expect(provider.asked('/userinfo')).toBe(1)
    provider.pass(10)
    provider.instead['/userinfo'] = () => ({ status: 500, text: '' })
    for (let i = 0; i < 3; i++) expect((await visitor.send(withToken('opaque'))).status).toBe(401)
    expect(provider.asked('/userinfo')).toBe(4)
  })

  describe('search_user_info', () => {
    const alex = { id: 'c1', username: 'alex@example.org' } as Consumer
    const config = {
      consumer_claims: [['email']],
      credential_claim: ['email'],
      authenticated_groups_claim: ['teams'],
      upstream_headers: [{ header: 'x-email', path: ['email'] }],
    }

    test('finds consumer, credential, groups and headers there', async () => {
      const token = await provider.accessToken()
      provider.users[token] = { sub: 'alex-id', email: 'alex@example.org', teams: ['red', 'blue'] }
      const gateway = gatewayOf(provider, { consumerList: [alex] })
      const visitor = by(['bearer'], { ...config, search_user_info: true }, gateway)
      const { ctx, told } = await visitor.send(withToken(token))
      expect([ctx.consumer, ctx.credential]).toEqual([alex, { id: 'alex@example.org' }])
      expect(ctx.authenticatedGroups).toEqual(['red', 'blue'])
      expect([told('x-email'), told('x-authenticated-groups')]).toEqual([
        'alex@example.org',
        'red, blue',
      ])
      await visitor.send(withToken(token))
      expect(provider.asked('/userinfo')).toBe(1)
    })

    test('is what it takes: a header with the user info alone lets nothing be found there', async () => {
      const token = await provider.accessToken()
      const user = { sub: 'alex-id', email: 'alex@example.org', teams: ['red'] }
      provider.users[token] = user
      const gateway = gatewayOf(provider, { consumerList: [alex] })
      const more = { consumer_optional: true, upstream_user_info_header: 'x-user' }
      const { ctx, told } = await by(['bearer'], { ...config, ...more }, gateway).send(
        withToken(token),
      )
      expect([ctx.consumer, ctx.credential, ctx.authenticatedGroups]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      expect(told('x-email')).toBeUndefined()
      expect(told('x-user')).toBe(Buffer.from(JSON.stringify(user)).toString('base64'))
    })

    test('§10 #3: consumer_groups_claim only in the user info is no 500, and is found', async () => {
      const token = await provider.accessToken()
      provider.users[token] = { sub: 'alex-id', team: 'gold' }
      const gold = { id: 'g1', name: 'gold' }
      const consumers = { findGroup: (name: string) => (name === 'gold' ? gold : undefined) }
      const gateway = gatewayOf(provider, { consumers: consumers as never })
      const visitor = (search: boolean) =>
        by(['bearer'], { consumer_groups_claim: ['team'], search_user_info: search }, gateway)
      expect((await visitor(true).send(withToken(token))).ctx.consumerGroups).toEqual([
        gold,
      ] as never)
      const refused = await visitor(false).send(withToken(token))
      expect([refused.status, refused.code]).toEqual([403, 'consumer_group_not_found'])
    })

    test('a caller of whom there is none is no worse for it', async () => {
      const visitor = by(['bearer'], { search_user_info: true })
      expect((await visitor.send(withToken(await provider.accessToken()))).status).toBe(200)
    })

    test('the user info of another user is refused beside an ID token (OpenID Core §5.3.2)', async () => {
      const token = await provider.accessToken()
      const id_token = await provider.idToken()
      provider.users[token] = { sub: 'mallory' }
      const visitor = by(['bearer'], { search_user_info: true, id_token_param_name: 'id_token' })
      const sent = { headers: [bearer(token), ['Id-Token', id_token] as const] }
      const refused = await visitor.send(sent)
      expect([refused.status, refused.code]).toEqual([401, 'invalid_token'])
    })
  })
})

describe('kong_oauth2', () => {
  const consumer = { id: 'c1', username: 'bob', custom_id: 'b-1' } as Consumer
  const credential = {
    id: 'o1',
    name: 'app',
    client_id: 'app-id',
    consumer: { id: 'c1' },
  } as Oauth2Credential
  const owned = (token: Partial<Oauth2Token>) => ({
    findByAccessToken: (text: string) =>
      text === 'issued'
        ? { consumer, credential, token: { expires_in: 7200, ...token } as Oauth2Token }
        : undefined,
  })
  const visit = (token: Partial<Oauth2Token>, methods = ['kong_oauth2'], config = {}) =>
    by(methods, config, gatewayOf(provider, { consumers: owned(token) }))
  const seconds = () => provider.now / 1000

  test('§10 #35: sets the consumer and its credential, and asks the provider for nothing', async () => {
    const { status, ctx, told } = await visit({ created_at: seconds(), scope: 'email' }).send(
      withToken('issued'),
    )
    expect([status, ctx.consumer]).toEqual([200, consumer])
    expect(ctx.credential).toEqual({ id: 'o1', identifier: 'app-id' })
    expect(told('authorization')).toBe('Bearer issued')
    expect(provider.requests).toEqual([])
  })

  test.each([
    ['over', { expires_in: 60 }, 60, 401],
    ['not over', { expires_in: 60 }, 59, 200],
    ['without an end', { expires_in: 0 }, 1e9, 200],
  ])('a token that is %s', async (_, token, after, status) => {
    const visitor = visit({ created_at: seconds(), ...token })
    await visitor.send(withToken('issued'))
    provider.pass(after)
    expect((await visitor.send(withToken('issued'))).status).toBe(status)
  })

  test('a token that is over is nobody else’s to judge', async () => {
    provider.introspected.issued = ALEX
    const visitor = visit({ created_at: 0, expires_in: 1 }, ['kong_oauth2', 'introspection'])
    const refused = await visitor.send(withToken('issued'))
    expect([refused.status, refused.code, provider.requests]).toEqual([401, 'token_expired', []])
  })

  test('§12 #28: a token that is bound to a service is good for it alone', async () => {
    const visitor = visit({ created_at: seconds(), service: { id: 's1' } } as never)
    const refused = await visitor.send(withToken('issued'))
    expect([refused.status, refused.code]).toEqual([401, 'invalid_token'])
  })

  test('the provider is not sent the token for its user info', async () => {
    const visitor = visit({ created_at: seconds() }, ['kong_oauth2'], { search_user_info: true })
    expect((await visitor.send(withToken('issued'))).status).toBe(200)
    expect(provider.requests).toEqual([])
  })

  test('its scopes are those of the token', async () => {
    const ask = (scope: string) =>
      visit({ created_at: seconds(), scope }, ['kong_oauth2'], { scopes_required: ['email'] }).send(
        withToken('issued'),
      )
    expect([(await ask('email')).status, (await ask('phone')).status]).toEqual([200, 403])
  })
})

describe('§12 #1: an opaque token', () => {
  const ALL = ['bearer', 'kong_oauth2', 'introspection', 'userinfo']

  test('goes to the oauth2 plugin’s, to introspection, then to the user info; the last one decides', async () => {
    provider.users.known = ALEX
    const visitor = by(ALL)
    expect((await visitor.send(withToken('known'))).status).toBe(200)
    expect(provider.requests.slice(-2)).toEqual([
      'POST /realms/master/introspect',
      'GET /realms/master/userinfo',
    ])
    const refused = await visitor.send(withToken('unknown'))
    expect([refused.status, refused.code]).toEqual([401, 'invalid_token'])
  })

  test('is not passed on where introspection could not be asked', async () => {
    provider.users.known = ALEX
    provider.instead['/introspect'] = () => ({ status: 500, text: '' })
    expect((await by(ALL).send(withToken('known'))).status).toBe(401)
    expect(provider.asked('/userinfo')).toBe(0)
  })

  test('is no password: one that is refused is not looked for elsewhere', async () => {
    const visitor = by([...ALL, 'password', 'authorization_code'])
    expect((await visitor.send(withToken('unknown'))).status).toBe(401)
    expect(provider.calls).toBe(0)
  })

  test('alone with bearer is refused without a call', async () => {
    expect((await by(['bearer']).send(withToken('opaque'))).status).toBe(401)
    expect(provider.requests).toEqual([])
  })
})
