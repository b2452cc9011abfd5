import { array, type Config, string } from '../../../schema/field.ts'
import { createPairFinder } from './basic.ts'
import type { Finder } from './method.ts'

export const fields = {
  client_credentials_param_type: array(
    'Where client ids and secrets are looked for: as `Basic`, or as the arguments `client_id` and `client_secret`.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

/** A caller's own client id and secret, which the provider turns into a token (RFC 6749 §4.4). */
export function createClientCredentials(config: Config<typeof fields>): Finder {
  const types = config.client_credentials_param_type
  return createPairFinder('client_credentials', types, 'client_id', 'client_secret')
}
