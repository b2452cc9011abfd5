import { nearest } from '../schema/nearest.ts'
import { BOOL, INT, MAP, STRING, STRINGS, type Type } from './type.ts'

/** What Kong's conditions read of a request. A `*` stands for a name that is not Kong's. */
// prettier-ignore
export const FIELDS = {
  'http.method':                   STRING,
  'http.host':                     STRING,
  'http.path':                     STRING,
  'http.path_segments':            STRINGS,
  'http.headers.*':                STRING,
  'http.headers_list.*':           STRINGS,
  'http.queries.*':                STRING,
  'http.queries_list.*':           STRINGS,
  'net.protocol':                  STRING,
  'net.tls.sni':                   STRING,
  'net.src.ip':                    STRING,
  'net.src.port':                  INT,
  'net.dst.ip':                    STRING,
  'net.dst.port':                  INT,
  'route.id':                      STRING,
  'route.name':                    STRING,
  'route.tags':                    STRINGS,
  'service.id':                    STRING,
  'service.name':                  STRING,
  'service.tags':                  STRINGS,
  'consumer.id':                   STRING,
  'consumer.username':             STRING,
  'consumer.custom_id':            STRING,
  'consumer.tags':                 STRINGS,
  'consumer_group.ids':            STRINGS,
  'consumer_group.names':          STRINGS,
  'kong.ctx.shared':               MAP,
  'principal.id':                  STRING,
  'principal.display_name':        STRING,
  'principal.metadata':            MAP,
  'plugins.*.is_matched':          BOOL,
  'plugins.*.priority':            INT,
  'plugins.*.access_has_executed': BOOL,
} as const satisfies Record<string, Type>

export type FieldName = keyof typeof FIELDS

/** A field as an expression names it. */
export interface FieldUse {
  readonly name: FieldName
  /** What stands in the place of the `*`. */
  readonly key: string
}

const PATTERNS = (Object.keys(FIELDS) as FieldName[]).map((name) => ({
  name,
  parts: name.split('.'),
}))

/** The field that a chain of names begins with. */
export function findField(
  names: readonly string[],
): (FieldUse & { readonly length: number }) | undefined {
  const found = PATTERNS.find(
    ({ parts }) =>
      parts.length <= names.length && parts.every((part, i) => part === '*' || part === names[i]),
  )
  if (!found) return undefined
  const { name, parts } = found
  return { name, key: names[parts.indexOf('*')] ?? '', length: parts.length }
}

/** A field that goes on where these names end. */
export function fieldBelow(names: readonly string[]): FieldName | undefined {
  return PATTERNS.find(
    ({ parts }) =>
      parts.length > names.length &&
      names.every((name, i) => parts[i] === '*' || parts[i] === name),
  )?.name
}

/** The field that was probably meant. */
export function guessField(path: string): string | undefined {
  return nearest(path, Object.keys(FIELDS))
}

/** What is wrong with how a field is named: what no request could ever have. `names` may go on behind the field. */
export function badUse({ name, key }: FieldUse, names: readonly string[]): string | undefined {
  if (name.startsWith('http.headers') && !/^[a-z0-9_]+$/.test(key)) {
    const folded = key.toLowerCase().replaceAll('-', '_')
    return `headers are named in lower case and with _, as ${folded}`
  }
  // Kong's plugin jwt puts the whole token there for others; ours keeps it to itself.
  if (name === 'kong.ctx.shared' && names[3] === 'authenticated_jwt_token')
    return 'kong.ctx.shared.authenticated_jwt_token is not supported yet; remove it'
  return undefined
}
