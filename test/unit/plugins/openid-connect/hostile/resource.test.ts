import { beforeEach, describe, expect, test } from 'bun:test'
import { createHash, createHmac } from 'node:crypto'
import { Holder } from '../possession/holder.ts'
import { basic, bearer, refreshToken } from '../plugin.ts'
import { signingKey } from '../provider.ts'
import { base64url, encode, HostileProvider, type Over, type Reply, sign } from './provider.ts'
import { Scene } from './scene.ts'

const key = await signingKey('one')
const other = await signingKey('one')
const holder = await Holder.create()
const thief = await Holder.create()
let provider: HostileProvider
beforeEach(() => {
  provider = new HostileProvider(key)
})

const HEAD = { alg: 'ES256', kid: 'one' }

/** Sends an access token twice over, so that what is kept of it counts too. */
async function expectRefused(config: Over, token: string, over: Over = {}): Promise<void> {
  provider.secrets.add(token)
  const scene = new Scene(provider, { ...config, display_errors: true })
  const visitor = scene.visitor()
  for (let i = 0; i < 2; i++) {
    const outcome = await visitor.send({ headers: [bearer(token)] }, over)
    expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
  }
}

describe('a JWT is refused as an access token', () => {
  // prettier-ignore
  test.each<[rule: string, token: () => Promise<string> | string]>([
    ['RFC 9068 4: iss is another',               () => provider.accessToken({ iss: 'https://evil.test' })],
    ['RFC 9068 4: iss is missing',               () => provider.accessToken({ iss: undefined })],
    ['RFC 9068 4: iss is an object',             () => provider.accessToken({ iss: { toString: 'x' } })],
    ['RFC 9068 4: typ is another',               () => provider.accessToken({}, { typ: 'id+jwt' })],
    ['RFC 9068 4: typ is no text',               () => provider.accessToken({}, { typ: ['at+jwt'] })],
    ['RFC 9068 4: typ is longer',                () => provider.accessToken({}, { typ: 'application/application/at+jwt' })],
    ['RFC 9068 4: typ of a logout token',        () => provider.accessToken({}, { typ: 'logout+jwt' })],
    ['RFC 9068 4: typ of a DPoP proof',          () => provider.accessToken({}, { typ: 'dpop+jwt' })],
    ['RFC 9068 4: typ of an introspection',      () => provider.accessToken({}, { typ: 'token-introspection+jwt' })],
    ['RFC 9068 4: typ of an authorization request', () => provider.accessToken({}, { typ: 'oauth-authz-req+jwt' })],
    ['RFC 9068 4: exp is over',                  () => provider.accessToken({ exp: provider.seconds - 1 })],
    ['RFC 9068 4: exp is now',                   () => provider.accessToken({ exp: provider.seconds })],
    ['RFC 9068 2.2: exp is missing',             () => provider.accessToken({ exp: undefined })],
    ['RFC 9068 4: alg none',                     async () => `${encode({ alg: 'none', typ: 'at+jwt' })}.${(await provider.accessToken()).split('.')[1]}.`],
    ['RFC 9068 4: alg NONE',                     async () => `${encode({ alg: 'NONE', typ: 'at+jwt' })}.${(await provider.accessToken()).split('.')[1]}.AAAA`],
    ['RFC 9068 4: signed with a key of nobody',  () => provider.accessToken({}, {}, other)],
    ['RFC 7519 4.1.4: exp is a word',            () => provider.accessToken({ exp: '12abc' })],
    ['RFC 7519 4.1.4: exp is beyond all numbers', async () => sign(HEAD, `{"iss":"${provider.issuer}","exp":1e999}`, key)],
    ['RFC 7519 4.1.4: exp is there twice, and over', async () => sign(HEAD, `{"iss":"${provider.issuer}","exp":9999999999,"exp":1}`, key)],
    ['RFC 7519 4.1.4: exp is true',              () => provider.accessToken({ exp: true })],
    ['RFC 7519 4.1.4: exp in another notation',  () => provider.accessToken({ exp: '0xffffffff' })],
    ['RFC 7519 4.1.4: exp in hexadecimal',       () => provider.accessToken({ exp: '1e12' })],
    ['RFC 7519 4.1.5: nbf is to come',           () => provider.accessToken({ nbf: provider.seconds + 60 })],
    ['RFC 7519 4.1.5: nbf is no time',           () => provider.accessToken({ nbf: {} })],
    ['RFC 7519 4.1.6: iat is to come',           () => provider.accessToken({ iat: provider.seconds + 60 })],
    ['RFC 7519 7.2: the claims are in "__proto__"', () => sign(HEAD, `{"__proto__":{"iss":"${provider.issuer}","exp":9999999999}}`, key)],
    ['RFC 7519 7.2: the payload is a list',      () => sign(HEAD, [{ iss: provider.issuer, exp: 9_999_999_999 }], key)],
    ['RFC 7519 7.2: the payload is a text',      () => sign(HEAD, '"text"', key)],
    ['RFC 7519 7.2: the payload is nothing',     () => sign(HEAD, '', key)],
    ['RFC 7519 7.2: ten thousand lists in lists', () => sign(HEAD, '['.repeat(5000) + ']'.repeat(5000), key)],
    ['RFC 7515 5.2: the header is there twice',  async () => { const token = await provider.accessToken(); return `${token.split('.')[0]}.${token}` }],
    ['RFC 7515 7.2: as JSON',                    async () => { const [p, payload, signature] = (await provider.accessToken()).split('.'); return JSON.stringify({ payload, signature, protected: p }) }],
    ['RFC 7515 4.1.11: crit',                    () => sign({ ...HEAD, crit: ['b64'], b64: false }, { iss: provider.issuer, exp: 9_999_999_999 }, key)],
    ['RFC 7515 4.1.11: crit of nothing',         () => sign({ ...HEAD, crit: [] }, { iss: provider.issuer, exp: 9_999_999_999 }, key)],
    ['RFC 7515 4.1.1: alg is missing',           () => sign({ kid: 'one' }, { iss: provider.issuer, exp: 9_999_999_999 }, key)],
    ['RFC 7515 4.1.1: alg is a list',            () => sign({ alg: ['ES256'] }, { iss: provider.issuer, exp: 9_999_999_999 }, key)],
    ['RFC 7515 4.1.1: alg of an object',         () => sign({ alg: 'constructor' }, { iss: provider.issuer, exp: 9_999_999_999 }, key)],
    ['RFC 7518 3.4: r and s are zero',           async () => `${(await provider.accessToken()).replace(/[^.]*$/, '')}${base64url(new Uint8Array(64))}`],
    ['RFC 7518 3.4: the signature is in DER',    async () => `${(await provider.accessToken()).replace(/[^.]*$/, '')}${base64url(new Uint8Array([0x30, 6, 2, 1, 0, 2, 1, 0]))}`],
    ['RFC 8725 2.1: HS256 with the public key',  async () => { const text = `${encode({ alg: 'HS256', kid: 'one' })}.${(await provider.accessToken()).split('.')[1]}`; return `${text}.${createHmac('sha256', JSON.stringify(key.jwk)).update(text).digest('base64url')}` }],
    ['RFC 8725 2.1: HS256 with nothing',         async () => { const text = `${encode({ alg: 'HS256', kid: 'one' })}.${(await provider.accessToken()).split('.')[1]}`; return `${text}.${createHmac('sha256', '').update(text).digest('base64url')}` }],
    ['RFC 8725 3.10: jwk',                       () => provider.accessToken({}, { jwk: other.jwk }, other)],
    ['RFC 8725 3.10: jku',                       () => provider.accessToken({}, { jku: 'https://evil.test/keys' }, other)],
    ['RFC 8725 3.10: x5c',                       () => provider.accessToken({}, { x5c: ['AAAA'] }, other)],
    ['RFC 8725 3.10: kid is a query',            () => provider.accessToken({}, { kid: "' OR 1=1 --" }, other)],
    ['RFC 8725 3.10: x5t of another',            () => provider.accessToken({}, { kid: undefined, x5t: 'AAAA' }, other)],
    ['OIDC Back-Channel Logout 2.4: a logout token', () => provider.accessToken({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })],
  ])('%s', async (_, token) => {
    await expectRefused({ auth_methods: ['bearer'], enable_hs_signatures: true }, await token())
    expect(provider.asked.every((each) => each.startsWith('GET https://provider.test/'))).toBe(true)
  })

  test('RFC 8725 3.10: an encrypted token whose inside nobody has signed', async () => {
    const text = [encode({ alg: 'RSA-OAEP', enc: 'A128GCM' }), 'AAAA', 'AAAA', 'AAAA', 'AAAA'].join(
      '.',
    )
    await expectRefused({ auth_methods: ['bearer'] }, text)
  })
})

