import { AUTH_METHODS } from '../methods/method.ts'
import type { Endpoint } from '../metadata.ts'
import type { Config } from '../schema.ts'
import type { Path } from './survey.ts'

/** What a configuration will ask an endpoint for. */
export interface Need {
  readonly endpoint: Endpoint
  readonly field: Path
  /** What is wanted, for a sentence. */
  readonly what: string
  /** How bad it is if the provider has no such endpoint. */
  readonly level: 'error' | 'warning' | 'note'
}

/** The endpoints that each method needs. */
const OF_METHODS: Readonly<Record<string, readonly Endpoint[]>> = {
  authorization_code: ['authorization_endpoint', 'token_endpoint'],
  client_credentials: ['token_endpoint'],
  introspection: ['introspection_endpoint'],
  password: ['token_endpoint'],
  refresh_token: ['token_endpoint'],
  userinfo: ['userinfo_endpoint'],
}

/** Whether somebody has asked for the methods: all of them stand in the default list. */
export function asksForMethods({ auth_methods }: Pick<Config, 'auth_methods'>): boolean {
  return !Bun.deepEquals(auth_methods, AUTH_METHODS)
}

/** Where a method stands in a configuration. */
export function fieldOfMethod(config: Pick<Config, 'auth_methods'>, method: string): Path {
  const at = (config.auth_methods as readonly string[]).indexOf(method)
  return asksForMethods(config) ? ['auth_methods', at] : ['auth_methods']
}

/** All that a configuration will ask the provider for. */
export function needsOf(config: Config): Need[] {
  const ofMethods = config.auth_methods.flatMap((method) =>
    (OF_METHODS[method] ?? []).map((endpoint): Need => {
      const field = fieldOfMethod(config, method)
      return { endpoint, field, what: method, level: asksForMethods(config) ? 'error' : 'note' }
    }),
  )
  const hasLogout =
    config.logout_uri_suffix !== undefined ||
    config.logout_query_arg !== undefined ||
    config.logout_post_arg !== undefined
  const userInfoHeader = (
    [
      'upstream_user_info_header',
      'upstream_user_info_jwt_header',
      'downstream_user_info_header',
      'downstream_user_info_jwt_header',
    ] as const
  ).find((name) => config[name] !== undefined)
  // prettier-ignore
  const others: readonly (readonly [boolean, Endpoint, string, Need['level']])[] = [
    [config.introspect_jwt_tokens,                     'introspection_endpoint', 'introspect_jwt_tokens', 'error'],
    [config.search_user_info,                          'userinfo_endpoint',      'search_user_info',      'error'],
    [userInfoHeader !== undefined,                     'userinfo_endpoint',      userInfoHeader ?? '',    'warning'],
    [hasLogout && config.logout_revoke,                'revocation_endpoint',    'logout_revoke',         'error'],
    [hasLogout,                                        'end_session_endpoint',   'logout_redirect_uri',   'warning'],
    [config.require_pushed_authorization_requests === true, 'pushed_authorization_request_endpoint', 'require_pushed_authorization_requests', 'error'],
  ]
  return [
    ...ofMethods,
    ...others.flatMap(([isNeeded, endpoint, what, level]): Need[] =>
      isNeeded ? [{ endpoint, field: [what], what, level }] : [],
    ),
  ]
}

/** The endpoints that the gateway itself asks, not the browser. */
export function askedEndpoints(needs: readonly Need[]): readonly Endpoint[] {
  const ofBrowsers: readonly Endpoint[] = ['authorization_endpoint', 'end_session_endpoint']
  const asked = needs.filter(
    ({ endpoint, level }) => level !== 'note' && !ofBrowsers.includes(endpoint),
  )
  return [...new Set(asked.map(({ endpoint }) => endpoint))].sort()
}
