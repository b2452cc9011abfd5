import type { Config } from '../../schema/field.ts'
import type { Asker, Calls } from './calls.ts'
import type { Client, Clients, fields as clientFields } from './clients.ts'
import { type Discovery, fields as discoveries } from './discovery.ts'
import type { fields as endpoints } from './endpoints.ts'
import { hashOfAll } from './hash.ts'
import { NOTHING } from './passing.ts'
import { Refusal } from './refusal.ts'
import { fields as requests, type Provision, type RelyingParty } from './relying_party.ts'
import { type fields as caching } from './tokens.ts'

/** The calls to the provider, with its metadata and as the client that each of them takes. */
export function createCalls(
  relyingParty: RelyingParty,
  discovery: Discovery,
  clients: Clients,
): Calls {
  const metadata = async () => (await discovery.load()).metadata

  async function as(
    client: Client | undefined,
    by: Asker | undefined,
    isCallers = false,
  ): Promise<Provision> {
    if (!client) throw new Refusal('invalid_client', 'client_id is not set')
    const { allowHttp } = discovery
    const passed = by?.passed ?? NOTHING
    return { metadata: await metadata(), client, isCallers, allowHttp, passed }
  }
  const own = (by: Asker | undefined) => as(by?.client ?? clients.first, by)

  return {
    metadata,
    password: async ({ name, secret }, by) => relyingParty.password(await own(by), name, secret),
    client_credentials: async ({ name, secret, isAssertion }, by) => {
      const at = await as(clients.callers(name, isAssertion ? '' : secret), by, true)
      return isAssertion
        ? relyingParty.clientAssertion(at, secret)
        : relyingParty.clientCredentials(at)
    },
    refresh_token: async (token, by) => relyingParty.refresh(await own(by), token),
    authorization_code: async (code, by) => relyingParty.authorizationCode(await own(by), code),
    token_exchange: async (token, by) => relyingParty.exchange(await own(by), token),
    legacy_exchange: async (token, by) => relyingParty.legacyExchange(await anyone(by), token),
    introspect: async (token, by) => relyingParty.introspect(await own(by), token),
    userInfo: async (token, by) => relyingParty.userInfo(await anyone(by), token),
    revoke: async (token, hint, by) => relyingParty.revoke(await own(by), token, hint),
    pushAuthorizationRequest: async (parameters, by) =>
      relyingParty.pushAuthorizationRequest(await own(by), parameters),
  }

  /** Who asks with a token needs no client. */
  function anyone(by: Asker | undefined): Promise<Provision> {
    return as(by?.client ?? clients.first ?? clients.callers('', ''), by)
  }
}

type Settings = Config<
  typeof clientFields &
    typeof requests &
    typeof endpoints &
    Pick<typeof discoveries, 'issuer'> &
    Pick<typeof caching, 'token_cache_key_include_scope'>
>

/**
 * A text for all that tokens depend on beside the credential, the client that was chosen (its `client_id`) and what is
 * passed of the client's request (`Passed.key`): what has the same may share them.
 */
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
