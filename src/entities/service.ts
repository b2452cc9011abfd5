import {
  array,
  boolean,
  foreign,
  type Infer,
  integer,
  record,
  type Shorthand,
  string,
} from '../schema/field.ts'
import { absent, conditional } from './conditions.ts'
import { readHost } from './host.ts'
import { badServicePath } from './path.ts'
import { created_at, id, name, notUuid, PROTOCOLS, tags, updated_at } from './typedefs.ts'

const TIMEOUT = { default: 60000, between: [1, 2 ** 31 - 2] } as const

/** `url: http://host:80/path` for its four parts, which it overrides, the path even where the URL has none. */
const url: Shorthand = {
  field: string('Protocol, host, port and path in one.', { custom: badUrl }),
  expand: (value: string) => readUrl(value) ?? {},
}

const TLS_FIELDS = ['client_certificate', 'tls_verify', 'tls_verify_depth', 'ca_certificates']

/** A server behind the gateway. */
export const service = record(
  'A server behind the gateway.',
  {
    id,
    name: name('The name of the service. Unique.'),
    protocol: string('How the gateway speaks with the server.', {
      required: true,
      default: 'http',
      one_of: PROTOCOLS,
      custom: notYet,
    }),
    host: string('The host name or address of the server.', { required: true, custom: badHost }),
    port: integer('The port of the server.', { required: true, default: 80, between: [0, 65535] }),
    path: string("What goes before the request's path.", { custom: badServicePath }),
    retries: integer('How often a request is tried again when the server cannot be reached.', {
      default: 5,
      between: [0, 32767],
    }),
    connect_timeout: integer('The limit for connecting, in milliseconds.', TIMEOUT),
    write_timeout: integer(
      'The limit between two writes of the request, in milliseconds.',
      TIMEOUT,
    ),
    read_timeout: integer('The limit between two reads of the answer, in milliseconds.', TIMEOUT),
    tls_verify: boolean("Whether the server's certificate is checked. Kong's default is not to."),
    tls_verify_depth: integer("The longest chain of the server's certificate.", {
      between: [0, 64],
    }),
    client_certificate: foreign('What the gateway shows to the server.', 'certificates'),
    ca_certificates: array(
      "The authorities, by id, of which one must have signed the server's certificate.",
      string('An id.', { custom: notUuid }),
    ),
    enabled: boolean('Whether the routes of the service are active.', {
      required: true,
      default: true,
    }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { shorthands: { url }, checks: TLS_FIELDS.map(tlsOnly) },
)

export type Service = Infer<typeof service>

function notYet(protocol: string): string | undefined {
  if (protocol === 'http' || protocol === 'https') return undefined
  return `services with protocol ${protocol} are not supported yet; http and https are`
}

function badHost(value: string): string | undefined {
  const host = readHost(value)
  if (host === 'invalid port number') return 'must not have a port'
  if (typeof host === 'string') return `invalid value: ${value}`
  return host.port === undefined ? undefined : 'must not have a port'
}

function badUrl(value: string): string | undefined {
  return readUrl(value)
    ? undefined
    : 'expected a URL with a scheme and a host, such as http://example.com:80/path'
}

/** Kong's reading of the URL: user, query and fragment are dropped, and a port it does not know is 80. */
function readUrl(value: string) {
  const [, protocol, authority = '', path] =
    /^([a-z0-9][\w+.-]*):\/\/([^/?#;]*)([^?#;]*)/i.exec(value) ?? []
  const [, host = '', port] = /^(?:[^@]*@)?(.*?)(?::(\d+))?$/s.exec(authority) ?? []
  if (protocol === undefined || host === '') return undefined
  return {
    protocol,
    host: host.replace(/^\[(.+)\]$/, '$1'),
    port: port === undefined ? (protocol === 'https' ? 443 : 80) : Number(port),
    path: path || null,
  }
}

function tlsOnly(field: string) {
  return conditional('protocol', (value) => value !== 'https', field, absent)
}
