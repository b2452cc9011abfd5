import { expect, test } from 'bun:test'
import { target, upstream } from '../../../src/entities/index.ts'
import { check } from '../../../src/schema/check.ts'

const ID = '11111111-1111-4111-8111-111111111111'

function faults(input: object): string[] {
  const checked = check(upstream, { id: ID, name: 'up', ...input })
  return (checked.faults ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

function targetOf(text: string): string {
  const checked = check(target, { id: ID, upstream: { id: ID }, target: text })
  return checked.faults ? checked.faults[0]!.message : checked.value.target
}

test('an upstream without more has what Kong has', () => {
  expect(check(upstream, { id: ID, name: 'up' }).value).toMatchObject({
    algorithm: 'round-robin',
    hash_on: 'none',
    hash_fallback: 'none',
    hash_on_cookie_path: '/',
    slots: 10000,
    use_srv_name: false,
    healthchecks: {
      threshold: 0,
      active: { type: 'http', timeout: 1, concurrency: 10, healthy: { interval: 0 } },
      passive: { unhealthy: { http_statuses: [429, 500, 503], tcp_failures: 0 } },
    },
  })
})

test('a part of the health checks leaves the rest as it is by default', () => {
  const healthchecks = { active: { healthy: { interval: 5 } } }
  expect(check(upstream, { id: ID, name: 'up', healthchecks }).value?.healthchecks).toMatchObject({
    active: { healthy: { interval: 5, successes: 0, http_statuses: [200, 302] }, http_path: '/' },
    passive: { healthy: { successes: 0 } },
  })
})

// prettier-ignore
test.each([
  [{ hash_on: 'ip' },                                                      'consistent-hashing', 'ip'],
  [{ hash_on: 'ip', algorithm: 'round-robin' },                            'consistent-hashing', 'ip'],
  [{ hash_on: 'none', algorithm: 'consistent-hashing' },                   'round-robin',        'none'],
  [{ algorithm: 'consistent-hashing' },                                    'consistent-hashing', 'none'],
  [{ hash_on: 'ip', algorithm: 'least-connections' },                      'least-connections',  'none'],
  [{ hash_on: 'ip', algorithm: 'latency' },                                'latency',            'none'],
])('%j balances by %s and %s', (input, algorithm, hash_on) => {
  expect(check(upstream, { id: ID, name: 'up', ...input }).value).toMatchObject({ algorithm, hash_on })
})

const BY = (field: string) => `: failed conditional validation given value of field '${field}'`

// prettier-ignore
test.each([
  [{ name: '1.2.3.4' },                                   ["name: Invalid name ('1.2.3.4'); no ip addresses allowed"]],
  [{ name: 'a:80' },                                      ["name: Invalid name ('a:80'); no port allowed"]],
  [{ name: 'a b' },                                       ["name: Invalid name ('a b'); must be a valid hostname"]],
  [{ slots: 9 },                                          ['slots: value should be between 10 and 65536']],
  [{ algorithm: 'x' },                                    ['algorithm: expected one of: consistent-hashing, least-connections, round-robin, latency']],
  [{ hash_on: 'header' },                                 ['hash_on_header: required field missing', BY('hash_on')]],
  [{ hash_on: 'ip', hash_fallback: 'header' },            ['hash_fallback_header: required field missing', BY('hash_fallback')]],
  [{ hash_on: 'cookie' },                                 ['hash_on_cookie: required field missing', BY('hash_on')]],
  [{ hash_on: 'query_arg' },                              ['hash_on_query_arg: required field missing', BY('hash_on')]],
  [{ hash_on: 'uri_capture' },                            ['hash_on_uri_capture: required field missing', BY('hash_on')]],
  [{ hash_fallback: 'ip' },                               ['hash_fallback: expected one of: none', BY('hash_on')]],
  [{ hash_on: 'cookie', hash_on_cookie: 'a', hash_fallback: 'ip' }, ['hash_fallback: expected one of: none', BY('hash_on')]],
  [{ hash_on: 'ip', hash_fallback: 'ip' },                ['hash_fallback: expected one of: none, consumer, header, cookie, path, query_arg, uri_capture', BY('hash_on')]],
  [{ hash_on: 'header', hash_on_header: 'a', hash_fallback: 'header', hash_fallback_header: 'a' }, [": values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'"]],
  [{ hash_on_header: 'a b' },                             ["hash_on_header: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"]],
  [{ hash_on_cookie_path: 'a' },                          ['hash_on_cookie_path: should start with: /']],
  [{ host_header: 'a b' },                                ['host_header: invalid hostname: a b']],
  [{ healthchecks: { active: { timeout: -1 } } },         ['healthchecks.active.timeout: value should be between 0 and 65535']],
  [{ healthchecks: { active: { type: 'udp' } } },         ['healthchecks.active.type: expected one of: tcp, http, https, grpc, grpcs']],
  [{ healthchecks: { active: { https_sni: '::1' } } },    ['healthchecks.active.https_sni: must not be an IP']],
  [{ healthchecks: { active: { headers: { 'a b': ['c'] } } } }, ["healthchecks.active.headers: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"]],
  [{ healthchecks: { passive: { healthy: { http_statuses: [99] } } } }, ['healthchecks.passive.healthy.http_statuses.0: value should be between 100 and 999']],
  [{ healthchecks: { passive: { unhealthy: { timeouts: 256 } } } }, ['healthchecks.passive.unhealthy.timeouts: value should be between 0 and 255']],
  [{ healthchecks: { threshold: 101 } },                  ['healthchecks.threshold: value should be between 0 and 100']],
])('%j is refused', (input, messages) => {
  expect(faults(input)).toEqual(messages)
})

// prettier-ignore
test.each([
  ['a.test:80',   'a.test:80'],
  ['a.test',      'a.test:8000'],
  ['1.2.3.4',     '1.2.3.4:8000'],
  ['::1',         '[::1]:8000'],
  ['[::1]',       '[::1]:8000'],
  ['[::1]:80',    '[::1]:80'],
  ['a b',         "Invalid target ('a b'); not a valid hostname or ip address"],
  ['1.2.3.400',   "Invalid target ('1.2.3.400'); not a valid hostname or ip address"],
])('the target %s is %s', (text, is) => expect(targetOf(text)).toBe(is))
