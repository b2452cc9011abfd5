import { type AuthenticatedEndpoint, chooseAuth } from '../client_auth.ts'
import { type Client, createClients } from '../clients.ts'
import type { Metadata } from '../metadata.ts'
import { quotable } from '../refusal.ts'
import type { Config } from '../schema.ts'
import type { Found } from './found.ts'
import { asksForMethods, fieldOfMethod, type Need } from './needs.ts'
import type { Path, Survey } from './survey.ts'

/** What a configuration wants and the provider does not offer. What its document leaves out it does not forbid. */
export function checkOffers(config: Config, survey: Survey, needs: readonly Need[]): Found[] {
  const { metadata, document } = survey
  if (!metadata || survey.failure) return []
  return [
    ...checkEndpoints(metadata, needs),
    ...checkGrants(config, metadata),
    ...(config.auth_methods.includes('authorization_code') ? checkLogin(config, survey) : []),
    ...checkClientAuth(config, metadata, needs),
    ...checkScopes(config, metadata),
    ...checkClaims(config, document),
  ]
}

function checkEndpoints(metadata: Metadata, needs: readonly Need[]): Found[] {
  return needs.flatMap(({ endpoint, field, what, level }): Found[] => {
    const text = metadata[endpoint]
    if (text !== undefined && /^https?:$/.test(URL.parse(text)?.protocol ?? '')) return []
    const why =
      text === undefined ? 'which the provider does not name' : 'and its is no URL of http or https'
    const article = /^[aeiou]/.test(endpoint) ? 'an' : 'a'
    const message = `${what} needs ${article} ${endpoint}, ${why}; ${endpoint} can be set`
    return [{ level, code: 'endpoint_missing', field, message }]
  })
}

const GRANTS = ['authorization_code', 'client_credentials', 'password', 'refresh_token'] as const

function checkGrants(config: Config, { grant_types_supported: offered }: Metadata): Found[] {
  if (!offered) return []
  const asked = GRANTS.filter((name) => config.auth_methods.includes(name))
  const level = asksForMethods(config) || config.verify_parameters ? 'error' : 'note'
  return asked
    .filter((name) => !offered.includes(name))
    .map((name): Found => ({
      level,
      code: 'grant_not_supported',
      field: fieldOfMethod(config, name),
      message: `${name}: the provider does not offer this grant (grant_types_supported: ${listed(offered)})`,
    }))
}

function checkLogin(config: Config, { metadata, document }: Survey): Found[] {
  const findings: Found[] = []
  const add = (level: Found['level'], code: Found['code'], field: Path, message: string) =>
    void findings.push({ level, code, field, message })
  const of = metadata!
  const { response_mode, response_type } = config
  const type = sorted(response_type.join(' '))
  const types = of.response_types_supported
  if (!type.split(' ').includes('code'))
    add(
      'error',
      'response_type_not_supported',
      ['response_type'],
      `"${quotable(response_type.join(' '))}" brings no code, without which no login is finished: add code`,
    )
  else if (types && !types.some((each) => sorted(each) === type))
    add(
      'error',
      'response_type_not_supported',
      ['response_type'],
      `the provider does not offer "${quotable(response_type.join(' '))}" (response_types_supported: ${listed(types)})`,
    )
  const modes = of.response_modes_supported
  if (modes && !modes.includes(response_mode))
    add(
      'error',
      'response_mode_not_supported',
      ['response_mode'],
      `the provider does not offer ${response_mode} (response_modes_supported: ${listed(modes)})`,
    )
  // RFC 8414 §2: those are what a provider has that does not say.
  else if (!modes && response_mode !== 'query' && response_mode !== 'fragment')
    add(
      'warning',
      'response_mode_not_supported',
      ['response_mode'],
      `the provider does not say that it offers ${response_mode}`,
    )
  findings.push(...checkPkce(config, of), ...checkRequests(config, of, document))
  if (!config.scopes?.includes('openid'))
    add(
      'warning',
      'scope_openid_missing',
      ['scopes'],
      'openid is not among them, so that a login may bring no ID token',
    )
  return findings
}

