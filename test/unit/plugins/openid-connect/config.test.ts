import { describe, expect, test } from 'bun:test'
import { openidConnect } from '../../../../src/plugins/openid-connect/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { configure, HOW_TO } from './plugin.ts'
import { ISSUER } from './provider.ts'

const faultsOf = (config: Record<string, unknown>) =>
  (check(openidConnect.schema, { issuer: ISSUER, ...config }).faults ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  )
const warningsOf = (config: Record<string, unknown>) =>
  openidConnect.warnings!(configure(config)).map(
    ({ fields, message }) => `${fields.join(', ')}: ${message}`,
  )
const QUIET = {
  auth_methods: ['bearer', 'refresh_token', 'password', 'client_credentials'],
  refresh_token_param_name: 'refresh_token',
  client_id: ['kong'],
}

test("the how-to's configuration has no fault and no warning", () => {
  expect(faultsOf(HOW_TO)).toEqual([])
  expect(warningsOf(HOW_TO)).toEqual([])
})

// prettier-ignore
test.each([
  [{ principals: { enabled: true } },                'principals.enabled: Kong Identity is a service of Konnect and cannot be asked'],
])('%j would guard, and is refused at load', (config, fault) => {
  expect(faultsOf(config)).toEqual([fault])
})

const UNBOUND =
  'only bearer and introspection, and session beside one of them, can prove possession; proof_of_possession_auth_methods_validation: false lets the others pass unbound'

// prettier-ignore
test.each([
  [{ client_id: 'kong' },                            'client_id: expected an array'],
  [{ issuer: null },                                 'issuer: required field missing'],
  [{ issuer: 'keycloak' },                           'issuer: missing scheme in url'],
  [{ issuer: 'http://' },                            'issuer: missing host in url'],
  [{ auth_methods: ['passwort'] },                   'auth_methods.0: expected one of: authorization_code, bearer, client_credentials, introspection, kong_oauth2, password, refresh_token, session, userinfo'],
  [{ upstream_access_token_header: 'a b' },          "upstream_access_token_header: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"],
  [{ token_headers_names: ['X'], token_headers_values: ['a\nb'] }, 'token_headers_values.0: expected text of one line'],
  [{ upstream_headers: [{ header: 'X' }] },          'upstream_headers.0.path: required field missing'],
  [{ proof_of_possession_mtls: 'strict' },           `auth_methods: ${UNBOUND}`],
  [{ proof_of_possession_dpop: 'optional', auth_methods: ['bearer', 'userinfo'] }, `auth_methods: ${UNBOUND}`],
  [{ proof_of_possession_dpop: 'strict', auth_methods: ['session'] }, `auth_methods: ${UNBOUND}`],
  [{ proof_of_possession_mtls_from_header: { certificate_header_name: 'x' } }, 'proof_of_possession_mtls_from_header.ca_certificates: required field missing'],
])('%j is a fault', (config, fault) => {
  expect(faultsOf(config)).toEqual([fault])
})

test('the values that do not guard are no fault', () => {
  const harmless = {
    proof_of_possession_mtls: 'off',
    proof_of_possession_dpop: null,
    proof_of_possession_mtls_from_header: { certificate_header_name: 'x', ca_certificates: ['y'] },
    principals: { enabled: false },
  }
  expect(faultsOf(harmless)).toEqual([])
  expect(
    faultsOf({ proof_of_possession_mtls: 'strict', auth_methods: ['bearer', 'session'] }),
  ).toEqual([])
  const unchecked = { proof_of_possession_auth_methods_validation: false }
  expect(faultsOf({ proof_of_possession_dpop: 'strict', ...unchecked })).toEqual([])
})

describe('a warning names', () => {
  test('nothing of what stands without being set', () => {
    expect(warningsOf({})).toEqual([])
    const config = { ...QUIET, logout_uri_suffix: '/logout', principals: { enabled: false } }
    expect(warningsOf(config)).toEqual([])
  })

  test('a login that cannot succeed', () => {
    const config = { auth_methods: ['authorization_code'], client_id: ['kong'] }
    expect(warningsOf({ ...config, response_mode: 'fragment' })[0]).toStartWith('response_mode')
  })

  test('what a method that was asked for lacks', () => {
    expect(warningsOf({ auth_methods: ['refresh_token', 'password'] })).toEqual([
      'refresh_token_param_name: not set, so that no refresh tokens are looked for',
      'client_id: not set, so that refresh_token and password cannot succeed',
    ])
  })

  test('what is left open', () => {
    expect(warningsOf({ ...QUIET, ignore_signature: ['password'] })[0]).toStartWith(
      'ignore_signature',
    )
    expect(warningsOf({ ...QUIET, verify_signature: false })[0]).toStartWith('verify_signature')
    expect(warningsOf({ ...QUIET, client_id: ['a', 'b'] })[0]).toStartWith('client_arg')
  })
})

test('older names stand for the new ones', () => {
  const config = configure({
    session_redis_port: 1,
    session_redis_host: 'h',
    session_cookie_lifetime: 5,
    consumer_claim: ['a', 'b'],
    consumer_optional: true,
  })
  expect(config.redis).toMatchObject({ host: 'h', port: 1, ssl_verify: true })
  expect(config.session_rolling_timeout).toBe(5)
  expect(config.consumer_claims).toEqual([['a', 'b']])
})

test('null is the default, but for scopes and the like it is nothing', async () => {
  const { withDefaults } = await import('../../../../src/plugins/openid-connect/schema.ts')
  const config = withDefaults(
    configure({ verify_signature: null, ssl_verify: null, timeout: null, scopes: null }),
  )
  expect([config.verify_signature, config.ssl_verify, config.timeout]).toEqual([true, true, 10_000])
  expect(config.scopes as unknown).toBeUndefined()
})
