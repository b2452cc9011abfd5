import type { AccessContext, ClientRequest } from '../../pdk.ts'
import { array, boolean, type Config, string } from '../../schema/field.ts'
import { type BodyArguments, hasBodyArguments, removeArguments } from '../arguments.ts'
import { createAccessToken, fields as access_token } from './methods/access_token.ts'
import {
  createClientCredentials,
  fields as client_credentials,
} from './methods/client_credentials.ts'
import { createFindIdToken, fields as id_token } from './methods/id_token.ts'
import {
  AUTH_METHODS,
  type Finder,
  type Found,
  type MethodName,
  type Place,
} from './methods/method.ts'
import { fields as possession } from './possession/fields.ts'
import { createPassword, fields as password } from './methods/password.ts'
import { createRefreshToken, fields as refresh_token } from './methods/refresh_token.ts'

export const fields = {
  auth_methods: array(
    'How callers may authenticate. The order is of no account: it is always the same.',
    string('A method.', { one_of: AUTH_METHODS }),
    { default: AUTH_METHODS },
  ),
  hide_credentials: boolean(
    'Whether what authenticated the caller is taken out of the request to the service.',
    { default: true },
  ),
  run_on_preflight: boolean('Whether `OPTIONS` requests have to authenticate too.', {
    default: true,
  }),
  ...access_token,
  ...id_token,
  ...refresh_token,
  ...password,
  ...client_credentials,
}

type Settings = Config<typeof fields & Pick<typeof possession, 'proof_of_possession_dpop'>>

/** What is looked for in Kong's order of precedence, which cannot be configured, and for which methods. */
// prettier-ignore
const SEARCHES: readonly (readonly [methods: readonly MethodName[], create: (config: Settings) => Finder])[] = [
  [['bearer', 'kong_oauth2', 'introspection', 'userinfo'], createAccessToken],
  [['refresh_token'],                                      createRefreshToken],
  [['password'],                                           createPassword],
  [['client_credentials'],                                 createClientCredentials],
]

/** Finds the credential that counts: the first one, in the order of precedence. */
export interface Search {
  /** The names of the query's arguments that hold a credential. */
  readonly secretArguments: readonly string[]
  /** Looks at all but the body. */
  find(request: ClientRequest): Found | undefined
  /** Whether the body is worth reading, where nothing else was found. */
  needsBody(request: ClientRequest): boolean
  findInBody(body: BodyArguments, request: ClientRequest): Found | undefined
}

/**
 * Prepares the search. The body is looked into last of all, for any method, because it has to be held back from the
 * service meanwhile: who sends a credential elsewhere is not made to wait.
 */
export function createSearch(config: Settings): Search {
  const finders = SEARCHES.filter(([methods]) =>
    methods.some((method) => config.auth_methods.includes(method)),
  ).map(([, create]) => create(config))
  const bodyFinders = finders.flatMap(({ findInBody }) => (findInBody ? [findInBody] : []))
  const findIdToken = createFindIdToken(config)
  return {
    secretArguments: [
      ...finders.flatMap(({ secretArguments }) => secretArguments),
      ...(config.id_token_param_name === undefined ? [] : [config.id_token_param_name]),
    ],
    find(request) {
      for (const finder of finders) {
        const found = finder.find(request)
        if (found) return findIdToken ? findIdToken(found, request) : found
      }
      return undefined
    },
    needsBody: (request) => bodyFinders.length > 0 && hasBodyArguments(request),
    findInBody(body, request) {
      for (const find of bodyFinders) {
        const found = find(body)
        if (found) return findIdToken ? findIdToken(found, request, body) : found
      }
      return undefined
    },
  }
}

/** Takes a credential out of the request to the service. */
export function hide(ctx: AccessContext, found: Found, body: BodyArguments | undefined): void {
  hidePlace(ctx, found.place, body)
  if (found.idToken) hidePlace(ctx, found.idToken.place, body)
}

function hidePlace(ctx: AccessContext, place: Place, body: BodyArguments | undefined): void {
  const { upstream } = ctx
  if (place.header !== undefined) upstream.headers.deleteSpellings(place.header)
  if (place.cookie !== undefined) hideCookies(ctx, [place.cookie])
  if (place.arguments === undefined) return
  if (!place.isBody) upstream.query = removeArguments(upstream.query, place.arguments)
  else if (body) upstream.setBody(body.without(place.arguments))
}

/** Takes cookies out of the request to the service. */
export function hideCookies(
  { upstream: { headers } }: AccessContext,
  names: readonly string[],
): void {
  const cookie = headers.get('cookie')
  if (cookie === undefined) return
  // Most browsers bring one cookie here, in one field.
  if (!cookie.includes(';') && names.includes(cookie.slice(0, Math.max(0, cookie.indexOf('=')))))
    if (headers.all('cookie').length === 1) return headers.delete('cookie')
  const kept = headers
    .all('cookie')
    .flatMap((header) => header.split(';'))
    .filter((pair) => !names.includes(pair.split('=', 1)[0]!.trim()))
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
  if (kept.length > 0) headers.set('Cookie', kept.join('; '))
  else headers.delete('cookie')
}