describe('what introspection answers is refused', () => {
  const over = (members: Over) => (right: Reply) => ({
    ...right,
    json: { ...(right.json as object), ...members },
  })
  const CONFIG = { auth_methods: ['introspection'] }

  // prettier-ignore
  test.each<[rule: string, breaks: (right: Reply) => Reply | Promise<Reply>]>([
    ['RFC 7662 2.2: active is missing',         over({ active: undefined })],
    ['RFC 7662 2.2: active is false',           over({ active: false })],
    ['RFC 7662 2.2: active is "true"',          over({ active: 'true' })],
    ['RFC 7662 2.2: active is 1',               over({ active: 1 })],
    ['RFC 7662 2.2: active is a list',          over({ active: [true] })],
    ['RFC 7662 2.2: active is null',            over({ active: null })],
    ['RFC 7662 2.2: active in capitals',        () => ({ json: { ACTIVE: true, Active: true } })],
    ['RFC 7662 2.2: it is over',                () => ({ json: { active: true, exp: provider.seconds } })],
    ['RFC 7662 2.2: exp is no time',            over({ exp: 'never' })],
    ['RFC 7662 2.2: a list',                    (right) => ({ json: [right.json] })],
    ['RFC 7662 2.2: null',                      () => ({ json: null })],
    ['RFC 7662 2.2: true',                      () => ({ json: true })],
    ['RFC 7662 2.2: nothing',                   () => ({ text: '' })],
    ['RFC 7662 2.2: HTML',                      () => ({ text: '<html>active', headers: { 'content-type': 'text/html' } })],
    ['RFC 7662 2.2: active of "__proto__"',     () => ({ text: '{"__proto__":{"active":true}}' })],
    ['RFC 7662 2.3: status 401, and active',    (right) => ({ ...right, status: 401 })],
    ['RFC 7662 2.3: status 500, and active',    (right) => ({ ...right, status: 500 })],
    ['RFC 7662 2.3: sent on to somebody else',  () => ({ status: 307, text: '', headers: { location: 'https://evil.test' } })],
    ['RFC 7662 2.3: it repeats the token',      () => ({ status: 400, json: { error: 'x', error_description: 'the token opaque-token is none' } })],
    ['RFC 9110: a failure that is nothing',     () => Promise.reject(undefined)],
  ])('%s', async (_, breaks) => {
    provider.breaks.introspect = breaks
    await expectRefused(CONFIG, 'opaque-token')
  })

  const jwt = async (claims: Over, header: Over = {}, by = key): Promise<Reply> => {
    const told = { active: true, sub: 'alex', exp: provider.seconds + 300 }
    const usual = {
      iss: provider.issuer,
      aud: 'kong',
      iat: provider.seconds,
      token_introspection: told,
    }
    return {
      text: await sign(
        { ...HEAD, typ: 'token-introspection+jwt', ...header },
        { ...usual, ...claims },
        by,
      ),
      headers: { 'content-type': 'application/token-introspection+jwt' },
    }
  }

  test('RFC 9701: a right one is taken', async () => {
    provider.breaks.introspect = () => jwt({})
    const scene = new Scene(provider, CONFIG)
    expect((await scene.visitor().send({ headers: [bearer('opaque-token')] })).status).toBe(200)
  })

  // prettier-ignore
  test.each<[rule: string, answer: () => Promise<Reply>]>([
    ['RFC 9701 5: iss is another',              () => jwt({ iss: 'https://evil.test' })],
    ['RFC 9701 5: iss is missing',              () => jwt({ iss: undefined })],
    ['RFC 9701 5: aud is another',              () => jwt({ aud: 'other' })],
    ['RFC 9701 5: aud is missing',              () => jwt({ aud: undefined })],
    ['RFC 9701 5: iat is to come',              () => jwt({ iat: provider.seconds + 60 })],
    ['RFC 9701 5: token_introspection is missing', () => jwt({ token_introspection: undefined, active: true })],
    ['RFC 9701 5: token_introspection is a text', () => jwt({ token_introspection: '{"active":true}' })],
    ['RFC 9701 5: token_introspection is a list', () => jwt({ token_introspection: [{ active: true }] })],
    ['RFC 9701 5: it is not active',            () => jwt({ token_introspection: { active: false }, active: true })],
    ['RFC 9701 5: the token is over',           () => jwt({ token_introspection: { active: true, exp: 1 } })],
    ['RFC 9701 8.1: of another type',           () => jwt({}, { typ: 'JWT' })],
    ['RFC 9701 8.1: of no type',                () => jwt({}, { typ: undefined })],
    ['RFC 9701 8.1: a logout token',            () => jwt({ active: true }, { typ: 'logout+jwt' })],
    ['RFC 9701 5: signed by nobody',            () => jwt({}, {}, other)],
    ['RFC 8725 3.1: alg none',                  async () => ({ text: `${encode({ alg: 'none', typ: 'token-introspection+jwt' })}.${encode({ iss: provider.issuer, aud: 'kong', token_introspection: { active: true } })}.`, headers: { 'content-type': 'application/token-introspection+jwt' } })],
    ['RFC 8725 3.10: jwk',                      () => jwt({}, { jwk: other.jwk }, other)],
    ['RFC 9701 5: no JWT',                      async () => ({ text: 'true', headers: { 'content-type': 'application/token-introspection+jwt' } })],
  ])('%s', async (_, answer) => {
    provider.breaks.introspect = answer
    await expectRefused(CONFIG, 'opaque-token')
  })
})

