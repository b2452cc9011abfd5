import { createHash } from 'node:crypto'
import { spelling } from '../../headers.ts'
import type { AccessContext, Consumers } from '../../pdk.ts'
import type { Config } from './schema.ts'

/** Says whose requests a request is counted with. */
export type Identify = (ctx: AccessContext) => string

/** Prepares `limit_by`. A request that has none of what is meant is counted with those of its address, as in Kong. */
export function createIdentify(config: Config, consumers: Consumers): Identify {
  const find = createFind(config, consumers)
  return (ctx) => find(ctx) ?? ctx.request.ip
}

function createFind(
  { limit_by, header_name = '', path }: Config,
  consumers: Consumers,
): (ctx: AccessContext) => string | undefined {
  switch (limit_by) {
    case 'service':
      return ({ service }) => service?.id
    case 'consumer':
      return ({ consumer, credential }) => (consumer ?? credential)?.id
    case 'consumer-group':
      // Of several groups the first in the alphabet, as where Kong picks one for a plugin.
      return ({ consumer }) => consumer && consumers.consumerGroupsOf(consumer)[0]
    case 'credential':
      return ({ credential }) => credential?.id
    case 'header': {
      const name = spelling(header_name)
      return ({ request }) => {
        const value = request.headers.getSpelling(name)
        return value === undefined ? undefined : digest(value)
      }
    }
    case 'path':
      return ({ request }) => (request.path === path ? path : undefined)
    default:
      return () => undefined
  }
}

/** What clients send may be a key, which is nobody's business in a Redis, and longer than a name there should be. */
function digest(value: string): string {
  return createHash('sha256').update(value, 'latin1').digest('base64url')
}
