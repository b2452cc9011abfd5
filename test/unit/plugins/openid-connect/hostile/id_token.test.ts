import { beforeEach, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { CompactEncrypt, generateKeyPair } from 'jose'
import { signingKey } from '../provider.ts'
import type { Visitor } from '../visitor.ts'
import { base64url, encode, HostileProvider, leftHalf } from './provider.ts'
import { CLIENT, go, Scene } from './scene.ts'

const key = await signingKey('one')
const other = await signingKey('one')
let provider: HostileProvider
beforeEach(() => {
  provider = new HostileProvider(key)
})

/** The same token, signed with a secret. */
function withSecret(token: string, secret: string | Buffer, alg = 'HS256'): string {
  const [, payload] = token.split('.')
  const text = `${encode({ alg, typ: 'JWT' })}.${payload}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** The same token with another payload and its old signature. */
function withPayload(token: string, over: Record<string, unknown>): string {
  const [head, payload, signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object
  return [head, encode({ ...claims, ...over }), signature].join('.')
}

test('a login at a provider that does all right', async () => {
  const scene = new Scene(provider)
  const visitor = scene.visitor()
  const outcome = await scene.logIn(visitor, '/shop', 'a=1')
  expect([outcome.status, outcome.code]).toEqual([200, undefined])
  expect(outcome.told('authorization')).toStartWith('Bearer eyJ')
  expect((await go(visitor, '/shop')).status).toBe(200)
  scene.expectNoSecrets(outcome)
})

describe('an ID token is refused, and with it the login', () => {
  type Wrong = () => void
  const claims = (over: Record<string, unknown>): Wrong => {
    return () => void (provider.claims = over)
  }
  const header = (over: Record<string, unknown>): Wrong => {
    return () => void (provider.header = over)
  }
  const twist = (how: (token: string) => string): Wrong => {
    return () => void (provider.twist = how)
  }
  const ISS = 'https://provider.test/realms/one'

  // prettier-ignore
  test.each<[rule: string, codes: string, wrong: Wrong, config?: Record<string, unknown>]>([
    ['OIDC Core 2: sub is missing',                  'invalid_token',       claims({ sub: undefined })],
    ['OIDC Core 2: sub is empty',                    'invalid_token',       claims({ sub: '' })],
    ['OIDC Core 2: sub is no text',                  'invalid_token',       claims({ sub: 7 })],
    ['OIDC Core 2: sub is a list',                   'invalid_token',       claims({ sub: ['alex'] })],
    ['OIDC Core 2: exp is missing',                  'token_expired',       claims({ exp: undefined })],
    ['OIDC Core 2: exp is no time',                  'invalid_token',       claims({ exp: 'tomorrow' })],
    ['OIDC Core 2: exp is null',                     'invalid_token',       claims({ exp: null })],
    ['OIDC Core 2: exp is a list',                   'invalid_token',       claims({ exp: [9_999_999_999] })],
    ['OIDC Core 2: iat is missing',                  'invalid_token',       claims({ iat: undefined })],
    ['OIDC Core 2: iat is no time',                  'invalid_token',       claims({ iat: {} })],
    ['OIDC Core 3.1.3.7 (2): iss is missing',        'invalid_issuer',      claims({ iss: undefined })],
    ['OIDC Core 3.1.3.7 (2): iss is another',        'invalid_issuer',      claims({ iss: 'https://evil.test' })],
    ['OIDC Core 3.1.3.7 (2): iss is longer',         'invalid_issuer',      claims({ iss: `${ISS}/x` })],
    ['OIDC Core 3.1.3.7 (2): iss is shorter',        'invalid_issuer',      claims({ iss: 'https://provider.test/realms' })],
    ['OIDC Core 3.1.3.7 (2): iss in capitals',       'invalid_issuer',      claims({ iss: ISS.toUpperCase() })],
    ['OIDC Core 3.1.3.7 (2): iss without TLS',       'invalid_issuer',      claims({ iss: ISS.replace('https', 'http') })],
    ['OIDC Core 3.1.3.7 (2): iss with a query',      'invalid_issuer',      claims({ iss: `${ISS}?` })],
    ['OIDC Core 3.1.3.7 (2): iss is a list',         'invalid_issuer',      claims({ iss: [ISS] })],
    ['OIDC Core 3.1.3.7 (3): aud is missing',        'invalid_audience',    claims({ aud: undefined })],
    ['OIDC Core 3.1.3.7 (3): aud is another',        'invalid_audience',    claims({ aud: 'other' })],
    ['OIDC Core 3.1.3.7 (3): aud is empty',          'invalid_audience',    claims({ aud: [] })],
    ['OIDC Core 3.1.3.7 (3): aud is null',           'invalid_audience',    claims({ aud: null })],
    ['OIDC Core 3.1.3.7 (3): aud is an object',      'invalid_audience',    claims({ aud: { kong: true } })],
    ['OIDC Core 3.1.3.7 (3): aud is longer',         'invalid_audience',    claims({ aud: 'kong2' })],
    ['OIDC Core 3.1.3.7 (3): aud is a list in it',   'invalid_audience',    claims({ aud: [['kong']] })],
    ['OIDC Core 3.1.3.7 (3): aud is a text of two',  'invalid_audience',    claims({ aud: 'kong other' })],
    ['OIDC Core 3.1.3.7 (3): aud is one not trusted','invalid_audience',    claims({ aud: ['kong', 'evil'] })],
    ['OIDC Core 3.1.3.7 (4): aud of two without azp','invalid_audience',    claims({ aud: ['kong', 'evil'], azp: undefined })],
    ['OIDC Core 3.1.3.7 (5): azp is another',        'invalid_audience',    claims({ azp: 'evil' })],
    ['OIDC Core 3.1.3.7 (5): azp is null',           'invalid_audience',    claims({ azp: null })],
    ['OIDC Core 3.1.3.7 (5): azp is a list',         'invalid_audience',    claims({ azp: ['kong'] })],
    ['OIDC Core 3.1.3.7 (6): signed with a key of nobody', 'invalid_signature', () => void (provider.signer = other)],
    ['OIDC Core 3.1.3.7 (6): the signature is of another token', 'invalid_signature', twist((token) => withPayload(token, { email: 'root' }))],
    ['OIDC Core 3.1.3.7 (6): the signature is missing', 'invalid_token',    twist((token) => token.replace(/[^.]*$/, ''))],
    ['OIDC Core 3.1.3.7 (6): the signature is cut',  'invalid_signature invalid_token',   twist((token) => token.slice(0, -4))],
    ['OIDC Core 3.1.3.7 (7): alg none',              'invalid_token',       twist((token) => `${encode({ alg: 'none' })}.${token.split('.')[1]}.`)],
    ['OIDC Core 3.1.3.7 (7): alg None with a signature', 'invalid_token',   header({ alg: 'None' })],
    ['OIDC Core 3.1.3.7 (7): an algorithm of another type of key', 'invalid_signature', header({ alg: 'RS256' })],
    ['OIDC Core 3.1.3.7 (7): an algorithm of another curve', 'invalid_signature invalid_token', header({ alg: 'ES384' })],
    ['OIDC Core 3.1.3.7 (8): signed with the secret, which is not allowed', 'invalid_signature invalid_token', twist((token) => withSecret(token, CLIENT.client_secret[0]!))],
    ['OIDC Core 3.1.3.7 (8): signed with another secret', 'invalid_signature', twist((token) => withSecret(token, 'another')), { enable_hs_signatures: true }],
    ['OIDC Core 3.1.3.7 (8): signed with no secret',  'invalid_signature',  twist((token) => withSecret(token, '')), { enable_hs_signatures: true }],
    ['OIDC Core 3.1.3.7 (8): signed with the public key', 'invalid_signature', twist((token) => withSecret(token, JSON.stringify(key.jwk))), { enable_hs_signatures: true }],
    ['OIDC Core 3.1.3.7 (9): it is over',            'token_expired',       () => void (provider.claims = { exp: provider.seconds - 1 })],
    ['OIDC Core 3.1.3.7 (9): it is over at this second', 'token_expired',   () => void (provider.claims = { exp: provider.seconds })],
    ['OIDC Core 3.1.3.7 (9): it was never good',     'token_expired',       claims({ exp: -1 })],
    ['OIDC Core 3.1.3.7 (10): issued in an hour',    'token_not_yet_valid', () => void (provider.claims = { iat: provider.seconds + 3600 })],
    ['RFC 7519 4.1.5: good in an hour',              'token_not_yet_valid', () => void (provider.claims = { nbf: provider.seconds + 3600 })],
    ['OIDC Core 3.1.3.7 (11): nonce is missing',     'invalid_nonce',       claims({ nonce: undefined })],
    ['OIDC Core 3.1.3.7 (11): nonce is another',     'invalid_nonce',       claims({ nonce: 'x'.repeat(24) })],
    ['OIDC Core 3.1.3.7 (11): nonce is empty',       'invalid_nonce',       claims({ nonce: '' })],
    ['OIDC Core 3.1.3.7 (11): nonce is null',        'invalid_nonce',       claims({ nonce: null })],
    ['OIDC Core 3.1.3.7 (11): nonce is a list',      'invalid_nonce',       claims({ nonce: [] })],
    ['OIDC Core 3.1.3.7 (11): without verify_claims', 'invalid_nonce',      claims({ nonce: 'x' }), { verify_claims: false }],
    ['OIDC Core 3.1.3.7 (13): auth_time is missing', 'login_too_old',       claims({}), { max_age: 60 }],
    ['OIDC Core 3.1.3.7 (13): the login is too long ago', 'login_too_old',  () => void (provider.claims = { auth_time: provider.seconds - 61 }), { max_age: 60 }],
    ['OIDC Core 3.1.3.7 (13): auth_time is to come', 'login_too_old',       () => void (provider.claims = { auth_time: provider.seconds + 999 }), { max_age: 60 }],
    ['OIDC Core 3.1.3.7 (13): auth_time is no time', 'invalid_token',       claims({ auth_time: 'now' }), { max_age: 60 }],
    ['OIDC Core 3.1.3.8: at_hash is of another token', 'invalid_token',     claims({ at_hash: leftHalf('another') })],
    ['OIDC Core 3.1.3.8: at_hash is no text',        'invalid_token',       claims({ at_hash: 7 })],
    ['OIDC Core 3.1.3.8: at_hash is empty',          'invalid_token',       claims({ at_hash: '' })],
    ['OIDC Core 3.3.2.11: c_hash is of another code', 'invalid_token',      claims({ c_hash: leftHalf('another') })],
    ['OIDC Core 3.1.3.7 (1): it is no JWT',          'invalid_token',       twist(() => 'opaque')],
    ['RFC 7519 7.2: it has two parts',               'invalid_token',       twist((token) => token.split('.').slice(0, 2).join('.'))],
    ['RFC 7519 7.2: it has four parts',              'invalid_token',       twist((token) => `${token}.e30`)],
    ['RFC 7519 7.2: its payload is a list',          'invalid_token',       twist((token) => token.replace(/\.[^.]*\./, `.${encode([])}.`))],
    ['RFC 7519 7.2: its payload is no JSON',         'invalid_token',       twist((token) => token.replace(/\.[^.]*\./, `.${base64url('{')}.`))],
    ['RFC 7519 7.2: its payload is no UTF-8',        'invalid_token',       twist((token) => token.replace(/\.[^.]*\./, `.${base64url(Buffer.from('{"a":"\xff"}', 'latin1'))}.`))],
    ['RFC 7519 7.2: its header is null',             'invalid_token',       twist((token) => token.replace(/^[^.]*/, encode(null)))],
    ['RFC 7515 2: with padding',                     'invalid_token',       twist((token) => token.replace('.', '=.'))],
    ['RFC 7515 4.1.11: crit',                        'invalid_token',       header({ crit: ['exp'], exp: 1 })],
    ['RFC 7797 7: b64',                              'invalid_token',       header({ b64: true })],
    ['RFC 8725 3.10: jwk, the key of who has signed', 'invalid_token',      () => { provider.signer = other; provider.header = { jwk: other.jwk } }],
    ['RFC 8725 3.10: jku',                           'invalid_token',       header({ jku: 'https://evil.test/keys' })],
    ['RFC 8725 3.10: x5u',                           'invalid_token',       header({ x5u: 'https://evil.test/cert' })],
    ['RFC 8725 3.10: kid is a path',                 'invalid_signature',   () => { provider.signer = other; provider.header = { kid: '../../dev/null' } }],
    ['RFC 8725 3.10: kid is no text',                'invalid_signature',   () => { provider.signer = other; provider.header = { kid: { $ne: null } } }],
    ['RFC 8725 3.10: kid is of an object',           'invalid_signature',   () => { provider.signer = other; provider.header = { kid: '__proto__' } }],
    ['RFC 8725 3.6: compressed',                     'invalid_token',       header({ zip: 'DEF' })],
    ['RFC 8725 3.11: the type of an access token',   'invalid_token',       header({ typ: 'at+jwt' })],
    ['RFC 8725 3.11: the type of a logout token',    'invalid_token',       header({ typ: 'logout+jwt' })],
    ['RFC 8725 3.11: a logout token without a type', 'invalid_token',       () => { provider.header = { typ: undefined }; provider.claims = { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } } }],
    ['RFC 8725 3.11: the type of a DPoP proof',      'invalid_token',       header({ typ: 'dpop+jwt' })],
  ])('%s', async (...[, codes, wrong, config]) => {
    const scene = new Scene(provider, config)
    wrong()
    const visitor = scene.visitor()
    const outcome = await scene.logIn(visitor)
    scene.expectRefused(outcome, ...codes.split(' '))
    await expectStranger(visitor)
    expect(provider.asked.filter((each) => !each.includes('provider.test'))).toEqual([])
  })

  test('OIDC Core 3.1.3.7 (1): encrypted for somebody else', async () => {
    const { publicKey } = await generateKeyPair('RSA-OAEP-256')
    const [token] = [await provider.idToken({ nonce: 'n' })]
    const jwe = await new CompactEncrypt(new TextEncoder().encode(token))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128GCM', cty: 'JWT' })
      .encrypt(publicKey)
    provider.twist = () => jwe
    const scene = new Scene(provider)
    scene.expectRefused(await scene.logIn(scene.visitor()), 'invalid_token')
  })

  test('OIDC Core 3.1.3.7 (6): its key is gone at the next login', async () => {
    const scene = new Scene(provider)
    expect((await scene.logIn(scene.visitor())).status).toBe(200)
    provider.keys = [other.jwk]
    provider.pass(3601)
    scene.expectRefused(await scene.logIn(scene.visitor()), 'invalid_signature')
  })

  test('OIDC Core 3.1.3.7 (11): that of another login of this browser', async () => {
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const nonceOf = (url: string) => new URL(url).searchParams.get('nonce')
    const [first, second] = [await scene.begin(visitor), await scene.begin(visitor)]
    provider.claims = { nonce: nonceOf(first) }
    const query = String(provider.authorize(second))
    scene.expectRefused(await go(visitor, '/shop', { query }), 'invalid_nonce')
  })
})

describe('after a login', () => {
  const BY_SESSION = { refresh_tokens: true }

  /** A browser whose access token is over. */
  async function later(scene: Scene): Promise<Visitor> {
    const visitor = scene.visitor()
    expect((await scene.logIn(visitor)).status).toBe(200)
    provider.pass(301)
    return visitor
  }

  test('a refresh at a provider that does all right', async () => {
    const scene = new Scene(provider, BY_SESSION)
    expect((await go(await later(scene), '/shop')).status).toBe(200)
  })

  // prettier-ignore
  test.each<[rule: string, wrong: () => void]>([
    ['OIDC Core 12.2: iss is another',            () => void (provider.claims = { iss: 'https://evil.test' })],
    ['OIDC Core 12.2: sub is another',            () => void (provider.claims = { sub: 'root' })],
    ['OIDC Core 12.2: aud is another',            () => void (provider.claims = { aud: 'other' })],
    ['OIDC Core 12.2: azp is another',            () => void (provider.claims = { azp: 'other' })],
    ['OIDC Core 12.2: iat is to come',            () => void (provider.claims = { iat: provider.seconds + 3600 })],
    ['OIDC Core 12.2: it is over',                () => void (provider.claims = { exp: provider.seconds })],
    ['OIDC Core 12.2: at_hash is of another',     () => void (provider.claims = { at_hash: leftHalf('x') })],
    ['OIDC Core 12.2: signed by nobody',          () => void (provider.signer = other)],
    ['RFC 6749 6: the access token is of another issuer', () => void (provider.breaks.token = async (right) => ({ json: { ...right.json as object, id_token: undefined, access_token: await provider.accessToken({ iss: 'https://evil.test' }) } }))],
    ['RFC 6749 6: the access token is of another user', () => void (provider.breaks.token = async (right) => ({ json: { ...right.json as object, id_token: undefined, access_token: await provider.accessToken({ sub: 'root' }) } }))],
    ['RFC 6749 6: the access token is over',      () => void (provider.breaks.token = async (right) => ({ json: { ...right.json as object, id_token: undefined, access_token: await provider.accessToken({ exp: provider.seconds }) } }))],
  ])('a refresh is refused, and ends the session: %s', async (_, wrong) => {
    const scene = new Scene(provider, BY_SESSION)
    const visitor = await later(scene)
    const copy = visitor.copy()
    wrong()
    const outcome = await go(visitor, '/shop')
    expect(outcome.ctx.credential).toBeUndefined()
    expect([401, 302]).toContain(outcome.status)
    scene.expectNoSecrets(outcome)
    provider.claims = {}
    provider.signer = key
    provider.breaks = {}
    await expectStranger(visitor)
    await expectStranger(copy)
  })

  // prettier-ignore
  test.each<[rule: string, user: Record<string, unknown>]>([
    ['OIDC Core 5.3.2: sub is another',  { sub: 'root', email: 'root@one.test' }],
    ['OIDC Core 5.3.2: sub is missing',  { email: 'root@one.test' }],
    ['OIDC Core 5.3.2: sub is null',     { sub: null, email: 'root@one.test' }],
    ['OIDC Core 5.3.2: sub is a list',   { sub: ['alex'], email: 'root@one.test' }],
    ['OIDC Core 5.3.2: sub is in capitals', { sub: 'ALEX', email: 'root@one.test' }],
  ])('user info is not used: %s', async (_, user) => {
    provider.user = user
    const scene = new Scene(provider, {
      search_user_info: true,
      upstream_headers: [{ header: 'X-Email', path: ['email'] }],
    })
    const outcome = await scene.logIn(scene.visitor())
    scene.expectRefused(outcome, 'invalid_token')
    expect(outcome.told('x-email')).toBeUndefined()
  })
})

/** That a browser is not known. */
async function expectStranger(visitor: Visitor): Promise<void> {
  const { status, ctx, code } = await go(visitor, '/shop')
  expect([status, ctx.credential, code]).toEqual([302, undefined, undefined])
}
