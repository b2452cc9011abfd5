import { beforeEach, describe, expect, test } from 'bun:test'
import { SignJWT } from 'jose'
import { headerOf, send } from '../context.ts'
import { basic, bearer, create, gatewayOf, HOW_TO } from './plugin.ts'
import { ISSUER, ScriptedProvider, type SigningKey, signingKey } from './provider.ts'

const BEARER = {
  auth_methods: ['bearer'],
  client_id: ['kong'],
  client_secret: ['kong-secret-of-32-bytes-at-least'],
}
const key = await signingKey('one')
const stranger = await signingKey('one')
const rsa = await signingKey('rsa', 'RS256')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const seconds = () => provider.now / 1000
/** The code of the refusal of a bearer token, or `ok`. */
async function judge(token: string, config: Record<string, unknown> = {}): Promise<string> {
  const { exit } = await send(create(provider, { ...BEARER, ...config }), {
    headers: [bearer(token)],
  })
  if (!exit) return 'ok'
  expect(exit.status).toBe(401)
  expect(headerOf(exit, 'www-authenticate')).toBe(
    'Bearer realm="provider.test", error="invalid_token"',
  )
  return exit.reason?.code ?? ''
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = () => ({ iss: ISSUER, exp: seconds() + 60, sub: 'x' })
/** A token signed by the provider's key with any header. */
function signed(
  header: Record<string, unknown>,
  payload: object = claims(),
  by = key,
): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(payload))
  return sign({ alg: by.alg, kid: by.kid, ...header }, bytes, by)
}
async function sign(header: object, payload: Uint8Array, by: SigningKey): Promise<string> {
  const input = `${encode(header)}.${Buffer.from(payload).toString('base64url')}`
  const algorithm = by.alg === 'RS256' ? 'RSASSA-PKCS1-v1_5' : { name: 'ECDSA', hash: 'SHA-256' }
  const signature = await crypto.subtle.sign(algorithm, by.privateKey, Buffer.from(input))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}

describe('a bearer token is taken', () => {
  // prettier-ignore
  test.each([
    ['as the provider signs it',       () => provider.accessToken()],
    ['without kid',                    () => signed({ kid: undefined })],
    ['of type JWT',                    () => signed({ typ: 'JWT' })],
    ['of type at+jwt',                 () => signed({ typ: 'application/at+JWT' })],
    ['with its times as texts',        () => signed({}, { ...claims(), exp: String(seconds() + 60), nbf: String(seconds()), iat: String(seconds()) })],
    ['with a slash behind the issuer', () => signed({}, { ...claims(), iss: `${ISSUER}/` })],
    ['one second before its end',      () => signed({}, { ...claims(), exp: seconds() + 1 })],
  ])('%s', async (_, make) => {
    expect(await judge(await make())).toBe('ok')
  })

  test('of a key without kid, though the token names one', async () => {
    const { kid: _, ...nameless } = key.jwk
    provider.jwks = [nameless]
    expect(await judge(await provider.accessToken())).toBe('ok')
  })

  test('of one of several keys, though it names none', async () => {
    provider.jwks = [{ ...stranger.jwk, kid: 'other' }, rsa.jwk, key.jwk]
    expect(await judge(await signed({ kid: undefined }))).toBe('ok')
  })

  test('beside keys that are no keys', async () => {
    provider.jwks = [
      {} as never,
      1 as never,
      { kty: 'RSA', kid: 'one' },
      { kty: 'oct', k: 'x' },
      key.jwk,
    ]
    expect(await judge(await provider.accessToken())).toBe('ok')
  })

  test('RS256', async () => {
    provider.jwks = [rsa.jwk]
    expect(await judge(await signed({}, claims(), rsa))).toBe('ok')
  })
})

