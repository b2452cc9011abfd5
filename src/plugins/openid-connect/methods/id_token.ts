import { spelling } from '../../../headers.ts'
import type { ClientRequest } from '../../../pdk.ts'
import { array, type Config, string } from '../../../schema/field.ts'
import { type BodyArguments, findHeader } from '../../arguments.ts'
import { type Found, findToken, type Place, queryOf, readToken } from './method.ts'

export const fields = {
  id_token_param_name: string(
    'The name under which ID tokens are sent, beside access tokens; without it none are looked for. In a header `_` and `-` are one.',
  ),
  id_token_param_type: array(
    'Where ID tokens are looked for.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

/** Adds to an access token the ID token that came with it; `body` only where it was read for the access token. */
export type FindIdToken = (found: Found, request: ClientRequest, body?: BodyArguments) => Found

/** An ID token tells of a caller who has proved who it is by an access token, and proves nothing alone. */
export function createFindIdToken(config: Config<typeof fields>): FindIdToken | undefined {
  const { id_token_param_name: name, id_token_param_type: types } = config
  if (name === undefined) return undefined
  const spelled = spelling(name)
  const header: Place = { id: 'header', header: spelled, read: readToken }
  const query: Place = { id: 'query', arguments: [name], read: readToken }
  const inBody: Place = { id: 'body', arguments: [name], isBody: true, read: readToken }

  return (found, request, body) => {
    if (found.kind !== 'access_token') return found
    const inHeader = types.includes('header') && findToken(findHeader(request.headers, spelled))
    if (inHeader) return { ...found, idToken: { place: header, raw: inHeader } }
    const inQuery = types.includes('query') && findToken(queryOf(request)(name))
    if (inQuery) return { ...found, idToken: { place: query, raw: inQuery } }
    const told = types.includes('body') && body && findToken(body.get(name))
    return told ? { ...found, idToken: { place: inBody, raw: told } } : found
  }
}
