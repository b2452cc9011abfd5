import { beforeEach, describe, expect, test } from 'bun:test'
import { signingKey } from '../provider.ts'
import { base64url, encode, HostileProvider, type Over, type Reply } from './provider.ts'
import { FORM, go, Scene } from './scene.ts'

const key = await signingKey('one')
const other = await signingKey('one')
let provider: HostileProvider
beforeEach(() => {
  provider = new HostileProvider(key)
})

/** Members laid over those of a right answer. */
const over = (members: Over) => (right: Reply) => ({
  ...right,
  json: { ...(right.json as object), ...members },
})

describe('the answer that a browser brings is refused', () => {
  // prettier-ignore
  test.each<[rule: string, codes: string, answer: Over, config?: Record<string, unknown>]>([
    ['RFC 6749 4.1.2: code is empty',                 'invalid_login_answer',     { code: '' }],
    ['RFC 6749 4.1.2: code has a line break',         'invalid_login_answer',     { code: 'a\r\nb' }],
    ['RFC 6749 4.1.2: code is no ASCII',              'invalid_login_answer',     { code: 'ä' }],
    ['RFC 6749 4.1.2: code is too long',              'invalid_login_answer',     { code: 'x'.repeat(5000) }],
    ['RFC 6749 4.1.2: code is of nobody',             'invalid_grant',            { code: 'invented-code' }],
    ['RFC 6749 4.1.2: state is of nobody',            'invalid_state',            { state: 'x'.repeat(24) }],
    ['RFC 6749 4.1.2.1: access_denied',               'login_refused',            { error: 'access_denied' }],
    ['RFC 6749 4.1.2.1: error and code',              'login_refused',            { error: 'x', error_description: '<script>' }],
    ['RFC 6749 4.1.2.1: error is empty',              'login_refused',            { error: '' }],
    ['RFC 9207 2.4: iss is missing, and was announced', 'invalid_issuer',         { iss: undefined }],
    ['RFC 9207 2.4: iss is another',                  'invalid_issuer',           { iss: 'https://evil.test' }],
    ['RFC 9207 2.4: iss is longer',                   'invalid_issuer',           { iss: 'https://provider.test/realms/one/x' }],
    ['RFC 9207 2.4: iss in capitals',                 'invalid_issuer',           { iss: 'https://PROVIDER.test/realms/one' }],
    ['RFC 9207 2.4: iss with a port',                 'invalid_issuer',           { iss: 'https://provider.test:443/realms/one' }],
    ['RFC 9207 2.4: iss is empty',                    'invalid_issuer',           { iss: '' }],
    ['RFC 9207 2.4: error of another',                'invalid_issuer',           { iss: 'https://evil.test', error: 'access_denied' }],
    ['RFC 9700 4.4: not announced, but of another',   'invalid_issuer',           { iss: 'https://evil.test' }],
  ])('%s', async (...[rule, codes, answer]) => {
    if (rule.includes('not announced'))
      provider.metadata = { authorization_response_iss_parameter_supported: false }
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const query = String(provider.authorize(await scene.begin(visitor), answer))
    const outcome = await go(visitor, '/shop', { query })
    scene.expectRefused(outcome, ...codes.split(' '))
    const redeemed = provider.forms.length
    expect(redeemed).toBe(codes === 'invalid_grant' ? 1 : 0)
    expect((await go(visitor, '/shop')).status).toBe(302)
  })

  test.each(['code', 'state', 'iss', 'error', 'error_description', 'response'])(
    'RFC 6749 3.1: "%s" is there twice',
    async (name) => {
      const scene = new Scene(provider)
      const visitor = scene.visitor()
      const answer = provider.authorize(await scene.begin(visitor))
      const query = `${answer}&${name}=a&${name}=b`
      const outcome = await go(visitor, '/shop', { query })
      scene.expectRefused(outcome, 'invalid_login_answer')
      expect(provider.forms).toEqual([])
    },
  )

  test('RFC 9700 4.5.3: a code counts once, whatever becomes of it', async () => {
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const answer = provider.authorize(await scene.begin(visitor))
    const before = visitor.copy()
    provider.breaks.token = () => ({ status: 503, text: 'down' })
    const down = await go(visitor, '/shop', { query: String(answer) })
    scene.expectRefused(down, 'provider_invalid_response')
    provider.breaks = {}
    for (const each of [before, visitor]) {
      const again = await go(each, '/shop', { query: String(answer) })
      expect([again.status, again.ctx.credential]).toEqual([302, undefined])
    }
    expect(provider.forms).toHaveLength(1)
  })

  test('RFC 9700 2.1: nothing that a client sends replaces what makes a login safe', async () => {
    const names = ['state', 'nonce', 'redirect_uri', 'response_type', 'code_challenge']
    const all = [...names, 'client_id', 'response_mode', 'code_challenge_method', 'request']
    const scene = new Scene(provider, { authorization_query_args_client: all.slice(0, -1) })
    const query = all.map((name) => `${name}=https://evil.test`).join('&')
    const url = new URL(await scene.begin(scene.visitor(), '/shop', query))
    for (const name of all) expect(url.searchParams.getAll(name)).not.toContain('https://evil.test')
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
  })

  test.each([
    ['nothing of PKCE', undefined],
    ['plain alone', ['plain']],
    ['no list', 'plain'],
  ])('RFC 9700 4.8: the challenge is never "plain" where metadata says %s', async (_, methods) => {
    provider.metadata = { code_challenge_methods_supported: methods }
    const scene = new Scene(provider)
    const url = new URL(await scene.begin(scene.visitor()))
    expect(['S256', null]).toContain(url.searchParams.get('code_challenge_method'))
    const forced = new Scene(provider, { require_proof_key_for_code_exchange: true })
    const sent = new URL(await forced.begin(forced.visitor()))
    expect(sent.searchParams.get('code_challenge_method')).toBe('S256')
  })
})

