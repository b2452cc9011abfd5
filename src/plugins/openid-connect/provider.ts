import type { Gateway } from '../../pdk.ts'
import type { Config } from '../../schema/field.ts'
import type { fields as answers } from './answer.ts'
import type { Calls } from './calls.ts'
import { type ClientAuths, createClientAuths, fields as auth } from './client_auth.ts'
import { type Clients, createClients, fields as clients } from './clients.ts'
import { createDiscovery, type Discovery, fields as discovery } from './discovery.ts'
import { fields as endpoints } from './endpoints.ts'
import { createExchanges, type Exchanges, fields as exchange } from './exchange.ts'
import { createCalls } from './grants.ts'
import { fields as parameters } from './parameters.ts'
import { createPassing, fields as passing, type Passing } from './passing.ts'
import { createRelyingParty, fields as requests } from './relying_party.ts'
import type { fields as verification } from './verify.ts'

/** The fields of all that has to do with the provider. */
export const fields = {
  ...discovery,
  ...endpoints,
  ...parameters,
  ...clients,
  ...auth,
  ...requests,
  ...passing,
  ...exchange,
}

type Settings = Config<
  typeof fields &
    Pick<typeof verification, 'leeway'> &
    Pick<
      typeof answers,
      'unauthorized_redirect_uri' | 'forbidden_redirect_uri' | 'unexpected_redirect_uri'
    >
>

/** The identity provider, as one plugin entity has to do with it. */
export interface IdentityProvider {
  readonly clients: Clients
  readonly auths: ClientAuths
  readonly passing: Passing
  readonly discovery: Discovery
  readonly calls: Calls
  readonly exchanges: Exchanges
}

/** Prepares all that has to do with the provider. Asks nothing. */
export function createIdentityProvider(config: Settings, gateway: Gateway): IdentityProvider {
  const auths = createClientAuths(config, gateway)
  const relyingParty = createRelyingParty(config, gateway, auths)
  const discovery = createDiscovery(config, relyingParty, gateway)
  const clients = createClients(config)
  const calls = createCalls(relyingParty, discovery, clients)
  return {
    clients,
    auths,
    passing: createPassing(config),
    discovery,
    calls,
    exchanges: createExchanges(config, calls, relyingParty, gateway),
  }
}
