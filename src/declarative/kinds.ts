import { consumer, keyauth_credential, plugin, route, service } from '../entities/index.ts'
import type { Field } from '../schema/field.ts'

/** The entities that a file may hold, by the names of their lists. */
export const KINDS = {
  services: { schema: service, key: 'name', unique: ['name'] },
  routes: { schema: route, key: 'name', unique: ['name'] },
  consumers: { schema: consumer, key: 'username', unique: ['username', 'custom_id'] },
  keyauth_credentials: { schema: keyauth_credential, key: undefined, unique: ['key'] },
  plugins: { schema: plugin, key: undefined, unique: ['instance_name'] },
} as const satisfies Record<string, KindRules>

interface KindRules {
  readonly schema: Field
  /** The field that other entities may name it by, and that its id is made of. */
  readonly key: string | undefined
  readonly unique: readonly string[]
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

/** What Kong or decK knows and we do not: each is refused, since to leave it out would change who gets in or where to. */
export const UNSUPPORTED_ENTITIES: ReadonlySet<string> = new Set(
  `acls ai_models basicauth_credentials ca_certificates certificates cloned_plugins consumer_group_consumers
  consumer_group_plugins consumer_groups custom_entities custom_plugins degraphql_routes event_hooks files
  filter_chains graphql_ratelimiting_advanced_cost_decoration groups hmacauth_credentials jwt_secrets key_sets keyauth_enc_credentials
  keys licenses mtls_auth_credentials oauth2_credentials oauth2_tokens partials rbac_roles service_packages snis targets
  upstreams vaults workspaces`.split(/\s+/),
)

/** The fields of each kind for which the same goes. */
export const UNSUPPORTED_FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  services: ['client_certificate', 'ca_certificates', 'tls_sans'],
  routes: ['snis', 'sources', 'destinations', 'expression', 'priority'],
  consumers: ['groups'],
  keyauth_credentials: ['ttl'],
  plugins: ['ordering', 'condition', 'partials', 'consumer_group'],
}

/** A record with one value for each kind. */
export function mapKinds<T>(to: (kind: Kind) => T): Readonly<Record<Kind, T>> {
  const kinds = Object.keys(KINDS) as Kind[]
  return Object.fromEntries(kinds.map((kind) => [kind, to(kind)])) as Record<Kind, T>
}
