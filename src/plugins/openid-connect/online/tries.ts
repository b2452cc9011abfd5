import type { Online } from '../../../pdk.ts'
import { createClientAuths } from '../client_auth.ts'
import { createClients } from '../clients.ts'
import { parseIssuer } from '../issuer.ts'
import type { Metadata } from '../metadata.ts'
import { Refusal } from '../refusal.ts'
import { createRelyingParty } from '../relying_party.ts'
import type { Config } from '../schema.ts'
import type { Found } from './found.ts'

/** Asks for a token as each of the gateway's own clients, which shows whether the provider takes its secret. */
export async function tryClients(
  config: Config,
  metadata: Metadata,
  gateway: Online,
): Promise<Found[]> {
  if (metadata.token_endpoint === undefined) return []
  const auths = createClientAuths(config, gateway)
  const relyingParty = createRelyingParty(config, gateway, auths)
  const allowHttp = parseIssuer(config.issuer)?.url.protocol === 'http:'
  const tried = createClients(config).all.map(async (client): Promise<Found[]> => {
    const field = ['client_id', client.index]
    const whose = `client ${client.index + 1}`
    const note = (code: Found['code'], message: string): Found[] => [
      { level: 'note', code, field, message },
    ]
    try {
      const { method } = auths.at('token_endpoint', metadata, client)
      if (method === 'none')
        return note('client_not_tried', `${whose} is not tried: it has nothing to prove who it is`)
      if (method === 'private_key_jwt' && !client.jwk)
        return note(
          'client_not_tried',
          `${whose} is not tried: the provider fetches its key from the gateway, which has to run`,
        )
      await relyingParty.clientCredentials({ metadata, client, isCallers: false, allowHttp })
      return note('client_taken', `the provider takes ${whose}`)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message } = error
      // Who is told so is known, unless the provider says otherwise, as Keycloak does; this grant it needs for nothing.
      if (code === 'unauthorized_client' && !/\(.*(?:credential|secret).*\)/i.test(message))
        return note('client_taken', `the provider takes ${whose}, but not for this grant`)
      const at = code === 'invalid_scope' ? ['scopes'] : field
      return [{ level: 'error', code, field: at, message: `${whose}: ${message}` }]
    }
  })
  return (await Promise.all(tried)).flat()
}