describe('a bearer token is refused', () => {
  const hs = (secret: string) =>
    new SignJWT(claims()).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
  const changed = async (part: number, change: (text: string) => string) => {
    const parts = (await provider.accessToken()).split('.')
    parts[part] = change(parts[part]!)
    return parts.join('.')
  }
  // prettier-ignore
  test.each([
    ['that is opaque',             'invalid_token',     async () => 'opaque'],
    ['that says null',             'malformed_credentials', async () => 'null'],
    ['of two parts',               'invalid_token',     async () => 'a.b'],
    ['of five parts',              'invalid_token',     async () => 'a.b.c.d.e'],
    ['of empty parts',             'invalid_token',     async () => '..'],
    ['without a signature',        'invalid_token',     () => changed(2, () => '')],
    ['with alg none',              'invalid_token',     async () => `${encode({ alg: 'none' })}.${encode(claims())}.`],
    ['with alg none, signed',      'invalid_token',     () => signed({ alg: 'none' })],
    ['with alg nOnE',              'invalid_token',     () => signed({ alg: 'nOnE' })],
    ['with alg as a list',         'invalid_token',     () => signed({ alg: ['ES256'] })],
    ['with another alg',           'invalid_signature', () => signed({ alg: 'RS256' })],
    ['with HS256 of a public key', 'invalid_token',     () => hs(JSON.stringify(key.jwk))],
    ['with HS256 of the secret',   'invalid_token',     () => hs(BEARER.client_secret[0]!)],
    ['with crit',                  'invalid_token',     () => signed({ crit: ['exp'], exp: 1 })],
    ['with b64 false',             'invalid_token',     () => signed({ crit: ['b64'], b64: false })],
    ['with zip',                   'invalid_token',     () => signed({ zip: 'DEF' })],
    ['with jku',                   'invalid_token',     () => signed({ jku: 'http://evil.test/keys' })],
    ['with its own key',           'invalid_token',     () => signed({ jwk: stranger.jwk }, claims(), stranger)],
    ['of a logout',                'invalid_token',     () => signed({ typ: 'logout+jwt' })],
    ['of a DPoP proof',            'invalid_token',     () => signed({ typ: 'dpop+jwt' })],
    ['of a stranger',              'invalid_signature', () => provider.accessToken({}, stranger)],
    ['with a changed payload',     'invalid_signature', () => changed(1, () => encode({ ...claims(), sub: 'admin' }))],
    ['with a padded signature',    'invalid_token',     () => changed(2, (text) => `${text}==`)],
    ['with stray bits',            'invalid_token',     () => changed(2, (text) => text.slice(0, -1) + (text.endsWith('A') ? 'B' : nextChar(text.at(-1)!)))],
    ['with a blank inside',        'malformed_credentials', () => changed(2, (text) => `${text.slice(0, 4)} ${text.slice(4)}`)],
    ['in the other alphabet',      'invalid_token',     () => changed(2, (text) => `${text}+`)],
    ['with a payload that is none','invalid_token',     () => sign({ alg: 'ES256', kid: 'one' }, Buffer.from('"x"'), key)],
    ['with a payload of bad UTF-8','invalid_token',     () => sign({ alg: 'ES256', kid: 'one' }, Buffer.from([0x7b, 0xff, 0x7d]), key)],
    ['of another issuer',          'invalid_issuer',    () => signed({}, { ...claims(), iss: 'http://evil.test' })],
    ['of two issuers',             'invalid_issuer',    () => signed({}, { ...claims(), iss: [ISSUER] })],
    ['without an issuer',          'invalid_issuer',    () => signed({}, { exp: seconds() + 60 })],
    ['without an end',             'token_expired',     () => signed({}, { iss: ISSUER })],
    ['at its end',                 'token_expired',     () => signed({}, { ...claims(), exp: seconds() })],
    ['after its end',              'token_expired',     () => signed({}, { ...claims(), exp: seconds() - 1 })],
    ['with an end that is no time','invalid_token',     () => signed({}, { ...claims(), exp: 'tomorrow' })],
    ['with an end of null',        'invalid_token',     () => signed({}, { ...claims(), exp: null })],
    ['before its time',            'token_not_yet_valid', () => signed({}, { ...claims(), nbf: seconds() + 1 })],
    ['from the future',            'token_not_yet_valid', () => signed({}, { ...claims(), iat: seconds() + 10 })],
  ])('%s: %s', async (_, code, make) => {
    expect(await judge(await make())).toBe(code)
  })

  /** Another last character that decodes to the same bytes: the spare bits differ. */
  function nextChar(char: string): string {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return alphabet[alphabet.indexOf(char) + 1]!
  }
})

