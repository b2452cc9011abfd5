import { beforeEach, describe, expect, test } from 'bun:test'
import { bearer, create } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

const key = await signingKey('one')
const foreign = await signingKey('foreign')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const CLIENT = {
  client_id: ['kong'],
  client_secret: ['secret'],
  client_auth: ['client_secret_post'],
}
const OTHER = 'http://other.test'
const exchanging = (issuer: object = { issuer: OTHER }, more: object = {}) => ({
  token_exchange: { subject_token_issuers: [issuer], ...more },
})
const by = (config: Record<string, unknown>) =>
  new Visitor(create(provider, { auth_methods: ['bearer'], ...CLIENT, ...config }))
const theirs = (claims: Record<string, unknown> = {}) =>
  provider.accessToken({ iss: OTHER, ...claims }, foreign)
const given = (claims: Record<string, unknown> = {}) => {
  provider.instead['/token'] = async () => ({
    json: {
      access_token: await provider.accessToken(claims),
      token_type: 'Bearer',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      expires_in: 300,
    },
  })
}

describe('token exchange (RFC 8693)', () => {
  test('a token of another issuer is exchanged, and all that follows goes by the new one', async () => {
    given({ sub: 'ours', scope: 'internal' })
    const visitor = by({ ...exchanging(), scopes_required: ['internal'] })
    const token = await theirs({ sub: 'theirs' })
    const { status, ctx, told } = await visitor.send({ headers: [bearer(token)] })
    expect([status, ctx.credential?.id]).toEqual([200, 'ours'])
    expect(told('authorization')).not.toContain(token)
    for (let i = 0; i < 3; i++)
      expect((await visitor.send({ headers: [bearer(token)] })).isAtOnce).toBe(true)
    expect(provider.asked('/token')).toBe(1)
  })

  test('is made for each request with cache.enabled off, and again after cache.ttl', async () => {
    given()
    const token = await theirs()
    const off = by(exchanging(undefined, { cache: { enabled: false } }))
    for (let i = 0; i < 3; i++) await off.send({ headers: [bearer(token)] })
    expect(provider.asked('/token')).toBe(3)
    const short = by(exchanging(undefined, { cache: { ttl: 10 } }))
    for (let i = 0; i < 3; i++) await short.send({ headers: [bearer(token)] })
    expect(provider.asked('/token')).toBe(4)
    provider.pass(10)
    expect((await short.send({ headers: [bearer(token)] })).status).toBe(200)
    expect(provider.asked('/token')).toBe(5)
  })

  test('40 at once are one exchange', async () => {
    given()
    const handler = create(provider, { auth_methods: ['bearer'], ...CLIENT, ...exchanging() })
    const headers = [bearer(await theirs())]
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () => new Visitor(handler).send({ headers })),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(Array(40).fill(200))
    expect(provider.asked('/token')).toBe(1)
  })

  test('§12 #13: one that is refused, over or not yet valid is a 401, the latter without a call', async () => {
    const visitor = by(exchanging())
    const at = Math.floor(provider.now / 1000)
    for (const claims of [{ exp: at }, { nbf: at + 1 }]) {
      const refused = await visitor.send({ headers: [bearer(await theirs(claims))] })
      expect(refused.status).toBe(401)
    }
    expect(provider.asked('/token')).toBe(0)
    provider.instead['/token'] = () => ({ status: 400, json: { error: 'invalid_request' } })
    const refused = await visitor.send({ headers: [bearer(await theirs())] })
    expect([refused.status, refused.code]).toEqual([401, 'provider_refused'])
  })

  test.each<[string, Record<string, unknown>]>([
    ['says that it is an ID token', { typ: 'ID' }],
    ['says that it is a refresh token', { typ: 'Refresh' }],
    ['has no end', { exp: undefined }],
    ['is of the future', { iat: 'future' }],
  ])('one that %s is refused without a call, as a bearer token is', async (_, claims) => {
    given()
    const future = Math.floor(provider.now / 1000) + 600
    const token = await theirs(claims.iat === undefined ? claims : { iat: future })
    const refused = await by(exchanging()).send({ headers: [bearer(token)] })
    expect([refused.status, provider.asked('/token')]).toEqual([401, 0])
  })

  test.each<[string | number | null, number]>([
    ['urn:ietf:params:oauth:token-type:access_token', 200],
    ['urn:ietf:params:oauth:token-type:jwt', 200],
    [null, 200],
    ['urn:ietf:params:oauth:token-type:id_token', 401],
    ['urn:ietf:params:oauth:token-type:refresh_token', 401],
    ['', 401],
    [7, 401],
  ])(
    'what is given as %j is answered with %d (RFC 8693 §2.2.1)',
    async (issued_token_type, status) => {
      const access_token = await provider.accessToken()
      provider.instead['/token'] = () => ({
        json: { access_token, token_type: 'Bearer', expires_in: 300, issued_token_type },
      })
      const { status: got } = await by(exchanging()).send({ headers: [bearer(await theirs())] })
      expect(got).toBe(status)
    },
  )

  test('the provider’s own tokens are exchanged on conditions, and else go as they are', async () => {
    given({ scope: 'internal' })
    const config = exchanging({ issuer: ISSUER, conditions: { has_scopes: ['exchange'] } })
    const visitor = by(config)
    const plain = await provider.accessToken()
    expect((await visitor.send({ headers: [bearer(plain)] })).told('authorization')).toBe(
      `Bearer ${plain}`,
    )
    expect(provider.asked('/token')).toBe(0)
    const token = await provider.accessToken({ scope: 'openid exchange' })
    expect((await visitor.send({ headers: [bearer(token)] })).told('authorization')).not.toBe(
      `Bearer ${token}`,
    )
    expect(provider.asked('/token')).toBe(1)
  })

  test('a token of an issuer that is not listed is verified, and refused', async () => {
    const visitor = by(exchanging({ issuer: 'http://third.test' }))
    const refused = await visitor.send({ headers: [bearer(await theirs())] })
    expect([refused.status, provider.asked('/token')]).toEqual([401, 0])
  })
})

