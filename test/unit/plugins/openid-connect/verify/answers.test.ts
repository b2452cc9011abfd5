import { beforeEach, describe, expect, test } from 'bun:test'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { send } from '../../context.ts'
import { basic, bearer, create, HOW_TO } from '../plugin.ts'
import { ISSUER, ScriptedProvider, type SigningKey, signingKey } from '../provider.ts'
import { encrypted } from './jwe.ts'

const key = await signingKey('one')
const stranger = await signingKey('one')
const { privateKey } = await generateKeyPair('RSA-OAEP', { extractable: true })
const decryption = { ...(await exportJWK(privateKey)), use: 'enc' }
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const seconds = () => provider.now / 1000

function jwt(claims: object, header: object = {}, by: SigningKey = key): Promise<string> {
  const all = JSON.parse(JSON.stringify({ alg: by.alg, kid: by.kid, ...header })) as { alg: string }
  const payload = JSON.parse(JSON.stringify(claims)) as Record<string, unknown>
  return new SignJWT(payload).setProtectedHeader(all).sign(by.privateKey)
}

const sealed = (text: string, jwk: JWK = decryption) => encrypted(text, 'RSA-OAEP', jwk)

const CLIENT = {
  client_id: ['kong'],
  client_secret: ['kong-secret'],
  client_auth: ['client_secret_post'],
  client_jwk: [decryption],
}

describe('an introspection answer that is a JWT (RFC 9701)', () => {
  const TYPE = { typ: 'token-introspection+jwt' }
  const said = (over: object = {}) => ({
    iss: ISSUER,
    aud: 'kong',
    iat: seconds(),
    token_introspection: { active: true, scope: 'email' },
    ...over,
  })
  async function judge(text: string, config: object = {}): Promise<string> {
    const type = 'application/token-introspection+jwt'
    provider.instead['/introspect'] = () => ({ text, headers: { 'content-type': type } })
    const handler = create(provider, {
      ...CLIENT,
      auth_methods: ['introspection'],
      introspection_endpoint: `${ISSUER}/introspect`,
      introspection_accept: type,
      scopes_required: ['email'],
      ...config,
    })
    const { exit } = await send(handler, { headers: [bearer('opaque')] })
    return exit?.reason?.code ?? 'ok'
  }

  // prettier-ignore
  test.each([
    ['as it should be',                     'ok',                        () => jwt(said(), TYPE)],
    ['with the whole media type',           'ok',                        () => jwt(said(), { typ: `application/${TYPE.typ}` })],
    ['encrypted',                           'ok',                        async () => sealed(await jwt(said(), TYPE))],
    ['for several',                         'ok',                        () => jwt(said({ aud: ['x', 'kong'] }), TYPE)],
    ['of a stranger',                       'invalid_signature',         () => jwt(said(), TYPE, stranger)],
    ['encrypted by a stranger',             'invalid_signature',         async () => sealed(await jwt(said(), TYPE, stranger))],
    ['of another issuer',                   'invalid_issuer',            () => jwt(said({ iss: 'https://evil.test' }), TYPE)],
    ['of no issuer',                        'provider_invalid_response', () => jwt(said({ iss: undefined }), TYPE)],
    ['for another client',                  'invalid_audience',          () => jwt(said({ aud: 'other' }), TYPE)],
    ['for nobody',                          'invalid_audience',          () => jwt(said({ aud: undefined }), TYPE)],
    ['without its type',                    'provider_invalid_response', () => jwt(said())],
    ['of another type',                     'invalid_token',             () => jwt(said(), { typ: 'logout+jwt' })],
    ['without what it is for',              'provider_invalid_response', () => jwt(said({ token_introspection: undefined }), TYPE)],
    ['with a text instead',                 'provider_invalid_response', () => jwt(said({ token_introspection: 'x' }), TYPE)],
    ['that is over',                        'token_expired',             () => jwt(said({ exp: seconds() }), TYPE)],
    ['of the future',                       'token_not_yet_valid',       () => jwt(said({ iat: seconds() + 60 }), TYPE)],
    ['of a token that is not active',       'invalid_token',             () => jwt(said({ token_introspection: { active: false } }), TYPE)],
    ['that tells less',                     'insufficient_scope',        () => jwt(said({ token_introspection: { active: true } }), TYPE)],
  ])('%s: %s', async (_, code, make) => {
    expect(await judge(await make())).toBe(code)
  })

  // prettier-ignore
  test.each([
    ['as older providers put it',      'ok',                () => jwt({ active: true, scope: 'email' })],
    ['as the token itself',            'ok',                () => jwt({ active: true, scope: 'email', iss: ISSUER, exp: seconds() + 9 }, { typ: 'at+jwt' })],
    ['of a stranger',                  'invalid_signature', () => jwt({ active: true, scope: 'email' }, {}, stranger)],
    ['of another issuer',              'invalid_issuer',    () => jwt({ active: true, scope: 'email', iss: 'https://evil.test' })],
    ['that is over',                   'token_expired',     () => jwt({ active: true, scope: 'email', exp: seconds() })],
  ])('or, before the standard, %s: %s', async (_, code, make) => {
    expect(await judge(await make())).toBe(code)
  })

  test('encrypted for another key', async () => {
    const pair = await generateKeyPair('RSA-OAEP', { extractable: true })
    const foreign = await sealed(await jwt(said(), TYPE), await exportJWK(pair.privateKey))
    expect(await judge(foreign)).toBe('provider_invalid_response')
  })

  test('of a stranger, where signatures of introspection count for nothing', async () => {
    const token = await jwt(said(), TYPE, stranger)
    expect(await judge(token, { ignore_signature: ['introspection'] })).toBe('ok')
    expect(await judge(token, { ignore_signature: ['userinfo'] })).toBe('invalid_signature')
    expect(await judge(token, { verify_signature: false })).toBe('ok')
  })

  test('signed with a new key of the provider', async () => {
    const handler = { scopes_required: ['email'] }
    expect(await judge(await jwt(said(), TYPE), handler)).toBe('ok')
    const next = await signingKey('two')
    provider.jwks = [key.jwk, next.jwk]
    provider.pass(60)
    expect(await judge(await jwt(said(), TYPE, next), handler)).toBe('ok')
  })
})

