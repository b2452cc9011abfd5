import {
  acl,
  basicauth_credential,
  ca_certificate,
  certificate,
  consumer,
  consumer_group,
  consumer_group_consumer,
  hmacauth_credential,
  jwt_secret,
  key,
  key_set,
  keyauth_credential,
  mtls_auth_credential,
  oauth2_credential,
  oauth2_token,
  partial,
  plugin,
  route,
  service,
  sni,
  target,
  upstream,
  vault,
} from '../entities/index.ts'
import type { Field } from '../schema/field.ts'

/** The entities that a file may hold, by the names of their lists. */
// prettier-ignore
export const KINDS = {
  services:                  { schema: service, key: 'name', unique: ['name'] },
  routes:                    { schema: route, key: 'name', unique: ['name'] },
  consumers:                 { schema: consumer, key: 'username', unique: ['username', 'custom_id'] },
  consumer_groups:           { schema: consumer_group, key: 'name', unique: ['name'] },
  consumer_group_consumers:  { schema: consumer_group_consumer, made: ['consumer', 'consumer_group'] },
  acls:                      { schema: acl, made: ['consumer', 'group'] },
  basicauth_credentials:     { schema: basicauth_credential, key: 'username', unique: ['username'], made: ['username'] },
  hmacauth_credentials:      { schema: hmacauth_credential, key: 'username', unique: ['username'], made: ['username'] },
  jwt_secrets:               { schema: jwt_secret, unique: ['key'] },
  keyauth_credentials:       { schema: keyauth_credential, unique: ['key'] },
  mtls_auth_credentials:     { schema: mtls_auth_credential },
  oauth2_credentials:        { schema: oauth2_credential, key: 'client_id', unique: ['client_id'] },
  oauth2_tokens:             { schema: oauth2_token, unique: ['access_token', 'refresh_token'] },
  upstreams:                 { schema: upstream, key: 'name', unique: ['name'] },
  targets:                   { schema: target, made: ['upstream', 'target'] },
  certificates:              { schema: certificate },
  snis:                      { schema: sni, key: 'name', unique: ['name'] },
  ca_certificates:           { schema: ca_certificate, unique: ['cert_digest'] },
  key_sets:                  { schema: key_set, key: 'name', unique: ['name'] },
  keys:                      { schema: key, key: 'name', unique: ['name'], made: ['kid', 'set'] },
  vaults:                    { schema: vault, key: 'prefix', unique: ['prefix'], made: ['prefix'] },
  partials:                  { schema: partial, key: 'name', unique: ['name'] },
  plugins:                   { schema: plugin, key: 'instance_name', unique: ['instance_name'], made: ['name', 'route', 'service', 'consumer'] },
} as const satisfies Record<string, KindRules>

interface KindRules {
  readonly schema: Field
  /** The field that other entities may name it by, and that its id is made of. */
  readonly key?: string
  readonly unique?: readonly string[]
  /** The fields that its id is made of, where it is not the key alone. */
  readonly made?: readonly string[]
}

/** What there is to know of a kind. */
export function rulesOf(kind: Kind): KindRules {
  return KINDS[kind]
}

export type Kind = keyof typeof KINDS

export function isKind(name: string): name is Kind {
  return Object.hasOwn(KINDS, name)
}

/** The foreign keys of a kind: the field, and the kind that it names. */
export const FOREIGN = mapKinds((kind) => {
  const fields = Object.entries((KINDS[kind].schema as Field).fields ?? {})
  return fields.flatMap(([name, field]) =>
    field.type === 'foreign' ? [[name, field.reference as Kind] as const] : [],
  )
})

/** The lists that may stand inside an entity of a kind, each with the foreign key that the nesting says. */
export const NESTED = mapKinds((parent) => {
  const children = Object.entries(FOREIGN) as [Kind, (typeof FOREIGN)[Kind]][]
  return new Map(
    children.flatMap(([kind, foreign]) => {
      const field = foreign.find(([, reference]) => reference === parent)?.[0]
      return field === undefined ? [] : [[kind, field] as const]
    }),
  )
})

const NOT_YET = 'not supported yet; remove it'

/** What Kong or decK knows and we do not: each is refused with what is to be said of it, since to leave it out would change who gets in or where to. */
export const UNSUPPORTED_ENTITIES: ReadonlyMap<string, string> = new Map([
  ['filter_chains', 'WebAssembly filters are not supported, as in Kong since 3.12; remove it'],
  ...`ai_models cloned_plugins consumer_group_plugins custom_entities custom_plugins degraphql_routes event_hooks files
  graphql_ratelimiting_advanced_cost_decoration groups keyauth_enc_credentials oauth2_authorization_codes
  rbac_endpoint_permissions rbac_roles rbac_users service_packages`
    .split(/\s+/)
    .map((name) => [name, NOT_YET] as const),
])

/** The fields of each kind for which the same goes, until its schema has them. */
const UNSUPPORTED_FIELDS: Partial<Readonly<Record<Kind, Readonly<Record<string, string>>>>> = {
  services: { tls_sans: "only the host is looked for in the server's certificate; remove it" },
  routes: {
    sources: "cannot set 'sources' when 'protocols' is 'http' or 'https'",
    destinations: "cannot set 'destinations' when 'protocols' is 'http' or 'https'",
  },
  oauth2_tokens: { ttl: NOT_YET },
  upstreams: { sticky_sessions_cookie: NOT_YET, sticky_sessions_cookie_path: NOT_YET },
}

/** What is to be said of a field, or a list, of an entity that we do not know and others do. */
export function refusalOf(kind: Kind, name: string): string | undefined {
  const { fields = {} } = KINDS[kind].schema as Field
  if (Object.hasOwn(fields, name)) return undefined
  const refused = UNSUPPORTED_FIELDS[kind] ?? {}
  return Object.hasOwn(refused, name) ? refused[name] : UNSUPPORTED_ENTITIES.get(name)
}

/** A record with one value for each kind. */
export function mapKinds<T>(to: (kind: Kind) => T): Readonly<Record<Kind, T>> {
  const kinds = Object.keys(KINDS) as Kind[]
  return Object.fromEntries(kinds.map((kind) => [kind, to(kind)])) as Record<Kind, T>
}