describe('user info is refused', () => {
  // prettier-ignore
  test.each<[rule: string, breaks: (right: Reply) => Reply | Promise<Reply>]>([
    ['OIDC Core 5.3.3: status 401',              () => ({ status: 401, json: { error: 'invalid_token' } })],
    ['OIDC Core 5.3.3: status 403',              (right) => ({ ...right, status: 403 })],
    ['OIDC Core 5.3.3: status 500, and a user',  (right) => ({ ...right, status: 500 })],
    ['OIDC Core 5.3.2: sent on to somebody else', () => ({ status: 302, text: '', headers: { location: 'https://evil.test' } })],
    ['OIDC Core 5.3.2: null',                    () => ({ json: null })],
    ['OIDC Core 5.3.2: a list',                  (right) => ({ json: [right.json] })],
    ['OIDC Core 5.3.2: a text',                  () => ({ json: 'alex' })],
    ['OIDC Core 5.3.2: HTML',                    () => ({ text: '<html>', headers: { 'content-type': 'text/html' } })],
    ['OIDC Core 5.3.2: nothing',                 () => ({ text: '' })],
    ['OIDC Core 5.3.2: signed by nobody',        async () => ({ text: await sign(HEAD, { sub: 'alex', iss: provider.issuer }, other), headers: { 'content-type': 'application/jwt' } })],
    ['OIDC Core 5.3.2: signed, of another issuer', async () => ({ text: await sign(HEAD, { sub: 'alex', iss: 'https://evil.test' }, key), headers: { 'content-type': 'application/jwt' } })],
    ['OIDC Core 5.3.2: signed, for another client', async () => ({ text: await sign(HEAD, { sub: 'alex', iss: provider.issuer, aud: 'other' }, key), headers: { 'content-type': 'application/jwt' } })],
    ['OIDC Core 5.3.2: not signed',              () => ({ text: `${encode({ alg: 'none' })}.${encode({ sub: 'alex' })}.`, headers: { 'content-type': 'application/jwt' } })],
  ])('%s', async (_, breaks) => {
    provider.breaks.userinfo = breaks
    await expectRefused({ auth_methods: ['userinfo'] }, 'opaque-token')
  })
})

