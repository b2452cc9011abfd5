import { beforeEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Discovery } from '../../../../../src/plugins/openid-connect/discovery.ts'
import {
  createKeySet,
  judgeClaims,
  judgeHashes,
  parseJws,
  type TokenKind,
} from '../../../../../src/plugins/openid-connect/verify.ts'
import { createVerifier } from '../../../../../src/plugins/openid-connect/verify/verifier.ts'
import { send } from '../../context.ts'
import { basic, bearer, create, HOW_TO } from '../plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from '../provider.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const half = (hash: string, text: string) => {
  const digest = createHash(hash).update(text).digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

/** The code of the refusal of a login by password, or `ok`. */
async function codeOf(config: Record<string, unknown> = {}): Promise<string> {
  const { exit } = await send(create(provider, { ...HOW_TO, ...config }), {
    headers: [basic('alex', 'doe')],
  })
  return exit?.reason?.code ?? 'ok'
}

describe('an ID token of a grant (OpenID Connect Core §3.1.3.7)', () => {
  const seconds = Date.parse('2026-01-01T00:00:00Z') / 1000
  // prettier-ignore
  test.each([
    ['as it should be: ok',                      'ok',                  {}],
    ['2: of another issuer',                     'invalid_issuer',      { iss: 'https://evil.test' }],
    ['2: of no issuer',                          'invalid_issuer',      { iss: undefined }],
    ['3: for another client',                    'invalid_audience',    { aud: 'other' }],
    ['3: for nobody',                            'invalid_audience',    { aud: [] }],
    ['3: for others too, of whom it says none',  'invalid_audience',    { aud: ['kong', 'other'] }],
    ['4: for others too, asked for by us',       'ok',                  { aud: ['kong', 'other'], azp: 'kong' }],
    ['5: asked for by another',                  'invalid_audience',    { azp: 'other' }],
    ['9: that is over',                          'token_expired',       { exp: seconds }],
    ['9: without an end',                        'token_expired',       { exp: undefined }],
    ['10: of the future',                        'token_not_yet_valid', { iat: seconds + 10 }],
    ['§2: without iat',                          'invalid_token',       { iat: undefined }],
    ['§2: without sub',                          'invalid_token',       { sub: undefined }],
    ['§2: with a sub that is no text',           'invalid_token',       { sub: 1 }],
  ])('%s: %s', async (_, code, claims) => {
    provider.over = { id_token: await provider.idToken(claims) }
    expect(await codeOf()).toBe(code)
  })

  test('that belongs to another access token (§3.1.3.6)', async () => {
    const access_token = await provider.accessToken()
    const at_hash = half('sha256', access_token)
    provider.over = { access_token, id_token: await provider.idToken({ at_hash }) }
    expect(await codeOf()).toBe('ok')
    provider.over = { id_token: await provider.idToken({ at_hash }) }
    expect(await codeOf()).toBe('invalid_token')
    expect(await codeOf({ verify_claims: false })).toBe('ok')
  })

  test('may be kept after a refresh, though it belongs to the access token before', async () => {
    const handler = create(provider, HOW_TO)
    const sent = { headers: [basic('alex', 'doe')] }
    const access_token = await provider.accessToken()
    const id_token = await provider.idToken({ at_hash: half('sha256', access_token) })
    provider.over = { access_token, id_token }
    expect((await send(handler, sent)).exit).toBeUndefined()
    provider.over = {}
    provider.pass(301)
    expect((await send(handler, sent)).exit).toBeUndefined()
    expect(provider.lastForm.grant_type).toBe('refresh_token')
  })

  test('is no access token, and an access token is none', async () => {
    provider.over = { id_token: await provider.accessToken({ aud: 'kong' }) }
    expect(await codeOf()).toBe('invalid_token')
  })
})

test('what an ID token belongs to is hashed as its own algorithm does', () => {
  const hashes = (alg: string, hash: string) => () => {
    judgeHashes(
      { alg, claims: { at_hash: half(hash, 'token'), c_hash: half(hash, 'code') } },
      { access_token: 'token', code: 'code' },
    )
  }
  expect(hashes('RS256', 'sha256')).not.toThrow()
  expect(hashes('ES384', 'sha384')).not.toThrow()
  expect(hashes('HS512', 'sha512')).not.toThrow()
  expect(hashes('EdDSA', 'sha512')).not.toThrow()
  expect(hashes('ES384', 'sha256')).toThrow('at_hash')
  const wrong = { alg: 'RS256', claims: { c_hash: half('sha256', 'other') } }
  expect(() => judgeHashes(wrong, { code: 'code' })).toThrow('c_hash')
  expect(() => judgeHashes({ alg: 'RS256', claims: { c_hash: 1 } }, { code: 'c' })).toThrow()
  expect(() => judgeHashes(wrong, {})).not.toThrow()
})

test('a nonce has to be repeated, letter for letter', () => {
  const claims = { iss: ISSUER, sub: 'x', aud: 'kong', iat: 1, exp: 9, nonce: 'abc' }
  const expected = {
    ...({ kind: 'id token', issuers: [ISSUER], leeway: 0, now: 2, strict: true } as const),
    audience: 'kong',
  }
  expect(() => judgeClaims(claims, { ...expected, nonce: 'abc' })).not.toThrow()
  for (const nonce of ['abd', 'abcd', 'ABC', ''])
    expect(() => judgeClaims(claims, { ...expected, nonce })).toThrow('nonce')
  const { nonce: _, ...without } = claims
  expect(() => judgeClaims(without, { ...expected, nonce: 'abc' })).toThrow('nonce')
})

test('a nonce counts without verify_claims too', async () => {
  const jwt = await provider.idToken({ nonce: 'abc' })
  const metadata = { issuer: ISSUER }
  const discovery = { load: async () => ({ metadata, keys: createKeySet([key.jwk]) }) } as Discovery
  const config = { verify_claims: false, leeway: 0, enable_hs_signatures: false }
  const verifier = createVerifier(
    config as Parameters<typeof createVerifier>[0],
    discovery,
    async () => undefined,
    { now: () => provider.now },
  )
  const judge = (nonce: string) =>
    verifier.verify(jwt, { kind: 'id token', strict: true, nonce }, true, undefined)
  expect((await judge('abc')).jwk?.kid).toBe('one')
  await expect(judge('abd')).rejects.toThrow('nonce')
})

describe('a token that is of another kind than its place', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (typ: unknown, claims: object = {}) =>
    `${encode({ alg: 'ES256', typ })}.${encode(claims)}.AAAA`
  const kinds: TokenKind[] = ['access token', 'id token', 'logout token', 'user info']
  const taken = (text: string) =>
    kinds.filter((kind) => {
      try {
        return parseJws(text, kind)
      } catch {
        return false
      }
    })

  // prettier-ignore
  test.each([
    [undefined,                   kinds],
    ['JWT',                       kinds],
    ['jwt',                       kinds],
    ['application/jwt',           kinds],
    ['at+jwt',                    ['access token']],
    ['application/at+JWT',        ['access token']],
    ['logout+jwt',                ['logout token']],
    ['dpop+jwt',                  []],
    ['secevent+jwt',              []],
    ['token-introspection+jwt',   []],
    ['JOSE',                      []],
    [['JWT'],                     []],
    [null,                        []],
  ])('by its type %j (RFC 8725 §3.11)', (typ, expected) => {
    expect<string[]>(taken(token(typ))).toEqual(expected)
  })

  // prettier-ignore
  test.each([
    ['Bearer',  ['access token', 'user info']],
    ['ID',      ['id token', 'user info']],
    ['Logout',  ['logout token', 'user info']],
    ['Refresh', ['user info']],
    ['Offline', ['user info']],
    ['other',   kinds],
  ])('by the claim typ %j of Keycloak', (typ, expected) => {
    expect<string[]>(taken(token('JWT', { typ }))).toEqual(expected)
  })

  test('by the event of a logout (OpenID Connect Back-Channel Logout §2.4)', () => {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    expect(taken(token('JWT', { events }))).toEqual(['logout token'])
  })

  test('is refused as a bearer token, though it is signed', async () => {
    const handler = create(provider, { auth_methods: ['bearer'] })
    const judge = async (claims: Record<string, unknown>) => {
      const token = await provider.idToken(claims)
      return (await send(handler, { headers: [bearer(token)] })).exit?.reason?.code ?? 'ok'
    }
    expect(await judge({})).toBe('ok')
    expect(await judge({ typ: 'ID' })).toBe('invalid_token')
    expect(await judge({ typ: 'Refresh' })).toBe('invalid_token')
  })
})

