import { beforeEach, describe, expect, test } from 'bun:test'
import type { Consumer, Oauth2Credential, Oauth2Token } from '../../../../src/entities/index.ts'
import { basic, bearer, create, gatewayOf, refreshToken } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'
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
  refresh_token_param_name: 'refresh_token',
  session_secret: 'a secret',
  cache_tokens_salt: 'salt',
}
const ALL = ['session', 'bearer', 'introspection', 'userinfo', 'kong_oauth2', 'refresh_token']
const by = (
  methods: string[],
  config: Record<string, unknown> = {},
  gateway = gatewayOf(provider),
) => new Visitor(create(provider, { ...CLIENT, auth_methods: methods, ...config }, gateway))
const ALEX = { headers: [basic('alex', 'doe')] }
const logIn = async (config: Record<string, unknown> = {}, gateway = gatewayOf(provider)) => {
  const visitor = by(['session', 'password'], config, gateway)
  const outcome = await visitor.send(ALEX)
  expect([outcome.status, visitor.cookies.size]).toEqual([200, 1])
  return visitor
}

describe('a session', () => {
  const owned = {
    consumer: { id: 'c1', username: 'bob' } as Consumer,
    credential: { id: 'o1', client_id: 'app', consumer: { id: 'c1' } } as Oauth2Credential,
    token: { expires_in: 0 } as Oauth2Token,
  }
  const consumers = { findByAccessToken: (text: string) => (text === 'issued' ? owned : undefined) }

  test.each([
    ['bearer', async () => bearer(await provider.accessToken())],
    ['introspection', async () => bearer('introspected')],
    ['userinfo', async () => bearer('of-a-user')],
    ['kong_oauth2', async () => bearer('issued')],
    ['refresh_token', async () => refreshToken(provider.refreshToken())],
    ['password', async () => basic('alex', 'doe')],
    ['client_credentials', async () => basic('app', 'secret')],
  ])(
    'begun by %s lets in who brings nothing else, as whom it began with',
    async (method, credential) => {
      provider.introspected.introspected = { scope: 'openid', sub: 'alex-id' }
      provider.users['of-a-user'] = { scope: 'openid', sub: 'alex-id' }
      const gateway = gatewayOf(provider, { consumers })
      const needed = method === 'kong_oauth2' ? {} : { scopes_required: ['openid'] }
      const visitor = by(['session', method], needed, gateway)
      const first = await visitor.send({ headers: [await credential()] })
      expect([first.status, first.cookies.length]).toEqual([200, 1])
      const asked = provider.requests.length
      // On the same connection, on another one, and for a gateway that knows nothing yet.
      const fresh = by(['session', method], needed, gatewayOf(provider, { consumers })).connection
      for (const connection of [visitor.connection, {}, fresh]) {
        const again = await visitor.send({}, { connection })
        expect([again.status, again.cookies]).toEqual([200, []])
        expect(again.told('authorization')).toBe(first.told('authorization')!)
        expect(again.ctx.credential).toEqual(first.ctx.credential!)
        expect(again.ctx.consumer).toBe(first.ctx.consumer)
        expect(again.told('cookie')).toBeUndefined()
      }
      const elsewhere = visitor.copy(
        create(
          provider,
          { ...CLIENT, auth_methods: ['session', method], ...needed },
          gatewayOf(provider, { consumers }),
        ),
      )
      const there = await elsewhere.send()
      expect([there.status, there.ctx.credential, there.told('authorization')]).toEqual([
        200,
        first.ctx.credential,
        first.told('authorization'),
      ])
      expect(provider.requests.length).toBe(asked)
    },
  )

  test('is known without a promise', async () => {
    const visitor = await logIn()
    await visitor.send()
    expect((await visitor.send()).isAtOnce).toBe(true)
  })

  test.each(['password', 'bearer'])(
    'is not begun by what disable_session lists: %s',
    async (method) => {
      const visitor = by(['session', 'password', 'bearer'], { disable_session: [method] })
      await visitor.send(ALEX)
      expect(visitor.cookies.size).toBe(method === 'password' ? 0 : 1)
      const other = by(['session', 'password', 'bearer'], { disable_session: [method] })
      await other.send({ headers: [bearer(await provider.accessToken())] })
      expect(other.cookies.size).toBe(method === 'bearer' ? 0 : 1)
    },
  )

  test('is not renewed where disable_session lists session, and ends then', async () => {
    const visitor = await logIn({ disable_session: ['session'], session_idling_timeout: 900 })
    provider.accessTokenLife = 1e6
    provider.pass(120)
    expect((await visitor.send()).cookies).toEqual([])
  })

  test('is none without the method: no cookie is set, and one that is brought is the service’s', async () => {
    const visitor = await logIn()
    const handler = create(provider, { ...CLIENT, auth_methods: ['password'] })
    const other = visitor.copy(handler)
    expect((await other.send()).status).toBe(401)
    const outcome = await other.send(ALEX)
    expect([outcome.status, outcome.cookies]).toEqual([200, []])
    expect(outcome.told('cookie')).toStartWith('session=')
  })

  test('alone lets nobody in', async () => {
    expect((await by(['session']).send(ALEX)).status).toBe(401)
  })

  test('goes before any other credential, and that is the service’s then, as far as it is not the gateway’s', async () => {
    const visitor = await logIn()
    const outcome = await visitor.send({ query: 'username=alex&password=wrong' })
    expect([outcome.status, outcome.ctx.upstream.query]).toEqual([
      200,
      'username=alex&password=wrong',
    ])
  })

  test('its cookie reaches the service with hide_credentials off, and other cookies always', async () => {
    const visitor = await logIn()
    visitor.cookies.set('theme', 'dark')
    expect((await visitor.send()).told('cookie')).toBe('theme=dark')
    const open = await logIn({ hide_credentials: false })
    expect((await open.send()).told('cookie')).toMatch(/^session=/)
  })

  test('counts as a login where login_methods lists it', async () => {
    const visitor = await logIn({ login_action: 'response', login_methods: ['session'] })
    const { exit } = await visitor.send()
    expect(exit?.status).toBe(200)
    expect(JSON.parse(String(exit?.body))).toEqual({})
    expect((await (await logIn()).send()).exit).toBeUndefined()
  })

  test('a login that is under way beside it is none of the service’s', async () => {
    const visitor = await logIn({ auth_methods: ['session', 'password', 'authorization_code'] })
    visitor.cookies.set('authorization', 'x')
    expect((await visitor.send()).told('cookie')).toBeUndefined()
  })

  test('begins under a new id, whatever cookie was there before (fixation)', async () => {
    const attacker = await logIn({ upstream_session_id_header: 'x-id' })
    const id = (await attacker.send()).told('x-id')
    const victim = attacker.copy()
    provider.password = 'other'
    const outcome = await victim.send({ headers: [basic('victim', 'other')] })
    // The session counts, so that no login follows; but it is the attacker's, which the service is told.
    expect([outcome.status, outcome.told('x-id')]).toEqual([200, id])
    const begun = await by(['session', 'password'], { upstream_session_id_header: 'x-id' }).send({
      headers: [basic('victim', 'other'), ['Cookie', 'session=AAAA']],
    })
    expect([begun.status, begun.cookies.length]).toEqual([200, 1])
    expect(begun.told('x-id')).not.toBe(id)
  })

  test.each([
    ['secret', { session_secret: 'another' }],
    ['audience', { session_audience: 'another' }],
    ['cookie’s name', { session_cookie_name: 'another' }],
    ['issuer', { issuer: 'http://other.test/realms/master' }],
    ['client', { client_id: ['another'] }],
  ])('of another %s is none', async (_, config) => {
    const visitor = await logIn()
    const other = create(provider, { ...CLIENT, auth_methods: ['session', 'password'], ...config })
    expect((await visitor.copy(other).send()).status).toBe(401)
  })

  test('is judged by the rules of the plugin that it is shown to', async () => {
    const visitor = await logIn()
    const config = { ...CLIENT, auth_methods: ['session'], scopes_required: ['admin'] }
    const refused = await visitor.copy(create(provider, config)).send()
    expect([refused.status, refused.code]).toEqual([403, 'insufficient_scope'])
  })

  test('of a token of the oauth2 plugin is over when that is taken back', async () => {
    let isThere = true
    const findByAccessToken = () => (isThere ? owned : undefined)
    const visitor = by(
      ['session', 'kong_oauth2'],
      {},
      gatewayOf(provider, { consumers: { findByAccessToken } }),
    )
    await visitor.send({ headers: [bearer('issued')] })
    expect((await visitor.send()).ctx.consumer).toBe(owned.consumer)
    isThere = false
    const refused = await visitor.send()
    expect([refused.status, visitor.cookies.size]).toEqual([401, 0])
  })
})