describe('a signed answer (JARM) is refused', () => {
  // prettier-ignore
  test.each<[rule: string, codes: string, claims: Over, header?: Over]>([
    ['JARM 2.4 (3): iss is another',            'invalid_issuer',       { iss: 'https://evil.test' }],
    ['JARM 2.4 (3): iss is missing',            'invalid_issuer',       { iss: undefined }],
    ['JARM 2.4 (4): aud is another',            'invalid_audience',     { aud: 'other' }],
    ['JARM 2.4 (4): aud is missing',            'invalid_audience',     { aud: undefined }],
    ['JARM 2.4 (5): it is over',                'token_expired',        { exp: 1 }],
    ['JARM 2.4 (5): exp is missing',            'token_expired',        { exp: undefined }],
    ['JARM 2.4 (5): exp is no time',            'invalid_token',        { exp: 'soon' }],
    ['JARM 2.4 (6): alg of another type of key', 'invalid_signature',   {}, { alg: 'RS256' }],
    ['JARM 2.1: state is of nobody',            'invalid_state',        { state: 'x'.repeat(24) }],
    ['JARM 2.1: code is no text',               'invalid_login_answer', { code: 7 }],
    ['JARM 2.1: an error',                      'login_refused',        { error: 'access_denied' }],
    ['RFC 8725 3.10: jku',                      'invalid_token',        {}, { jku: 'https://evil.test' }],
    ['RFC 8725 3.11: an ID token',              'invalid_token',        { typ: 'ID' }],
    ['RFC 8725 3.11: an access token',          'invalid_token',        {}, { typ: 'at+jwt' }],
  ])('%s', async (...[, codes, claims, header]) => {
    const scene = new Scene(provider, { response_mode: 'query.jwt' })
    const visitor = scene.visitor()
    const url = await scene.begin(visitor)
    const query = String(await provider.authorizeSigned(url, claims, header))
    scene.expectRefused(await go(visitor, '/shop', { query }), ...codes.split(' '))
    expect(provider.forms).toEqual([])
  })

  // prettier-ignore
  test.each<[rule: string, response: (url: string) => Promise<string> | string]>([
    ['JARM 2.4 (6): signed by nobody',   async (url) => String((await provider.authorizeSigned(url, {}, {}, other)))],
    ['JARM 2.4 (6): alg none',           async (url) => `response=${encode({ alg: 'none' })}.${encode({ ...Object.fromEntries(provider.authorize(url)), aud: 'kong', exp: provider.seconds + 60 })}.`],
    ['JARM 2.1: no JWT',                 () => 'response=opaque'],
    ['JARM 2.1: nothing',                () => 'response='],
    ['JARM 2.1: two',                    async (url) => `${await provider.authorizeSigned(url)}&response=a`],
  ])('%s', async (_, response) => {
    const scene = new Scene(provider, { response_mode: 'query.jwt' })
    const visitor = scene.visitor()
    const query = await response(await scene.begin(visitor))
    const outcome = await go(visitor, '/shop', { query })
    const codes = ['invalid_signature', 'invalid_token', 'invalid_login_answer']
    scene.expectRefused(outcome, ...codes)
    expect(provider.forms).toEqual([])
  })

  test('JARM 2.3: a code without a signature is none, by query or form', async () => {
    for (const response_mode of ['jwt', 'query.jwt', 'form_post.jwt', 'form_post']) {
      const scene = new Scene(provider, { response_mode })
      const visitor = scene.visitor()
      const answer = String(provider.authorize(await scene.begin(visitor)))
      const byQuery = await go(visitor, '/shop', { query: answer })
      expect([byQuery.status, byQuery.ctx.credential]).toEqual([302, undefined])
      if (response_mode === 'form_post') continue
      const posted = { method: 'POST', headers: [FORM], body: answer }
      const byForm = await go(visitor, '/shop', posted)
      expect([401, 302]).toContain(byForm.status)
      expect(byForm.ctx.credential).toBeUndefined()
    }
    expect(provider.forms).toEqual([])
  })
})

