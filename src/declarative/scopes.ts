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
    mtls-auth oauth2-introspection opa openid-connect post-function pre-function session tls-handshake-modifier tls-metadata-headers`],
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
