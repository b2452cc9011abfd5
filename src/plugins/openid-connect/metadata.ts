import { isRecord } from '../../schema/check.ts'

/** The endpoints of a provider, by the names of its discovery document. */
export const ENDPOINTS = [
  'authorization_endpoint',
  'token_endpoint',
  'introspection_endpoint',
  'userinfo_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
  'pushed_authorization_request_endpoint',
] as const
export type Endpoint = (typeof ENDPOINTS)[number]

const TEXTS = [...ENDPOINTS, 'jwks_uri'] as const
const LISTS = [
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported',
  'introspection_endpoint_auth_methods_supported',
  'revocation_endpoint_auth_methods_supported',
  'grant_types_supported',
  'response_types_supported',
  'response_modes_supported',
  'scopes_supported',
  'code_challenge_methods_supported',
  'request_object_signing_alg_values_supported',
  'dpop_signing_alg_values_supported',
] as const
const FLAGS = [
  'require_pushed_authorization_requests',
  'require_signed_request_object',
  'authorization_response_iss_parameter_supported',
  'tls_client_certificate_bound_access_tokens',
  'frontchannel_logout_supported',
  'frontchannel_logout_session_supported',
  'backchannel_logout_supported',
  'backchannel_logout_session_supported',
] as const

/**
 * A provider's discovery document (OpenID Connect Discovery §3, RFC 8414 §2), as far as it is read, with the endpoints of
 * the configuration in the place of its own; `issuer` is always there.
 */
export interface Metadata
  extends
    Readonly<Partial<Record<(typeof TEXTS)[number], string>>>,
    Readonly<Partial<Record<(typeof LISTS)[number], readonly string[]>>>,
    Readonly<Partial<Record<(typeof FLAGS)[number], boolean>>> {
  readonly issuer: string
  /** Where clients go that show a certificate (RFC 8705 §5). */
  readonly mtls_endpoint_aliases?: Readonly<Partial<Record<Endpoint, string>>>
}

/** Reads the members of a discovery document that are of the right type; the others are as if they were not there. */
export function metadataOf(
  document: Readonly<Record<string, unknown>> & { issuer: string },
): Metadata {
  const read = <N extends string, T>(names: readonly N[], as: (value: unknown) => T | undefined) =>
    names.flatMap((name): [N, T][] => {
      const value = as(document[name])
      return value === undefined ? [] : [[name, value]]
    })
  const aliases = document.mtls_endpoint_aliases
  return {
    issuer: document.issuer,
    ...Object.fromEntries(read(TEXTS, textOf)),
    ...Object.fromEntries(read(LISTS, listOf)),
    ...Object.fromEntries(read(FLAGS, (value) => (typeof value === 'boolean' ? value : undefined))),
    ...(isRecord(aliases) && {
      mtls_endpoint_aliases: Object.fromEntries(
        ENDPOINTS.flatMap((name) => {
          const url = textOf(aliases[name])
          return url === undefined ? [] : [[name, url]]
        }),
      ),
    }),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function listOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.map(String) : undefined
}
