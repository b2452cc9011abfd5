import type { Gateway, Plugin } from '../../pdk.ts'
import type { Config, EntityCheck } from '../../schema/field.ts'
import type { fields as answers } from './answer.ts'
import type { Calls } from './calls.ts'
import {
  checks as authChecks,
  type ClientAuths,
  createClientAuths,
  fields as auth,
} from './client_auth.ts'
import { type Clients, createClients, fields as clients } from './clients.ts'
import {
  createDiscovery,
  createDiscoveryOf,
  type Discovery,
  fields as discovery,
} from './discovery.ts'
import { fields as endpoints } from './endpoints.ts'
import {
  checks as exchangeChecks,
  createExchanges,
  type Exchanges,
  fields as exchange,
} from './exchange.ts'
import { createCalls } from './grants.ts'
import { Metrics } from './metrics.ts'
import { OwnKeys } from './own_keys.ts'
import { fields as parameters } from './parameters.ts'
import { createPassing, fields as passing, type Passing } from './passing.ts'
import { createRelyingParty, fields as requests } from './relying_party.ts'
import type { fields as verification } from './verify.ts'

/** What the status listener shows: the public keys with which clients of `private_key_jwt` sign that have none of their own. */
export const pages: NonNullable<Plugin['pages']> = (node) => ({
  '/openid-connect/jwks': () => OwnKeys.of(node).page(),
})

/** The rules over several of these fields. */
export const checks: readonly EntityCheck[] = [...authChecks, ...exchangeChecks]

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
    Pick<typeof verification, 'leeway' | 'verify_claims'> &
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
  readonly metrics: Metrics
  /** The discovery of another issuer. */
  discoveryOf(issuer: string): Discovery
  readonly calls: Calls
  readonly exchanges: Exchanges
}

/** Prepares all that has to do with the provider. Asks nothing. */
export function createIdentityProvider(config: Settings, gateway: Gateway): IdentityProvider {
  const auths = createClientAuths(config, gateway)
  const relyingParty = createRelyingParty(config, gateway, auths)
  const metrics = new Metrics(config, gateway)
  const discovery = metrics.watchDiscovery(createDiscovery(config, relyingParty, gateway))
  const clients = createClients(config)
  const calls = createCalls(relyingParty, discovery, clients)
  return {
    clients,
    auths,
    passing: createPassing(config),
    discovery,
    metrics,
    discoveryOf: (issuer) => createDiscoveryOf(issuer, undefined, config, relyingParty, gateway),
    calls,
    exchanges: createExchanges(config, calls, relyingParty, gateway),
  }
}
