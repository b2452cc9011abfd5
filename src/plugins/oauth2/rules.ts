import type { Oauth2Credential } from '../../entities/index.ts'
import type { ClientRequest } from '../../pdk.ts'
import { type Refused, refused } from './answer.ts'
import type { Parameters } from './parameters.ts'
import type { Config } from './schema.ts'

/** Kong's rule for the connection: HTTPS, or a trusted proxy that says it was. */
export function judgeConnection(
  request: ClientRequest,
  { accept_http_if_already_terminated }: Config,
): Refused | undefined {
  if (request.scheme === 'https') return undefined
  const told =
    accept_http_if_already_terminated && request.isPeerTrusted
      ? request.headers.all('x-forwarded-proto').join(',')
      : ''
  if (told.includes(',')) return refused('access_denied', ONE_PROTO)
  return told.toLowerCase() === 'https' ? undefined : refused('access_denied', NO_HTTPS)
}

const NO_HTTPS = 'You must use HTTPS'
const ONE_PROTO = 'Only one X-Forwarded-Proto header allowed'

/** The scopes that are asked for, in one text, or what is wrong with them. */
export function readScope(
  parameters: Parameters,
  { scopes, mandatory_scope }: Config,
): { readonly scope: string | undefined } | Refused {
  const asked = parameters.get('scope')
  const missing = refused('invalid_scope', 'You must specify a scope')
  if (asked === undefined && mandatory_scope) return missing
  if (asked === undefined || !scopes) return { scope: undefined }
  if (typeof asked !== 'string') return refused('invalid_scope', 'scope must be a string')
  const words = wordsOf(asked)
  const unknown = words.find((word) => !scopes.includes(word))
  if (unknown !== undefined) return refused('invalid_scope', `"${unknown}" is an invalid scope`)
  if (words.length === 0 && mandatory_scope) return missing
  return { scope: words.join(' ') || undefined }
}

export function wordsOf(text: string): readonly string[] {
  return text.split(/[\t-\r ]+/).filter((word) => word !== '')
}

/** Whether an application has to prove that a code is its own. */
export function needsProof({ pkce }: Config, { client_type }: Oauth2Credential): boolean {
  return client_type === 'public' ? pkce !== 'none' : pkce === 'strict'
}

/** Whether a parameter is one text, and not only blanks. */
export function isUser(authenticated_userid: unknown): authenticated_userid is string {
  return typeof authenticated_userid === 'string' && wordsOf(authenticated_userid).length > 0
}