function checkPkce(
  { require_proof_key_for_code_exchange: required }: Config,
  { code_challenge_methods_supported: offered }: Metadata,
): Found[] {
  const field = ['require_proof_key_for_code_exchange']
  const code = 'pkce_not_supported' as const
  if (offered?.includes('S256')) {
    if (required !== false) return []
    const message = 'is off, though the provider offers PKCE with S256: leave it out'
    return [{ level: 'warning', code: 'pkce_off', field, message }]
  }
  if (offered) {
    const level = required ? 'error' : 'warning'
    const message = `the provider does not offer S256 (code_challenge_methods_supported: ${listed(offered)})${required ? '' : ', so that codes are not bound to the gateway'}`
    return [{ level, code, field, message }]
  }
  if (!required) return []
  return [
    { level: 'warning', code, field, message: 'the provider does not say that it offers PKCE' },
  ]
}

/** Pushed (RFC 9126) and signed (RFC 9101) authorization requests. */
function checkRequests(config: Config, metadata: Metadata, document: Survey['document']): Found[] {
  const findings: Found[] = []
  const error = (code: Found['code'], field: string, message: string) =>
    void findings.push({ level: 'error', code, field: [field], message })
  const {
    require_pushed_authorization_requests: pushed,
    require_signed_request_object: signed,
    pushed_authorization_request_endpoint: endpoint,
  } = { ...metadata }
  const isPushed = config.require_pushed_authorization_requests ?? pushed ?? false
  const isSigned = config.require_signed_request_object ?? signed ?? false
  if (pushed && !isPushed)
    error(
      'par_required',
      'require_pushed_authorization_requests',
      'is off, and the provider takes pushed authorization requests only',
    )
  if (pushed && isPushed && endpoint === undefined)
    error(
      'endpoint_missing',
      'pushed_authorization_request_endpoint',
      'the provider takes pushed authorization requests only, and does not name where',
    )
  if (signed && !isSigned)
    error(
      'jar_required',
      'require_signed_request_object',
      'is off, and the provider takes signed authorization requests only',
    )
  if (!isSigned) return findings
  if (!isPushed && document.request_parameter_supported === false)
    error(
      'jar_not_supported',
      'require_signed_request_object',
      'the provider takes no signed authorization requests (request_parameter_supported)',
    )
  const algs = metadata.request_object_signing_alg_values_supported
  for (const client of createClients(config).all) {
    const alg = signingAlg(client)
    if (algs && !algs.includes(alg))
      error(
        'algorithm_not_supported',
        client.alg === undefined ? 'require_signed_request_object' : 'client_alg',
        `client ${client.index + 1} signs its authorization requests with ${alg}, which the provider does not take (request_object_signing_alg_values_supported: ${listed(algs)})`,
      )
  }
  return findings
}

/** With what a client signs its authorization requests. */
function signingAlg({ alg, jwk }: Client): string {
  if (!jwk) return alg ?? 'RS256'
  const ofCurve: Readonly<Record<string, string>> = { 'P-384': 'ES384', 'P-521': 'ES512' }
  const usual =
    jwk.kty === 'EC'
      ? (ofCurve[jwk.crv ?? ''] ?? 'ES256')
      : jwk.kty === 'OKP'
        ? 'EdDSA'
        : jwk.kty === 'oct'
          ? 'HS256'
          : 'RS256'
  return jwk.alg ?? alg ?? usual
}

const AUTH_LISTS = {
  token_endpoint: 'token_endpoint_auth_methods_supported',
  introspection_endpoint: 'introspection_endpoint_auth_methods_supported',
  revocation_endpoint: 'revocation_endpoint_auth_methods_supported',
  pushed_authorization_request_endpoint: 'token_endpoint_auth_methods_supported',
} as const satisfies Record<AuthenticatedEndpoint, keyof Metadata>