describe('the answer of the token endpoint is refused', () => {
  // prettier-ignore
  test.each<[rule: string, breaks: (right: Reply) => Reply | Promise<Reply>]>([
    ['RFC 6749 5.1: no access_token',               over({ access_token: undefined })],
    ['RFC 6749 5.1: access_token is null',          over({ access_token: null })],
    ['RFC 6749 5.1: access_token is empty',         over({ access_token: '' })],
    ['RFC 6749 5.1: access_token is a list',        over({ access_token: ['a'] })],
    ['RFC 6749 5.1: access_token has a line break', over({ access_token: 'a\r\nX-Admin: yes' })],
    ['RFC 6749 5.1: access_token has a NUL',        over({ access_token: 'a\0b' })],
    ['RFC 6749 5.1: access_token is no ASCII',      over({ access_token: 'tökén' })],
    ['RFC 6749 5.1: no token_type',                 over({ token_type: undefined })],
    ['RFC 6749 7.1: token_type is unknown',         over({ token_type: 'mac' })],
    ['RFC 9449 5: token_type is DPoP, which nobody asked for', over({ token_type: 'DPoP' })],
    ['RFC 6749 5.1: refresh_token is a number',     over({ refresh_token: 7 })],
    ['RFC 6749 5.1: refresh_token has a line break', over({ refresh_token: 'a\nb' })],
    ['OIDC Core 3.1.3.3: there is no id_token',      over({ id_token: undefined })],
    ['OIDC Core 3.1.3.3: id_token is null',         over({ id_token: null })],
    ['OIDC Core 3.1.3.3: id_token is an object',    over({ id_token: {} })],
    ['OIDC Core 3.1.3.3: id_token is empty',        over({ id_token: '' })],
    ['RFC 6749 5.1: a list',                        (right) => ({ json: [right.json] })],
    ['RFC 6749 5.1: null',                          () => ({ json: null })],
    ['RFC 6749 5.1: a text',                        () => ({ json: 'token' })],
    ['RFC 6749 5.1: HTML',                          () => ({ text: '<html>', headers: { 'content-type': 'text/html' } })],
    ['RFC 6749 5.1: nothing',                       () => ({ text: '' })],
    ['RFC 6749 5.1: half of it',                    (right) => ({ text: JSON.stringify(right.json).slice(0, -20) })],
    ['RFC 6749 5.1: status 201',                    (right) => ({ ...right, status: 201 })],
    ['RFC 6749 5.1: status 400',                    (right) => ({ ...right, status: 400 })],
    ['RFC 6749 5.2: an error without a name',       () => ({ status: 400, json: {} })],
    ['RFC 6749 5.2: an error that is a number',     () => ({ status: 400, json: { error: 7 } })],
    ['RFC 6749 5.2: an error with a status of 500', () => ({ status: 500, json: { error: 'server_error' } })],
    ['RFC 9700 4.11: sent on to somebody else',     () => ({ status: 307, text: '', headers: { location: 'https://evil.test/token' } })],
    ['RFC 9700 4.11: sent on by 302',               () => ({ status: 302, text: '', headers: { location: 'http://127.0.0.1/' } })],
    ['RFC 9110: a failure of the connection',       () => { throw Object.assign(new Error('gone'), { code: 'closed' }) }],
    ['RFC 9110: a failure that is no error',        () => Promise.reject('gone')],
    ['RFC 9110: a failure that is nothing',         () => Promise.reject(undefined)],
  ])('%s', async (_, breaks) => {
    const scene = new Scene(provider)
    provider.breaks.token = breaks
    const visitor = scene.visitor()
    const outcome = await scene.logIn(visitor)
    expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
    expect((await go(visitor, '/shop')).status).toBe(302)
    expect(provider.asked.filter((each) => !each.includes('https://provider.test'))).toEqual([])
  })

  test.each([
    ['error', (form: Over) => ({ error: JSON.stringify(form) })],
    [
      'error_description',
      (form: Over) => ({ error: 'x', error_description: JSON.stringify(form) }),
    ],
    ['error_uri', (form: Over) => ({ error: 'x', error_uri: JSON.stringify(form) })],
    [
      'error_description, as a form',
      (form: Over) => ({
        error: 'x',
        error_description: String(new URLSearchParams(form as Record<string, string>)),
      }),
    ],
    [
      'error_description, each alone',
      (form: Over) => ({ error: 'x', error_description: Object.values(form).join(' and ') }),
    ],
    [
      'error_description, in Base64',
      (form: Over) => ({
        error: 'x',
        error_description: Buffer.from(String(form.client_secret)).toString('base64'),
      }),
    ],
    ['another member', (form: Over) => ({ error: 'invalid_grant', form })],
  ])('RFC 9700 4.2: what it repeats of the request in %s is told to nobody', async (_, say) => {
    for (const type of ['application/json', 'text/html']) {
      const scene = new Scene(provider, { display_errors: true })
      provider.breaks.token = (_, form) => ({
        status: type === 'text/html' ? 200 : 400,
        json: say(form),
        headers: { 'content-type': type },
      })
      const outcome = await scene.logIn(scene.visitor())
      expect(outcome.status).toBe(401)
      scene.expectNoSecrets(outcome)
    }
  })
})