describe('user info that is a JWT (OpenID Connect Core §5.3.2)', () => {
  async function judge(text: string, config: object = {}): Promise<string> {
    provider.instead['/userinfo'] = () => ({ text, headers: { 'content-type': 'application/jwt' } })
    const handler = create(provider, {
      ...CLIENT,
      auth_methods: ['userinfo'],
      userinfo_endpoint: `${ISSUER}/userinfo`,
      userinfo_accept: 'application/jwt',
      ...config,
    })
    const { exit } = await send(handler, { headers: [bearer('opaque')] })
    return exit?.reason?.code ?? 'ok'
  }

  // prettier-ignore
  test.each([
    ['as it should be',        'ok',                () => jwt({ sub: 'x', iss: ISSUER, aud: 'kong' })],
    ['with its claims alone',  'ok',                () => jwt({ sub: 'x' })],
    ['encrypted',              'ok',                async () => sealed(await jwt({ sub: 'x', aud: ['kong'] }))],
    ['of a stranger',          'invalid_signature', () => jwt({ sub: 'x' }, {}, stranger)],
    ['of another issuer',      'invalid_issuer',    () => jwt({ sub: 'x', iss: 'https://evil.test' })],
    ['for another client',     'invalid_audience',  () => jwt({ sub: 'x', aud: 'other' })],
    ['that is over',           'token_expired',     () => jwt({ sub: 'x', exp: seconds() })],
    ['that is an access token','invalid_token',     () => jwt({ sub: 'x' }, { typ: 'at+jwt' })],
    ['that is a logout token', 'invalid_token',     () => jwt({ sub: 'x' }, { typ: 'logout+jwt' })],
  ])('%s: %s', async (_, code, make) => {
    expect(await judge(await make())).toBe(code)
  })

  test('encrypted for another key, or without a signature', async () => {
    const pair = await generateKeyPair('RSA-OAEP', { extractable: true })
    const foreign = await sealed(await jwt({ sub: 'x' }), await exportJWK(pair.privateKey))
    expect(await judge(foreign)).toBe('provider_invalid_response')
    expect(await judge(await sealed('{"sub":"x"}'))).toBe('invalid_token')
  })

  test('of a stranger, where signatures of user info count for nothing', async () => {
    const token = await jwt({ sub: 'x' }, {}, stranger)
    expect(await judge(token, { ignore_signature: ['userinfo'] })).toBe('ok')
  })
})

test('user info of another user than the ID token is refused', async () => {
  const config = { ...HOW_TO, search_user_info: true, userinfo_endpoint: `${ISSUER}/userinfo` }
  const codeOf = async (sub?: string) => {
    provider.instead['/userinfo'] = () => ({ json: { sub, email: 'a@b' } })
    provider.over = { id_token: await provider.idToken({ sub: 'alex' }) }
    const { exit } = await send(create(provider, config), { headers: [basic('alex', 'doe')] })
    return exit?.reason?.code ?? 'ok'
  }
  expect(await codeOf('alex')).toBe('ok')
  expect(await codeOf()).toBe('invalid_token')
  expect(await codeOf('mallory')).toBe('invalid_token')
})