/** How each client says who it is, at each endpoint that it will be asked at. */
function checkClientAuth(config: Config, metadata: Metadata, needs: readonly Need[]): Found[] {
  const findings: Found[] = []
  const said = new Set<string>()
  const algs = metadata.token_endpoint_auth_signing_alg_values_supported
  for (const client of createClients(config).all) {
    for (const { endpoint, level } of needs) {
      if (!(endpoint in AUTH_LISTS)) continue
      const at = endpoint as AuthenticatedEndpoint
      const offered = metadata[AUTH_LISTS[at]]
      const method = chooseAuth(at, config, metadata, client)
      const field = fieldOfAuth(config, at, client)
      const key = `${client.index} ${at}`
      if (said.has(key)) continue
      said.add(key)
      const whose = `client ${client.index + 1}`
      if (offered && !offered.includes(method)) {
        const isPublic = method === 'none'
        // Many providers know public clients and do not say so; nobody lets them look into tokens.
        const isHarmless = isPublic && at === 'token_endpoint'
        findings.push({
          level: isHarmless || level === 'note' ? 'note' : isPublic ? 'warning' : 'error',
          code: 'client_auth_not_supported',
          field,
          message: isPublic
            ? `${whose} has nothing to prove at the ${at} who it is, and the provider does not say that it takes such clients`
            : `${whose} authenticates at the ${at} by ${method}, which the provider does not offer (${AUTH_LISTS[at]}: ${listed(offered)})`,
        })
        continue
      }
      const alg =
        method === 'client_secret_jwt'
          ? client.alg?.startsWith('HS')
            ? client.alg
            : 'HS256'
          : method === 'private_key_jwt'
            ? signingAlg(client)
            : undefined
      if (alg !== undefined && algs && !algs.includes(alg) && !said.has(`${client.index}`)) {
        said.add(`${client.index}`)
        findings.push({
          level: 'error',
          code: 'algorithm_not_supported',
          field: ['client_alg'],
          message: `${whose} signs its assertions with ${alg}, which the provider does not take (token_endpoint_auth_signing_alg_values_supported: ${listed(algs)})`,
        })
      }
    }
  }
  return findings
}

function fieldOfAuth(config: Config, endpoint: AuthenticatedEndpoint, { index }: Client): Path {
  const own = `${endpoint}_auth_method` as const
  if (config[own] !== undefined) return [own]
  if (!config.client_auth?.length) return ['client_auth']
  return ['client_auth', index < config.client_auth.length ? index : 0]
}

function checkScopes(config: Config, { scopes_supported: offered }: Metadata): Found[] {
  if (!offered) return []
  return (config.scopes ?? []).flatMap((scope, i): Found[] =>
    scope.split(' ').every((word) => offered.includes(word))
      ? []
      : [
          {
            // OpenID Connect Discovery §3: a provider may have scopes that it does not name.
            level: config.verify_parameters ? 'error' : 'warning',
            code: 'scope_not_supported',
            field: ['scopes', i],
            message: `the provider does not name "${quotable(scope)}" among its scopes (scopes_supported: ${listed(offered)})`,
          },
        ],
  )
}

/** Claims of access tokens that no provider announces: those of RFC 9068 and what comes with them. */
const USUAL: ReadonlySet<string> = new Set(
  'iss sub aud exp nbf iat jti scope scp azp client_id sid'.split(' '),
)

/** Claims that the provider does not say it gives. Most say so of ID tokens alone, so that this is to be looked at, no more. */
function checkClaims(config: Config, document: Survey['document']): Found[] {
  const offered = document.claims_supported
  if (!Array.isArray(offered)) return []
  const wanted: (readonly [field: Path, claim: string | undefined])[] = []
  const add = (field: Path, path: readonly string[] | undefined) =>
    void wanted.push([field, path?.[0]])
  if (config.groups_required) add(['groups_claim'], config.groups_claim)
  if (config.roles_required) add(['roles_claim'], config.roles_claim)
  if (config.scopes_required) add(['scopes_claim'], config.scopes_claim)
  add(['consumer_groups_claim'], config.consumer_groups_claim)
  add(['authenticated_groups_claim'], config.authenticated_groups_claim)
  add(['credential_claim'], config.credential_claim)
  config.consumer_claims?.forEach((path, i) => add(['consumer_claims', i], path))
  for (const name of ['upstream_headers', 'downstream_headers'] as const)
    config[name]?.forEach(({ path }, i) => add([name, i, 'path'], path))
  for (const name of ['upstream_headers_claims', 'downstream_headers_claims'] as const)
    config[name]?.forEach((claim, i) => add([name, i], [claim]))
  return wanted
    .filter(([, claim]) => claim !== undefined && !USUAL.has(claim) && !offered.includes(claim))
    .map(([field, claim]): Found => ({
      level: 'note',
      code: 'claim_not_announced',
      field,
      message: `the provider does not name the claim "${quotable(claim)}" among those it gives (claims_supported): see that tokens have it`,
    }))
}

/** The parts of a response type have no order (OAuth 2.0 Multiple Response Type Encoding Practices §3). */
function sorted(text: string): string {
  return text.split(' ').sort().join(' ')
}

/** As many as a sentence has room for. */
function listed(values: readonly string[]): string {
  const shown = values.slice(0, 12).join(', ')
  return quotable(values.length > 12 ? `${shown}, …` : shown || 'none')
}
