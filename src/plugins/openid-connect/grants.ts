import type { Config } from '../../schema/field.ts'
import { callersClient, type Client, fields as clients, ownClient } from './client.ts'
import { type Discovery, fields as discoveries } from './discovery.ts'
import { hashOfAll } from './hash.ts'
import { Refusal } from './refusal.ts'
import { fields as requests, type RelyingParty, type TokenEndpoint } from './relying_party.ts'
import { type Grants, fields as caching } from './tokens.ts'

type Settings = Config<
  typeof clients &
    typeof requests &
    Pick<typeof discoveries, 'issuer' | 'token_endpoint'> &
    Pick<typeof caching, 'token_cache_key_include_scope'>
>

/** The grants at the provider's token endpoint, as the client that each of them takes. */
export function createGrants(
  config: Settings,
  relyingParty: RelyingParty,
  discovery: Discovery,
): Grants {
  const own = ownClient(config)

  async function endpoint(client: Client | undefined, isCallers: boolean): Promise<TokenEndpoint> {
    if (!client) throw new Refusal('invalid_client', 'client_id is not set')
    const { metadata } = await discovery.load()
    return { metadata, client, isCallers, allowHttp: discovery.allowHttp }
  }

  return {
    password: async ({ name, secret }) =>
      relyingParty.password(await endpoint(own, false), name, secret),
    refresh_token: async (token) => relyingParty.refresh(await endpoint(own, false), token),
    client_credentials: async ({ name, secret }) =>
      relyingParty.clientCredentials(await endpoint(callersClient(config, name, secret), true)),
  }
}

/** A text for all that tokens depend on beside the credential: what has the same may share them. */
export function tokenIdentity(config: Settings, salt: string): string {
  const { issuer, token_endpoint, client_id, audience, scopes } = config
  const { token_post_args_names, token_post_args_values } = config
  const { token_headers_names, token_headers_values } = config
  const told = [
    [issuer, token_endpoint, client_id?.[0], audience],
    [token_post_args_names, token_post_args_values],
    [token_headers_names, token_headers_values],
    config.token_cache_key_include_scope ? scopes : undefined,
  ]
  return hashOfAll(salt, JSON.stringify(told))
}
