import { foreign, integer, set, string } from '../schema/field.ts'
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
function notUuid(value: string): string | undefined {
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
