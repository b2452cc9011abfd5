import type { ClientRequest } from '../../pdk.ts'
import type { BodyArguments } from '../arguments.ts'
import type { Asker } from './calls.ts'
import type { Client, Clients } from './clients.ts'
import { NOTHING, type Passed, type PassedTo, type Passing } from './passing.ts'

/** What of a request the provider's answers depend on beside its credential: the client it chose, and what is passed on. */
export interface Occasion {
  /** Unset where the configuration has no client. */
  readonly client: Client | undefined
  /** What differs from the usual occasion, for the keys of caches; empty for the usual one. It may be secret. */
  readonly key: string
  /** What goes along to an endpoint. */
  passed(to: PassedTo): Passed
  /** As whom an endpoint is asked. */
  asker(to: PassedTo): Asker
}

export interface Occasions {
  /** The same for all requests that choose the same client and pass nothing on. */
  of(request: ClientRequest, body?: BodyArguments): Occasion
  /** That of a client by its position, with nothing passed on: for what a client has begun before. */
  ofClient(index: number): Occasion
  /** Whether the body of a request has to be read before its occasion is known. */
  needsBody(request: ClientRequest): boolean
}

const ENDPOINTS: readonly PassedTo[] = ['token', 'introspection', 'userinfo', 'authorization']

export function createOccasions(clients: Clients, passing: Passing): Occasions {
  const usual = occasion(clients.first, () => NOTHING)
  const bare = clients.all.map((client) => occasion(client, () => NOTHING))
  const choosesClient = clients.all.length > 1
  const ofClient = (index: number) => bare[index] ?? usual
  // For nearly all configurations: nothing is looked at in a request.
  if (!choosesClient && passing.isEmpty)
    return { of: () => ofClient(0), ofClient, needsBody: () => false }

  return {
    of(request, body) {
      const chosen = (choosesClient && clients.choose(request, body)) || 0
      let passed: Map<PassedTo, Passed> | undefined
      for (const to of ENDPOINTS) {
        const each = passing.of(to, request, body)
        if (each !== NOTHING) (passed ??= new Map()).set(to, each)
      }
      if (!passed) return ofClient(chosen)
      return occasion(clients.all[chosen], (to) => passed.get(to) ?? NOTHING)
    },
    ofClient,
    needsBody: (request) =>
      (choosesClient && clients.inBody(request)) ||
      ENDPOINTS.some((to) => passing.inBody(to, request)),
  }
}

function occasion(client: Client | undefined, passed: Occasion['passed']): Occasion {
  // The id, not the position: who shares a salt may have other clients in its place.
  const keys = ENDPOINTS.map((to) => passed(to).key)
  const isUsual = (client?.index ?? 0) === 0 && keys.every((key) => key === '')
  return {
    client,
    key: isUsual ? '' : JSON.stringify([client?.client_id, ...keys]),
    passed,
    asker: (to) => ({ client, passed: passed(to) }),
  }
}