describe('what is told of a session', () => {
  const config = {
    upstream_session_id_header: 'x_session_id',
    downstream_session_id_header: 'x_id',
    session_request_headers: ['id', 'subject', 'audience'],
    session_response_headers: ['timeout'],
  }

  test('§10 #14: its id, and other facts, to the service and to the client, from the first request on', async () => {
    const visitor = by(['session', 'password'], config)
    const spoofed = {
      headers: [
        ['X-Session-Id', 'mine'],
        ['Session_Subject', 'root'],
      ] as const,
    }
    for (const sent of [{ headers: [...ALEX.headers, ...spoofed.headers] }, spoofed]) {
      const { ctx, told, header } = await visitor.send(sent)
      const id = told('x-session-id')!
      expect(id).toMatch(/^[\w-]{43}$/)
      expect([header('x-id'), told('session-id')]).toEqual([id, id])
      expect([told('session-subject'), told('session-audience')]).toEqual(['alex-id', 'default'])
      expect(header('session-timeout')).toBe('900')
      expect(ctx.upstream.headers.all('session_subject')).toEqual([])
    }
  })

  test('is told of good sessions only: what a client writes under these names is dropped', async () => {
    const visitor = by(
      ['session', 'password'],
      { ...config, anonymous: 'nobody' },
      gatewayOf(provider, { consumerList: [{ id: 'n', username: 'nobody' } as Consumer] }),
    )
    const { ctx, told } = await visitor.send({
      headers: [
        ['X-Session-Id', 'mine'],
        ['Session-Subject', 'root'],
      ],
    })
    expect([ctx.isAnonymous, told('x-session-id'), told('session-subject')]).toEqual([
      true,
      undefined,
      undefined,
    ])
  })

  test('nothing is told of one that is refused', async () => {
    const visitor = await logIn(config)
    const strict = { ...CLIENT, ...config, auth_methods: ['session'], scopes_required: ['admin'] }
    const { status, header } = await visitor.copy(create(provider, strict)).send()
    expect([status, header('x-id'), header('session-timeout')]).toEqual([403, undefined, undefined])
  })
})

