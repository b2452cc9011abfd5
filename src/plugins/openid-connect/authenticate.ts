import type { AccessContext } from '../../pdk.ts'
import { array, boolean, type Config, string } from '../../schema/field.ts'
import { type BodyArguments, hasBodyArguments, removeArguments } from '../arguments.ts'
import { createBearer, fields as bearer } from './methods/bearer.ts'
import {
  createClientCredentials,
  fields as client_credentials,
} from './methods/client_credentials.ts'
import type { Finder, Found } from './methods/method.ts'
import { createPassword, fields as password } from './methods/password.ts'
import { createRefreshToken, fields as refresh_token } from './methods/refresh_token.ts'

/** Every method of Kong, in alphabetical order. */
export const AUTH_METHODS = [
  'authorization_code',
  'bearer',
  'client_credentials',
  'introspection',
  'kong_oauth2',
  'password',
  'refresh_token',
  'session',
  'userinfo',
] as const

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
  ...bearer,
  ...refresh_token,
  ...password,
  ...client_credentials,
}

type Settings = Config<typeof fields>

/** Kong's order of precedence, which cannot be configured; what is `undefined` is not built yet. */
// prettier-ignore
const METHODS: readonly (readonly [(typeof AUTH_METHODS)[number], ((config: Settings) => Finder) | undefined])[] = [
  ['session',            undefined],
  ['bearer',             createBearer],
  ['kong_oauth2',        undefined],
  ['introspection',      undefined],
  ['userinfo',           undefined],
  ['refresh_token',      createRefreshToken],
  ['password',           createPassword],
  ['client_credentials', createClientCredentials],
  ['authorization_code', undefined],
]

/** The methods of a configuration that are not built yet. */
export function missingMethods({ auth_methods }: Pick<Settings, 'auth_methods'>): string[] {
  return METHODS.filter(([name, create]) => !create && auth_methods.includes(name)).map(
    ([name]) => name,
  )
}

/** Finds the credential that counts: the first one, in the order of precedence. */
export interface Search {
  /** The names of the query's arguments that hold a credential. */
  readonly secretArguments: readonly string[]
  /** Looks at all but the body. */
  find(ctx: AccessContext): Found | undefined
  /** Whether the body is worth reading, where nothing else was found. */
  needsBody(ctx: AccessContext): boolean
  findInBody(body: BodyArguments): Found | undefined
}

/**
 * Prepares the search. The body is looked into last of all, for any method, because it has to be held back from the
 * service meanwhile: who sends a credential elsewhere is not made to wait.
 */
export function createSearch(config: Settings): Search {
  const finders = METHODS.flatMap(([name, create]) =>
    create && config.auth_methods.includes(name) ? [create(config)] : [],
  )
  const bodyFinders = finders.flatMap(({ findInBody }) => (findInBody ? [findInBody] : []))
  return {
    secretArguments: finders.flatMap(({ secretArguments }) => secretArguments),
    find({ request }) {
      for (const finder of finders) {
        const found = finder.find(request)
        if (found) return found
      }
      return undefined
    },
    needsBody: ({ request }) => bodyFinders.length > 0 && hasBodyArguments(request),
    findInBody(body) {
      for (const find of bodyFinders) {
        const found = find(body)
        if (found) return found
      }
      return undefined
    },
  }
}

/** Takes a credential out of the request to the service. */
export function hide(ctx: AccessContext, { place }: Found, body: BodyArguments | undefined): void {
  const { upstream } = ctx
  if (place.header !== undefined) upstream.headers.deleteSpellings(place.header)
  if (place.cookie !== undefined) hideCookie(ctx, place.cookie)
  if (place.arguments === undefined) return
  if (!place.isBody) upstream.query = removeArguments(upstream.query, place.arguments)
  else if (body) upstream.setBody(body.without(place.arguments))
}

function hideCookie({ upstream: { headers } }: AccessContext, name: string): void {
  const kept = headers
    .all('cookie')
    .flatMap((header) => header.split(';'))
    .filter((pair) => pair.split('=', 1)[0]!.trim() !== name)
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
  if (kept.length > 0) headers.set('Cookie', kept.join('; '))
  else headers.delete('cookie')
}
