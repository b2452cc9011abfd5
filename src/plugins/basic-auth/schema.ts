import { boolean, type Infer, record, string } from '../../schema/field.ts'
import { principals } from '../principals.ts'
import { badRealm } from '../realm.ts'
import { redisRecord } from '../redis.ts'

export const schema = record(
  'Lets those pass who send a name and a password that belong to a consumer.',
  {
    anonymous: string(
      'The id or username of the consumer that stands for callers without valid credentials. Without it they are refused.',
    ),
    hide_credentials: boolean(
      'Whether the name and password are taken out of the request to the service.',
      { required: true, default: true },
    ),
    realm: string('The realm that `WWW-Authenticate` names.', {
      required: true,
      default: 'service',
      custom: badRealm,
    }),
    brute_force_protection: record(
      'Makes those wait who send wrong passwords for a name.',
      {
        strategy: string(
          'Where failures are counted: in this process, in a Redis, or not at all.',
          {
            default: 'off',
            one_of: ['cluster', 'memory', 'off', 'redis'],
            custom: notYet,
          },
        ),
        redis: redisRecord('The Redis that keeps the counts where `strategy` is `redis`.'),
      },
      { required: true },
      { checks: [withoutHost] },
    ),
    principals,
  },
  { required: true },
)

export type Config = Infer<typeof schema>

function notYet(strategy: string): string | undefined {
  return strategy === 'cluster'
    ? 'expected one of: memory, off, redis (cluster needs a database, and there is none)'
    : undefined
}

function withoutHost({ strategy, redis }: Readonly<Record<string, unknown>>) {
  const { host } = redis as Readonly<Record<string, unknown>>
  return strategy === 'redis' && host === undefined
    ? { field: 'redis', message: 'host: required field missing' }
    : undefined
}
