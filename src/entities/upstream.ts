import {
  array,
  boolean,
  foreign,
  type Infer,
  integer,
  map,
  number,
  record,
  string,
} from '../schema/field.ts'
import { conditional, distinct, is, oneOf, required } from './conditions.ts'
import { readHost } from './host.ts'
import { badServicePath } from './path.ts'
import { badHeaderName, badServerName, created_at, id, tags, updated_at } from './typedefs.ts'

const HASH_INPUTS = [
  'none',
  'consumer',
  'ip',
  'header',
  'cookie',
  'path',
  'query_arg',
  'uri_capture',
] as const

const SECONDS = { required: true, default: 0, between: [0, 65535] } as const
const COUNT = { required: true, default: 0, between: [0, 255] } as const

const type = string('How a target is asked.', {
  required: true,
  default: 'http',
  one_of: ['tcp', 'http', 'https', 'grpc', 'grpcs'],
})
const successes = integer('So many successes make a target healthy; 0 means never.', COUNT)
const tcp_failures = integer('So many failed connections make it unhealthy; 0 means never.', COUNT)
const timeouts = integer('So many timeouts make it unhealthy; 0 means never.', COUNT)
const http_failures = integer('So many bad answers make it unhealthy; 0 means never.', COUNT)
const interval = number('Seconds between two probes; 0 means none.', SECONDS)

function statuses<const S extends readonly number[]>(description: string, values: S) {
  return array(description, integer('A status.', { between: [100, 999] }), {
    required: true,
    default: values,
  })
}

const active = record(
  'Probes that the gateway sends.',
  {
    type,
    timeout: number('Seconds that a probe may take.', { ...SECONDS, default: 1 }),
    concurrency: integer('How many targets are probed at once.', {
      required: true,
      default: 10,
      between: [1, 2 ** 31],
    }),
    http_path: string('The path that is asked for.', {
      required: true,
      default: '/',
      custom: badServicePath,
    }),
    https_sni: string('The server name that a probe asks for.', { custom: badServerName }),
    https_verify_certificate: boolean("Whether a probe checks the target's certificate.", {
      required: true,
      default: true,
    }),
    headers: map('Header fields of a probe.', array('The values.', string('A value.')), {
      keys: badHeaderName,
    }),
    healthy: record(
      'What makes a target healthy.',
      {
        interval,
        http_statuses: statuses('Answers that are a success.', [200, 302]),
        successes,
      },
      { required: true },
    ),
    unhealthy: record(
      'What makes a target unhealthy.',
      {
        interval,
        http_statuses: statuses(
          'Answers that are a failure.',
          [429, 404, 500, 501, 502, 503, 504, 505],
        ),
        tcp_failures,
        timeouts,
        http_failures,
      },
      { required: true },
    ),
  },
  { required: true },
)

const passive = record(
  'What the gateway sees of the requests that pass.',
  {
    type,
    healthy: record(
      'What makes a target healthy.',
      {
        http_statuses: statuses(
          'Answers that are a success.',
          // prettier-ignore
          [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308],
        ),
        successes,
      },
      { required: true },
    ),
    unhealthy: record(
      'What makes a target unhealthy.',
      {
        http_statuses: statuses('Answers that are a failure.', [429, 500, 503]),
        tcp_failures,
        timeouts,
        http_failures,
      },
      { required: true },
    ),
  },
  { required: true },
)

