import { generateKeyPair, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import type { Configuration, Context, Provider } from 'oidc-provider/lib/provider.js'
import { listenOnLoopback } from './loopback.ts'
import { createPasswordGrant } from './password.ts'
import { createTokenFormat, useTokenFormat, type TokenFormat } from './tokens.ts'

/** The client and the user of the how-to. They are printed in documentation: nothing real may ever trust them. */
export const CLIENT = { id: 'kong', secret: 'UNT3GPzCKI7zUbhAmFSUGbj4wmiBDGiW' }
export const USER = { name: 'alex', password: 'doe' }

/** A running identity provider for development. */
export interface DevelopmentProvider {
  readonly issuer: string
  readonly port: number
  /** How often each endpoint was called, by the names in `ENDPOINTS`; the rest is `other`. */
  calls(): Record<string, number>
  stop(): Promise<void>
}

const REALM = '/realms/master'

// Keycloak's paths, below the realm.
const ENDPOINTS = {
  authorization: '/protocol/openid-connect/auth',
  token: '/protocol/openid-connect/token',
  userinfo: '/protocol/openid-connect/userinfo',
  jwks: '/protocol/openid-connect/certs',
  introspection: '/protocol/openid-connect/token/introspect',
  revocation: '/protocol/openid-connect/revoke',
  end_session: '/protocol/openid-connect/logout',
}
const DISCOVERY = '/.well-known/openid-configuration'

/**
 * Starts an OpenID provider on loopback, with the how-to's client and user, as Keycloak's realm `master` would look.
 * Its keys and tokens live in memory and end with it. `port` 0 takes any free port; a taken one rejects with
 * `EADDRINUSE`. With `rotate` a refresh token works once, and using it again revokes those that came of it (RFC 9700
 * §4.14.2).
 */
export async function startProvider(options: {
  port: number
  rotate: boolean
}): Promise<DevelopmentProvider> {
  // Loaded here, so that a gateway that only starts never pays for it; and not through the package's index, which warns of Bun.
  const [{ Provider }, { createMemoryAdapter }, errors, { privateKey }] = await Promise.all([
    import('oidc-provider/lib/provider.js'),
    import('oidc-provider/lib/adapters/memory_adapter.js'),
    import('oidc-provider/lib/helpers/errors.js'),
    promisify(generateKeyPair)('rsa', { modulusLength: 2048 }),
  ])
  const server = await listenOnLoopback(options.port)
  const issuer = `http://localhost:${server.port}${REALM}`
  const key = { kid: randomUUID(), privateKey }
  const format = createTokenFormat(issuer, key)
  const provider = new Provider(issuer, {
    ...CONFIGURATION,
    adapter: createMemoryAdapter(),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: key.kid, alg: 'RS256' }] },
    rotateRefreshToken: options.rotate,
  })
  // The provider finds lifetimes and kinds by its classes' names, which `bun build --minify` drops.
  for (const name of MODELS) Object.defineProperty(provider[name], 'name', { value: name })
  const grant = createPasswordGrant(provider, errors, USER)
  provider.registerGrantType('password', grant, ['username', 'password', 'scope'])
  useTokenFormat(provider, format)
  const calls: Record<string, number> = {}
  server.serve(front(provider, format, (name) => (calls[name] = (calls[name] ?? 0) + 1)))
  return { issuer, port: server.port, calls: () => ({ ...calls }), stop: server.stop }
}

const MODELS = ['AccessToken', 'ClientCredentials', 'RefreshToken', 'Grant', 'IdToken'] as const

// What is a default of the package, and announces itself on the console when used, is set here.
const CONFIGURATION: Omit<Configuration, 'adapter' | 'jwks' | 'rotateRefreshToken'> = {
  claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'] },
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  clients: [
    {
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      // The provider takes client_secret_basic from such a client too.
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['password', 'refresh_token', 'client_credentials'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
  clientBasedCORS: () => false,
  conformIdTokenClaims: false,
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    // Nobody logs in with a browser here, so there is no session to end.
    rpInitiatedLogout: { enabled: false },
  },
  findAccount: async (_ctx, accountId) => ({ accountId, claims: async () => claimsOf(accountId) }),
  renderError: async (ctx: Context, answer) => {
    ctx.type = 'text/plain'
    ctx.body = `${answer.error}: ${answer.error_description}\n`
  },
  responseTypes: [],
  routes: ENDPOINTS,
  // Keycloak's own refresh tokens end after 30 idle minutes, which is a trap for someone who comes back from lunch.
  ttl: {
    AccessToken: 300,
    ClientCredentials: 300,
    IdToken: 300,
    RefreshToken: 86_400,
    Grant: 86_400,
  },
}

function claimsOf(accountId: string) {
  return { sub: accountId, preferred_username: accountId, email: `${accountId}@example.com` }
}

/** Serves the provider below the realm, counts the calls, and lets JWTs through where it would refuse them. */
function front(provider: Provider, format: TokenFormat, count: (endpoint: string) => void) {
  const answer = provider.callback()
  return async (...[request, response]: Parameters<typeof answer>) => {
    const path = request.url?.split('?')[0] ?? ''
    const endpoint = NAMES.get(path) ?? 'other'
    count(endpoint)
    if (!path.startsWith(`${REALM}/`)) {
      response.writeHead(404).end()
      return
    }
    const lookup = endpoint === 'introspection' || endpoint === 'revocation'
    try {
      await answer(belowRealm(lookup ? await withIdentifier(request, format) : request), response)
    } catch {
      // The client went away while it sent its form: there is nobody to answer.
      response.destroy()
    }
  }
}

const NAMES = new Map(
  Object.entries({ ...ENDPOINTS, discovery: DISCOVERY }).map(([name, path]) => [
    REALM + path,
    name,
  ]),
)

function belowRealm(request: IncomingMessage): IncomingMessage {
  const { url = '/' } = request
  // With `originalUrl` the provider knows what it is mounted under and publishes its URLs so.
  return Object.assign(request, { originalUrl: url, url: url.slice(REALM.length) })
}

/** The provider looks tokens up by their identifiers and takes no JWT at these two endpoints, where Keycloak does. */
async function withIdentifier(
  request: IncomingMessage,
  format: TokenFormat,
): Promise<IncomingMessage> {
  const form = new URLSearchParams(await text(request))
  const token = form.get('token')
  if (token) form.set('token', format.decode(token) ?? 'unknown')
  const body = Buffer.from(form.toString())
  return Object.assign(Readable.from([body]), {
    headers: { ...request.headers, 'content-length': String(body.length) },
    method: request.method,
    url: request.url,
    socket: request.socket,
  }) as IncomingMessage
}
