import { gatewayOf, openidConnect } from '../e2e/entities.ts'
import { Gatehouse, type GatehouseOptions } from '../e2e/gatehouse.ts'
import { Service } from '../e2e/service.ts'
import { Calls } from './calls.ts'
import { keycloak } from './keycloak.ts'

export interface Scene extends AsyncDisposable {
  readonly calls: Calls
  readonly service: Service
  readonly issuer: string
  readonly config: object
  readonly gatehouse: Gatehouse
}

/** A service, a realm of Keycloak whose calls are kept, and a gateway between them: the how-to's plugin with `changes`. */
export async function startScene(
  realm: string,
  changes: object = {},
  options: Partial<GatehouseOptions> = {},
): Promise<Scene> {
  await using begun = new AsyncDisposableStack()
  const calls = begun.use(new Calls(keycloak!.url))
  const service = begun.use(new Service())
  const issuer = calls.issuer(realm)
  const config = gatewayOf(service.url, openidConnect(issuer, changes))
  const gatehouse = begun.use(await Gatehouse.start({ config, ...options }))
  const all = begun.move()
  const dispose = () => all.disposeAsync()
  return { calls, service, issuer, config, gatehouse, [Symbol.asyncDispose]: dispose }
}
