import type { Code } from './refusal.ts'

/** What is known of a failed call to the provider. */
export interface Failure {
  readonly code: Code
  /** What was asked for: `discovery`, `keys`, or a grant. */
  readonly what: string
  readonly url: URL
  /** Whether the caller's own client was used, not the gateway's. */
  readonly isCallers: boolean
  /** The answer's status and media type, if there was an answer. */
  readonly status?: number
  readonly mediaType?: string
  /** Why the connection failed, by the gateway's client. */
  readonly fault?: string
  /** What the provider, or the gateway's client, said of it. */
  readonly words?: string
}

/** What an operator should do about a failure: the first that fits. */
const ADVICE: readonly (readonly [(failure: Failure) => boolean, (failure: Failure) => string])[] =
  [
    [
      ({ code, isCallers, words = '' }) =>
        code === 'unauthorized_client' && !isCallers && /credential|secret/i.test(words),
      () => "check client_id and client_secret against the provider's",
    ],
    [
      ({ code, what }) => code === 'unauthorized_client' && what === 'password',
      () =>
        'in Keycloak, switch on "Direct access grants" in the settings of the client, or check its secret',
    ],
    [
      ({ code, isCallers }) => code === 'unauthorized_client' && !isCallers,
      ({ what }) => `allow the client the grant "${what}" at the provider, or check its secret`,
    ],
    [
      ({ code, isCallers }) => code === 'unauthorized_client' && isCallers,
      () => 'in Keycloak, switch on "Service accounts roles" in the settings of the client',
    ],
    [
      ({ code, isCallers }) => code === 'invalid_client' && !isCallers,
      () =>
        "check client_id and client_secret against the provider's, and that client_auth is the way the client may authenticate",
    ],
    [
      ({ code, what }) => code === 'invalid_grant' && what === 'password',
      () => 'the username or the password is wrong, or the account is not fully set up',
    ],
    [
      ({ code }) => code === 'invalid_scope',
      () => 'set scopes to what the provider knows and allows the client, or to null',
    ],
    [
      ({ what, mediaType }) => what === 'discovery' && mediaType === 'text/html',
      ({ url }) =>
        `a web page came instead of the discovery document: set issuer to the provider's own, such as ${url.origin}/realms/<realm> with Keycloak`,
    ],
    [
      ({ mediaType }) => mediaType === 'text/html',
      () => 'a web page came: check the endpoint, and what stands between it and the gateway',
    ],
    [
      ({ what, status }) => what === 'discovery' && status === 404,
      () => 'check the path of issuer, with Keycloak the name of the realm',
    ],
    [
      ({ url, fault }) => fault !== undefined && url.hostname === 'host.docker.internal',
      () => 'host.docker.internal is known inside Docker only: outside of it, try localhost',
    ],
    [
      ({ url, fault }) => fault === 'connect_failed' && isLoopback(url.hostname),
      () => 'start the provider, or inside a container use an address of the host',
    ],
    [
      ({ code }) => code === 'provider_timeout',
      () => "look why the provider is slow, or raise the plugin's timeout",
    ],
    [({ status = 0 }) => status >= 500, () => "the cause stands in the provider's own log"],
    [
      ({ fault }) => fault === 'name_resolution_failed',
      ({ url }) => `check the name ${url.hostname} in issuer`,
    ],
    [
      ({ fault, words = '' }) => fault === 'tls_failed' && words.includes('WRONG_VERSION_NUMBER'),
      () => 'the provider speaks plain HTTP on that port: write http:// instead of https://',
    ],
    [
      ({ url, fault }) => fault === 'closed' && url.protocol === 'http:',
      () => 'if the provider speaks TLS on that port, write https:// instead of http://',
    ],
    [
      ({ fault }) => fault === 'tls_failed',
      () => "name the provider's CA in SSL_CERT_FILE; ssl_verify: false is for trying out only",
    ],
  ]

/** What to do about a failed call to the provider, if the cause is a known one. */
export function advise(failure: Failure): string | undefined {
  return ADVICE.find(([fits]) => fits(failure))?.[1](failure)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}
