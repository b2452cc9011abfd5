import {
  boolean,
  type EntityCheck,
  type Field,
  type Infer,
  integer,
  number,
  record,
  type Shorthand,
  string,
} from '../../schema/field.ts'
import { badHeaderName } from '../header.ts'
import { redisRecord, secret } from '../redis.ts'
import { PERIODS } from './window.ts'

const redis = redisRecord('The Redis that keeps the counts where `policy` is `redis`.')

const limit = (period: string) => number(`How many requests may come in ${period}.`, { gt: 0 })

/** The older form of a field of `redis`. */
function inRedis(field: (description: string) => Field, name: string): Shorthand {
  const description = `The older name of \`redis.${name}\`.`
  return { field: field(description), expand: (value: unknown) => ({ redis: { [name]: value } }) }
}

export const schema = record(
  'Lets so many requests pass in a second, a minute, an hour, a day, a month or a year, and refuses the others.',
  {
    second: limit('a second'),
    minute: limit('a minute'),
    hour: limit('an hour'),
    day: limit('a day'),
    month: limit('a month'),
    year: limit('a year'),
    limit_by: string(
      'Whose requests are counted together. Where the request has none of it, those of the same address are.',
      {
        default: 'consumer',
        one_of: ['consumer', 'credential', 'ip', 'service', 'header', 'path', 'consumer-group'],
      },
    ),
    header_name: string('The header that is meant by `limit_by: header`.', {
      custom: badHeaderName,
    }),
    path: string('The path that is meant by `limit_by: path`.', { custom: badPath }),
    policy: string('Where the counts are kept: in this process, or in a Redis.', {
      default: 'local',
      one_of: ['local', 'cluster', 'redis'],
      custom: (policy: string) =>
        policy === 'cluster'
          ? 'expected one of: local, redis (cluster needs a database, and there is none)'
          : undefined,
    }),
    fault_tolerant: boolean(
      'Whether requests pass uncounted while the Redis cannot be asked; otherwise they are 500.',
      { required: true, default: true },
    ),
    redis,
    hide_client_headers: boolean('Whether clients are not told of their limits in headers.', {
      required: true,
      default: false,
    }),
    error_code: number('The status of a refusal.', { default: 429, gt: 0, custom: badStatus }),
    error_message: string('What a refusal says.', { default: 'API rate limit exceeded' }),
    sync_rate: number(
      'Every how many seconds the counts are exchanged with the Redis; -1 asks it for each request.',
      { required: true, default: -1 },
    ),
  },
  { required: true },
  {
    shorthands: {
      redis_host: inRedis(string, 'host'),
      redis_port: inRedis(integer, 'port'),
      redis_timeout: inRedis(integer, 'timeout'),
      redis_username: inRedis(string, 'username'),
      redis_password: inRedis(
        (description) => string(description, { ...secret, len_min: 0 }),
        'password',
      ),
      redis_database: inRedis(integer, 'database'),
      redis_ssl: inRedis(boolean, 'ssl'),
      redis_ssl_verify: inRedis(boolean, 'ssl_verify'),
      redis_server_name: inRedis(string, 'server_name'),
    },
    checks: [
      noLimit,
      falling,
      badSyncRate,
      needed('limit_by', 'header', 'header_name'),
      needed('limit_by', 'path', 'path'),
      withoutHost,
    ],
  },
)

export type Config = Infer<typeof schema>

type Given = Readonly<Record<string, unknown>>

function noLimit(config: Given): string | undefined {
  if (PERIODS.some((period) => config[period] !== undefined)) return undefined
  const names = PERIODS.map((period) => `'config.${period}'`)
  return `at least one of these fields must be non-empty: ${names.join(', ')}`
}

/** In Kong's words: a longer period with a lower limit would make the shorter one mean nothing. */
function falling(config: Given): string | undefined {
  for (const [i, lower] of PERIODS.entries()) {
    const low = config[lower]
    for (const upper of PERIODS.slice(i + 1)) {
      const high = config[upper]
      if (typeof low === 'number' && typeof high === 'number' && high < low)
        return `The limit for ${upper}(${high.toFixed(1)}) cannot be lower than the limit for ${lower}(${low.toFixed(1)})`
    }
  }
  return undefined
}

function badSyncRate({ policy, sync_rate }: Given): string | undefined {
  if (sync_rate === -1) return undefined
  if (policy !== 'redis') return 'sync_rate can only be used with the redis policy'
  return (sync_rate as number) < 0.02
    ? 'sync_rate must be greater than 0.02, or -1 to disable'
    : undefined
}

function needed(field: string, value: string, other: string): EntityCheck {
  return (config) =>
    config[field] === value && config[other] === undefined
      ? { field: other, message: 'required field missing' }
      : undefined
}

function withoutHost(config: Given) {
  const { host } = config.redis as Given
  return config.policy === 'redis' && host === undefined
    ? { field: 'redis', message: 'host: required field missing' }
    : undefined
}

function badPath(path: string): string | undefined {
  if (!path.startsWith('/')) return 'should start with: /'
  return path.includes('//') ? 'must not have empty segments' : undefined
}

/** Kong takes any number and fails when it is to be sent. */
function badStatus(status: number): string | undefined {
  return Number.isInteger(status) && status >= 200 && status <= 599
    ? undefined
    : 'expected a status from 200 to 599'
}
