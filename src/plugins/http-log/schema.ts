import { boolean, type Infer, integer, map, number, record, string } from '../../schema/field.ts'
import { custom_fields_by_lua } from '../custom_fields.ts'
import { badHeaderName, badHeaderValue } from '../header.ts'
import { queueField } from '../queue.ts'

export const schema = record(
  'Sends JSON about each request to an HTTP server.',
  {
    http_endpoint: string(
      'Where to: a URL of http or https. A user and a password in it are sent as `Authorization`.',
      { required: true, encrypted: true, referenceable: true, custom: badEndpoint },
    ),
    method: string('The method.', { default: 'POST', one_of: ['POST', 'PUT', 'PATCH'] }),
    content_type: string('The media type that is told.', {
      default: 'application/json',
      one_of: ['application/json', 'application/json; charset=utf-8'],
    }),
    timeout: number('The limit for one try, connecting included; milliseconds.', {
      default: 10_000,
    }),
    keepalive: number(
      'With 0 the connection is closed after each try; with anything else it is kept.',
      {
        default: 60_000,
      },
    ),
    ssl_verify: boolean("Whether the server's certificate is checked.", { default: true }),
    client_certificate: record('The certificate that is shown to the server.', {
      id: string('The id of the certificate.'),
    }),
    headers: map('Headers that are sent along.', string('A value.', { custom: badHeaderValue }), {
      keys: badHeader,
    }),
    retry_count: integer('Has no effect, as in Kong: see `queue.max_retry_time`.'),
    queue_size: integer(
      'The older name of `queue.max_batch_size`, which it overrides unless it is 1.',
    ),
    flush_timeout: number(
      'The older name of `queue.max_coalescing_delay`, which it overrides unless it is 2.',
    ),
    queue: queueField,
    custom_fields_by_lua,
  },
  { required: true },
  { checks: [twoCredentials] },
)

export type Config = Infer<typeof schema>

function badEndpoint(endpoint: string): string | undefined {
  const url = URL.parse(endpoint)
  if (!url) return endpoint.includes('://') ? 'missing host in url' : 'missing scheme in url'
  return /^https?:$/.test(url.protocol) ? undefined : 'expected a URL of http or https'
}

/** These are the message's own. */
const RESERVED = ['Host', 'Content-Length', 'Content-Type']

function badHeader(name: string): string | undefined {
  const reserved = RESERVED.find((each) => each.toLowerCase() === name.toLowerCase())
  return reserved === undefined ? badHeaderName(name) : `cannot contain '${reserved}' header`
}

function twoCredentials(config: Readonly<Record<string, unknown>>): string | undefined {
  const url = URL.parse(config.http_endpoint as string)
  const names = Object.keys((config.headers as object | undefined) ?? {})
  const isTwice =
    (url?.username || url?.password) && names.some((name) => /^authorization$/i.test(name))
  return isTwice
    ? "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"
    : undefined
}
