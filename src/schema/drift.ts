import type { Field } from './field.ts'

/** The releases of Kong whose defaults can be taken. */
// prettier-ignore
export const COMPAT_VERSIONS = [
  '3.4', '3.5', '3.6', '3.7', '3.8', '3.9', '3.10', '3.11', '3.12', '3.13', '3.14', '3.15',
] as const
export type CompatVersion = (typeof COMPAT_VERSIONS)[number]

/** A default that Kong has changed. */
export interface Drift {
  /** The path of the field, as in `redis.ssl_verify` or `topics[].x`. */
  readonly field: string
  /** The first release with the new default. */
  readonly since: CompatVersion
  /** The default before; nothing where there was none. */
  readonly before: unknown
}

/**
 * Each release that changed defaults: what a default was before, whose, and of which fields. The literal secrets that
 * `session` once had are not here: who knows one signs sessions of his own.
 */
// prettier-ignore
const CHANGES: readonly (readonly [CompatVersion, unknown, string, string])[] = [
  ['3.14', false, 'ace', 'rate_limiting.redis.ssl_verify'],
  ['3.14', false, 'acme', 'storage_config.redis.ssl_verify'],
  ['3.14', false, 'azure-functions', 'https_verify'],
  ['3.14', false, 'basic-auth', 'brute_force_protection.redis.ssl_verify hide_credentials'],
  ['3.14', false, 'confluent', 'schema_registry.confluent.authentication.oauth2_client.ssl_verify security.ssl_verify'],
  ['3.14', false, 'confluent-consume', 'schema_registry.confluent.authentication.oauth2_client.ssl_verify security.ssl_verify topics[].schema_registry.confluent.authentication.oauth2_client.ssl_verify'],
  ['3.14', false, 'datakit', 'resources.cache.redis.ssl_verify'],
  ['3.14', false, 'forward-proxy', 'https_verify'],
  ['3.14', false, 'graphql-proxy-cache-advanced', 'redis.ssl_verify'],
  ['3.14', false, 'graphql-rate-limiting-advanced', 'redis.ssl_verify'],
  ['3.14', undefined, 'header-cert-auth', 'ssl_verify'],
  ['3.14', ['hmac-sha1', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512'], 'hmac-auth', 'algorithms'],
  ['3.14', false, 'hmac-auth', 'hide_credentials'],
  ['3.14', undefined, 'http-log', 'ssl_verify'],
  ['3.14', undefined, 'jwt-signer', 'access_token_endpoints_ssl_verify channel_token_endpoints_ssl_verify'],
  ['3.14', false, 'kafka-consume', 'schema_registry.confluent.authentication.oauth2_client.ssl_verify security.ssl_verify topics[].schema_registry.confluent.authentication.oauth2_client.ssl_verify'],
  ['3.14', false, 'kafka-log', 'schema_registry.confluent.authentication.oauth2_client.ssl_verify security.ssl_verify'],
  ['3.14', false, 'kafka-upstream', 'schema_registry.confluent.authentication.oauth2_client.ssl_verify security.ssl_verify'],
  ['3.14', false, 'key-auth', 'hide_credentials'],
  ['3.14', false, 'key-auth-enc', 'hide_credentials'],
  ['3.14', false, 'konnect-application-auth', 'v2_strategies.openid_connect[].config.cluster_cache_redis.ssl_verify v2_strategies.openid_connect[].config.hide_credentials v2_strategies.openid_connect[].config.redis.ssl_verify v2_strategies.openid_connect[].config.session_memcached_ssl v2_strategies.openid_connect[].config.session_memcached_ssl_verify v2_strategies.openid_connect[].config.ssl_verify'],
  ['3.14', false, 'ldap-auth', 'hide_credentials verify_ldap_host'],
  ['3.14', false, 'ldap-auth-advanced', 'hide_credentials verify_ldap_host'],
  ['3.14', undefined, 'mtls-auth', 'ssl_verify'],
  ['3.14', false, 'oauth2', 'hide_credentials'],
  ['3.14', false, 'oauth2-introspection', 'hide_credentials'],
  ['3.14', false, 'openid-connect', 'cluster_cache_redis.ssl_verify hide_credentials redis.ssl_verify session_memcached_ssl session_memcached_ssl_verify ssl_verify'],
  ['3.14', false, 'proxy-cache-advanced', 'redis.ssl_verify'],
  ['3.14', false, 'rate-limiting', 'redis.ssl_verify'],
  ['3.14', false, 'rate-limiting-advanced', 'redis.ssl_verify'],
  ['3.14', false, 'request-callout', 'cache.redis.ssl_verify callouts[].request.http_opts.ssl_verify'],
  ['3.14', false, 'response-ratelimiting', 'redis.ssl_verify'],
  ['3.14', false, 'saml', 'redis.ssl_verify'],
  ['3.14', false, 'service-protection', 'redis.ssl_verify'],
  ['3.14', false, 'solace-consume', 'session.ssl_validate_certificate'],
  ['3.14', false, 'solace-log', 'session.ssl_validate_certificate'],
  ['3.14', false, 'solace-upstream', 'session.ssl_validate_certificate'],
  ['3.14', false, 'tcp-log', 'ssl_verify'],
  ['3.14', false, 'upstream-oauth', 'cache.redis.ssl_verify client.ssl_verify'],
  ['3.14', false, 'vault-auth', 'hide_credentials'],
  ['3.13', undefined, 'jwt-signer', 'add_access_token_claims add_channel_token_claims add_claims set_access_token_claims set_channel_token_claims set_claims'],
  ['3.13', undefined, 'oauth2-introspection', 'custom_introspection_headers'],
  ['3.12', undefined, 'key-auth', 'identity_realms[].scope'],
  ['3.12', 'kong', 'solace-upstream', 'message.sender_id'],
  ['3.10', 1, 'opentelemetry', 'queue.max_batch_size'],
  ['3.10', undefined, 'opentelemetry', 'propagation.default_format'],
  ['3.10', undefined, 'zipkin', 'propagation.default_format'],
  ['3.9', undefined, 'graphql-proxy-cache-advanced', 'redis.host redis.port'],
  ['3.9', undefined, 'graphql-rate-limiting-advanced', 'redis.host redis.port'],
  ['3.9', undefined, 'konnect-application-auth', 'v2_strategies.openid_connect[].config.cluster_cache_redis.host v2_strategies.openid_connect[].config.cluster_cache_redis.port v2_strategies.openid_connect[].config.redis.host v2_strategies.openid_connect[].config.redis.port'],
  ['3.9', undefined, 'openid-connect', 'cluster_cache_redis.host cluster_cache_redis.port redis.host redis.port'],
  ['3.9', undefined, 'proxy-cache-advanced', 'redis.host redis.port'],
  ['3.9', undefined, 'rate-limiting-advanced', 'redis.host redis.port'],
  ['3.9', undefined, 'saml', 'redis.host redis.port'],
  ['3.9', undefined, 'upstream-oauth', 'cache.redis.host cache.redis.port'],
  ['3.8', undefined, 'graphql-proxy-cache-advanced', 'redis.connect_timeout redis.read_timeout redis.send_timeout'],
  ['3.8', undefined, 'graphql-rate-limiting-advanced', 'redis.connect_timeout redis.read_timeout redis.send_timeout'],
  ['3.8', undefined, 'proxy-cache-advanced', 'redis.connect_timeout redis.read_timeout redis.send_timeout'],
  ['3.8', undefined, 'rate-limiting-advanced', 'redis.connect_timeout redis.read_timeout redis.send_timeout'],
  ['3.7', undefined, 'acme', 'storage_config.redis.database storage_config.redis.port'],
  ['3.7', 30, 'proxy-cache-advanced', 'redis.keepalive_pool_size'],
  ['3.7', 30, 'rate-limiting-advanced', 'redis.keepalive_pool_size'],
]

/** The defaults of a plugin that Kong has changed, the newest change first. */
export function driftOf(plugin: string): readonly Drift[] {
  return CHANGES.filter(([, , name]) => name === plugin).flatMap(([since, before, , fields]) =>
    fields.split(' ').map((field) => ({ field, since, before })),
  )
}

/** Whether release `a` of Kong came before `b`. */
export function isBefore(a: CompatVersion, b: CompatVersion): boolean {
  return COMPAT_VERSIONS.indexOf(a) < COMPAT_VERSIONS.indexOf(b)
}

/** For the log of a start: whose defaults are taken. */
export function compatNotice(compat: CompatVersion): string {
  return `what a configuration leaves out is as in Kong ${compat} (GATEHOUSE_COMPAT); routes take http and https`
}

/** The schema of a plugin with the defaults that release `compat` of Kong had. */
export function withDefaultsOf(compat: CompatVersion, plugin: string, schema: Field): Field {
  return driftOf(plugin)
    .filter(({ since }) => isBefore(compat, since))
    .reduce((changed, { field, before }) => withDefault(changed, steps(field), before), schema)
}

/** A value of a configuration that came from a default, and that an older Kong would have had otherwise. */
export interface Difference extends Drift {
  readonly path: readonly (string | number)[]
  readonly value: unknown
}

/** Finds in a plugin's checked configuration what Kong before `compat` would have had otherwise, if nobody wrote it. */
export function findDifferences(
  compat: CompatVersion,
  plugin: string,
  config: unknown,
  isWritten: (path: readonly (string | number)[]) => boolean,
): Difference[] {
  return driftOf(plugin)
    .filter(({ since }) => !isBefore(compat, since))
    .flatMap((drift) =>
      placesOf(config, steps(drift.field)).map(({ path, value }) => ({ ...drift, path, value })),
    )
    .filter(({ path, value, before }) => !isAlike(value, before) && !isWritten(path))
}

/** A flag that is not set is off. */
function isAlike(value: unknown, before: unknown): boolean {
  return Bun.deepEquals(value ?? false, before ?? false)
}

/** Where a field stands in a configuration: in each element of the lists on the way to it. */
function placesOf(
  value: unknown,
  [step, ...more]: readonly string[],
  path: readonly (string | number)[] = [],
): { path: readonly (string | number)[]; value: unknown }[] {
  if (step === undefined) return [{ path, value }]
  if (step === '[]')
    return Array.isArray(value)
      ? value.flatMap((each, i) => placesOf(each, more, [...path, i]))
      : []
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return []
  return placesOf((value as Readonly<Record<string, unknown>>)[step], more, [...path, step])
}

/** The fields of a plugin that have another default in release `compat` than in the newest. */
export function olderDefaults(compat: CompatVersion, plugin: string): string[] {
  return driftOf(plugin)
    .filter(({ since }) => isBefore(compat, since))
    .map(({ field }) => field)
}

/** The names on the way to a field; `[]` stands for the elements of a list. */
function steps(field: string): string[] {
  return field.replaceAll('[]', '.[]').split('.')
}

function withDefault(field: Field, [step, ...more]: readonly string[], value: unknown): Field {
  if (step === undefined) {
    const { default: _, ...rules } = field.rules
    return { ...field, rules: value === undefined ? rules : { ...rules, default: value } }
  }
  if (step === '[]')
    return field.element ? { ...field, element: withDefault(field.element, more, value) } : field
  const child = field.fields?.[step]
  if (!child) return field
  return { ...field, fields: { ...field.fields, [step]: withDefault(child, more, value) } }
}
