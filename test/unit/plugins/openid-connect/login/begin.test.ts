import { beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { createPublicKey, verify } from 'node:crypto'
import { ISSUER, type SigningKey, signingKey } from '../provider.ts'
import { AUTHORIZE, LoginProvider, LoginScene, requestOf } from './scene.ts'

let key: SigningKey
let idp: LoginProvider
beforeAll(async () => void (key = await signingKey('one')))
beforeEach(() => void (idp = new LoginProvider(key)))

async function parametersOf(config: Record<string, unknown> = {}, asked = {}) {
  const url = await new LoginScene(idp, config).begin(asked)
  return Object.fromEntries(url.searchParams)
}

async function cookieOf(config: Record<string, unknown> = {}, asked = {}): Promise<string> {
  const { login, occasions } = new LoginScene(idp, config)
  const { request } = requestOf(new Map(), asked)
  const { cookies } = await login.begin(request, occasions.of(request))
  expect(cookies).toHaveLength(1)
  return cookies[0]!.replace(/=[\w-]+/, '=…')
}

test('the browser is sent to the provider, and nobody may keep the answer', async () => {
  const { login, occasions } = new LoginScene(idp)
  const { request } = requestOf(new Map())
  const { exit } = await login.begin(request, occasions.of(request))
  expect(exit.status).toBe(302)
  expect(exit.body).toBe('')
  expect(Object.fromEntries(exit.headers)).toEqual({
    'Cache-Control': 'no-store',
    Location: expect.stringContaining(`${AUTHORIZE}?`) as string,
  })
})

test('the authorization request says what Kong says', async () => {
  expect(await parametersOf({ scopes: ['openid', 'email'] })).toEqual({
    client_id: 'kong',
    response_type: 'code',
    response_mode: 'query',
    scope: 'openid email',
    redirect_uri: 'http://gateway.test:8000/shop',
    state: expect.stringMatching(/^[\w-]{24}$/) as string,
    nonce: expect.stringMatching(/^[\w-]{24}$/) as string,
    code_challenge: expect.stringMatching(/^[\w-]{43}$/) as string,
    code_challenge_method: 'S256',
  })
})

test('a blank is escaped, and what the endpoint has of a query stays', async () => {
  idp.metadata = { authorization_endpoint: `${AUTHORIZE}?tenant=one` }
  const { search } = await new LoginScene(idp, { scopes: ['openid', 'email'] }).begin()
  expect(search).toStartWith('?tenant=one&')
  expect(search).toContain('scope=openid%20email')
})

test('each login has a state, a nonce and a challenge of its own', async () => {
  const scene = new LoginScene(idp)
  const [one, two] = [await scene.begin(), await scene.begin()]
  for (const name of ['state', 'nonce', 'code_challenge'])
    expect(one.searchParams.get(name)).not.toBe(two.searchParams.get(name))
})

// prettier-ignore
test.each([
  [{},                                           undefined,   true],
  [{},                                           ['S256'],    true],
  [{},                                           ['plain'],   false],
  [{ require_proof_key_for_code_exchange: true },  ['plain'], true],
  [{ require_proof_key_for_code_exchange: false }, ['S256'],  false],
])('PKCE (RFC 7636) with %j, and methods %j: %p', async (config, code_challenge_methods_supported, isUsed) => {
  idp.metadata = { code_challenge_methods_supported }
  expect('code_challenge' in (await parametersOf(config))).toBe(isUsed)
})

// prettier-ignore
test.each([
  ['the host and the port that were asked for',  {},                                             'http://gateway.test:8000/shop'],
  ['the port that the request came to',          { host: 'gateway.test', port: 8080 },            'http://gateway.test:8080/shop'],
  ['no port where it is the usual one',          { host: 'gateway.test', port: 80 },              'http://gateway.test/shop'],
  ['no port where it is the usual one of TLS',   { scheme: 'https', port: 443 },                  'https://gateway.test/shop'],
  ['an IPv6 address',                            { host: '[::1]:8000' },                          'http://[::1]:8000/shop'],
  ['the path as it was sent, without a query',   { path: '/a%20b/%2e', query: 'c=d' },            'http://gateway.test:8000/a%20b/%2e'],
  ['a path that begins with two slashes',        { path: '//evil.test/' },                        'http://gateway.test:8000//evil.test/'],
  ['nothing that anybody says of a proxy',       { headers: [['X-Forwarded-Host', 'evil.test'], ['X-Forwarded-Proto', 'https']] }, 'http://gateway.test:8000/shop'],
  ['what a trusted proxy says',                  { isPeerTrusted: true, headers: [['X-Forwarded-Host', 'shop.test'], ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Port', '8443'], ['X-Forwarded-Path', '/front?x=y']] }, 'https://shop.test:8443/front'],
  ['the usual port of its scheme, if it says none', { isPeerTrusted: true, headers: [['X-Forwarded-Proto', 'https']] }, 'https://gateway.test/shop'],
  ['the port beside the host that it says',      { isPeerTrusted: true, headers: [['X-Forwarded-Host', 'shop.test:81']] }, 'http://shop.test:81/shop'],
  ['the last of those that it passed on',        { isPeerTrusted: true, headers: [['X-Forwarded-Host', 'evil.test, shop.test']] }, 'http://shop.test:8000/shop'],
  ['nothing of it that is no host',              { isPeerTrusted: true, headers: [['X-Forwarded-Host', 'a@b/c'], ['X-Forwarded-Port', '99999'], ['X-Forwarded-Path', 'no path'], ['X-Forwarded-Proto', 'javascript']] }, 'http://gateway.test:8000/shop'],
])('the redirect_uri is made of %s', async (_, asked, redirect_uri) => {
  expect((await parametersOf({}, asked)).redirect_uri).toBe(redirect_uri)
})

test('a redirect_uri of the configuration stands as it is, for each client its own', async () => {
  const config = {
    client_id: ['kong', 'other'],
    client_secret: ['a', 'b'],
    redirect_uri: ['https://one.test/cb', 'https://two.test/cb'],
  }
  expect((await parametersOf(config)).redirect_uri).toBe('https://one.test/cb')
  const chosen = await parametersOf(config, { query: 'client_id=other' })
  expect([chosen.client_id, chosen.redirect_uri]).toEqual(['other', 'https://two.test/cb'])
})

describe('further arguments', () => {
  test('are those of the configuration, the audience, and those that the client may choose', async () => {
    const parameters = await parametersOf(
      {
        audience: ['api'],
        authorization_query_args_names: ['prompt', 'bare'],
        authorization_query_args_values: ['login'],
        authorization_query_args_client: ['login_hint', 'prompt'],
      },
      { query: 'login_hint=alex&prompt=none&other=1' },
    )
    expect(parameters).toMatchObject({
      audience: 'api',
      prompt: 'login',
      bare: '',
      login_hint: 'alex',
    })
    expect(parameters.other).toBeUndefined()
  })

  test('take the place of the scopes, and of nothing that makes the login safe', async () => {
    const parameters = await parametersOf({
      authorization_query_args_names: ['scope', 'state', 'nonce', 'redirect_uri', 'code_challenge'],
      authorization_query_args_values: ['profile', 'x', 'x', 'https://evil.test', 'x'],
    })
    expect(parameters.scope).toBe('profile')
    for (const name of ['state', 'nonce', 'redirect_uri', 'code_challenge'])
      expect(parameters[name]).not.toMatch(/^(x|https:.*)$/)
  })

  test('scopes that are null are not sent', async () => {
    expect(await parametersOf({ scopes: null })).not.toHaveProperty('scope')
  })
})

describe('PAR (RFC 9126)', () => {
  // prettier-ignore
  test.each([
    [{},                                                 {},                                              false],
    [{ require_pushed_authorization_requests: true },    {},                                              true],
    [{},                                                 { require_pushed_authorization_requests: true }, true],
    [{ require_pushed_authorization_requests: false },   { require_pushed_authorization_requests: true }, false],
  ])('with %j and metadata %j: %p', async (config, metadata, isPushed) => {
    idp.metadata = metadata
    const parameters = await parametersOf(config)
    expect(idp.pushed).toHaveLength(isPushed ? 1 : 0)
    expect('request_uri' in parameters).toBe(isPushed)
  })

  test('hands everything in, and shows the browser a reference', async () => {
    const parameters = await parametersOf({
      require_pushed_authorization_requests: true,
      client_auth: ['client_secret_post'],
    })
    expect(parameters).toEqual({ client_id: 'kong', request_uri: 'urn:pushed:1' })
    expect(idp.pushed[0]).toMatchObject({
      client_id: 'kong',
      client_secret: 'kong-secret',
      response_type: 'code',
      redirect_uri: 'http://gateway.test:8000/shop',
      code_challenge_method: 'S256',
    })
  })

  test('a provider that does not take it in is no way around it', async () => {
    idp.metadata = { pushed_authorization_request_endpoint: undefined }
    const scene = new LoginScene(idp, { require_pushed_authorization_requests: true })
    await expect(scene.begin()).rejects.toMatchObject({ code: 'provider_invalid_response' })
  })
})

describe('JAR (RFC 9101)', () => {
  const JWK = {
    ...{ kty: 'EC', crv: 'P-256', kid: 'own', alg: 'ES256' },
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  }
  const config = { client_jwk: [JWK], require_signed_request_object: true }

  function read(request: string) {
    const [head, claims, signature] = request.split('.')
    const parse = (part?: string) => JSON.parse(Buffer.from(part!, 'base64url').toString())
    const { d: _, ...jwk } = JWK
    const isGood = verify(
      'sha256',
      Buffer.from(`${head}.${claims}`),
      { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature!, 'base64url'),
    )
    return { head: parse(head), claims: parse(claims), isGood }
  }

  test('signs all parameters for the provider, for a short time', async () => {
    const parameters = await parametersOf(config)
    expect(Object.keys(parameters).sort()).toEqual([
      'client_id',
      'request',
      'response_type',
      'scope',
    ])
    const { head, claims, isGood } = read(parameters.request!)
    expect(isGood).toBe(true)
    expect(head).toEqual({ alg: 'ES256', kid: 'own', typ: 'oauth-authz-req+jwt' })
    expect(claims).toMatchObject({
      iss: 'kong',
      aud: ISSUER,
      client_id: 'kong',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: 'http://gateway.test:8000/shop',
      code_challenge_method: 'S256',
      exp: idp.seconds + 300,
    })
    expect(claims).not.toHaveProperty('sub')
  })

  test('is handed in beforehand where that is wanted too', async () => {
    const parameters = await parametersOf({
      ...config,
      require_pushed_authorization_requests: true,
    })
    expect(parameters).toEqual({ client_id: 'kong', request_uri: 'urn:pushed:1' })
    expect(read(idp.pushed[0]!.request!).isGood).toBe(true)
    expect(idp.pushed[0]).not.toHaveProperty('redirect_uri')
  })

  test('is made where the provider demands it', async () => {
    idp.metadata = { require_signed_request_object: true }
    expect(await parametersOf({ client_jwk: [JWK] })).toHaveProperty('request')
  })
})

describe('the cookie', () => {
  // prettier-ignore
  test.each([
    [{},                                                    {},                  'authorization=…; Path=/; SameSite=Default; HttpOnly'],
    [{},                                                    { scheme: 'https' }, 'authorization=…; Path=/; SameSite=Default; Secure; HttpOnly'],
    [{ authorization_cookie_secure: false },                { scheme: 'https' }, 'authorization=…; Path=/; SameSite=Default; HttpOnly'],
    [{ authorization_cookie_same_site: 'None' },            {},                  'authorization=…; Path=/; SameSite=None; Secure; HttpOnly'],
    [{ authorization_cookie_http_only: false },             {},                  'authorization=…; Path=/; SameSite=Default'],
    [{ authorization_cookie_name: 'a', authorization_cookie_path: '/x', authorization_cookie_domain: 'b.test' }, {}, 'a=…; Domain=b.test; Path=/x; SameSite=Default; HttpOnly'],
  ])('with %j, asked by %j', async (config, asked, cookie) => {
    expect(await cookieOf(config, asked)).toBe(cookie)
  })

  test('shows nothing of what it holds', async () => {
    const scene = new LoginScene(idp)
    const { searchParams } = await scene.begin({ query: 'a=secret' })
    const value = scene.jar.get('authorization')!
    const bytes = Buffer.from(value, 'base64url').toString('latin1')
    for (const text of [searchParams.get('state')!, 'secret', 'gateway', 'kong'])
      expect(value + bytes).not.toContain(text)
  })

  test('is never longer than what browsers keep, however many tabs there are', async () => {
    const scene = new LoginScene(idp)
    for (let i = 0; i < 40; i++) {
      const { request } = requestOf(scene.jar, { query: `page=${'x'.repeat(i * 60)}` })
      const { cookies } = await scene.login.begin(request, scene.occasions.of(request))
      expect(cookies[0]!.length).toBeLessThanOrEqual(4096)
      scene.jar.set('authorization', /=([\w-]+)/.exec(cookies[0]!)![1]!)
    }
  })

  test('of an address that is too long keeps what it can', async () => {
    const scene = new LoginScene(idp)
    const url = await scene.begin({ query: 'x'.repeat(5000) })
    const finished = await scene.finish(idp.answer(url.href))
    expect(finished?.returnTo).toBe('http://gateway.test:8000/shop')
  })

  test('of a path that is too long keeps nothing: nobody is sent round in circles', async () => {
    const scene = new LoginScene(idp)
    await expect(scene.begin({ path: `/${'x'.repeat(5000)}` })).rejects.toMatchObject({
      code: 'login_too_long',
    })
  })
})

// prettier-ignore
test.each([
  ['no client',                         { client_id: null }, {},                                          'invalid_client'],
  ['no authorization endpoint',         {}, { authorization_endpoint: undefined },                        'provider_invalid_response'],
  ['one that is no place for browsers', {}, { authorization_endpoint: 'javascript:alert(1)' },            'provider_invalid_response'],
])('%s: nobody is sent anywhere', async (_, config, metadata, code) => {
  idp.metadata = metadata
  await expect(new LoginScene(idp, config).begin()).rejects.toMatchObject({ code })
})

test('an endpoint that is configured takes the place of the discovered one', async () => {
  const url = await new LoginScene(idp, { authorization_endpoint: 'http://localhost:8080' }).begin()
  expect(url.origin).toBe('http://localhost:8080')
})
