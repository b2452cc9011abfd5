/** One service with one route for `/anything`, and plugins for both. */
export function gatewayOf(url: string, ...plugins: readonly object[]): object {
  return {
    _format_version: '3.0',
    services: [{ name: 'example-service', url }],
    routes: [{ name: 'example-route', paths: ['/anything'], service: { name: 'example-service' } }],
    plugins: plugins.map((plugin) => ({ ...plugin, service: 'example-service' })),
  }
}

/** The client that the how-tos set up at the provider. */
export const CLIENT = {
  client_id: ['kong'],
  client_secret: ['UNT3GPzCKI7zUbhAmFSUGbj4wmiBDGiW'],
} as const

/** The how-to's plugin "refresh token" for an issuer, with changes. */
export function openidConnect(issuer: string, changes: object = {}): object {
  return {
    name: 'openid-connect',
    config: {
      issuer,
      ...CLIENT,
      client_auth: ['client_secret_post'],
      auth_methods: ['refresh_token', 'password'],
      refresh_token_param_type: ['header'],
      refresh_token_param_name: 'refresh_token',
      upstream_refresh_token_header: 'refresh_token',
      ...changes,
    },
  }
}