describe('the configuration may ask for', () => {
  test('leeway', async () => {
    const late = await signed({}, { ...claims(), exp: seconds() - 5 })
    expect(await judge(late, { leeway: 6 })).toBe('ok')
    expect(await judge(late, { leeway: 5 })).toBe('token_expired')
    expect(await judge(await signed({}, { ...claims(), nbf: seconds() + 5 }), { leeway: 6 })).toBe(
      'ok',
    )
  })

  test('issuers_allowed, instead of the provider itself', async () => {
    const other = await signed({}, { ...claims(), iss: 'http://other.test' })
    expect(await judge(other, { issuers_allowed: ['http://other.test/'] })).toBe('ok')
    const own = await provider.accessToken()
    expect(await judge(own, { issuers_allowed: ['http://other.test'] })).toBe('invalid_issuer')
  })

  test('verify_claims: false, which leaves issuers_allowed and the signature', async () => {
    const late = await signed({}, { iss: 'http://other.test', exp: 1 })
    expect(await judge(late, { verify_claims: false })).toBe('ok')
    const allowed = { verify_claims: false, issuers_allowed: ['http://else.test'] }
    expect(await judge(late, allowed)).toBe('invalid_issuer')
    const forged = await provider.accessToken({}, stranger)
    expect(await judge(forged, { verify_claims: false })).toBe('invalid_signature')
  })

  test('no check but issuers_allowed, which counts still', async () => {
    const config = { verify_claims: false, verify_signature: false }
    const other = await signed({}, { iss: 'http://other.test' }, stranger)
    expect(await judge(other, config)).toBe('ok')
    expect(await judge(other, { ...config, issuers_allowed: [ISSUER] })).toBe('invalid_issuer')
    expect(await judge(other, { ...config, issuers_allowed: ['http://other.test'] })).toBe('ok')
    expect(provider.requests).toEqual([])
  })

  test('enable_hs_signatures, with the secret and no other key', async () => {
    const hs = (secret: string) =>
      new SignJWT(claims()).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const config = { enable_hs_signatures: true }
    expect(await judge(await hs(BEARER.client_secret[0]!), config)).toBe('ok')
    expect(await judge(await hs('another-secret-of-32-bytes-or-more'), config)).toBe(
      'invalid_signature',
    )
    const empty = { ...config, client_secret: ['x'] }
    expect(await judge(await hs('x'.repeat(32)), empty)).toBe('invalid_token')
  })

  test('verify_signature: false, and alg none is refused still', async () => {
    const config = { verify_signature: false }
    expect(await judge(await provider.accessToken({}, stranger), config)).toBe('ok')
    expect(await judge(`${encode({ alg: 'none' })}.${encode(claims())}.`, config)).toBe(
      'invalid_token',
    )
    expect(provider.requests.some((each) => each.endsWith('/token'))).toBe(false)
  })
})

describe('a token that was verified', () => {
  test('is answered at once until it ends, then no more', async () => {
    const handler = create(provider, BEARER)
    const sent = { headers: [bearer(await provider.accessToken())] }
    expect((await send(handler, sent)).exit).toBeUndefined()
    provider.pass(299)
    expect((await send(handler, sent)).exit).toBeUndefined()
    provider.pass(1)
    expect((await send(handler, sent)).exit?.reason?.code).toBe('token_expired')
  })

  test('is worth nothing to a plugin with another issuer, in the same gateway', async () => {
    const gateway = gatewayOf(provider)
    const sent = { headers: [bearer(await provider.accessToken())] }
    const one = create(provider, BEARER, gateway)
    const other = create(provider, { ...BEARER, issuers_allowed: ['http://b.test'] }, gateway)
    expect((await send(one, sent)).exit).toBeUndefined()
    expect((await send(other, sent)).exit?.status).toBe(401)
  })

  test('is refused as soon as its key is gone', async () => {
    const handler = create(provider, { ...BEARER, cache_ttl: 60 })
    const sent = { headers: [bearer(await provider.accessToken())] }
    expect((await send(handler, sent)).exit).toBeUndefined()
    provider.jwks = [{ ...stranger.jwk, kid: 'two' }]
    provider.pass(61)
    expect((await send(handler, sent)).exit?.reason?.code).toBe('invalid_signature')
  })
})

