import { boolean, type Config } from '../../schema/field.ts'
import type { Metadata } from './metadata.ts'
import { quotable, Refusal } from './refusal.ts'

export const fields = {
  verify_parameters: boolean(
    'Whether the configuration is compared with the discovery document: what the provider does not offer is refused then.',
    { default: false },
  ),
}

/** The fields that a discovery document can contradict, as they stand in a configuration. */
type Given = Config<typeof fields> & Readonly<Record<string, unknown>>

/** For each field the member of the document that has to name what the field asks for. */
const OFFERS = [
  ['scopes', 'scopes_supported'],
  ['response_mode', 'response_modes_supported'],
  ['client_auth', 'token_endpoint_auth_methods_supported'],
  ['token_endpoint_auth_method', 'token_endpoint_auth_methods_supported'],
  ['introspection_endpoint_auth_method', 'introspection_endpoint_auth_methods_supported'],
  ['revocation_endpoint_auth_method', 'revocation_endpoint_auth_methods_supported'],
  ['client_alg', 'token_endpoint_auth_signing_alg_values_supported'],
] as const satisfies readonly (readonly [string, keyof Metadata])[]

/** The grant that a method needs, by its name in the metadata. */
const GRANTS = ['authorization_code', 'client_credentials', 'password', 'refresh_token']

/** What a configuration asks for and a provider does not offer. What the document leaves out it does not forbid. */
export function mismatches(config: Given, metadata: Metadata): string[] {
  const found: string[] = []
  const compare = (field: string, wanted: readonly unknown[], offered?: readonly string[]) => {
    if (!offered) return
    for (const value of wanted)
      if (typeof value === 'string' && !offered.includes(value))
        found.push(`${field}: the provider does not offer ${quotable(value)}`)
  }
  for (const [field, member] of OFFERS) compare(field, listOf(config[field]), metadata[member])
  const types = listOf(config.response_type)
  if (types.length > 0) {
    const offered = metadata.response_types_supported?.map(sorted)
    compare('response_type', [sorted(types.join(' '))], offered)
  }
  const methods = listOf(config.auth_methods).filter((name) => GRANTS.includes(String(name)))
  compare('auth_methods', methods, metadata.grant_types_supported)
  if (config.require_proof_key_for_code_exchange === true)
    compare(
      'require_proof_key_for_code_exchange',
      ['S256'],
      metadata.code_challenge_methods_supported ?? [],
    )
  return found
}

/** Prepares the comparison; it throws `Refusal` for a provider that does not fit, and remembers the last one that did. */
export function createCheck(config: Given): (metadata: Metadata) => void {
  let checked: Metadata | undefined
  return (metadata) => {
    if (!config.verify_parameters || metadata === checked) return
    const [first] = mismatches(config, metadata)
    if (first !== undefined) throw new Refusal('provider_mismatch', first)
    checked = metadata
  }
}

function listOf(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : [value].flat()
}

/** The parts of a response type have no order (OAuth 2.0 Multiple Response Type Encoding Practices §3). */
function sorted(text: string): string {
  return text.split(' ').sort().join(' ')
}