describe('the legacy exchange', () => {
  const config = {
    token_exchange_endpoint: 'http://exchange.test/x',
    upstream_headers: [{ header: 'x-sub', path: ['sub'] }],
  }

  test('gives the service another token; who the caller is goes by the first', async () => {
    provider.instead['/x'] = () => ({ text: 'another-token' })
    const visitor = by(config)
    const headers = [bearer(await provider.accessToken())]
    for (let i = 0; i < 3; i++) {
      const { status, told } = await visitor.send({ headers })
      expect([status, told('authorization'), told('x-sub')]).toEqual([
        200,
        'Bearer another-token',
        'alex-id',
      ])
    }
    expect(provider.asked('/x')).toBe(1)
  })

  test.each(['{"token":"a"}', 'a,b', '"a"', 'a=b', '<a>'])(
    '%s is no token (RFC 6750 §2.1)',
    async (text) => {
      provider.instead['/x'] = () => ({ text })
      const headers = [bearer(await provider.accessToken())]
      expect((await by(config).send({ headers })).status).toBe(401)
    },
  )

  test('is made for each request with cache_token_exchange off', async () => {
    provider.instead['/x'] = () => ({ text: 'another-token' })
    const visitor = by({ ...config, cache_token_exchange: false })
    const headers = [bearer(await provider.accessToken())]
    for (let i = 0; i < 3; i++) await visitor.send({ headers })
    expect(provider.asked('/x')).toBe(3)
  })

  test('that fails is a 401, and is tried again', async () => {
    provider.instead['/x'] = () => ({ status: 500, text: '' })
    const visitor = by(config)
    const headers = [bearer(await provider.accessToken())]
    expect((await visitor.send({ headers })).status).toBe(401)
    provider.instead['/x'] = () => ({ text: 'another-token' })
    expect((await visitor.send({ headers })).status).toBe(200)
  })

  test('a token that is not good is not sent there', async () => {
    expect((await by(config).send({ headers: [bearer('a.b.c')] })).status).toBe(401)
    expect(provider.asked('/x')).toBe(0)
  })
})
