import { isKind, type Kind } from './kinds.ts'

/** Whose files are read: Kong's own, decK's, or what either takes. */
export type Dialect = 'union' | 'kong' | 'deck'

/** What only decK writes at the top of a file, and within entities. */
const DECKS_TOP = ['_info', '_workspace', '_konnect', '_plugin_configs', 'licenses']
const DECKS_WITHIN: Partial<Readonly<Record<Kind, readonly string[]>>> = {
  consumers: ['groups'],
  consumer_groups: ['consumers'],
  plugins: ['_config'],
}

/** The lists that decK reads at the top of a file, and within entities: credentials, for one, are always within. */
const TOP_IN_DECK: readonly Kind[] = [
  'services',
  'routes',
  'consumers',
  'consumer_groups',
  'plugins',
  'upstreams',
  'certificates',
  'ca_certificates',
  'vaults',
  'keys',
  'key_sets',
  'partials',
]
const WITHIN_IN_DECK: Partial<Readonly<Record<Kind, readonly Kind[]>>> = {
  services: ['routes', 'plugins'],
  routes: ['plugins'],
  consumers: [
    'plugins',
    'acls',
    'basicauth_credentials',
    'hmacauth_credentials',
    'jwt_secrets',
    'keyauth_credentials',
    'mtls_auth_credentials',
    'oauth2_credentials',
  ],
  consumer_groups: ['plugins'],
  upstreams: ['targets'],
  certificates: ['snis'],
}

/** Whether `name` may stand at the top of a file of that dialect or, with a `parent`, within an entity of that kind. */
export function isIn(dialect: Dialect, name: string, parent?: Kind): boolean {
  if (dialect === 'union') return true
  if (dialect === 'kong')
    return !(parent === undefined ? DECKS_TOP : (DECKS_WITHIN[parent] ?? [])).includes(name)
  if (name === '_comment' || name === '_ignore') return false
  // The consumers of a group are no list of entities: they are members.
  if (parent === 'consumer_groups' && name === 'consumers') return true
  if (!isKind(name)) return true
  return (parent === undefined ? TOP_IN_DECK : (WITHIN_IN_DECK[parent] ?? [])).includes(name)
}
