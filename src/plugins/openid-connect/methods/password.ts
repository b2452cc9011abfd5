import { array, type Config, string } from '../../../schema/field.ts'
import { createPairFinder } from './basic.ts'
import type { Finder } from './method.ts'

export const fields = {
  password_param_type: array(
    'Where usernames and passwords are looked for: as `Basic`, or as the arguments `username` and `password`.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

/** A user's name and password, which the provider turns into tokens (RFC 6749 §4.3). */
export function createPassword(config: Config<typeof fields>): Finder {
  return createPairFinder('password', config.password_param_type, 'username', 'password')
}
