import { foreign, integer, number, set, string } from '../schema/field.ts'
import { readHost } from './host.ts'
import { isUuid } from '../uuid.ts'

/** Every protocol that Kong knows, in the order of its messages. */
export const PROTOCOLS = [
  'grpc',
  'grpcs',
  'http',
  'https',
  'tcp',
  'tls',
  'tls_passthrough',
  'udp',
] as const

/** Kong's rule for a UUID; gives the message if `value` is none. */
export function notUuid(value: string): string | undefined {
  return isUuid(value) ? undefined : 'expected a valid UUID'
}

/** The fields that every entity has. */
export const id = string(
  'The UUID of the entity. Made from its name, or from its place in the file, if absent.',
  {
    required: true,
    custom: notUuid,
  },
)
export const created_at = integer('When the entity was made, in seconds since the epoch.')
export const updated_at = integer('When the entity was last changed, in seconds since the epoch.')
/** For targets, which Kong orders by them. */
export const created_at_ms = number('When the entity was made, in seconds since the epoch.')
export const updated_at_ms = number('When the entity was last changed, in seconds since the epoch.')
export const tags = set(
  'Labels for grouping and filtering.',
  string('A label: no commas, no slashes.', { custom: badTag }),
)

/** The name of a service, a route or a plugin's instance. */
export function name(description: string) {
  return string(description, { custom: badName })
}

export function reference(description: string, entity: string) {
  return foreign(description, entity)
}

/** Kong's rule for a server name of TLS: a host name without a port. */
export function badServerName(value: string): string | undefined {
  const host = readHost(value)
  if (host === 'invalid port number') return 'must not have a port'
  if (typeof host === 'string') return `invalid value: ${value}`
  if (host.kind !== 'name') return 'must not be an IP'
  return host.port === undefined ? undefined : 'must not have a port'
}

/** The same, with a `*` at either end. */
export function badWildcardHost(value: string): string | undefined {
  const first = value.indexOf('*')
  if (first < 0) return badServerName(value)
  if (first > 0 && first < value.length - 1)
    return 'wildcard must be leftmost or rightmost character'
  if (value.lastIndexOf('*') !== first) return 'only one wildcard must be specified'
  return badServerName(value.replace('*', 'wildcard'))
}

/** Kong's rule for the name of a header field. */
export function badHeaderName(name: string): string | undefined {
  return /^[\w-]+$/.test(name)
    ? undefined
    : `bad header name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}

// Control characters and blanks could forge a log line or split a header that carries the name.
function badName(value: string): string | undefined {
  const message = `invalid value '${value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~`
  return /^(?:[A-Za-z0-9._~-]|[^\u0000-\u007f])+$/u.test(value) ? undefined : message
}

function badTag(value: string): string | undefined {
  const message = `invalid tag '${value}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`
  return /^(?:[\u0020-\u002b\u002d\u002e\u0030-\u007e]|[^\u0000-\u007f])+$/u.test(value)
    ? undefined
    : message
}
