import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createSelfSigned } from '../../../../src/front/self_signed.ts'
import type { Finding, Online, ServerCertificate } from '../../../../src/pdk.ts'
import { openidConnect } from '../../../../src/plugins/openid-connect/index.ts'
import { UpstreamError } from '../../../../src/upstream/errors.ts'
import { testGateway } from '../context.ts'
import { configure } from './plugin.ts'

const ISSUER = 'https://provider.test/realms/master'
const NOW = Date.parse('2026-01-01T00:00:00.500Z')
const SECRET = 'geheim-geheim'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const KEY = { ...publicKey.export({ format: 'jwk' }), kid: 'good', use: 'sig', alg: 'ES256' }
const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
const SMALL = { ...small.export({ format: 'jwk' }), kid: 'small', use: 'sig' }

/** What a provider that has everything says. */
const DOCUMENT: Readonly<Record<string, unknown>> = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/auth`,
  token_endpoint: `${ISSUER}/token`,
  introspection_endpoint: `${ISSUER}/introspect`,
  userinfo_endpoint: `${ISSUER}/userinfo`,
  revocation_endpoint: `${ISSUER}/revoke`,
  end_session_endpoint: `${ISSUER}/logout`,
  pushed_authorization_request_endpoint: `${ISSUER}/par`,
  jwks_uri: `${ISSUER}/keys`,
  grant_types_supported: ['authorization_code', 'client_credentials', 'password', 'refresh_token'],
  response_types_supported: ['code', 'code id_token'],
  response_modes_supported: ['query', 'form_post'],
  code_challenge_methods_supported: ['plain', 'S256'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
  introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  token_endpoint_auth_signing_alg_values_supported: ['ES256', 'HS256'],
  id_token_signing_alg_values_supported: ['ES256'],
  scopes_supported: ['openid', 'email'],
  claims_supported: ['sub', 'preferred_username'],
}

const CONFIG = {
  issuer: ISSUER,
  client_id: ['kong'],
  client_secret: [SECRET],
  session_secret: 's'.repeat(32),
  redirect_uri: ['https://gateway.test/callback'],
  auth_methods: [
    'authorization_code',
    'session',
    'bearer',
    'password',
    'client_credentials',
    'refresh_token',
    'introspection',
    'userinfo',
  ],
}

interface Scene {
  /** Laid over the document; `undefined` takes a member away. */
  readonly document?: Readonly<Record<string, unknown>>
  readonly config?: Readonly<Record<string, unknown>>
  readonly keys?: readonly unknown[]
  /** What is answered instead, by the end of the URL; an error is thrown. */
  readonly instead?: Readonly<Record<string, Response | Error>>
  readonly headers?: Readonly<Record<string, string>>
  readonly certificate?: ServerCertificate
  readonly destination?: ReturnType<Online['destinationOf']>
  readonly triesClients?: boolean
  readonly requests?: string[]
}

const DAY = 86_400_000
const GOOD: ServerCertificate = { ends: NOW + 90 * DAY, fault: undefined }

function gatewayOf(scene: Scene): Online {
  const { document, keys = [KEY], instead = {}, headers = {}, requests = [] } = scene
  const answers: Readonly<Record<string, unknown>> = {
    '/openid-configuration': { ...DOCUMENT, ...document },
    '/keys': { keys },
  }
  return {
    ...testGateway({
      now: () => NOW,
      fetch: async (url, { method = 'GET', body = '' }) => {
        requests.push(`${method} ${url} ${body}`.trim())
        const other = Object.entries(instead).find(([end]) => url.endsWith(end))?.[1]
        if (other instanceof Error) throw other
        if (other) return other.clone() as Response
        const json = Object.entries(answers).find(([end]) => url.endsWith(end))?.[1]
        const all = { 'content-type': 'application/json', ...headers }
        return new Response(JSON.stringify(json ?? {}), { status: json ? 200 : 404, headers: all })
      },
    }),
    triesClients: scene.triesClients ?? false,
    findServerCertificate: async () => scene.certificate ?? GOOD,
    destinationOf: () => scene.destination ?? 'here',
  }
}

async function findings(scene: Scene = {}, gateway = gatewayOf(scene)): Promise<string[]> {
  const config = configure({ ...CONFIG, ...scene.config })
  const found = await openidConnect.online!(config, gateway)
  for (const { message } of found) expect(message).not.toContain(SECRET)
  return found.map(lineOf)
}

function lineOf({ level, code, field }: Finding): string {
  return `${level} ${code} ${field.join('.')}`
}

const TLS_FAILED = new UpstreamError('tls_failed', 'certificate has expired', { unsent: true })
const REFUSED = new UpstreamError('connect_failed', 'cannot connect', { unsent: true })

test('of a provider that has what the configuration wants, nothing is found', async () => {
  expect(await findings()).toEqual([])
})

// prettier-ignore
const CASES: readonly (readonly [what: string, scene: Scene, expected: readonly string[]])[] = [
  // The server
  ['a provider that is down', { instead: { '/openid-configuration': REFUSED } },
    ['error provider_unreachable issuer']],
  ['a provider that is down, with keys from elsewhere',
    { instead: { '/openid-configuration': REFUSED }, config: { jwks_endpoint: `${ISSUER}/keys` } },
    ['warning provider_unreachable issuer']],
  ['no discovery document', { instead: { '/openid-configuration': Response.json({}, { status: 404 }) } },
    ['error provider_invalid_response issuer']],
  ['a web page instead', { instead: { '/openid-configuration': new Response('<p>', { headers: { 'content-type': 'text/html' } }) } },
    ['error provider_invalid_response issuer']],
  ['an endpoint on a server that is down',
    { document: { token_endpoint: 'https://other.test/token' }, instead: { 'other.test/token': REFUSED } },
    ['error provider_unreachable issuer']],
  // The issuer
  ['an issuer that differs by a slash', { document: { issuer: `${ISSUER}/` } }, []],
  ['an issuer of another host', { document: { issuer: 'https://other.test/realms/master' } },
    ['warning issuer_mismatch issuer']],
  ['an issuer of another scheme', { document: { issuer: ISSUER.replace('https', 'http') } },
    ['warning issuer_mismatch issuer']],
  ['an issuer of another path', { document: { issuer: `${ISSUER}2` } }, ['warning issuer_mismatch issuer']],
  ['issuers_allowed without the provider', { config: { issuers_allowed: ['https://other.test'] } },
    ['error issuer_not_allowed issuers_allowed']],
  ['issuers_allowed with the provider', { config: { issuers_allowed: ['https://other.test', `${ISSUER}/`] } }, []],
  // Its certificate
  ['a certificate that has run out', { certificate: { ends: NOW - DAY, fault: { kind: 'expired', message: '' } }, instead: { '/openid-configuration': TLS_FAILED } },
    ['error certificate_expired issuer']],
  ['a certificate for another name', { certificate: { ...GOOD, fault: { kind: 'name', message: 'x' } }, instead: { '/openid-configuration': TLS_FAILED } },
    ['error certificate_name issuer']],
  ['a certificate of an unknown authority', { certificate: { ...GOOD, fault: { kind: 'trust', message: 'x' } }, instead: { '/openid-configuration': TLS_FAILED } },
    ['error certificate_trust issuer']],
  ['the same where nobody looks', { certificate: { ...GOOD, fault: { kind: 'trust', message: 'x' } }, config: { ssl_verify: false } },
    ['warning certificate_trust ssl_verify']],
  ['a good certificate where nobody looks', { config: { ssl_verify: false } }, ['note ssl_verify_possible ssl_verify']],
  ['a certificate with 29 days', { certificate: { ends: NOW + 29.5 * DAY, fault: undefined } },
    ['warning certificate_ends_soon issuer']],
  ['a certificate with 30 days', { certificate: { ends: NOW + 30.5 * DAY, fault: undefined } }, []],
  // Without TLS
  ['an endpoint without TLS', { document: { token_endpoint: 'http://provider.test/token' } },
    ['error plain_http_refused issuer']],
  ['an endpoint without TLS that is configured', { config: { token_endpoint: 'http://provider.test/token' } },
    ['warning plain_http token_endpoint']],
  ['an endpoint without TLS on this machine', { config: { token_endpoint: 'http://127.0.0.1:8080/token' } }, []],
  // The keys
  ['no jwks_uri', { document: { jwks_uri: undefined } }, ['error keys_missing issuer']],
  ['no jwks_uri, and nothing to verify', { document: { jwks_uri: undefined }, config: { auth_methods: ['introspection'] } },
    ['note keys_missing issuer']],
  ['keys that cannot be had', { instead: { '/keys': REFUSED } }, ['error provider_unreachable issuer']],
  ['keys that are no JWK set', { instead: { '/keys': Response.json([]) } }, ['error provider_invalid_response issuer']],
  ['further keys that cannot be had', { instead: { '/more': REFUSED }, config: { extra_jwks_uris: ['https://keys.test/more'] } },
    ['warning provider_unreachable extra_jwks_uris.0']],
  ['no key at all', { keys: [] }, ['error keys_missing issuer']],
  ['a key of 1024 bits', { keys: [SMALL] }, ['error key_unusable issuer', 'error keys_missing issuer']],
  ['a key of 1024 bits beside a good one', { keys: [SMALL, KEY] }, ['warning key_unusable issuer']],
  ['a key for encryption beside a good one', { keys: [{ ...SMALL, use: 'enc' }, KEY] }, []],
  ['ID tokens with the secret alone', { document: { id_token_signing_alg_values_supported: ['HS256'] } },
    ['error algorithm_not_supported enable_hs_signatures']],
  ['the same where that is taken', { document: { id_token_signing_alg_values_supported: ['HS256'] }, config: { enable_hs_signatures: true } }, []],
  ['ID tokens that nobody signs', { document: { id_token_signing_alg_values_supported: ['none'] } },
    ['error algorithm_not_supported issuer']],
  // Grants and endpoints
  ['no password grant', { document: { grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'] } },
    ['error grant_not_supported auth_methods.3']],
  ['no grant but password', { document: { grant_types_supported: ['password'] } },
    ['error grant_not_supported auth_methods.0', 'error grant_not_supported auth_methods.4', 'error grant_not_supported auth_methods.5']],
  ['no password grant, and nobody has asked for it', { document: { grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'] }, config: { auth_methods: null } },
    ['note grant_not_supported auth_methods']],
  ['no word of grants', { document: { grant_types_supported: undefined } }, []],
  ['no authorization endpoint', { document: { authorization_endpoint: undefined } }, ['error endpoint_missing auth_methods.0']],
  ['no introspection endpoint', { document: { introspection_endpoint: undefined } }, ['error endpoint_missing auth_methods.6']],
  ['no introspection endpoint but a configured one', { document: { introspection_endpoint: undefined }, config: { introspection_endpoint: `${ISSUER}/i` } }, []],
  ['no user info endpoint', { document: { userinfo_endpoint: undefined } }, ['error endpoint_missing auth_methods.7']],
  ['no user info endpoint for search_user_info', { document: { userinfo_endpoint: undefined }, config: { auth_methods: ['bearer'], search_user_info: true } },
    ['error endpoint_missing search_user_info']],
  ['no introspection endpoint for introspect_jwt_tokens', { document: { introspection_endpoint: undefined }, config: { auth_methods: ['bearer'], introspect_jwt_tokens: true } },
    ['error endpoint_missing introspect_jwt_tokens']],
  ['no revocation endpoint for logout_revoke', { document: { revocation_endpoint: undefined }, config: { logout_uri_suffix: '/logout', logout_revoke: true } },
    ['error endpoint_missing logout_revoke']],
  ['no end session endpoint', { document: { end_session_endpoint: undefined }, config: { logout_uri_suffix: '/logout' } },
    ['warning endpoint_missing logout_redirect_uri']],
  ['no end session endpoint, and no logout', { document: { end_session_endpoint: undefined } }, []],
  ['an introspection endpoint that is no URL', { document: { introspection_endpoint: '/introspect' } }, ['error endpoint_missing auth_methods.6']],
  ['a token endpoint in a file', { document: { token_endpoint: 'file:///token' }, config: { auth_methods: ['password'] } }, ['error endpoint_missing auth_methods.0']],
  ['an authorization endpoint that is a script', { document: { authorization_endpoint: 'javascript:alert(1)' } }, ['error endpoint_missing auth_methods.0']],
  // The login
  ['a response type without a code', { document: { response_types_supported: ['code', 'id_token'] }, config: { response_type: ['id_token'] } },
    ['error response_type_not_supported response_type']],
  ['another response mode', { config: { response_mode: 'form_post.jwt' } }, ['error response_mode_not_supported response_mode']],
  ['no word of response modes', { document: { response_modes_supported: undefined }, config: { response_mode: 'form_post' } },
    ['warning response_mode_not_supported response_mode']],
  ['another response type', { config: { response_type: ['code', 'token'] } }, ['error response_type_not_supported response_type']],
  ['a response type in another order', { config: { response_type: ['id_token', 'code'] } }, []],
  ['PKCE by plain alone', { document: { code_challenge_methods_supported: ['plain'] } },
    ['warning pkce_not_supported require_proof_key_for_code_exchange']],
  ['PKCE by plain alone, and it is required', { document: { code_challenge_methods_supported: ['plain'] }, config: { require_proof_key_for_code_exchange: true } },
    ['error pkce_not_supported require_proof_key_for_code_exchange']],
  ['no word of PKCE', { document: { code_challenge_methods_supported: undefined } }, []],
  ['PKCE that is off', { config: { require_proof_key_for_code_exchange: false } }, ['warning pkce_off require_proof_key_for_code_exchange']],
  ['pushed requests only', { document: { require_pushed_authorization_requests: true }, config: { require_pushed_authorization_requests: false } },
    ['error par_required require_pushed_authorization_requests']],
  ['pushed requests only, and nowhere', { document: { require_pushed_authorization_requests: true, pushed_authorization_request_endpoint: undefined } },
    ['error endpoint_missing pushed_authorization_request_endpoint']],
  ['pushed requests that the provider does not know', { document: { pushed_authorization_request_endpoint: undefined }, config: { require_pushed_authorization_requests: true } },
    ['error endpoint_missing require_pushed_authorization_requests']],
  ['signed requests only', { document: { require_signed_request_object: true }, config: { require_signed_request_object: false } },
    ['error jar_required require_signed_request_object']],
  ['signed requests that the provider does not take', { document: { request_parameter_supported: false }, config: { require_signed_request_object: true } },
    ['error jar_not_supported require_signed_request_object']],
  ['requests signed by another algorithm', { document: { request_object_signing_alg_values_supported: ['ES256'] }, config: { require_signed_request_object: true } },
    ['error algorithm_not_supported require_signed_request_object']],
  ['no scope openid', { config: { scopes: ['email'] } }, ['warning scope_openid_missing scopes']],
  // The clients
  ['another way to authenticate', { config: { client_auth: ['client_secret_post'] } },
    ['error client_auth_not_supported client_auth.0']],
  ['another way for the second client', { config: { client_id: ['a', 'b'], client_auth: ['client_secret_basic', 'tls_client_auth'], tls_client_auth_cert_id: '1c8f4d2e-0b7c-4a56-9f3e-2d1a6b5c4e70', auth_methods: ['password'] } },
    ['error client_certificate tls_client_auth_cert_id', 'error client_auth_not_supported client_auth.1']],
  ['another way for one endpoint', { config: { introspection_endpoint_auth_method: 'private_key_jwt' } },
    ['error client_auth_not_supported introspection_endpoint_auth_method']],
  ['a public client', { config: { client_secret: null, auth_methods: ['authorization_code'] } },
    ['note client_auth_not_supported client_auth']],
  ['a public client that introspects', { config: { client_secret: null, auth_methods: ['introspection'] } },
    ['warning client_auth_not_supported client_auth']],
  ['assertions by another algorithm', { config: { client_auth: ['client_secret_jwt'], client_alg: ['HS512'], auth_methods: ['password'] }, document: { token_endpoint_auth_methods_supported: ['client_secret_jwt'] } },
    ['error algorithm_not_supported client_alg']],
  // Scopes and claims
  ['a scope that is not named', { config: { scopes: ['openid', 'api'] } }, ['warning scope_not_supported scopes.1']],
  ['the same with verify_parameters', { config: { scopes: ['openid', 'api'], verify_parameters: true } }, ['error scope_not_supported scopes.1']],
  ['claims that are not named', { config: { groups_required: ['a'], groups_claim: ['realm_access', 'roles'], consumer_claims: [['email'], ['preferred_username']] } },
    ['note claim_not_announced groups_claim', 'note claim_not_announced consumer_claims.0']],
  ['a claim that nobody needs', { config: { groups_claim: ['realm_access', 'roles'] } }, []],
  // Addresses
  ['a redirect URI that is relative', { config: { redirect_uri: ['/callback'] } }, ['error address_not_absolute redirect_uri.0']],
  ['a redirect URI of an application', { config: { redirect_uri: ['myapp://callback'] } }, ['error address_not_absolute redirect_uri.0']],
  ['a redirect URI with a fragment', { config: { redirect_uri: ['https://gateway.test/#a'] } }, ['error address_with_fragment redirect_uri.0']],
  ['a redirect URI without TLS', { config: { redirect_uri: ['http://gateway.test/callback'] } }, ['warning address_without_tls redirect_uri.0']],
  ['a redirect URI on this machine', { config: { redirect_uri: ['http://localhost:8000/callback'] } }, []],
  ['a redirect URI that no route takes', { destination: 'nowhere' }, ['warning callback_not_routed redirect_uri.0']],
  ['a redirect URI of a route without the plugin', { destination: 'unguarded' }, ['error callback_unguarded redirect_uri.0']],
  ['a redirect URI of another plugin', { destination: 'another' }, ['warning callback_elsewhere redirect_uri.0']],
  ['redirect URIs that nobody is sent to', { destination: 'nowhere', config: { auth_methods: ['bearer'] } }, []],
  ['a relative address for the browser alone', { config: { login_redirect_uri: ['/home'] } }, []],
  ['an address that leads to another host', { config: { login_redirect_uri: ['//evil.test'] } }, ['error address_not_absolute login_redirect_uri.0']],
  ['a relative address for the provider', { config: { logout_redirect_uri: ['/bye'] } }, ['error address_not_absolute logout_redirect_uri.0']],
  // The clock
  ['a clock that is 4 s behind', { headers: { date: 'Wed, 31 Dec 2025 23:59:55 GMT' } }, []],
  ['a clock that is 10 s behind', { headers: { date: 'Wed, 31 Dec 2025 23:59:49 GMT' } }, ['warning clock_skew leeway']],
  ['a clock that is 2 min ahead', { headers: { date: 'Thu, 01 Jan 2026 00:02:00 GMT' } }, ['error clock_skew leeway']],
  ['the same with a leeway', { headers: { date: 'Thu, 01 Jan 2026 00:02:00 GMT' }, config: { leeway: 100 } }, ['warning clock_skew leeway']],
  ['an old answer of a cache', { headers: { date: 'Wed, 31 Dec 2025 23:00:00 GMT', age: '3600' } }, []],
]

test.each(CASES)('%s', async (_, scene, expected) => {
  expect(await findings(scene)).toEqual([...expected])
})

test('an issuer without TLS, on another machine, is told', async () => {
  const issuer = 'http://provider.test'
  const keys = `${issuer}/keys`
  const document = { issuer, jwks_uri: keys, introspection_endpoint: undefined }
  const config = { issuer, auth_methods: ['bearer'] }
  expect(await findings({ document, config })).toEqual(['warning plain_http issuer'])
})

test.each([
  [-1, ['error client_certificate tls_client_auth_cert_id']],
  [10, ['warning client_certificate tls_client_auth_cert_id']],
  [60, []],
])('a certificate of the clients with %d days', async (days, expected) => {
  const { cert, key } = createSelfSigned(NOW)
  const ends = Date.parse(new X509Certificate(cert).validTo)
  const config = {
    auth_methods: ['password'],
    client_auth: ['tls_client_auth'],
    tls_client_auth_cert_id: '1c8f4d2e-0b7c-4a56-9f3e-2d1a6b5c4e70',
  }
  const document = { token_endpoint_auth_methods_supported: ['tls_client_auth'] }
  const now = ends - days * DAY
  const certificate = { ends: now + 90 * DAY, fault: undefined }
  const gateway: Online = {
    ...gatewayOf({ document, certificate }),
    now: () => now,
    findCertificate: (id) => ({ id, cert, key }) as ReturnType<Online['findCertificate']>,
  }
  expect(await findings({ config }, gateway)).toEqual(expected)
})

test('a pseudo issuer is never asked', async () => {
  const requests: string[] = []
  const config = {
    using_pseudo_issuer: true,
    auth_methods: ['bearer'],
    jwks_endpoint: `${ISSUER}/keys`,
  }
  expect(await findings({ config, requests })).toEqual([])
  expect(requests).toEqual([`GET ${ISSUER}/keys`])
})

test('a provider is asked once, by whatever number of plugins, and nothing is posted', async () => {
  const requests: string[] = []
  const scene = { requests, document: { grant_types_supported: ['password'] } }
  const gateway = gatewayOf(scene)
  const all = await Promise.all([findings(scene, gateway), findings(scene, gateway)])
  expect(all[0]).toHaveLength(3)
  expect(all[1]).toEqual(all[0]!)
  expect(requests).toEqual([`GET ${ISSUER}/.well-known/openid-configuration`, `GET ${ISSUER}/keys`])
})

test('what is said names the difference and what to do', async () => {
  const scene = { document: { issuer: 'http://other.test:8080/realms/master' } }
  const config = configure({ ...CONFIG, issuer: 'https://user:hidden@provider.test/realms/master' })
  const [finding] = await openidConnect.online!(config, gatewayOf(scene))
  expect(finding!.message).toContain('differs in the scheme and the host')
  expect(finding!.message).not.toContain('hidden')
})

describe('clients are tried only if asked for', () => {
  const config = { auth_methods: ['bearer'] }
  const answer = (status: number, json: object) => ({ '/token': Response.json(json, { status }) })
  const of = (instead: Scene['instead']): Scene => ({
    config,
    triesClients: true,
    instead: instead!,
  })

  // prettier-ignore
  test.each([
    ['a client that is taken', 200, { access_token: 'a', token_type: 'Bearer' }, 'note client_taken client_id.0'],
    ['a wrong secret', 401, { error: 'invalid_client', error_description: `not ${SECRET}` }, 'error invalid_client client_id.0'],
    ['a wrong secret, in the words of Keycloak', 401, { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' }, 'error unauthorized_client client_id.0'],
    ['a client without the grant', 400, { error: 'unauthorized_client', error_description: 'not enabled' }, 'note client_taken client_id.0'],
    ['a scope that is refused', 400, { error: 'invalid_scope' }, 'error invalid_scope scopes'],
  ])('%s', async (_, status, json, expected) => {
    expect(await findings(of(answer(status, json)))).toEqual([expected])
  })

  test('a client without a secret, and one with a key of the gateway, are not tried', async () => {
    const requests: string[] = []
    const scene = { ...of({}), requests, config: { ...config, client_secret: null } }
    expect(await findings(scene)).toEqual(['note client_not_tried client_id.0'])
    expect(requests.filter((each) => each.startsWith('POST'))).toEqual([])
  })
})