describe('tokens of a grant', () => {
  const ask = (config: Record<string, unknown>) =>
    send(create(provider, { ...HOW_TO, ...config }), { headers: [basic('alex', 'doe')] })
  const codeOf = async (config: Record<string, unknown> = {}) =>
    (await ask(config)).exit?.reason?.code ?? 'ok'

  test('are verified like others', async () => {
    provider.over = { access_token: await provider.accessToken({}, stranger) }
    expect(await codeOf()).toBe('invalid_signature')
    expect(await codeOf({ ignore_signature: ['password'] })).toBe('ok')
    expect(await codeOf({ ignore_signature: ['refresh_token'] })).toBe('invalid_signature')
  })

  test('may not be of another issuer', async () => {
    provider.claims = { iss: 'http://evil.test' }
    expect(await codeOf()).toBe('invalid_issuer')
  })

  test('may be opaque', async () => {
    provider.over = { access_token: 'opaque.with.dots.more' }
    const { exit, upstream, ctx } = await ask({})
    expect(exit).toBeUndefined()
    expect(upstream.get('authorization')).toBe('Bearer opaque.with.dots.more')
    expect(ctx.credential).toBeUndefined()
  })

  test('that are opaque satisfy no requirement', async () => {
    provider.over = { access_token: 'opaque' }
    expect(await codeOf({ scopes_required: ['openid'] })).toBe('insufficient_scope')
  })

  test('with alg none are refused', async () => {
    provider.over = { access_token: `${encode({ alg: 'none' })}.${encode(claims())}.` }
    expect(await codeOf()).toBe('invalid_token')
  })

  test('that could break out of a header are refused', async () => {
    provider.over = { access_token: 'a\r\nX-Admin: 1' }
    expect(await codeOf()).toBe('provider_invalid_response')
  })

  // prettier-ignore
  test.each([
    ['for this client',      'ok',                { aud: 'kong' }],
    ['for several clients',  'ok',                { aud: ['x', 'kong'], azp: 'kong' }],
    ['for another client',   'invalid_audience',  { aud: 'other' }],
    ['asked for by another', 'invalid_audience',  { aud: ['kong', 'x'], azp: 'x' }],
    ['without an audience',  'invalid_audience',  { aud: undefined }],
    ['of another issuer',    'invalid_issuer',    { aud: 'kong', iss: 'http://evil.test' }],
    ['that is over',         'token_expired',     { aud: 'kong', exp: 1 }],
  ])('with an ID token %s: %s', async (_, code, over) => {
    provider.over = { id_token: await provider.idToken(over) }
    expect(await codeOf()).toBe(code)
  })

  test('with a forged ID token are refused', async () => {
    provider.over = { id_token: await provider.idToken({}, stranger) }
    expect(await codeOf()).toBe('invalid_signature')
  })

  test('keep the ID token of the login after a refresh brought none, though it is over', async () => {
    const config = { ...HOW_TO, upstream_id_token_header: 'X-Id-Token' }
    const handler = create(provider, config)
    const sent = { headers: [basic('alex', 'doe')] }
    provider.over = { id_token: await provider.idToken() }
    const first = await send(handler, sent)
    provider.over = {}
    provider.pass(301)
    const second = await send(handler, sent)
    expect(second.exit).toBeUndefined()
    expect(provider.lastForm.grant_type).toBe('refresh_token')
    expect(second.upstream.get('x-id-token')).toBe(first.upstream.get('x-id-token')!)
  })
})
