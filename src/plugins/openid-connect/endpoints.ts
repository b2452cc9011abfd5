import { type Config, string } from '../../schema/field.ts'
import { type Endpoint, ENDPOINTS, type Metadata } from './metadata.ts'
import { badUrl } from './url.ts'

const url = { custom: badUrl }

export const fields = {
  authorization_endpoint: string('The authorization endpoint, instead of the discovered one.', url),
  token_endpoint: string('The token endpoint, instead of the discovered one.', url),
  introspection_endpoint: string('The introspection endpoint, instead of the discovered one.', {
    referenceable: true,
    ...url,
  }),
  userinfo_endpoint: string('The user info endpoint, instead of the discovered one.', url),
  revocation_endpoint: string('The revocation endpoint, instead of the discovered one.', url),
  end_session_endpoint: string('The end session endpoint, instead of the discovered one.', url),
  pushed_authorization_request_endpoint: string(
    'Where authorization requests are handed in, instead of the discovered place.',
    url,
  ),
  mtls_token_endpoint: string('The token endpoint for clients with a certificate.', url),
  mtls_introspection_endpoint: string(
    'The introspection endpoint for clients with a certificate.',
    url,
  ),
  mtls_revocation_endpoint: string('The revocation endpoint for clients with a certificate.', url),
}

type Settings = Config<typeof fields>

/** A provider's metadata with the endpoints of the configuration. What it discovers for clients with a certificate gives way to both kinds of them. */
export function withEndpoints(config: Settings, metadata: Metadata): Metadata {
  const own = configured(config)
  const { mtls_endpoint_aliases: discovered = {} } = metadata
  const kept = Object.entries(discovered).filter(([name]) => own[name as Endpoint] === undefined)
  const aliases = { ...Object.fromEntries(kept), ...configuredAliases(config) }
  return {
    ...metadata,
    ...own,
    ...(Object.keys(aliases).length > 0 && { mtls_endpoint_aliases: aliases }),
  }
}

/** The URLs that the operator has written: those may be `http:` whatever the issuer is. */
export function configuredUrls(config: Settings): ReadonlySet<string> {
  const urls = [...Object.values(configured(config)), ...Object.values(configuredAliases(config))]
  return new Set(urls)
}

/** Whether the configuration alone says where tokens, or whatever else is asked for, come from. */
function configured(config: Settings): Partial<Record<Endpoint, string>> {
  return defined(ENDPOINTS.map((name) => [name, config[name]]))
}

function configuredAliases(config: Settings): Partial<Record<Endpoint, string>> {
  return defined([
    ['token_endpoint', config.mtls_token_endpoint],
    ['introspection_endpoint', config.mtls_introspection_endpoint],
    ['revocation_endpoint', config.mtls_revocation_endpoint],
  ])
}

function defined(
  pairs: readonly (readonly [Endpoint, string | undefined])[],
): Partial<Record<Endpoint, string>> {
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined))
}
