import { spelling } from '../../../headers.ts'
import { array, type Config, string } from '../../../schema/field.ts'
import { findHeader } from '../../arguments.ts'
import { type Finder, findToken, hasScheme, type Place, queryOf, readToken } from './method.ts'

export const fields = {
  refresh_token_param_name: string(
    'The name under which refresh tokens are sent; without it none are looked for. In a header `_` and `-` are one.',
  ),
  refresh_token_param_type: array(
    'Where refresh tokens are looked for.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

/** Refresh tokens, which are redeemed at the provider (RFC 6749 §6). */
export function createRefreshToken(config: Config<typeof fields>): Finder {
  const name = config.refresh_token_param_name
  if (name === undefined)
    return { kind: 'refresh_token', secretArguments: [], find: () => undefined }
  const types = config.refresh_token_param_type
  const searchesQuery = types.includes('query')
  const spelled = spelling(name)
  const header: Place | undefined = types.includes('header')
    ? { id: 'header', header: spelled, read: readToken }
    : undefined
  const query: Place = { id: 'query', arguments: [name], read: readToken }
  const body: Place = { id: 'body', arguments: [name], isBody: true, read: readToken }
  const found = (place: Place, raw: string) => ({ kind: 'refresh_token', place, raw }) as const

  return {
    kind: 'refresh_token',
    secretArguments: [name],
    find(request) {
      if (header) {
        const raw = findToken(findHeader(request.headers, spelled))
        // In `Authorization` the other schemes belong to other methods.
        const isOurs = spelled !== 'authorization' || hasScheme(raw ?? '', 'bearer')
        if (raw !== undefined && isOurs) return found(header, raw)
      }
      if (!searchesQuery || request.query === '') return undefined
      const raw = findToken(queryOf(request)(name))
      return raw === undefined ? undefined : found(query, raw)
    },
    ...(types.includes('body') && {
      findInBody(args) {
        const raw = findToken(args.get(name))
        return raw === undefined ? undefined : found(body, raw)
      },
    }),
  }
}
