import { createHash } from 'node:crypto'
import type { Chain, Trust } from '../../certificates/chain.ts'
import {
  createFindRevocation,
  findRevocationIn,
  type Status,
} from '../../certificates/revocation.ts'
import type { Awaitable, Cache, Gateway } from '../../pdk.ts'
import type { Config } from './schema.ts'

/** How long nobody is asked again who could not tell; milliseconds. */
const RETRY = 5_000

/** Tells whether a certificate was revoked, or one on its way to an authority. Without a promise if it is known already. */
export type Revocations = (chain: Chain) => Awaitable<Status>

/** Prepares it; nothing with `revocation_check_mode: SKIP`. */
export function createRevocations(
  config: Config,
  trust: Trust,
  gateway: Gateway,
): Revocations | undefined {
  if (config.revocation_check_mode === 'SKIP') return undefined
  const find = createFindRevocation(config, gateway)
  const known: Cache<Status> = gateway.cache('mtls-auth:revocations')
  // Entities with other settings ask others, or believe others.
  const settings = digest([
    JSON.stringify(config),
    ...trust.authorities.map(({ x509 }) => x509.fingerprint256),
  ])

  async function load(chain: Chain, key: string): Promise<Status> {
    const status = await findRevocationIn(chain, trust, find)
    const isKnown = typeof status === 'string'
    const ttl = Math.min(config.cert_cache_ttl, isKnown ? Infinity : RETRY)
    known.set(key, status, ttl / 1000)
    if (!isKnown && config.revocation_check_mode !== 'STRICT')
      gateway.log.info('a client certificate passes of which nobody could tell if it was revoked', {
        cause: status.unknown,
      })
    return status
  }

  return (chain) => {
    const key = digest([settings, ...chain.path.map(({ fingerprint256 }) => fingerprint256)])
    return known.get(key) ?? known.once(key, () => load(chain, key))
  }
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join(' ')).digest('base64url')
}
