import { beforeEach, describe, expect, test } from 'bun:test'
import { REASONS } from '../../../../src/plugins/openid-connect/refusal.ts'
import { explain } from '../../../../src/log.ts'
import { messageOf, send } from '../context.ts'
import { basic, create, gatewayOf, HOW_TO, refreshToken } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'

const DOCUMENT = '.well-known/openid-configuration'
const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const fails = (code: string) => () => {
  throw Object.assign(new Error(`it is ${code}`), { code })
}
const oauth =
  (error: string, status = 400) =>
  () => ({
    status,
    json: { error, error_description: 'because\r\nof eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc' },
    headers: { 'www-authenticate': 'Basic realm="x"' },
  })

/** What the log is told of a login that fails. */
async function logged(config: Record<string, unknown> = {}, headers = [basic('alex', 'doe')]) {
  const { exit } = await send(create(provider, { ...HOW_TO, ...config }), { headers })
  expect([exit?.status, messageOf(exit)]).toEqual([401, 'Unauthorized'])
  return { code: exit?.reason?.code ?? '', cause: explain(exit?.reason?.cause) }
}

// prettier-ignore
const FAILURES: [string, string, () => never | object, string, RegExp][] = [
  ['a refused password',      '/token',  oauth('invalid_grant'),            'invalid_grant',              /400 invalid_grant.*username or the password is wrong/],
  ['invalid_client',          '/token',  oauth('invalid_client', 401),      'invalid_client',             /401 invalid_client.*check client_id and client_secret/],
  ['unauthorized_client',     '/token',  oauth('unauthorized_client', 401), 'unauthorized_client',        /"Direct access grants"/],
  ['invalid_scope',           '/token',  oauth('invalid_scope'),            'invalid_scope',              /set scopes/],
  ['another OAuth error',     '/token',  oauth('slow_down'),                'provider_refused',           /400 slow_down/],
  ['500',                     '/token',  () => ({ status: 500, text: 'x' }), 'provider_invalid_response', /answered 500/],
  ['a redirect',              '/token',  () => ({ status: 302, text: '', headers: { location: 'http://evil.test' } }), 'provider_invalid_response', /answered 302/],
  ['no JSON',                 '/token',  () => ({ text: 'hello' }),          'provider_invalid_response', /answered 200/],
  ['a list',                  '/token',  () => ({ json: [] }),               'provider_invalid_response', /answered 200/],
  ['null',                    '/token',  () => ({ json: null }),             'provider_invalid_response', /answered 200/],
  ['no access token',         '/token',  () => ({ json: { token_type: 'bearer' } }), 'provider_invalid_response', /access_token/],
  ['an access token of 1',    '/token',  () => ({ json: { access_token: 1, token_type: 'bearer' } }), 'provider_invalid_response', /access_token/],
  ['a refresh token of 1',    '/token',  () => ({ json: { access_token: 'x', token_type: 'bearer', refresh_token: 1 } }), 'provider_invalid_response', /refresh_token/],
  ['a strange token_type',    '/token',  () => ({ json: { access_token: 'x', token_type: 'mac' } }), 'provider_invalid_response', /token_type/],
  ['a cut connection',        '/token',  fails('closed'),                    'provider_unreachable',      /could not be asked: it is closed/],
  ['silence',                 '/token',  fails('read_timeout'),              'provider_timeout',          /could not be asked/],
  ['too long an answer',      '/token',  fails('invalid_response'),          'provider_invalid_response', /could not be asked/],
  ['a refused connection',    DOCUMENT,  fails('connect_failed'),            'provider_unreachable',      /could not be asked/],
  ['an unknown name',         DOCUMENT,  fails('name_resolution_failed'),    'provider_unreachable',      /check the name provider.test/],
  ['HTTPS of a plain port',   DOCUMENT,  () => { throw Object.assign(new Error('SSL: WRONG_VERSION_NUMBER'), { code: 'tls_failed' }) }, 'provider_unreachable', /write http:/],
  ['a wrong secret',          '/token',  () => ({ status: 401, json: { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' } }), 'unauthorized_client', /; check client_id and client_secret/],
  ['a web page for tokens',   '/token',  () => ({ text: '<html>', headers: { 'content-type': 'text/html' } }), 'provider_invalid_response', /a web page came: check the endpoint/],
  ['a certificate not there', '/nothing', () => ({}),                       'invalid_client',            /names no certificate of the configuration/],
  ['a bad certificate',       DOCUMENT,  fails('tls_failed'),                'provider_unreachable',      /SSL_CERT_FILE/],
  ['a slow discovery',        DOCUMENT,  fails('connect_timeout'),           'provider_timeout',          /could not be asked/],
  ['a web page',              DOCUMENT,  () => ({ text: '<html>', headers: { 'content-type': 'text/html;charset=utf-8' } }), 'provider_invalid_response', /a web page came.*set issuer/],
  ['no such realm',           DOCUMENT,  () => ({ status: 404, json: { error: 'Realm does not exist' } }), 'provider_invalid_response', /name of the realm/],
  ['a document of nothing',   DOCUMENT,  () => ({ json: {} }),               'provider_invalid_response', /issuer/],
  ['an issuer that is none',  DOCUMENT,  () => ({ json: { issuer: 'x' } }),  'provider_invalid_response', /answered 200/],
  ['no token endpoint',       DOCUMENT,  () => ({ json: { issuer: ISSUER } }), 'provider_invalid_response', /token_endpoint/],
  ['a token endpoint of 1',   DOCUMENT,  () => ({ json: { issuer: ISSUER, token_endpoint: 1, jwks_uri: {} } }), 'provider_invalid_response', /token_endpoint/],
  ['keys that are none',      '/keys',   () => ({ json: { keys: 'x' } }),    'provider_invalid_response', /JWK set/],
  ['500 for the keys',        '/keys',   () => ({ status: 500, text: '' }),  'provider_invalid_response', /500/],
]

const REPEATED = 'pass word+&: kong-secret'
const ECHOES = [
  ['as it is', REPEATED],
  ['as a form has it', new URLSearchParams([['password', REPEATED]]).toString()],
  ['percent-encoded', encodeURIComponent(REPEATED)],
  ['as Base64', btoa(REPEATED)],
]

test.each(ECHOES)(
  'a provider that repeats the password %s does not bring it into the log',
  async (_, echo) => {
    provider.instead['/token'] = () => ({
      status: 400,
      json: { error: 'invalid_request', error_description: `you sent ${echo} and kong-secret` },
    })
    for (const client_auth of ['client_secret_post', 'client_secret_basic']) {
      const headers = [basic('alex', REPEATED)]
      const { cause } = await logged({ client_auth: [client_auth] }, headers)
      // Where the parameter is named, all that the provider said is left out.
      expect(cause).toMatch(/\((?:you sent …|…\))/)
      expect(cause).not.toMatch(/pass.word|kong-secret/)
      expect(cause).not.toContain(btoa(REPEATED))
    }
  },
)

test('a client is not told what the provider said, even where errors are displayed', async () => {
  provider.instead['/token'] = oauth('invalid_grant')
  const plugin = create(provider, { ...HOW_TO, display_errors: true })
  const { exit } = await send(plugin, { headers: [basic('alex', 'doe')] })
  expect(messageOf(exit)).toBe(`Unauthorized (${REASONS.invalid_grant})`)
})

test.each(FAILURES)('%s is a 401, and the log says why', async (_, end, instead, code, cause) => {
  provider.instead[end] = instead
  const certificate = { client_auth: ['tls_client_auth'], tls_client_auth_cert_id: 'x' }
  const log = await logged(end === '/nothing' ? certificate : {})
  expect(log.code).toBe(code)
  expect(log.cause).toMatch(cause)
  expect(log.cause).not.toMatch(/kong-secret|doe\b|eyJ|[\r\n]/)
  expect(Object.keys(REASONS)).toContain(log.code)
})

test('host.docker.internal outside of Docker: try localhost', async () => {
  provider.instead[DOCUMENT] = fails('name_resolution_failed')
  const issuer = 'http://host.docker.internal:8080/realms/master'
  expect((await logged({ issuer })).cause).toMatch(/try localhost$/)
})

test('without client_id a password is refused without a call', async () => {
  const log = await logged({ client_id: null })
  expect(log).toEqual({ code: 'invalid_client', cause: 'client_id is not set' })
  expect(provider.requests).toEqual([])
})

test("a caller's own client is no fault of the configuration", async () => {
  provider.instead['/token'] = oauth('invalid_client', 401)
  const { cause } = await logged({ auth_methods: ['client_credentials'] })
  expect(cause).toMatch(/401 invalid_client/)
  expect(cause).not.toMatch(/check client_id/)
})

describe('the token request', () => {
  const login = async (config: Record<string, unknown>, headers = [basic('alex', 'doe')]) => {
    const { exit } = await send(create(provider, { ...HOW_TO, ...config }), { headers })
    expect(exit).toBeUndefined()
    return provider.tokenCalls.at(-1)!
  }
  const authorization = (headers: Headers) => {
    const value = headers.get('authorization')
    return value && Buffer.from(value.slice('Basic '.length), 'base64').toString()
  }

  test('authenticates with client_secret_basic, both halves form-encoded (RFC 6749 §2.3.1)', async () => {
    const config = {
      client_auth: ['client_secret_basic'],
      client_id: ['a:b'],
      client_secret: ['c d'],
    }
    const { form, headers } = await login(config)
    expect(authorization(headers)).toBe('a%3Ab:c+d')
    expect(form.has('client_secret')).toBe(false)
  })

  test('authenticates as the provider offers, where nothing is configured', async () => {
    const { headers } = await login({ client_auth: null })
    expect(authorization(headers)).toBe('kong:kong-secret')
  })

  test('authenticates by token_endpoint_auth_method before client_auth', async () => {
    const { form } = await login({
      client_auth: ['client_secret_basic'],
      token_endpoint_auth_method: 'client_secret_post',
    })
    expect(form.get('client_secret')).toBe('kong-secret')
  })

  test('of a public client names it only', async () => {
    const { form, headers } = await login({ client_auth: ['none'] })
    expect([form.get('client_id'), form.get('client_secret')]).toEqual(['kong', null])
    expect(headers.has('authorization')).toBe(false)
  })

  test('for client_credentials is made as the caller', async () => {
    const config = { auth_methods: ['client_credentials'], client_auth: ['none'] }
    const { form, headers } = await login(config, [basic('service', 's3cret')])
    expect(authorization(headers)).toBe('service:s3cret')
    expect(Object.fromEntries(form)).toEqual({ grant_type: 'client_credentials', scope: 'openid' })
  })

  // prettier-ignore
  test.each([
    [['a', 'b'], 'a b'], [null, null], [[], null],
  ])('asks for the scopes %j as %j', async (scopes, sent) => {
    expect((await login({ scopes })).form.get('scope')).toBe(sent)
  })

  test('carries audience, further arguments and headers', async () => {
    const { form, headers } = await login({
      audience: ['api'],
      token_post_args_names: ['tenant', 'empty'],
      token_post_args_values: ['t 1'],
      token_headers_names: ['X-Tenant'],
      token_headers_values: ['t1'],
    })
    expect([form.get('audience'), form.get('tenant'), form.get('empty')]).toEqual([
      'api',
      't 1',
      '',
    ])
    expect(headers.get('x-tenant')).toBe('t1')
    expect(form.has('redirect_uri')).toBe(false)
  })

  test('for a refresh token asks for no scopes: they stay as they are (RFC 6749 §6)', async () => {
    const { form } = await login({}, [refreshToken(provider.refreshToken())])
    expect([...form.keys()].toSorted()).toEqual([
      'client_id',
      'client_secret',
      'grant_type',
      'refresh_token',
    ])
  })

  test('keeps to the limits of the configuration', async () => {
    const seen: unknown[] = []
    const gateway = gatewayOf(provider, {
      fetch: (url, request) => {
        seen.push([request.timeout, request.ssl_verify, request.keepalive])
        return provider.fetch(url, request)
      },
    })
    const config = { ...HOW_TO, timeout: 1234, ssl_verify: false, keepalive: false }
    await send(create(provider, config, gateway), { headers: [basic('alex', 'doe')] })
    expect(seen).toEqual(Array.from({ length: 3 }, () => [1234, false, false]))
  })

  test('takes null and texts in the answer for what they mean', async () => {
    provider.over = { refresh_token: null, id_token: null, scope: null, expires_in: '60' }
    await login({})
  })
})