/** Several servers behind one name. */
export const upstream = record(
  'Several servers behind one name.',
  {
    id,
    name: string('The host of the services that go here. Unique.', {
      required: true,
      custom: badName,
    }),
    algorithm: string('How a target is chosen.', {
      required: true,
      default: 'round-robin',
      one_of: ['consistent-hashing', 'least-connections', 'round-robin', 'latency'],
    }),
    hash_on: string('What of a request chooses the target.', {
      required: true,
      default: 'none',
      one_of: HASH_INPUTS,
    }),
    hash_fallback: string('What chooses it where that is not there.', {
      required: true,
      default: 'none',
      one_of: HASH_INPUTS,
    }),
    hash_on_header: string('The header field.', { custom: badHeaderName }),
    hash_fallback_header: string('The header field, where the first is not there.', {
      custom: badHeaderName,
    }),
    hash_on_cookie: string('The cookie; the gateway sets it where it is not there.', {
      custom: badCookieName,
    }),
    hash_on_cookie_path: string('The path of that cookie.', {
      required: true,
      default: '/',
      custom: badServicePath,
    }),
    hash_on_query_arg: string('The query argument.', { len_min: 1 }),
    hash_fallback_query_arg: string('The query argument, where the first is not there.', {
      len_min: 1,
    }),
    hash_on_uri_capture: string("The group of the route's regular expression.", { len_min: 1 }),
    hash_fallback_uri_capture: string('The group, where the first is not there.', { len_min: 1 }),
    slots: integer('The points on the ring of consistent hashing.', {
      required: true,
      default: 10000,
      between: [10, 65536],
    }),
    healthchecks: record(
      'Which targets are left out since they do not work.',
      {
        active,
        passive,
        threshold: number('Percent of the weight that must be healthy for the whole to be.', {
          required: true,
          default: 0,
          between: [0, 100],
        }),
      },
      { required: true },
    ),
    host_header: string('The host that targets are asked for.', { custom: badHost }),
    client_certificate: foreign('What the gateway shows to targets.', 'certificates'),
    use_srv_name: boolean('Whether a target is asked for under the name that its SRV record has.', {
      required: true,
      default: false,
    }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  {
    amend: agree,
    checks: [
      conditional('hash_on', is('header'), 'hash_on_header', required),
      conditional('hash_fallback', is('header'), 'hash_fallback_header', required),
      conditional('hash_on', is('cookie'), 'hash_on_cookie', required),
      conditional('hash_fallback', is('cookie'), 'hash_on_cookie', required),
      conditional('hash_on', is('none', 'cookie'), 'hash_fallback', oneOf('none')),
      ...(['consumer', 'ip', 'path'] as const).map((input) =>
        conditional(
          'hash_on',
          is(input),
          'hash_fallback',
          oneOf(...HASH_INPUTS.filter((each) => each !== input)),
        ),
      ),
      distinct('hash_on_header', 'hash_fallback_header'),
      conditional('hash_on', is('query_arg'), 'hash_on_query_arg', required),
      conditional('hash_fallback', is('query_arg'), 'hash_fallback_query_arg', required),
      distinct('hash_on_query_arg', 'hash_fallback_query_arg'),
      conditional('hash_on', is('uri_capture'), 'hash_on_uri_capture', required),
      conditional('hash_fallback', is('uri_capture'), 'hash_fallback_uri_capture', required),
      distinct('hash_on_uri_capture', 'hash_fallback_uri_capture'),
    ],
  },
)

export type Upstream = Infer<typeof upstream>

/** Kong lets `algorithm` and `hash_on` overrule each other, so that older files keep their meaning. */
function agree(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { algorithm, hash_on } = given
  if (algorithm === 'least-connections' || algorithm === 'latency')
    return { ...given, hash_on: 'none' }
  if (typeof hash_on !== 'string') return given
  return { ...given, algorithm: hash_on === 'none' ? 'round-robin' : 'consistent-hashing' }
}

function badName(name: string): string | undefined {
  const wrong = (why: string) => `Invalid name ('${name}'); ${why}`
  const host = readHost(name)
  if (typeof host === 'string') return wrong('must be a valid hostname')
  if (host.kind !== 'name') return wrong('no ip addresses allowed')
  return host.port === undefined ? undefined : wrong('no port allowed')
}

function badHost(value: string): string | undefined {
  const host = readHost(value)
  return typeof host === 'string' ? host : undefined
}

// RFC 6265 §4.1.1: a cookie's name is a token.
function badCookieName(name: string): string | undefined {
  return /^[\w!#$%&'*+\-.^`|~]+$/.test(name)
    ? undefined
    : `bad cookie name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}
