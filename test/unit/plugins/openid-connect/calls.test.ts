import { createPublicKey, verify as verifyBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'bun:test'
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, jwtVerify } from 'jose'
import type { OutboundRequest } from '../../../../src/pdk.ts'
import type { Asker } from '../../../../src/plugins/openid-connect/calls.ts'
import { createIdentityProvider, pages } from '../../../../src/plugins/openid-connect/provider.ts'
import { Refusal } from '../../../../src/plugins/openid-connect/refusal.ts'
import { check } from '../../../../src/schema/check.ts'
import { schema, withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { testGateway } from '../context.ts'

const ISSUER = 'https://provider.test'
const NOW = Date.parse('2026-01-01T00:00:00Z')
const SECRET = 'a secret of 32 characters & more'
const OWN = { issuer: ISSUER, client_id: ['kong'], client_secret: [SECRET] }

const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  introspection_endpoint: `${ISSUER}/introspect`,
  userinfo_endpoint: `${ISSUER}/userinfo`,
  revocation_endpoint: `${ISSUER}/revoke`,
  end_session_endpoint: `${ISSUER}/logout`,
  pushed_authorization_request_endpoint: `${ISSUER}/par`,
  jwks_uri: `${ISSUER}/keys`,
}
const TOKENS = { access_token: 'at', token_type: 'Bearer', expires_in: 60 }

interface Sent extends OutboundRequest {
  readonly url: string
  readonly fields: Record<string, string>
  readonly form: Record<string, string>
}

type Answers = Record<string, { status?: number; body: unknown; headers?: Record<string, string> }>

/** A provider of one configuration, and what it was sent beside discovery. */
function scene(
  config: Record<string, unknown>,
  answers: Answers = {},
  parts: Parameters<typeof testGateway>[0] = {},
  document: Record<string, unknown> = DOCUMENT,
) {
  const sent: Sent[] = []
  const fetch = async (url: string, request: OutboundRequest) => {
    const { pathname } = new URL(url)
    const answer = answers[pathname]
    if (pathname.endsWith('/.well-known/openid-configuration')) return Response.json(document)
    if (pathname === '/keys') return Response.json({ keys: [] })
    const fields = Object.fromEntries(new Headers(request.headers))
    const form = Object.fromEntries(new URLSearchParams(request.body))
    sent.push({ ...request, url, fields, form })
    const { status = 200, body = TOKENS, headers = {} } = answer ?? {}
    const isText = typeof body === 'string'
    const type = { 'content-type': isText ? 'text/plain' : 'application/json', ...headers }
    return new Response(isText ? body : JSON.stringify(body), { status, headers: type })
  }
  const gateway = testGateway({ fetch, now: () => NOW, ...parts })
  const { value, faults } = check(schema, { ...OWN, ...config })
  if (faults) throw new Error(JSON.stringify(faults))
  const provider = createIdentityProvider(withDefaults(value), gateway)
  return { provider, calls: provider.calls, sent, gateway }
}

const alex = { name: 'alex', secret: 'doe' }
const refusalOf = (asking: Promise<unknown>): Promise<Refusal> =>
  asking.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: unknown) => {
      if (error instanceof Refusal) return error
      throw error
    },
  )