describe('a token that is bound to a certificate is refused', () => {
  const raw = Buffer.from('the certificate of the client')
  const S256 = createHash('sha256').update(raw).digest('base64url')
  const shown = { clientCertificate: { x509: { raw } } }
  const strangers = { clientCertificate: { x509: { raw: Buffer.from('another') } } }
  const CONFIG = { auth_methods: ['bearer'], proof_of_possession_mtls: 'strict' }

  test('RFC 8705 3: a right one is taken', async () => {
    const token = await provider.accessToken({ cnf: { 'x5t#S256': S256 } })
    const visitor = new Scene(provider, CONFIG).visitor()
    expect((await visitor.send({ headers: [bearer(token)] }, shown as never)).status).toBe(200)
  })

  // prettier-ignore
  test.each<[rule: string, cnf: unknown, over: Over, mode?: string]>([
    ['RFC 8705 3: shown is another',              { 'x5t#S256': S256 },                     strangers],
    ['RFC 8705 3: shown is none',                 { 'x5t#S256': S256 },                     {}],
    ['RFC 8705 3: shown is another, optional',    { 'x5t#S256': S256 },                     strangers, 'optional'],
    ['RFC 8705 3.1: no cnf',                      undefined,                                shown],
    ['RFC 8705 3.1: cnf is null',                 null,                                     shown],
    ['RFC 8705 3.1: cnf is empty',                {},                                       shown],
    ['RFC 8705 3.1: cnf is a text',               S256,                                     shown],
    ['RFC 8705 3.1: cnf is a list',               [{ 'x5t#S256': S256 }],                   shown],
    ['RFC 8705 3.1: x5t#S256 is a list',          { 'x5t#S256': [S256] },                   shown],
    ['RFC 8705 3.1: x5t#S256 is empty',           { 'x5t#S256': '' },                       shown],
    ['RFC 8705 3.1: x5t#S256 is null',            { 'x5t#S256': null },                     shown],
    ['RFC 8705 3.1: x5t#S256 is short',           { 'x5t#S256': S256.slice(0, -2) },        shown],
    ['RFC 8705 3.1: x5t#S256 in capitals',        { 'x5t#S256': S256.toUpperCase() },       shown],
    ['RFC 8705 3.1: x5t#S256 in hexadecimal',     { 'x5t#S256': createHash('sha256').update(raw).digest('hex') }, shown],
    ['RFC 8705 3.1: the older x5t',               { x5t: createHash('sha1').update(raw).digest('base64url') }, shown],
    ['RFC 8705 3.1: cnf is of "__proto__"',       JSON.parse(`{"__proto__":{"x5t#S256":"${S256}"}}`), shown],
    ['RFC 8705 3.1: x5t#S256 is a number, optional', { 'x5t#S256': 7 },                     shown, 'optional'],
    ['RFC 8705 3.1: cnf is a text, optional',     'x',                                      shown, 'optional'],
  ])('%s', async (...[, cnf, over, mode = 'strict']) => {
    const config = { ...CONFIG, proof_of_possession_mtls: mode }
    await expectRefused(config, await provider.accessToken({ cnf }), over)
  })
})

