import type { SearchedPlace, Trace } from '../../trace.ts'
import type { fields as authentication } from './authenticate.ts'
import type { Config } from '../../schema/field.ts'
import type { Found } from './methods/method.ts'

type Settings = Config<typeof authentication>

/** Where credentials are looked for, in words and in the order of the search: for who asks why none was found. */
export function placesOf(config: Settings): readonly SearchedPlace[] {
  const has = (...methods: readonly Settings['auth_methods'][number][]) =>
    methods.some((method) => config.auth_methods.includes(method))
  const places: SearchedPlace[] = []
  const header = (what: string, name: string, scheme?: string) => {
    const lower = name.toLowerCase().replaceAll('_', '-')
    const words = scheme === undefined ? '' : `, as "${scheme} …"`
    places.push({
      text: `${what} in the header ${lower}${words}`,
      header: lower,
      scheme: scheme?.toLowerCase(),
    })
  }
  const elsewhere = (what: string, types: readonly string[], names: string) => {
    for (const type of ['query', 'body'])
      if (types.includes(type)) places.push({ text: `${what} in the ${type}, as ${names}` })
  }
  if (has('session')) places.push({ text: 'a session in a cookie' })
  if (has('bearer', 'kong_oauth2', 'introspection', 'userinfo')) {
    const { bearer_token_param_type: types, bearer_token_header_name: only } = config
    const cookie = config.bearer_token_cookie_name
    const what = 'an access token'
    if (types.includes('header')) {
      if (only === undefined || only.toLowerCase() === 'authorization')
        header(what, 'authorization', 'Bearer')
      for (const name of only === undefined ? ['access-token', 'x-access-token'] : [only])
        if (name.toLowerCase() !== 'authorization') header(what, name)
    }
    elsewhere(what, types, 'access_token')
    if (types.includes('cookie') && cookie !== undefined)
      places.push({ text: `${what} in the cookie ${cookie}` })
  }
  const { refresh_token_param_name: name, refresh_token_param_type: types } = config
  if (has('refresh_token') && name !== undefined) {
    if (types.includes('header')) header('a refresh token', name)
    elsewhere('a refresh token', types, name)
  }
  for (const [method, what, at, names] of [
    ['password', 'a username and a password', config.password_param_type, 'username and password'],
    [
      'client_credentials',
      'a client id and its secret',
      config.client_credentials_param_type,
      'client_id and client_secret',
    ],
  ] as const) {
    if (!has(method)) continue
    if (at.includes('header')) header(what, 'authorization', 'Basic')
    elsewhere(what, at, names)
  }
  return places
}

const WHAT = {
  access_token: 'an access token',
  refresh_token: 'a refresh token',
  password: 'a username and a password',
  client_credentials: 'a client id and its secret',
}

/** Tells what was found, and where. */
export function tellFound(trace: Trace, { kind, place, raw, idToken }: Found): void {
  const { header, cookie, isBody, arguments: names } = place
  const where =
    header !== undefined
      ? `the header ${header}`
      : cookie !== undefined
        ? `the cookie ${cookie}`
        : `the ${isBody ? 'body' : 'query'}, as ${names?.join(' and ')}`
  trace.found(`${WHAT[kind]}${idToken ? ' and an ID token' : ''}`, where, raw)
}

/** The header fields that the configuration names for tokens and for what tells as much as one. */
export function secretHeadersOf(config: object): readonly string[] {
  return Object.entries(config).flatMap(([field, value]) =>
    typeof value === 'string' && SECRET_HEADER.test(field)
      ? value
      : Array.isArray(value) && PASSED_ON.test(field)
        ? value.filter((each) => typeof each === 'string')
        : [],
  )
}

/** What of the client is passed on to the provider, which may well be a credential. */
const PASSED_ON = /_headers_client$|_post_args_client_headers$|^token_post_args_client$/

/** The arguments that are passed on to the provider. */
export function secretArgumentsOf(config: object): readonly string[] {
  return Object.entries(config).flatMap(([field, value]) =>
    Array.isArray(value) && field.endsWith('_args_client')
      ? value.filter((each) => typeof each === 'string')
      : [],
  )
}

const SECRET_HEADER =
  /(?:token|jwk|introspection|user_info|session_id|certificate)\w*_header(?:_name)?$|token_param_name$/