describe('whose user may pass', () => {
  const seconds = () => provider.now / 1000
  async function judge(config: object, claims: object, id_token?: string): Promise<string> {
    const token = await provider.accessToken({ ...claims })
    const handler = create(provider, {
      auth_methods: ['bearer'],
      client_id: ['kong'],
      id_token_param_name: 'id_token',
      ...config,
    })
    const headers = [bearer(token)]
    if (id_token !== undefined) headers.push(['Id-Token', id_token])
    return (await send(handler, { headers })).exit?.reason?.code ?? 'ok'
  }

  // prettier-ignore
  test.each([
    ['ok',             { hd: 'a.test' }],
    ['ok',             { hd: 'b.test' }],
    ['invalid_domain', { hd: 'evil-a.test' }],
    ['invalid_domain', { hd: 'A.TEST' }],
    ['invalid_domain', { hd: ['a.test'] }],
    ['invalid_domain', { hd: null }],
    ['invalid_domain', {}],
  ])('domains: %s for %j', async (code, claims) => {
    expect(await judge({ domains: ['a.test', 'b.test'] }, claims)).toBe(code)
  })

  test('the ID token of another user says nothing of this one', async () => {
    const other = await provider.idToken({ sub: 'bob-id', hd: 'a.test' })
    expect(await judge({ domains: ['a.test'] }, {}, other)).toBe('invalid_token')
    expect(await judge({}, {}, other)).toBe('invalid_token')
  })

  test('domains: the ID token may say it, and must not say another', async () => {
    const config = { domains: ['a.test'] }
    expect(await judge(config, {}, await provider.idToken({ hd: 'a.test' }))).toBe('ok')
    const other = await provider.idToken({ hd: 'b.test' })
    expect(await judge(config, { hd: 'a.test' }, other)).toBe('invalid_domain')
  })

  // prettier-ignore
  test.each([
    ['ok',            -99],
    ['login_too_old', -100],
    ['ok',            1],
    ['login_too_old', 2],
  ])('max_age: %s for a login %d seconds from now', async (code, age) => {
    expect(await judge({ max_age: 100 }, { auth_time: seconds() + age })).toBe(code)
    expect(await judge({ max_age: 100 }, { auth_time: String(seconds() + age) })).toBe(code)
    expect(await judge({ max_age: 90, leeway: 10 }, { auth_time: seconds() + age })).toBe(
      age > 0 ? 'ok' : code,
    )
  })

  test('max_age: not without auth_time, nor with one that is no time', async () => {
    expect(await judge({ max_age: 100 }, {})).toBe('login_too_old')
    expect(await judge({ max_age: 100 }, { auth_time: 'x' })).toBe('invalid_token')
    expect(await judge({ max_age: 100, verify_claims: false }, {})).toBe('ok')
  })

  test('max_age: not for longer than it, however well the token is known', async () => {
    const handler = create(provider, { auth_methods: ['bearer'], max_age: 100 })
    const headers = [bearer(await provider.accessToken({ auth_time: seconds() }))]
    expect((await send(handler, { headers })).exit).toBeUndefined()
    provider.pass(99)
    expect((await send(handler, { headers })).exit).toBeUndefined()
    provider.pass(1)
    expect((await send(handler, { headers })).exit?.reason?.code).toBe('login_too_old')
  })
})

test('the key that has signed is told to the service', async () => {
  const handler = create(provider, {
    auth_methods: ['bearer'],
    client_id: ['kong'],
    id_token_param_name: 'id_token',
    upstream_access_token_jwk_header: 'X-Key',
    upstream_id_token_jwk_header: 'X-Id-Key',
  })
  const headers = [bearer(await provider.accessToken())]
  const { upstream } = await send(handler, {
    headers: [...headers, ['Id-Token', await provider.idToken()]],
  })
  for (const name of ['x-key', 'x-id-key']) {
    const told: unknown = JSON.parse(Buffer.from(upstream.get(name) ?? '', 'base64').toString())
    expect(told).toEqual(JSON.parse(JSON.stringify(key.jwk)))
  }
})

test('a secret that is a key in PEM verifies nothing', async () => {
  const pem =
    '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----'
  const token = await new SignJWT({ iss: ISSUER, exp: provider.now / 1000 + 60 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(pem))
  const handler = create(provider, {
    auth_methods: ['bearer'],
    enable_hs_signatures: true,
    client_id: ['kong'],
    client_secret: [pem],
  })
  const { exit } = await send(handler, { headers: [bearer(token)] })
  expect(exit?.reason?.code).toBe('invalid_token')
})
