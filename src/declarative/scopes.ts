/** The foreign keys of a plugin: what it can be for. */
export type Scope = 'route' | 'service' | 'consumer' | 'consumer_group'

/** What Kong lets each of its plugins be for; what is not named here may be for anything. */
// prettier-ignore
const SCOPES: readonly (readonly [string, string])[] = [
  ['consumer consumer_group route service', `ip-restriction proxy-cache-advanced proxy-cache rate-limiting-advanced rate-limiting redirect
    request-callout request-termination request-transformer-advanced request-transformer response-transformer-advanced response-transformer upstream-oauth`],
  ['consumer_group route service', `standard-webhooks`],
  ['consumer route service', `correlation-id datadog exit-transformer file-log forward-proxy grpc-gateway grpc-web http-log jq
    loggly mocking oas-validation opentelemetry prometheus request-size-limiting request-validator
    response-ratelimiting route-by-header route-transformer-advanced statsd syslog tcp-log udp-log
    upstream-timeout websocket-size-limit websocket-validator xml-threat-protection zipkin`],
  ['route service', `acl basic-auth bot-detection canary cors header-cert-auth hmac-auth injection-protection json-threat-protection jwe-decrypt jwt-signer jwt key-auth-enc key-auth ldap-auth-advanced ldap-auth
    mtls-auth oauth2 oauth2-introspection opa openid-connect post-function pre-function session tls-handshake-modifier tls-metadata-headers`],
  ['service', `service-protection`],
  ['', `acme`],
]

const BY_PLUGIN: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  SCOPES.flatMap(([scopes, plugins]) =>
    plugins.split(/\s+/).map((name) => [name, new Set(scopes.split(' '))] as const),
  ),
)

/** Whether Kong lets the plugin be for one route, service, consumer or group. */
export function takesScope(plugin: string, scope: Scope): boolean {
  return BY_PLUGIN.get(plugin)?.has(scope) ?? true
}

export const ALL_SCOPES: readonly Scope[] = ['route', 'service', 'consumer', 'consumer_group']

/** The protocols that Kong lets some of its plugins handle; the others may handle any. */
// prettier-ignore
const PROTOCOLS: readonly (readonly [string, string])[] = [
  ['grpc grpcs http https ws wss', `acl basic-auth hmac-auth key-auth-enc key-auth ldap-auth-advanced ldap-auth mtls-auth openid-connect`],
  ['grpc grpcs http https', `acme bot-detection canary correlation-id cors exit-transformer forward-proxy header-cert-auth
    injection-protection jq json-threat-protection jwe-decrypt jwt-signer jwt mocking oas-validation
    oauth2 oauth2-introspection opa proxy-cache-advanced rate-limiting-advanced rate-limiting redirect
    request-callout request-size-limiting request-termination request-transformer-advanced
    request-validator response-ratelimiting response-transformer-advanced response-transformer
    route-by-header route-transformer-advanced service-protection standard-webhooks upstream-oauth
    upstream-timeout xml-threat-protection`],
  ['grpcs https tls', `tls-handshake-modifier tls-metadata-headers`],
  ['ws wss', `websocket-size-limit websocket-validator`],
]

const PROTOCOLS_BY_PLUGIN: ReadonlyMap<string, readonly string[]> = new Map(
  PROTOCOLS.flatMap(([protocols, plugins]) =>
    plugins.split(/\s+/).map((name) => [name, protocols.split(' ')] as const),
  ),
)

/** The protocols that Kong lets the plugin handle, if not any. */
export function protocolsOf(plugin: string): readonly string[] | undefined {
  return PROTOCOLS_BY_PLUGIN.get(plugin)
}