describe('a token that is bound to a key is refused', () => {
  const CONFIG = { auth_methods: ['bearer'], proof_of_possession_dpop: 'strict' }
  type Headers = [string, string][]
  const prove = (token: string, over: Over = {}, head: Over = {}, by = holder) =>
    by.prove(token, provider.now, over, head)
  const sends = async (
    token: string,
    over: Over = {},
    head: Over = {},
    by = holder,
  ): Promise<Headers> => [
    ['Authorization', `DPoP ${token}`],
    ['DPoP', await prove(token, over, head, by)],
  ]

  test('RFC 9449 4.3: a right one is taken', async () => {
    const token = await provider.accessToken({ cnf: { jkt: holder.jkt } })
    const visitor = new Scene(provider, CONFIG).visitor()
    expect((await visitor.send({ headers: await sends(token) })).status).toBe(200)
  })

  // prettier-ignore
  test.each<[rule: string, headers: (token: string) => Promise<Headers>, cnf?: unknown]>([
    ['RFC 9449 4.3 (1): no proof',                async (token) => [['Authorization', `DPoP ${token}`]]],
    ['RFC 9449 4.3 (1): two proofs',              async (token) => [...(await sends(token)), ['DPoP', await prove(token)]]],
    ['RFC 9449 4.3 (1): two proofs in one',       async (token) => [['Authorization', `DPoP ${token}`], ['DPoP', `${await prove(token)}, ${await prove(token)}`]]],
    ['RFC 9449 4.3 (2): it is no JWT',            async (token) => [['Authorization', `DPoP ${token}`], ['DPoP', 'x']]],
    ['RFC 9449 4.3 (3): no jti',                  (token) => sends(token, { jti: undefined })],
    ['RFC 9449 4.3 (3): no iat',                  (token) => sends(token, { iat: undefined })],
    ['RFC 9449 4.3 (4): typ is another',          (token) => sends(token, {}, { typ: 'JWT' })],
    ['RFC 9449 4.3 (6): signed with another key', (token) => sends(token, {}, { jwk: holder.jwk }, thief)],
    ['RFC 9449 4.3 (7): the private key is shown', (token) => sends(token, {}, { jwk: { ...holder.jwk, d: 'AAAA' } })],
    ['RFC 9449 4.3 (8): htm is another',          (token) => sends(token, { htm: 'POST' })],
    ['RFC 9449 4.3 (8): htm in small letters',    (token) => sends(token, { htm: 'get' })],
    ['RFC 9449 4.3 (9): htu of another host',     (token) => sends(token, { htu: 'http://evil.test/' })],
    ['RFC 9449 4.3 (9): htu of another path',     (token) => sends(token, { htu: 'http://gateway.test:8000/x' })],
    ['RFC 9449 4.3 (9): htu with TLS',            (token) => sends(token, { htu: 'https://gateway.test:8000/' })],
    ['RFC 9449 4.3 (9): htu with a name before it', (token) => sends(token, { htu: 'http://gateway.test:8000@evil.test/' })],
    ['RFC 9449 4.3 (11): it is too old',          (token) => sends(token, { iat: provider.seconds - 301 })],
    ['RFC 9449 4.3 (11): it is to come',          (token) => sends(token, { iat: provider.seconds + 60 })],
    ['RFC 9449 4.3 (12): ath is of another token', (token) => sends(token, { ath: createHash('sha256').update('x').digest('base64url') })],
    ['RFC 9449 4.3 (12): no ath',                 (token) => sends(token, { ath: undefined })],
    ['RFC 9449 4.3 (12): the key is another',     (token) => sends(token, {}, {}, thief)],
    ['RFC 9449 6.1: jkt is missing',              (token) => sends(token), {}],
    ['RFC 9449 6.1: jkt is empty',                (token) => sends(token), { jkt: '' }],
    ['RFC 9449 6.1: jkt is a number',             (token) => sends(token), { jkt: 7 }],
    ['RFC 9449 6.1: jkt is a list',               (token) => sends(token), { jkt: [holder.jkt] }],
    ['RFC 9449 6.1: jkt is longer',               (token) => sends(token), { jkt: `${holder.jkt}A` }],
    ['RFC 9449 6.1: cnf is missing',              (token) => sends(token), null],
    ['RFC 9449 7.2: sent as a bearer token',      async (token) => [bearer(token), ['DPoP', await prove(token)]]],
    ['RFC 9449 7.2: sent in both ways',           async (token) => [bearer(token), ...(await sends(token))]],
    ['RFC 9449 7.2: sent by a query too, with a blank', async (token) => [['Authorization', `Dpop  ${token}`], ['DPoP', 'x']]],
  ])('%s', async (...[, headersOf, cnf = { jkt: holder.jkt }]) => {
    const token = await provider.accessToken({ cnf })
    const headers = await headersOf(token)
    const scene = new Scene(provider, { ...CONFIG, display_errors: true })
    const outcome = await scene.visitor().send({ headers })
    expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
  })

  test('RFC 9449 11.1: a proof is used twice, at once or one after the other', async () => {
    const token = await provider.accessToken({ cnf: { jkt: holder.jkt } })
    const headers = await sends(token)
    const visitor = new Scene(provider, CONFIG).visitor()
    const all = await Promise.all(Array.from({ length: 10 }, () => visitor.send({ headers })))
    all.push(await visitor.send({ headers }))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
  })
})

