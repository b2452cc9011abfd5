import { beforeEach, describe, expect, test } from 'bun:test'
import { metadataOf } from '../../../../src/plugins/openid-connect/metadata.ts'
import { mismatches } from '../../../../src/plugins/openid-connect/parameters.ts'
import { createIdentityProvider } from '../../../../src/plugins/openid-connect/provider.ts'
import { Refusal } from '../../../../src/plugins/openid-connect/refusal.ts'
import { withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { configure, gatewayOf } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const discoveryOf = (config: Record<string, unknown>, gateway = gatewayOf(provider)) =>
  createIdentityProvider(withDefaults(configure(config)), gateway).discovery

const codeOf = (asking: Promise<unknown>) =>
  asking.then(
    () => 'no refusal',
    (error: unknown) =>
      error instanceof Refusal ? `${error.code}: ${error.message}` : String(error),
  )

test('what is of the wrong type in a discovery document is as if it were not there', () => {
  const document = {
    issuer: ISSUER,
    authorization_endpoint: 'https://a.test/',
    end_session_endpoint: 1,
    code_challenge_methods_supported: ['S256'],
    response_modes_supported: 'query',
    require_pushed_authorization_requests: 'true',
    authorization_response_iss_parameter_supported: true,
    mtls_endpoint_aliases: { token_endpoint: 'https://m.test/', userinfo_endpoint: null, x: 'y' },
  }
  expect(metadataOf(document)).toEqual({
    issuer: ISSUER,
    authorization_endpoint: 'https://a.test/',
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    mtls_endpoint_aliases: { token_endpoint: 'https://m.test/' },
  })
})

test('each endpoint of the configuration replaces the discovered one, and its alias', async () => {
  const names = [
    'authorization_endpoint',
    'token_endpoint',
    'introspection_endpoint',
    'userinfo_endpoint',
    'revocation_endpoint',
    'end_session_endpoint',
    'pushed_authorization_request_endpoint',
  ]
  const own = Object.fromEntries(names.map((name) => [name, `https://own.test/${name}`]))
  const mtls_endpoint_aliases = {
    token_endpoint: 'https://m.test/token',
    revocation_endpoint: 'https://m.test/revoke',
  }
  provider.instead['configuration'] = () => ({ json: { issuer: ISSUER, mtls_endpoint_aliases } })
  const { metadata } = await discoveryOf({
    ...own,
    jwks_endpoint: `${ISSUER}/keys`,
    mtls_token_endpoint: 'https://own.test/m',
  }).load()
  expect(metadata).toEqual({
    issuer: ISSUER,
    ...own,
    mtls_endpoint_aliases: { token_endpoint: 'https://own.test/m' },
  })
  // And without discovery there are these alone.
  const pseudo = discoveryOf({ ...own, using_pseudo_issuer: true, jwks_endpoint: `${ISSUER}/keys` })
  expect((await pseudo.load()).metadata).toEqual({ issuer: ISSUER, ...own })
})

describe('verify_parameters', () => {
  const document = metadataOf({
    issuer: ISSUER,
    scopes_supported: ['openid'],
    response_types_supported: ['code', 'id_token code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
  })
  // prettier-ignore
  test.each<[Record<string, unknown>, string[]]>([
    [{ scopes: ['openid'] },                        []],
    [{ scopes: ['openid', 'more'] },                ['scopes: the provider does not offer more']],
    [{ response_mode: 'form_post' },                ['response_mode: the provider does not offer form_post']],
    [{ response_type: ['code', 'id_token'] },       []],
    [{ response_type: ['token'] },                  ['response_type: the provider does not offer token']],
    [{ client_auth: ['private_key_jwt'] },          ['client_auth: the provider does not offer private_key_jwt']],
    [{ auth_methods: ['bearer', 'password'] },      ['auth_methods: the provider does not offer password']],
    [{ require_proof_key_for_code_exchange: true }, ['require_proof_key_for_code_exchange: the provider does not offer S256']],
    [{ revocation_endpoint_auth_method: 'none' },   []],
  ])('%j', (config, expected) => {
    expect(mismatches({ verify_parameters: true, ...config }, document)).toEqual(expected)
  })

  test('refuses every request while the provider does not fit, and only if it is on', async () => {
    const gateway = gatewayOf(provider)
    const config = { client_auth: ['client_secret_post'], auth_methods: ['bearer'] }
    const strict = discoveryOf({ ...config, verify_parameters: true }, gateway)
    for (let i = 0; i < 2; i++)
      expect(await codeOf(strict.load())).toBe(
        'provider_mismatch: client_auth: the provider does not offer client_secret_post',
      )
    expect(await codeOf(discoveryOf(config, gateway).load())).toBe('no refusal')
    expect(provider.requests.filter((each) => each.endsWith('configuration'))).toHaveLength(1)
  })
})

test('what is old serves for cache_ttl_resurrect while the provider is down, or without an end', async () => {
  const limited = discoveryOf({ cache_ttl: 60, cache_ttl_resurrect: 30 })
  const endless = discoveryOf({ cache_ttl: 60 })
  for (const discovery of [limited, endless]) await discovery.load()
  provider.instead['configuration'] = () => {
    throw Object.assign(new Error('down'), { code: 'connect_failed' })
  }
  provider.pass(80)
  expect([await codeOf(limited.load()), await codeOf(endless.load())]).toEqual([
    'no refusal',
    'no refusal',
  ])
  expect(limited.current()).toBeDefined()
  provider.pass(11)
  expect(limited.current()).toBeUndefined()
  expect(await codeOf(limited.load())).toStartWith('provider_unreachable')
  expect(await codeOf(endless.load())).toBe('no refusal')
})