describe('what is handed in beforehand (PAR) is refused', () => {
  // prettier-ignore
  test.each<[rule: string, breaks: (right: Reply) => Reply]>([
    ['RFC 9126 2.2: no request_uri',            over({ request_uri: undefined })],
    ['RFC 9126 2.2: request_uri is empty',      over({ request_uri: '' })],
    ['RFC 9126 2.2: request_uri is a list',     over({ request_uri: ['urn:a'] })],
    ['RFC 9126 2.2: expires_in is missing',     over({ expires_in: undefined })],
    ['RFC 9126 2.2: expires_in is negative',    over({ expires_in: -1 })],
    ['RFC 9126 2.2: status 200',                (right) => ({ ...right, status: 200 })],
    ['RFC 9126 2.3: an error',                  () => ({ status: 400, json: { error: 'invalid_request', error_description: 'no' } })],
    ['RFC 9126 2.2: no JSON',                   () => ({ status: 201, text: 'urn:a' })],
    ['RFC 9126 2.2: sent on to somebody else',  () => ({ status: 307, text: '', headers: { location: 'https://evil.test' } })],
  ])('%s', async (_, breaks) => {
    const scene = new Scene(provider, { require_pushed_authorization_requests: true })
    provider.breaks.push = breaks
    const outcome = await go(scene.visitor(), '/shop')
    expect([outcome.status, outcome.header('location')]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
  })
})

describe('the metadata of the provider leads no browser and no secret elsewhere', () => {
  const bad = [
    'http://provider.test/realms/one/x',
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    '//evil.test/x',
    '/x',
    'x',
    '',
    'https://',
    7,
    null,
    ['https://provider.test/x'],
  ].map((each) => [each])

  test.each(bad)('OIDC Discovery 3: authorization_endpoint is %p', async (url) => {
    provider.metadata = { authorization_endpoint: url }
    const scene = new Scene(provider)
    const outcome = await go(scene.visitor(), '/shop')
    expect([outcome.status, outcome.header('location')]).toEqual([401, undefined])
  })

  test.each(bad)('OIDC Discovery 3: token_endpoint is %p', async (url) => {
    provider.metadata = { token_endpoint: url }
    const scene = new Scene(provider)
    const outcome = await scene.logIn(scene.visitor())
    expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
    expect(provider.forms).toEqual([])
    scene.expectNoSecrets(outcome)
  })

  test.each(bad)('OIDC Discovery 3: jwks_uri is %p', async (url) => {
    provider.metadata = { jwks_uri: url }
    const scene = new Scene(provider)
    const outcome = await go(scene.visitor(), '/shop')
    expect(outcome.ctx.credential).toBeUndefined()
    expect(provider.asked.every((each) => each.startsWith('GET https://'))).toBe(true)
  })

  test.each(bad)('RP-Initiated Logout 2.1: end_session_endpoint is %p', async (url) => {
    provider.metadata = { end_session_endpoint: url }
    const scene = new Scene(provider, { logout_uri_suffix: '/logout' })
    const visitor = scene.visitor()
    expect((await scene.logIn(visitor)).status).toBe(200)
    const outcome = await go(visitor, '/logout', { method: 'POST' })
    expect([outcome.status, outcome.header('location')]).toEqual([200, undefined])
    expect((await go(visitor, '/shop')).status).toBe(302)
  })

  // prettier-ignore
  test.each<[rule: string, breaks: (right: Reply) => Reply]>([
    ['OIDC Discovery 4.2: status 201',                  (right) => ({ ...right, status: 201 })],
    ['OIDC Discovery 4.2: status 302',                  () => ({ status: 302, text: '', headers: { location: 'https://evil.test' } })],
    ['OIDC Discovery 4.2: HTML',                        () => ({ text: '<html>', headers: { 'content-type': 'text/html' } })],
    ['OIDC Discovery 4.2: no JSON',                     () => ({ text: '{' })],
    ['OIDC Discovery 4.2: a list',                      () => ({ json: [] })],
    ['OIDC Discovery 4.2: null',                        () => ({ json: null })],
    ['OIDC Discovery 4.2: a number',                    () => ({ json: 7 })],
    ['OIDC Discovery 3: no issuer',                     over({ issuer: undefined })],
    ['OIDC Discovery 3: issuer is a list',              over({ issuer: ['https://provider.test/realms/one'] })],
    ['OIDC Discovery 3: nothing but its name',          (right) => ({ json: { issuer: (right.json as { issuer: string }).issuer } })],
    ['RFC 8259 9: ten thousand lists in lists',         () => ({ text: '['.repeat(10_000) + ']'.repeat(10_000) })],
    ['RFC 8259: a member "__proto__"',                  () => ({ text: '{"__proto__":{"issuer":"https://provider.test/realms/one"}}' })],
  ])('%s', async (_, breaks) => {
    provider.breaks.discovery = breaks
    const scene = new Scene(provider)
    const outcome = await go(scene.visitor(), '/shop')
    expect([outcome.status, outcome.header('location')]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
    expect(provider.asked.filter((each) => !each.includes('https://provider.test'))).toEqual([])
    provider.breaks = {}
    provider.pass(3601)
    expect((await scene.logIn(scene.visitor())).status).toBe(200)
  })

  // prettier-ignore
  test.each<[rule: string, keys: unknown]>([
    ['RFC 7517 5: keys is no list',                 { ...key.jwk }],
    ['RFC 7517 5: keys is null',                    null],
    ['RFC 7517 5: no keys',                         []],
    ['RFC 7517 5: keys that are no keys',           [null, 7, 'a', [], {}]],
    ['RFC 7517 4.2: a key for encryption',          [{ ...key.jwk, use: 'enc' }]],
    ['RFC 7517 4.3: a key for other operations',    [{ ...key.jwk, key_ops: ['sign'] }]],
    ['RFC 8725 3.1: a key for another algorithm',   [{ ...key.jwk, alg: 'ES384' }]],
    ['RFC 8725 3.4: a point that is not on its curve', [{ ...key.jwk, x: base64url(new Uint8Array(32).fill(1)) }]],
    ['RFC 8725 3.5: a symmetric key',               [{ kty: 'oct', k: base64url('a'.repeat(32)), kid: 'one' }]],
    ['RFC 8725 3.5: a key of 1024 bits',            [{ kty: 'RSA', n: base64url(new Uint8Array(128).fill(255)), e: 'AQAB', kid: 'one' }]],
    ['RFC 8725 3.5: the exponent 1',                [{ kty: 'RSA', n: base64url(new Uint8Array(256).fill(255)), e: 'AQ', kid: 'one' }]],
  ])('no token is verified with %s', async (_, keys) => {
    provider.keys = keys
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const begun = await go(visitor, '/shop')
    const location = begun.header('location')
    const query = location === undefined ? '' : String(provider.authorize(location))
    const outcome = await go(visitor, '/shop', { query })
    expect([outcome.status, outcome.ctx.credential]).toEqual([401, undefined])
    scene.expectNoSecrets(outcome)
  })
})

test('OIDC Core 3.1.2.1: with a login the browser is told nothing that could be kept', async () => {
  const scene = new Scene(provider)
  const outcome = await go(scene.visitor(), '/shop')
  expect([outcome.status, outcome.header('cache-control'), outcome.exit?.body]).toEqual([
    302,
    'no-store',
    '',
  ])
})
