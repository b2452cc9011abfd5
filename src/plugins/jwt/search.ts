import { spelling } from '../../headers.ts'
import type { ClientRequest } from '../../pdk.ts'
import { findArguments } from '../arguments.ts'
import type { Config } from './schema.ts'

/**
 * Prepares the search for tokens: in the query, in cookies and in headers. It gives all that are different, since one
 * that is not read here may be read by the service. An argument without `=` is `true`.
 */
export function createSearch(
  config: Pick<Config, 'uri_param_names' | 'cookie_names' | 'header_names'>,
): (request: ClientRequest) => ReadonlySet<string | true> {
  const { uri_param_names, cookie_names } = config
  const headerNames = config.header_names.map(spelling)
  return ({ headers, query }) => {
    const tokens = new Set<string | true>()
    if (query !== '')
      for (const name of uri_param_names)
        for (const value of findArguments(query, name)) tokens.add(value)
    if (cookie_names.length > 0)
      for (const cookie of headers.all('cookie'))
        for (const value of findCookies(cookie, cookie_names)) tokens.add(value)
    for (const field of headers.fields) {
      if (!headerNames.includes(field.spelling)) continue
      const token = BEARER.exec(field.value)?.[1]
      if (token !== undefined) tokens.add(token)
    }
    tokens.delete('')
    return tokens
  }
}

const BEARER = /^\s*bearer\s+(\S.*?)\s*$/i

function* findCookies(text: string, names: readonly string[]): Iterable<string> {
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=')
    if (equals >= 0 && names.includes(pair.slice(0, equals).trim()))
      yield pair.slice(equals + 1).trim()
  }
}
