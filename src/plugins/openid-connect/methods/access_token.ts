import { spelling } from '../../../headers.ts'
import type { ClientRequest } from '../../../pdk.ts'
import { array, type Config, string } from '../../../schema/field.ts'
import { fields as possession } from '../possession/fields.ts'
import { badHeaderName } from '../../header.ts'
import { findHeader } from '../../arguments.ts'
import { type Finder, findToken, hasScheme, type Place, queryOf, readToken } from './method.ts'

export const fields = {
  bearer_token_param_type: array(
    'Where access tokens are looked for. As an argument the name is `access_token`; cookies need `bearer_token_cookie_name`.',
    string('A place.', { one_of: ['header', 'query', 'body', 'cookie'] }),
    { default: ['body', 'header', 'query'] },
  ),
  bearer_token_header_name: string(
    'The only place that is searched: a header; without it `Authorization`, `Access-Token` and `X-Access-Token` are, and what `bearer_token_param_type` says.',
    { len_min: 1, custom: badHeaderName },
  ),
  bearer_token_cookie_name: string('The name of the cookie that holds the access token.'),
}

type Settings = Config<typeof fields & Pick<typeof possession, 'proof_of_possession_dpop'>>

const ARGUMENT = 'access_token'
const QUERY: Place = { id: 'query', arguments: [ARGUMENT], read: readToken }
const BODY: Place = { id: 'body', arguments: [ARGUMENT], isBody: true, read: readToken }
const AUTHORIZATION: Place = { id: 'authorization', header: 'authorization', read: readToken }
const DPOP: Place = { ...AUTHORIZATION, id: 'dpop', isDpop: true }

/** Access tokens (RFC 6750); where proofs are checked, those of the scheme `DPoP` too (RFC 9449 §7.1). */
export function createAccessToken(config: Settings): Finder {
  const dpop = config.proof_of_possession_dpop !== 'off'
  // A header of one's own keeps tokens out of everything else, such as URLs.
  const types =
    config.bearer_token_header_name === undefined ? config.bearer_token_param_type : ['header']
  const searchesHeaders = types.includes('header')
  const searchesQuery = types.includes('query')
  const cookie = types.includes('cookie') ? config.bearer_token_cookie_name : undefined
  const only = config.bearer_token_header_name
  const names = only === undefined ? ['access-token', 'x-access-token'] : [spelling(only)]
  const searchesScheme = only === undefined || names[0] === 'authorization'
  const headers = names
    .filter((name) => name !== 'authorization')
    .map((header): Place => ({ id: header, header, read: readToken }))
  const cookiePlace: Place | undefined =
    cookie === undefined ? undefined : { id: 'cookie', cookie, read: readToken }
  const found = (place: Place, raw: string) => ({ kind: 'access_token', place, raw }) as const

  return {
    kind: 'access_token',
    secretArguments: [ARGUMENT],
    find(request) {
      if (searchesHeaders) {
        if (searchesScheme) {
          const raw = request.headers.get('authorization')
          if (raw !== undefined && hasScheme(raw, 'bearer')) return found(AUTHORIZATION, raw)
          if (dpop && raw !== undefined && hasScheme(raw, 'dpop')) return found(DPOP, raw)
        }
        for (const place of headers) {
          const raw = findToken(findHeader(request.headers, place.header!))
          if (raw !== undefined) return found(place, raw)
        }
      }
      if (searchesQuery && request.query !== '') {
        const raw = findToken(queryOf(request)(ARGUMENT))
        if (raw !== undefined) return found(QUERY, raw)
      }
      if (cookiePlace) {
        const raw = cookieOf(request, cookiePlace.cookie!)
        if (raw !== undefined) return found(cookiePlace, raw)
      }
      return undefined
    },
    ...(types.includes('body') && {
      findInBody(body) {
        const raw = findToken(body.get(ARGUMENT))
        return raw === undefined ? undefined : found(BODY, raw)
      },
    }),
  }
}

/** The first cookie of that name; empty ones do not count. */
export function cookieOf(request: ClientRequest, name: string): string | undefined {
  for (const header of request.headers.all('cookie')) {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=')
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
      const value = pair.slice(equals + 1).trim()
      if (value !== '') return value
    }
  }
  return undefined
}
