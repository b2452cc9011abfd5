import { array, type Config, string } from '../../schema/field.ts'
import { Refusal } from './refusal.ts'

/** Every way for a client to say who it is, by the names of RFC 8414. */
export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const

/** Those that this gateway can use. */
const SUPPORTED = ['client_secret_basic', 'client_secret_post', 'none'] as const
export type ClientAuthMethod = (typeof SUPPORTED)[number]

export const fields = {
  client_id: array(
    'The ids by which the provider knows the gateway; the first one is used.',
    string('A client id.', { referenceable: true }),
    { encrypted: true },
  ),
  client_secret: array(
    'The secrets of the clients, in the order of `client_id`.',
    string('A secret.', { referenceable: true }),
    { encrypted: true },
  ),
  client_auth: array(
    'How each client authenticates at the provider. Without it the first of the ways that the provider names.',
    string('A way to authenticate.', { one_of: CLIENT_AUTH_METHODS }),
  ),
  token_endpoint_auth_method: string(
    'How the client authenticates at the token endpoint, instead of `client_auth`.',
    { one_of: CLIENT_AUTH_METHODS },
  ),
}

/** A client of the provider. Without a secret it is a public one. */
export interface Client {
  readonly client_id: string
  readonly client_secret: string | undefined
  /** How it authenticates at the token endpoint; unset where the provider may choose. */
  readonly auth: (typeof CLIENT_AUTH_METHODS)[number] | undefined
}

/** The gateway's own client, if one is configured. */
export function ownClient(config: Config<typeof fields>): Client | undefined {
  const client_id = config.client_id?.[0]
  if (client_id === undefined) return undefined
  return { client_id, client_secret: config.client_secret?.[0], auth: configuredAuth(config) }
}

/** The client that a caller says it is, for the grant client_credentials. */
export function callersClient(
  config: Config<typeof fields>,
  client_id: string,
  client_secret: string,
): Client {
  const auth = configuredAuth(config)
  // A caller always has a secret, whatever the gateway's own client has.
  return { client_id, client_secret, auth: auth === 'none' ? undefined : auth }
}

/** How a client authenticates, where `offered` is what the provider's metadata names. Throws `Refusal`. */
export function chooseAuth(client: Client, offered: readonly string[] = []): ClientAuthMethod {
  const { auth } = client
  if (auth !== undefined && !isSupported(auth))
    throw new Refusal(
      'unsupported_client_auth',
      `${auth} is not built yet, so no tokens are asked for`,
    )
  if (client.client_secret === undefined) return 'none'
  if (auth !== undefined) return auth
  const usable = offered.filter((method) => method !== 'none').find(isSupported)
  return usable ?? 'client_secret_basic'
}

function configuredAuth(config: Config<typeof fields>): Client['auth'] {
  return config.token_endpoint_auth_method ?? config.client_auth?.[0]
}

/** The configured way to authenticate, if it is not built yet. */
export function missingAuth(config: Config<typeof fields>): string | undefined {
  const auth = configuredAuth(config)
  return auth === undefined || isSupported(auth) ? undefined : auth
}

function isSupported(method: string): method is ClientAuthMethod {
  return (SUPPORTED as readonly string[]).includes(method)
}