describe('tokens of a grant are refused', () => {
  const CONFIG = {
    auth_methods: ['password', 'client_credentials', 'refresh_token'],
    refresh_token_param_name: 'refresh_token',
    refresh_token_param_type: ['header'],
    client_credentials_param_type: ['query'],
  }
  const grants = [
    ['password', () => ({ headers: [basic('alex', 'doe-of-alex')] })],
    ['refresh_token', () => ({ headers: [refreshToken(provider.refreshToken())] })],
    ['client_credentials', () => ({ query: 'client_id=app&client_secret=secret-of-app' })],
  ] as const

  // prettier-ignore
  const wrongs: [string, (right: Over) => Promise<Over> | Over][] = [
    ['RFC 9068 4: iss is another',          async () => ({ access_token: await provider.accessToken({ iss: 'https://evil.test' }) })],
    ['RFC 9068 4: it is over',              async () => ({ access_token: await provider.accessToken({ exp: 1 }) })],
    ['RFC 9068 4: signed by nobody',        async () => ({ access_token: await provider.accessToken({}, {}, other) })],
    ['RFC 8725 3.11: a logout token',       async () => ({ access_token: await provider.accessToken({}, { typ: 'logout+jwt' }) })],
    ['RFC 8725 3.1: alg none',              () => ({ access_token: `${encode({ alg: 'none' })}.${encode({ iss: provider.issuer })}.` })],
    ['OIDC Core 3.1.3.7 (3): aud is another', async () => ({ id_token: await provider.idToken({ aud: 'other' }) })],
    ['OIDC Core 3.1.3.7 (6): signed by nobody', async (right) => { provider.signer = other; const id_token = await provider.idToken({}, String(right.access_token)); provider.signer = key; return { id_token } }],
    ['OIDC Core 3.1.3.8: at_hash of another', async () => ({ id_token: await provider.idToken({}, 'another') })],
    ['RFC 6749 7.1: token_type is unknown', () => ({ token_type: 'N_A' })],
    ['RFC 6750 2.1: a token that breaks a header', () => ({ access_token: 'a\r\nX-Consumer-Id: root' })],
  ]

  for (const [grant, sent] of grants)
    test.each(wrongs)(`${grant}: %s`, async (_, over) => {
      provider.breaks.token = async (right) => ({
        json: { ...(right.json as object), ...(await over(right.json as Over)) },
      })
      const scene = new Scene(provider, CONFIG)
      const outcome = await scene.visitor().send(sent())
      expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
      scene.expectNoSecrets(outcome)
    })

  test('by a provider that does all right they are taken', async () => {
    for (const [, sent] of grants) {
      const scene = new Scene(provider, CONFIG)
      expect((await scene.visitor().send(sent())).status).toBe(200)
    }
  })
})
