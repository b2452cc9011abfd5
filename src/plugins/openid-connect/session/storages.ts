import type { Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import type { fields } from './fields.ts'
import { createMemcachedStorage } from './memcached.ts'
import { createRedisStorage } from './redis.ts'
import type { SessionStorage } from './storage.ts'

/** Where `session_storage` has sessions; nothing for cookies. */
export function createStorage(
  config: Config<typeof fields>,
  gateway: Pick<Gateway, 'ca' | 'keep' | 'now'>,
): SessionStorage | undefined {
  switch (config.session_storage) {
    case 'redis':
      return createRedisStorage(config, gateway)
    case 'memcache':
    case 'memcached':
      return createMemcachedStorage(config, gateway)
    case 'cookie':
      return undefined
  }
}