function parseJwt(token: string) {
  const [head, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  return { head: JSON.parse(head!) as unknown, claims: JSON.parse(claims!) as JWTPayload }
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

test.each(['password', 'introspect', 'userInfo'] as const)(
  'what is passed on to %s is in no words about its failure',
  async (call) => {
    const description = 'otp 384756 of device-proof is wrong'
    const failure = {
      status: 400,
      body: { error: 'invalid_grant', error_description: description },
    }
    const { calls } = scene({}, { '/token': failure, '/introspect': failure, '/userinfo': failure })
    const passed = {
      args: [['otp', '384756']],
      headers: [['x-device', 'device-proof']],
      key: 'k',
    } as const
    const by = { client: undefined, passed }
    const asking = call === 'password' ? calls.password(alex, by) : calls[call]('token-1', by)
    const { message } = await refusalOf(asking)
    expect(message).toContain('otp … of … is wrong')
  },
)

describe("a caller's own client never authenticates as the gateway", () => {
  const MEANS = {
    client_jwk: [{ kty: 'oct', k: Buffer.from('key of the gateway').toString('base64url') }],
    tls_client_auth_cert_id: 'own',
  }
  const parts = { findCertificate: () => ({ cert: 'cert', key: 'key' }) as never }
  const basic = `Basic ${Buffer.from('kong:anything').toString('base64')}`
  const METHODS = [
    'client_secret_basic',
    'client_secret_post',
    'client_secret_jwt',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    'none',
  ]

  async function judge(config: object, supported?: readonly string[]) {
    const document = {
      ...DOCUMENT,
      ...(supported && { token_endpoint_auth_methods_supported: supported }),
    }
    const { calls, sent } = scene({ ...MEANS, ...config }, {}, parts, document)
    await calls.client_credentials({ name: 'kong', secret: 'anything' })
    const { fields, form, certificate } = sent[0]!
    expect(certificate).toBeUndefined()
    const { client_assertion, client_secret } = form
    if (client_assertion !== undefined)
      await jwtVerify(client_assertion, Buffer.from('anything'), { currentDate: new Date(NOW) })
    else expect(client_secret ?? fields.authorization).toBe(client_secret ? 'anything' : basic)
    return client_assertion ? 'jwt' : client_secret ? 'post' : 'basic'
  }

  test.each(METHODS)('where token_endpoint_auth_method is %s', async (method) => {
    const isSecret = method.startsWith('client_secret_')
    const expected = isSecret ? method.slice('client_secret_'.length) : 'basic'
    expect(await judge({ token_endpoint_auth_method: method })).toBe(expected)
    const keyless = { client_jwk: undefined, token_endpoint_auth_method: method }
    expect(await judge(keyless)).toBe(expected)
    const other = { token_endpoint_auth_method: method, client_auth: ['client_secret_post'] }
    expect(await judge(other)).toBe(isSecret ? expected : 'post')
  })

  test.each(METHODS)('where client_auth is %s', async (method) => {
    const isSecret = method.startsWith('client_secret_')
    const expected = isSecret ? method.slice('client_secret_'.length) : 'basic'
    expect(await judge({ client_auth: [method] })).toBe(expected)
  })

  test.each(METHODS)('where the provider names %s first', async (method) => {
    const isSecret = method.startsWith('client_secret_')
    const expected = isSecret ? method.slice('client_secret_'.length) : 'post'
    expect(await judge({}, [method, 'client_secret_post'])).toBe(expected)
    expect(await judge({}, [method])).toBe(isSecret ? expected : 'basic')
  })
})

describe('the client authenticates', () => {
  test('with client_secret_basic, form-encoded first (RFC 6749 §2.3.1)', async () => {
    const { calls, sent } = scene({ client_auth: ['client_secret_basic'] })
    await calls.password(alex)
    const expected = Buffer.from('kong:a+secret+of+32+characters+%26+more').toString('base64')
    expect(sent[0]!.fields.authorization).toBe(`Basic ${expected}`)
    expect(sent[0]!.body).toBe('grant_type=password&username=alex&password=doe&scope=openid')
    expect(sent[0]!.fields['content-type']).toBe('application/x-www-form-urlencoded;charset=UTF-8')
  })

  test('with client_secret_post', async () => {
    const { calls, sent } = scene({ client_auth: ['client_secret_post'] })
    await calls.refresh_token('rt')
    expect(sent[0]!.body).toBe(
      'grant_type=refresh_token&refresh_token=rt&client_id=kong&client_secret=a+secret+of+32+characters+%26+more',
    )
    expect(sent[0]!.fields.authorization).toBeUndefined()
  })

  test.each([
    [undefined, 'HS256'],
    ['HS512', 'HS512'],
  ])('with client_secret_jwt, client_alg %s', async (alg, expected) => {
    const { calls, sent } = scene({
      client_auth: ['client_secret_jwt'],
      ...(alg && { client_alg: [alg] }),
    })
    await calls.password(alex)
    const { client_assertion, ...form } = sent[0]!.form
    // No client_id beside it: the assertion says who it is.
    expect(form).toEqual({
      grant_type: 'password',
      username: 'alex',
      password: 'doe',
      scope: 'openid',
      client_assertion_type: ASSERTION_TYPE,
    })
    const { protectedHeader, payload } = await jwtVerify(client_assertion!, Buffer.from(SECRET), {
      currentDate: new Date(NOW),
    })
    expect(protectedHeader).toEqual({ alg: expected, typ: 'JWT' })
    const { jti, ...claims } = payload
    expect(jti).toMatch(/^[\da-f-]{36}$/)
    const iat = NOW / 1000
    const aud = `${ISSUER}/token`
    expect(claims).toEqual({ iss: 'kong', sub: 'kong', aud, iat, exp: iat + 60 })
  })

  test.each(['RS256', 'RS384', 'PS256', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'with private_key_jwt by a key for %s, with its kid and each assertion once',
    async (alg) => {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
      const jwk = { ...(await exportJWK(privateKey)), kid: 'k1' }
      const { calls, sent } = scene({
        client_auth: ['private_key_jwt'],
        client_secret: null,
        client_alg: [alg],
        client_jwk: [jwk],
      })
      await calls.password(alex)
      await calls.password(alex)
      const [first, second] = sent.map(({ form }) => form.client_assertion!)
      const verified = await jwtVerify(first!, publicKey, { currentDate: new Date(NOW) })
      expect(verified.protectedHeader).toEqual({ alg, typ: 'JWT', kid: 'k1' })
      expect(sent[0]!.form.client_id).toBeUndefined()
      expect(parseJwt(second!).claims.jti).not.toBe(verified.payload.jti)
    },
  )

  test.each([
    { client_auth: ['private_key_jwt'] },
    { require_signed_request_object: true },
    { require_signed_request_object: true, client_alg: ['ES256'] },
  ])(
    'the keys of %j are published from the start, in a prefix that is made for them',
    async (config) => {
      const parent = mkdtempSync(join(tmpdir(), 'keys-'))
      try {
        const prefix = join(parent, 'not', 'there')
        const { gateway } = scene({ client_auth: null, ...config }, {}, { prefix })
        const page = await pages(gateway as never, () => [])['/openid-connect/jwks']!()
        expect((JSON.parse(page.body) as { keys: object[] }).keys).toHaveLength(10)
        expect(statSync(prefix).mode & 0o777).toBe(0o700)
      } finally {
        rmSync(parent, { recursive: true })
      }
    },
  )

  test('with private_key_jwt by a key of the gateway, which is published and outlives it', async () => {
    const prefix = mkdtempSync(join(tmpdir(), 'keys-'))
    const config = { client_auth: ['private_key_jwt'], client_secret: null, client_alg: ['ES256'] }
    try {
      const before = scene(config, {}, { prefix })
      await before.calls.password(alex)
      const assertion = before.sent[0]!.form.client_assertion!
      const page = await pages(before.gateway as never, () => [])['/openid-connect/jwks']!()
      expect(page.contentType).toBe('application/jwk-set+json')
      const set = JSON.parse(page.body) as { keys: Record<string, string>[] }
      expect(set.keys.map(({ alg }) => alg)).toEqual(
        'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' '),
      )
      for (const key of set.keys)
        for (const secret of 'd p q dp dq qi k'.split(' ')) expect(key).not.toHaveProperty(secret)
      expect(new Set(set.keys.map(({ kid }) => kid)).size).toBe(10)
      await jwtVerify(assertion, createLocalJWKSet(set as never), { currentDate: new Date(NOW) })

      const file = join(prefix, '.gatehouse-openid-connect-jwks.json')
      expect(statSync(file).mode & 0o777).toBe(0o600)
      const after = scene({ ...config, client_alg: ['RS256'] }, {}, { prefix })
      await after.calls.password(alex)
      expect((await pages(after.gateway as never, () => [])['/openid-connect/jwks']!()).body).toBe(
        page.body,
      )
      expect(readFileSync(file, 'utf8')).toContain('"kid"')
    } finally {
      rmSync(prefix, { recursive: true })
    }
  })

  test.each(['tls_client_auth', 'self_signed_tls_client_auth'])(
    'with %s, at the alias for it (RFC 8705 §5)',
    async (method) => {
      const certificate = { id: 'c1', cert: 'CERT', key: 'KEY' }
      const config = {
        client_auth: [method],
        client_secret: null,
        tls_client_auth_cert_id: 'c1',
        tls_client_auth_ssl_verify: false,
        mtls_introspection_endpoint: 'https://mtls.test/own/introspect',
      }
      const aliases = {
        token_endpoint: 'https://mtls.test/token',
        introspection_endpoint: 'https://mtls.test/introspect',
      }
      const { calls, sent } = scene(
        config,
        { '/own/introspect': { body: { active: true } }, '/revoke': { body: '' } },
        { findCertificate: (id) => (id === 'c1' ? (certificate as never) : undefined) },
        { ...DOCUMENT, mtls_endpoint_aliases: aliases },
      )
      await calls.password(alex)
      await calls.introspect('t')
      await calls.revoke('t', 'access_token')
      expect(sent.map(({ url }) => url)).toEqual([
        'https://mtls.test/token',
        'https://mtls.test/own/introspect',
        `${ISSUER}/revoke`,
      ])
      for (const each of sent) {
        expect(each.certificate).toMatchObject({ cert: 'CERT', key: 'KEY' })
        expect(each.ssl_verify).toBe(false)
        expect(each.form.client_id).toBe('kong')
      }
    },
  )

  test('with a certificate that is not there: refused without a call', async () => {
    const { calls, sent } = scene({
      client_auth: ['tls_client_auth'],
      tls_client_auth_cert_id: 'x',
    })
    const refusal = await refusalOf(calls.password(alex))
    expect([refusal.code, refusal.message]).toEqual([
      'invalid_client',
      'tls_client_auth_cert_id names no certificate of the configuration',
    ])
    expect(sent).toEqual([])
    const { faults } = check(schema, { ...OWN, client_auth: ['tls_client_auth'] })
    expect(JSON.stringify(faults)).toContain('tls_client_auth_cert_id')
  })

  test('with none', async () => {
    const { calls, sent } = scene({ client_auth: ['none'] })
    await calls.refresh_token('rt')
    expect(sent[0]!.body).toBe('grant_type=refresh_token&refresh_token=rt&client_id=kong')
  })

  test('at each endpoint as its own field says', async () => {
    const { calls, sent } = scene(
      {
        client_auth: ['client_secret_post'],
        introspection_endpoint_auth_method: 'client_secret_basic',
        revocation_endpoint_auth_method: 'none',
        pushed_authorization_request_endpoint_auth_method: 'client_secret_jwt',
      },
      {
        '/introspect': { body: { active: true } },
        '/par': { status: 201, body: { request_uri: 'urn:x', expires_in: 60 } },
      },
    )
    await calls.introspect('t')
    await calls.revoke('t', 'refresh_token')
    await calls.pushAuthorizationRequest(new URLSearchParams({ response_type: 'code' }))
    expect(sent[0]!.fields.authorization).toStartWith('Basic ')
    expect(sent[1]!.body).toBe('token=t&token_type_hint=refresh_token&client_id=kong')
    expect(parseJwt(sent[2]!.form.client_assertion!).claims.aud).toBe(`${ISSUER}/par`)
  })

  test('to a provider that demands pushed requests with the issuer as audience (FAPI 2.0 §5.3.2.1)', async () => {
    const document = { ...DOCUMENT, require_pushed_authorization_requests: true }
    const { calls, sent } = scene({ client_auth: ['client_secret_jwt'] }, {}, {}, document)
    await calls.password(alex)
    expect(parseJwt(sent[0]!.form.client_assertion!).claims.aud).toBe(ISSUER)
  })

  const OFFERS = {
    token_endpoint_auth_methods_supported: [
      'private_key_jwt',
      'tls_client_auth',
      'client_secret_post',
    ],
  }
  test('as the provider offers and it has the means for, where nothing is configured', async () => {
    const { calls, sent } = scene({}, {}, {}, { ...DOCUMENT, ...OFFERS })
    await calls.password(alex)
    expect(sent[0]!.form.client_secret).toBe(SECRET)
  })

  test('a key that is none is refused, and not shown', async () => {
    const jwk = { kty: 'EC', crv: 'P-256', x: 'xxx', y: 'yyy', d: 'very secret', kid: 'k' }
    const { calls } = scene({ client_auth: ['private_key_jwt'], client_jwk: [jwk] })
    const refusal = await refusalOf(calls.password(alex))
    expect([refusal.code, refusal.message]).toEqual([
      'invalid_client',
      'client_jwk is no private key',
    ])
    expect(refusal.cause).toBeUndefined()
  })
})

describe('of several clients', () => {
  test('each has its own secret, way and key; what is missing is as for the first', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwks = [
      { ...(await exportJWK(privateKey)), kid: 'first' },
      {
        ...(await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)),
        kid: 'second',
      },
    ]
    const { provider, calls, sent } = scene({
      client_id: ['a', 'b', 'c'],
      client_secret: ['secret of a', 'secret of b'],
      client_auth: ['private_key_jwt', 'private_key_jwt', 'client_secret_post'],
      client_jwk: jwks,
      redirect_uri: ['https://a.test/', 'https://b.test/'],
    })
    const { all } = provider.clients
    const by = (index: number): Asker => ({
      client: all[index]!,
      passed: { headers: [], args: [], key: '' },
    })
    for (const index of [0, 1, 2]) await calls.password(alex, by(index))
    const heads = sent.slice(0, 2).map(({ form }) => parseJwt(form.client_assertion!))
    expect(heads.map(({ head, claims }) => [head, claims.sub])).toEqual([
      [{ alg: 'ES256', typ: 'JWT', kid: 'first' }, 'a'],
      [{ alg: 'ES256', typ: 'JWT', kid: 'second' }, 'b'],
    ])
    expect([sent[2]!.form.client_id, sent[2]!.form.client_secret]).toEqual(['c', 'secret of a'])
    expect(all.map(({ redirect_uri }) => redirect_uri)).toEqual([
      'https://a.test/',
      'https://b.test/',
      'https://a.test/',
    ])
  })
})

const passed: Asker['passed'] = {
  headers: [['X-Tenant', 'blue']],
  args: [
    ['scope', 'read'],
    ['tenant', 'blue'],
  ],
  key: 'k',
}

describe('the grant', () => {
  test('authorization_code sends code, redirect_uri and verifier, and no scope', async () => {
    const { calls, sent } = scene({ client_auth: ['none'] })
    await calls.authorization_code({
      code: 'c',
      redirect_uri: 'https://gw.test/cb',
      code_verifier: 'v',
    })
    expect(sent[0]!.body).toBe(
      'grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fgw.test%2Fcb&code_verifier=v&client_id=kong',
    )
  })

  test('password sends what the client passes, but not over what the operator wrote', async () => {
    const { provider, calls, sent } = scene({
      client_auth: ['none'],
      token_post_args_names: ['tenant'],
      token_post_args_values: ['red'],
      token_headers_names: ['X-Fixed'],
      token_headers_values: ['1'],
    })
    await calls.password(alex, { client: provider.clients.first!, passed })
    expect(sent[0]!.form).toMatchObject({ scope: 'read', tenant: 'red' })
    expect(sent[0]!.body!.match(/scope=|tenant=/g)).toHaveLength(2)
    expect(sent[0]!.fields).toMatchObject({ 'x-tenant': 'blue', 'x-fixed': '1' })
  })

  test('client_credentials goes as the caller, or with the assertion that the caller sends', async () => {
    const { calls, sent } = scene({
      client_auth: ['private_key_jwt'],
      client_jwk: null,
      scopes: null,
    })
    await calls.client_credentials({ name: 'caller', secret: 'its' })
    expect(sent[0]!.fields.authorization).toBe(`Basic ${btoa('caller:its')}`)
    await calls.client_credentials({ name: '', secret: 'a.b.c', isAssertion: true })
    expect(sent[1]!.form).toEqual({
      grant_type: 'client_credentials',
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: 'a.b.c',
    })
  })

  test('token-exchange asks for what token_exchange.request says (RFC 8693 §2.1)', async () => {
    const exchange = (request: object) => ({
      client_auth: ['none'],
      audience: ['usual'],
      token_exchange: { subject_token_issuers: [{ issuer: 'https://other.test' }], request },
    })
    const bodies = []
    for (const request of [
      { scopes: ['a', 'b'], audience: ['x', 'y'] },
      { empty_scopes: true, empty_audience: true },
      {},
    ]) {
      const { calls, sent } = scene(exchange(request))
      await calls.token_exchange('subject')
      bodies.push(
        sent[0]!.body!.slice(
          'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&'.length,
        ),
      )
    }
    const subject =
      'subject_token=subject&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token'
    expect(bodies).toEqual([
      `${subject}&scope=a+b&audience=x&audience=y&client_id=kong`,
      `${subject}&client_id=kong`,
      `${subject}&scope=openid&audience=usual&client_id=kong`,
    ])
  })

  test('gives the headers that the client is to see, for the grants that are named', async () => {
    const answers = {
      '/token': { body: TOKENS, headers: { 'X-Rate': '9', 'Content-Length': '1' } },
    }
    const config = {
      token_headers_replay: ['x-rate', 'content-length'],
      token_headers_grants: ['password'],
    }
    const one = scene(config, answers)
    expect((await one.calls.password(alex)).replayed).toEqual([['x-rate', '9']])
    expect((await one.calls.refresh_token('r')).replayed).toBeUndefined()
    const two = scene({ ...config, token_headers_prefix: 'Idp-' }, answers)
    expect((await two.calls.password(alex)).replayed).toContainEqual(['Idp-x-rate', '9'])
  })
})

describe('introspection', () => {
  const active = { '/introspect': { body: { active: true, scope: 'a' } } }

  test('is what RFC 7662 §2.1 says, with what is configured and passed', async () => {
    const { provider, calls, sent } = scene(
      {
        client_auth: ['client_secret_basic'],
        introspection_token_param_name: 'tok',
        introspection_hint: 'refresh_token',
        introspection_headers_names: ['Authorization', 'X-Tenant'],
        introspection_headers_values: ['Bearer own', 'red'],
        introspection_post_args_names: ['realm'],
        introspection_post_args_values: ['r'],
        introspection_accept: 'application/token-introspection+jwt',
      },
      active,
    )
    const told = await calls.introspect('t', { client: provider.clients.first!, passed })
    expect(told).toEqual({ claims: { active: true, scope: 'a' }, jwt: undefined })
    expect(sent[0]!.body).toBe('tok=t&token_type_hint=refresh_token&realm=r&scope=read&tenant=blue')
    expect(sent[0]!.fields).toMatchObject({
      accept: 'application/token-introspection+jwt',
      authorization: 'Bearer own',
      'x-tenant': 'red',
    })
  })

  const jwt = (claims: object) =>
    ['{"alg":"ES256"}', JSON.stringify(claims), 's']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')

  test('in a JWT gives the claims and the JWT; in a JWE the JWE alone', async () => {
    const told = async (body: string, type: string) => {
      const answers = { '/introspect': { body, headers: { 'content-type': type } } }
      return scene({}, answers).calls.introspect('t')
    }
    const signed = jwt({ token_introspection: { active: true } })
    expect(await told(signed, 'application/token-introspection+jwt')).toEqual({
      claims: { active: true },
      jwt: signed,
    })
    const plain = jwt({ active: true })
    expect(await told(plain, 'application/jwt;charset=utf-8')).toEqual({
      claims: { active: true },
      jwt: plain,
    })
    expect(await told('a.b.c.d.e', 'application/jwt')).toEqual({
      claims: undefined,
      jwt: 'a.b.c.d.e',
    })
    for (const bad of ['', 'x', 'a.b', 'a.b.c', '{"active":true}'])
      expect((await refusalOf(told(bad, 'application/jwt'))).code).toBe('provider_invalid_response')
  })

  // prettier-ignore
  test.each([
    ['401 in words of OAuth',    { status: 401, body: { error: 'invalid_client', active: true } }, 'invalid_client'],
    ['403 with a body',          { status: 403, body: { active: true } },                          'provider_invalid_response'],
    ['a redirect',               { status: 302, body: { active: true } },                          'provider_invalid_response'],
    ['a list',                   { body: [] },                                                     'provider_invalid_response'],
    ['a page',                   { body: '<html>', headers: { 'content-type': 'text/html' } },     'provider_invalid_response'],
  ])('that answers %s is a failure', async (_, answer, code) => {
    const { calls } = scene({}, { '/introspect': answer })
    expect((await refusalOf(calls.introspect('the-token-itself'))).code).toBe(code as never)
  })

  test('does not bring the token into what is told of a failure', async () => {
    const body = { error: 'invalid_request', error_description: 'token the-token-itself is bad' }
    const { calls } = scene({}, { '/introspect': { status: 400, body } })
    const { message } = await refusalOf(calls.introspect('the-token-itself'))
    expect(message).toContain('400 invalid_request')
    expect(message).not.toContain('the-token-itself')
  })

  test('without an endpoint is refused with its name', async () => {
    const { introspection_endpoint: _, ...document } = DOCUMENT
    const { calls } = scene({}, {}, {}, document)
    expect((await refusalOf(calls.introspect('the-token'))).message).toContain(
      'no introspection_endpoint',
    )
    const own = scene(
      { introspection_endpoint: 'http://own.test/i' },
      { '/i': { body: { active: false } } },
      {},
      document,
    )
    // What the operator writes may be http:, what a provider of https: says may not.
    expect((await own.calls.introspect('t')).claims).toEqual({ active: false })
    const lying = scene(
      {},
      {},
      {},
      { ...DOCUMENT, introspection_endpoint: 'http://provider.test/introspect' },
    )
    expect((await refusalOf(lying.calls.introspect('t'))).code).toBe('provider_invalid_response')
    expect(lying.sent).toEqual([])
  })
})

describe('user info', () => {
  test('is asked for with the token, and with what is configured and passed', async () => {
    const { provider, calls, sent } = scene(
      {
        userinfo_headers_names: ['X-Fixed', 'Authorization'],
        userinfo_headers_values: ['1', 'Basic x'],
        userinfo_query_args_names: ['schema'],
        userinfo_query_args_values: ['openid'],
      },
      { '/userinfo': { body: { sub: 'alex' } } },
    )
    const told = await calls.userInfo('the-token', { client: provider.clients.first!, passed })
    expect(told.claims).toEqual({ sub: 'alex' })
    expect([sent[0]!.method, sent[0]!.url]).toEqual([
      'GET',
      `${ISSUER}/userinfo?schema=openid&scope=read&tenant=blue`,
    ])
    expect(sent[0]!.fields).toEqual({
      accept: 'application/json',
      authorization: 'Bearer the-token',
      'x-fixed': '1',
      'x-tenant': 'blue',
    })
  })

  test('needs no client; a token that is refused there is invalid', async () => {
    const bare = { client_id: null, client_secret: null }
    const good = scene(bare, { '/userinfo': { body: { sub: 'a' } } })
    expect((await good.calls.userInfo('t')).claims).toEqual({ sub: 'a' })
    for (const status of [401, 403]) {
      const { calls } = scene(bare, { '/userinfo': { status, body: '' } })
      expect((await refusalOf(calls.userInfo('t'))).code).toBe('invalid_token')
    }
    const down = scene(bare, { '/userinfo': { status: 500, body: '' } })
    expect((await refusalOf(down.calls.userInfo('t'))).code).toBe('provider_invalid_response')
  })
})

test('revocation names the token by revocation_token_param_name, and any success is one (RFC 7009 §2.2)', async () => {
  const config = { client_auth: ['none'], revocation_token_param_name: 'tok' }
  const { calls, sent } = scene(config, { '/revoke': { status: 200, body: '' } })
  await calls.revoke('t', 'access_token')
  expect(sent[0]!.body).toBe('tok=t&token_type_hint=access_token&client_id=kong')
  const bad = scene(config, { '/revoke': { status: 503, body: '' } })
  expect((await refusalOf(bad.calls.revoke('t', 'access_token'))).code).toBe(
    'provider_invalid_response',
  )
})

test('a pushed authorization request carries all parameters, and gives the request_uri (RFC 9126 §2)', async () => {
  const body = { request_uri: 'urn:ietf:params:oauth:request_uri:x', expires_in: 90 }
  const { calls, sent } = scene(
    { client_auth: ['client_secret_post'] },
    { '/par': { status: 201, body } },
  )
  const parameters = new URLSearchParams({ response_type: 'code', state: 's' })
  expect(await calls.pushAuthorizationRequest(parameters)).toEqual(body)
  expect(sent[0]!.form).toEqual({
    response_type: 'code',
    state: 's',
    client_id: 'kong',
    client_secret: SECRET,
  })
  expect(parameters.has('client_secret')).toBe(false)
  const bad = scene({}, { '/par': { status: 400, body: { error: 'invalid_request' } } })
  expect((await refusalOf(bad.calls.pushAuthorizationRequest(parameters))).code).toBe(
    'provider_refused',
  )
})

test('the legacy exchange sends the token as a bearer token, and its answer is the new one', async () => {
  const config = { token_exchange_endpoint: 'https://exchange.test/x' }
  const { provider, sent } = scene(config, { '/x': { body: 'new-token\n' } })
  expect(await provider.exchanges.legacy!('old')).toBe('new-token')
  expect([sent[0]!.method, sent[0]!.url, sent[0]!.fields.authorization]).toEqual([
    'POST',
    'https://exchange.test/x',
    'Bearer old',
  ])
  for (const answer of [{ status: 201, body: 'new' }, { body: '' }, { body: 'two words' }]) {
    const bad = scene(config, { '/x': answer })
    expect((await refusalOf(bad.provider.exchanges.legacy!('old'))).code).toBe(
      'provider_invalid_response',
    )
  }
})

test('the way to the provider is as configured', async () => {
  const config = {
    http_version: 1.0,
    https_proxy: 'http://proxy.test:3128',
    https_proxy_authorization: 'Basic abc',
    no_proxy: 'a.test, .provider2.test',
  }
  const { calls, sent } = scene(config)
  await calls.password(alex)
  expect(sent[0]).toMatchObject({
    http_version: '1.0',
    proxy: { url: 'http://proxy.test:3128', authorization: 'Basic abc' },
  })
  const direct = scene({ ...config, no_proxy: 'test' })
  await direct.calls.password(alex)
  expect(direct.sent[0]!.proxy).toBeUndefined()
})

test('the signature of an EdDSA assertion is one over its text', async () => {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(privateKey)
  const { calls, sent } = scene({ client_auth: ['private_key_jwt'], client_jwk: [jwk] })
  await calls.password(alex)
  const [head, claims, signature] = sent[0]!.form.client_assertion!.split('.')
  const { d: _, ...open } = jwk
  const key = createPublicKey({ key: open as never, format: 'jwk' })
  expect(
    verifyBytes(null, Buffer.from(`${head}.${claims}`), key, Buffer.from(signature!, 'base64url')),
  ).toBe(true)
})