describe('a session whose access token is over', () => {
  test('is given a new one with its refresh token, and goes on', async () => {
    const visitor = await logIn()
    const before = await visitor.send()
    provider.pass(300)
    const after = await visitor.send()
    expect([after.status, provider.calls, after.cookies.length]).toEqual([200, 2, 1])
    expect(after.told('authorization')).not.toBe(before.told('authorization'))
    const again = await visitor.send()
    expect([again.told('authorization'), provider.calls]).toEqual([after.told('authorization'), 2])
    for (let i = 3; i < 10; i++) {
      provider.pass(300)
      expect((await visitor.send()).status).toBe(200)
      expect(provider.calls).toBe(i)
    }
    expect(provider.reuses).toBe(0)
  })

  test('§12 #10: is given it leeway seconds early, and exactly then', async () => {
    const visitor = await logIn({ leeway: 10 })
    provider.pass(289.999)
    await visitor.send()
    expect(provider.calls).toBe(1)
    provider.pass(0.001)
    expect((await visitor.send()).status).toBe(200)
    expect(provider.calls).toBe(2)
  })

  test.each([true, false])(
    '40 requests at once are one call (cache_tokens %s)',
    async (cache_tokens) => {
      const visitor = await logIn({ cache_tokens })
      provider.pass(300)
      const outcomes = await Promise.all(Array.from({ length: 40 }, () => visitor.copy().send()))
      expect(outcomes.map(({ status }) => status)).toEqual(Array(40).fill(200))
      expect([provider.calls, provider.reuses]).toEqual([2, 0])
      expect(new Set(outcomes.map(({ told }) => told('authorization'))).size).toBe(1)
    },
  )

  test('a request with the cookie of before is served with what is newest, and spends nothing', async () => {
    const visitor = await logIn()
    const late = visitor.copy()
    provider.pass(300)
    const first = await visitor.send()
    provider.pass(5)
    const second = await late.send()
    expect([second.status, second.told('authorization')]).toEqual([
      200,
      first.told('authorization'),
    ])
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test.each([{}, { cache_ttl_min: 100_000 }, { cache_ttl_max: 10 }])(
    'one token is good for the next time too, where the provider does not rotate: %p',
    async (config) => {
      provider.rotates = false
      const visitor = await logIn(config)
      for (let i = 2; i < 6; i++) {
        provider.pass(300)
        expect((await visitor.send()).status).toBe(200)
        expect(provider.calls).toBe(i)
      }
    },
  )

  test('a provider that is down is a 401, and no end of the session', async () => {
    const visitor = await logIn()
    provider.pass(300)
    provider.instead['/token'] = () => ({ status: 503, text: 'busy' })
    const refused = await visitor.send()
    expect([refused.status, refused.code, refused.cookies]).toEqual([
      401,
      'provider_invalid_response',
      [],
    ])
    provider.instead = {}
    expect((await visitor.send()).status).toBe(200)
  })

  test('ends when the provider refuses the refresh token; another credential counts then', async () => {
    const visitor = await logIn()
    const other = visitor.copy()
    provider.pass(300)
    provider.revoke()
    const refused = await visitor.send()
    expect([refused.status, refused.code, visitor.cookies.size]).toEqual([401, 'invalid_grant', 0])
    expect(refused.header('www-authenticate')).toContain('error="invalid_token"')
    expect((await visitor.send()).code).toBe('no_credentials')
    const again = await other.send(ALEX)
    expect([again.status, other.cookies.size]).toEqual([200, 1])
    expect((await other.send()).status).toBe(200)
  })

  test('stays with unauthorized_destroy_session off, and is refused', async () => {
    const visitor = await logIn({ unauthorized_destroy_session: false })
    provider.pass(300)
    provider.revoke()
    for (let i = 0; i < 3; i++) expect((await visitor.send()).status).toBe(401)
    expect([visitor.cookies.size, provider.calls]).toEqual([1, 2])
  })

  test.each([
    ['without a refresh token', { refresh_token: undefined }, {}],
    ['with refresh_tokens off', {}, { refresh_tokens: false }],
  ])('ends %s', async (_, over, config) => {
    provider.over = over
    const visitor = await logIn(config)
    provider.pass(299)
    expect((await visitor.send()).status).toBe(200)
    provider.pass(1)
    const refused = await visitor.send()
    expect([refused.status, refused.code, visitor.cookies.size]).toEqual([401, 'token_expired', 0])
  })

  test('keeps what a refresh did not renew: the ID token and who it is', async () => {
    provider.over = { id_token: await provider.idToken() }
    const visitor = await logIn({ upstream_id_token_header: 'x-id-token' })
    const { id_token } = provider.over
    provider.over = {}
    provider.pass(300)
    const after = await visitor.send()
    expect([after.status, after.told('x-id-token'), after.ctx.credential?.id]).toEqual([
      200,
      String(id_token),
      'alex-id',
    ])
    expect((await visitor.send()).told('x-id-token')).toBe(String(id_token))
  })

  test('ends where the new tokens are of another user (OpenID Core §12.2)', async () => {
    const visitor = await logIn()
    provider.claims = { sub: 'mallory' }
    provider.pass(300)
    const refused = await visitor.send()
    expect([refused.status, refused.code, visitor.cookies.size]).toEqual([401, 'invalid_token', 0])
  })

  test('§10 #1: one that is over at once is renewed for each request', async () => {
    provider.over = { expires_in: 0 }
    const visitor = await logIn()
    for (let i = 2; i < 5; i++) {
      expect((await visitor.send()).status).toBe(200)
      expect(provider.calls).toBe(i)
    }
    expect(provider.reuses).toBe(0)
  })
})

describe('the tokens of a session', () => {
  test.each([
    [false, 200, 1],
    [true, 401, 0],
  ])(
    'are trusted though their key is gone, but not with reverify (%p)',
    async (reverify, status, cookies) => {
      const visitor = await logIn({ reverify })
      expect((await visitor.send()).status).toBe(200)
      provider.jwks = [(await signingKey('two')).jwk]
      const config = { ...CLIENT, auth_methods: ['session', 'password'], reverify }
      const later = visitor.copy(create(provider, config))
      expect([(await later.send()).status, later.cookies.size]).toEqual([status, cookies])
    },
  )

  test('with reverify are verified anew when the provider has other keys', async () => {
    const visitor = await logIn({ reverify: true, cache_ttl: 60 })
    provider.jwks = [(await signingKey('two')).jwk]
    expect((await visitor.send()).status).toBe(200)
    provider.pass(61)
    expect((await visitor.send()).code).toBe('invalid_signature')
  })

  test('with reverify are verified without a promise where nothing has changed', async () => {
    const visitor = await logIn({ reverify: true })
    await visitor.send()
    expect((await visitor.send()).isAtOnce).toBe(true)
  })
})

describe('a refusal', () => {
  const strict = (config: Record<string, unknown>) => ({
    ...CLIENT,
    auth_methods: ['session', 'password'],
    scopes_required: ['admin'],
    ...config,
  })

  test('with 403 ends the session, unless forbidden_destroy_session is off', async () => {
    const visitor = await logIn()
    const kept = visitor.copy(create(provider, strict({ forbidden_destroy_session: false })))
    expect([(await kept.send()).status, kept.cookies.size]).toEqual([403, 1])
    const ended = visitor.copy(create(provider, strict({})))
    expect([(await ended.send()).status, ended.cookies.size]).toEqual([403, 0])
  })

  test('§10 #29: with 401 ends it, unless unauthorized_destroy_session is off', async () => {
    for (const [off, size] of [
      [false, 0],
      [true, 1],
    ] as const) {
      const visitor = await logIn({ refresh_tokens: false, unauthorized_destroy_session: !off })
      provider.pass(300)
      expect([(await visitor.send()).status, visitor.cookies.size]).toEqual([401, size])
    }
  })

  test('of who begins none gives no cookie', async () => {
    const outcome = await new Visitor(create(provider, strict({}))).send(ALEX)
    expect([outcome.status, outcome.cookies]).toEqual([403, []])
  })
})

test('sessions of all methods at once: each caller is himself', async () => {
  provider.introspected.introspected = { sub: 'ivy' }
  const handler = create(provider, { ...CLIENT, auth_methods: ALL })
  const callers = await Promise.all(
    ['ann', 'bob', 'cleo'].map(async (sub) => {
      const visitor = new Visitor(handler)
      await visitor.send({ headers: [bearer(await provider.accessToken({ sub }))] })
      return [sub, visitor] as const
    }),
  )
  for (let i = 0; i < 3; i++)
    for (const [sub, visitor] of callers)
      expect((await visitor.send({}, { connection: {} })).ctx.credential?.id).toBe(sub)
  // On one connection, as behind a proxy.
  const connection = {}
  for (let i = 0; i < 3; i++)
    for (const [sub, visitor] of callers)
      expect((await visitor.send({}, { connection })).ctx.credential?.id).toBe(sub)
})
