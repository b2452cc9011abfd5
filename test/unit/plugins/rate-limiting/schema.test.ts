import { expect, test } from 'bun:test'
import { schema } from '../../../../src/plugins/rate-limiting/schema.ts'
import { check } from '../../../../src/schema/check.ts'

function faultsOf(config: Record<string, unknown>): string[] {
  return (check(schema, config).faults ?? []).map(({ path, message }) =>
    [...path, message].join(': '),
  )
}

// prettier-ignore
test.each([
  [{},                                            "at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'"],
  [{ second: 20, hour: 10 },                      'The limit for hour(10.0) cannot be lower than the limit for second(20.0)'],
  [{ month: 60, year: 50 },                       'The limit for year(50.0) cannot be lower than the limit for month(60.0)'],
  [{ minute: 0 },                                 'minute: value must be greater than 0'],
  [{ minute: 1, limit_by: 'header' },             'header_name: required field missing'],
  [{ minute: 1, limit_by: 'path' },               'path: required field missing'],
  [{ minute: 1, limit_by: 'path', path: 'a' },    'path: should start with: /'],
  [{ minute: 1, limit_by: 'path', path: '/a//b' },'path: must not have empty segments'],
  [{ minute: 1, limit_by: 'header', header_name: 'a b' }, "header_name: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"],
  [{ minute: 1, policy: 'redis' },                'redis: host: required field missing'],
  [{ minute: 1, policy: 'cluster' },              'policy: expected one of: local, redis (cluster needs a database, and there is none)'],
  [{ minute: 1, sync_rate: 1 },                   'sync_rate can only be used with the redis policy'],
  [{ minute: 1, sync_rate: 0.01, policy: 'redis', redis: { host: 'h' } }, 'sync_rate must be greater than 0.02, or -1 to disable'],
  [{ minute: 1, error_code: 99 },                 'error_code: expected a status from 200 to 599'],
  [{ minute: 1, redis: { cloud_authentication: { auth_provider: 'aws' } } }, "redis: cloud_authentication: auth_provider: logging in with a cloud provider's identity is not built yet"],
])('%j is a fault: %s', (config, fault) => {
  expect(faultsOf(config)).toEqual([fault])
})

test('the older names of the fields of redis fill it', () => {
  const { value } = check(schema, {
    minute: 1,
    policy: 'redis',
    redis_host: 'h',
    redis_port: 1,
    redis_password: '',
    redis_database: 2,
    redis_timeout: 3,
    redis_ssl: true,
  })
  expect(value?.redis).toMatchObject({
    host: 'h',
    port: 1,
    password: '',
    database: 2,
    timeout: 3,
    ssl: true,
    ssl_verify: true,
  })
})
