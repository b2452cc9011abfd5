import { beforeEach, describe, expect, test } from 'bun:test'
import { basic, bearer, create, gatewayOf, HOW_TO, refreshToken } from './plugin.ts'
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
}
/** What was asked of the provider, and how often. */
const asked = () => {
  const counts: Record<string, number> = {}
  for (const each of provider.requests) {
    const name = each.split('/').at(-1)!
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
const DISCOVERY = { 'openid-configuration': 1, keys: 1 }

describe('10,000 requests with one credential', () => {
  test.each([
    ['bearer', async () => bearer(await provider.accessToken()), {}],
    ['introspection', async () => bearer('opaque'), { introspect: 1 }],
    ['userinfo', async () => bearer('opaque'), { userinfo: 1 }],
    ['password', async () => basic('alex', 'doe'), { token: 1 }],
    ['client_credentials', async () => basic('app', 'secret'), { token: 1 }],
    ['refresh_token', async () => refreshToken(provider.refreshToken()), { token: 1 }],
  ])('%s', async (method, credential, calls) => {
    provider.introspected.opaque = {}
    provider.users.opaque = {}
    const config = { ...HOW_TO, auth_methods: [method] }
    const handler = create(provider, config)
    const headers = [await credential()]
    // A hundred connections, the first requests of all at once.
    const visitors = Array.from({ length: 100 }, () => new Visitor(handler, false))
    for (let i = 0; i < 100; i++) {
      const outcomes = await Promise.all(visitors.map((each) => each.send({ headers })))
      for (const { status } of outcomes) if (status !== 200) expect(status).toBe(200)
    }
    expect(asked()).toEqual({ ...DISCOVERY, ...calls })
  })

  test('one that is bad, too', async () => {
    const handler = create(provider, {
      ...HOW_TO,
      auth_methods: ['introspection', 'userinfo', 'refresh_token'],
    })
    const visitors = Array.from({ length: 100 }, () => new Visitor(handler, false))
    for (let i = 0; i < 10; i++)
      for (const headers of [[bearer('bad')], [refreshToken('bad')]])
        for (const { status } of await Promise.all(visitors.map((each) => each.send({ headers }))))
          expect(status).toBe(401)
    expect(asked()).toMatchObject({ introspect: 1, userinfo: 1, token: 1 })
  })
})

test('1,000 credentials are 1,000 calls, and no more when they come again', async () => {
  const handler = create(provider, { ...CLIENT, auth_methods: ['password'] })
  const rounds = [0, 1, 2].map(() => async () => {
    const sent = Array.from({ length: 1000 }, (_, i) =>
      new Visitor(handler).send({ headers: [basic(`user-${i}`, 'doe')] }),
    )
    return new Set((await Promise.all(sent)).map(({ told }) => told('authorization'))).size
  })
  for (const round of rounds) expect(await round()).toBe(1000)
  expect(asked()).toEqual({ ...DISCOVERY, token: 1000 })
})

test('1,000 unknown kids, and as many signed by nobody: keys are looked for once in rediscovery_lifetime', async () => {
  const handler = create(provider, { auth_methods: ['bearer'] })
  const storm = async () => {
    const token = await provider.accessToken({}, await signingKey('unknown'))
    const [head = '', ...rest] = token.split('.')
    const parsed = JSON.parse(Buffer.from(head, 'base64url').toString()) as object
    const sent = Array.from({ length: 1000 }, (_, i) => {
      const kid = i % 2 ? 'one' : `kid-${i}`
      const other = Buffer.from(JSON.stringify({ ...parsed, kid })).toString('base64url')
      return new Visitor(handler).send({ headers: [bearer([other, ...rest].join('.'))] })
    })
    for (const { status } of await Promise.all(sent)) expect(status).toBe(401)
  }
  await storm()
  // At once with the first load the provider has just been asked.
  expect(provider.asked('/keys')).toBeLessThanOrEqual(2)
  const before = provider.asked('/keys')
  await storm()
  expect(provider.asked('/keys')).toBe(before)
  provider.pass(30)
  await storm()
  expect(provider.asked('/keys')).toBe(before + 1)
})

describe.each([40, 200])('%i requests at once on an expired token', (count) => {
  test('with a rotating refresh token are one call, and every one is served', async () => {
    const handler = create(provider, { ...HOW_TO })
    const sent = { headers: [refreshToken(provider.refreshToken())] }
    await new Visitor(handler).send(sent)
    provider.pass(300)
    const outcomes = await Promise.all(
      Array.from({ length: count }, () => new Visitor(handler).send(sent)),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(Array(count).fill(200))
    expect(new Set(outcomes.map(({ told }) => told('authorization'))).size).toBe(1)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('of a session are one call, and every one is served', async () => {
    const config = { ...HOW_TO, auth_methods: ['session', 'password'], session_secret: 's' }
    const visitor = new Visitor(create(provider, config))
    await visitor.send({ headers: [basic('alex', 'doe')] })
    provider.pass(300)
    const outcomes = await Promise.all(Array.from({ length: count }, () => visitor.copy().send()))
    expect(outcomes.map(({ status }) => status)).toEqual(Array(count).fill(200))
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })
})

describe('two plugins', () => {
  const METHODS = ['introspection', 'userinfo', 'password', 'client_credentials', 'refresh_token']
  const pair = (one: object, other: object) => {
    const gateway = gatewayOf(provider)
    const config = { ...HOW_TO, auth_methods: METHODS }
    return [
      new Visitor(create(provider, { ...config, ...one }, { ...gateway, id: 'plugin-1' })),
      new Visitor(create(provider, { ...config, ...other }, { ...gateway, id: 'plugin-2' })),
    ] as const
  }
  const callsOf = async (one: object, other: object) => {
    provider = new ScriptedProvider(key)
    provider.rotates = false
    provider.introspected.opaque = {}
    const visitors = pair(one, other)
    const token = provider.refreshToken()
    for (const headers of [[bearer('opaque')], [basic('alex', 'doe')], [refreshToken(token)]])
      for (const visitor of visitors) expect((await visitor.send({ headers })).status).toBe(200)
    return [provider.asked('/introspect'), provider.calls]
  }

  test('share nothing, unless the salt says so', async () => {
    expect(await callsOf({}, {})).toEqual([2, 4])
    expect(await callsOf({ cache_tokens_salt: 'a' }, { cache_tokens_salt: 'b' })).toEqual([2, 4])
    expect(await callsOf({ cache_tokens_salt: 'a' }, { cache_tokens_salt: 'a' })).toEqual([1, 2])
  })

  test.each([
    { client_id: ['other'] },
    { issuer: 'http://provider.test/realms/other' },
    { token_post_args_names: ['a'], token_post_args_values: ['b'] },
    {
      introspection_endpoint: 'http://provider.test/other/introspect',
      token_endpoint: 'http://provider.test/other/token',
    },
    { introspection_hint: 'x', audience: ['y'] },
  ])('with one salt share nothing where they ask as %p', async (more) => {
    const salt = { cache_tokens_salt: 'a' }
    const issuer = (more as { issuer?: string }).issuer
    expect(
      await callsOf(salt, { ...salt, ...more, ...(issuer && { verify_claims: false }) }),
    ).toEqual([2, 4])
  })
})
