import { openidConnect } from '../../../../src/plugins/openid-connect/index.ts'
import type { Gateway, Handler } from '../../../../src/pdk.ts'
import { check } from '../../../../src/schema/check.ts'
import { testGateway } from '../context.ts'
import { ISSUER, type ScriptedProvider } from './provider.ts'

/** The how-to's configuration. */
export const HOW_TO = {
  issuer: ISSUER,
  client_id: ['kong'],
  client_secret: ['kong-secret'],
  client_auth: ['client_secret_post'],
  auth_methods: ['refresh_token', 'password'],
  refresh_token_param_type: ['header'],
  refresh_token_param_name: 'refresh_token',
  upstream_refresh_token_header: 'refresh_token',
}

/** Checks a configuration as a load does, and fails on its faults. */
export function configure(config: Record<string, unknown>) {
  const checked = check(openidConnect.schema, { issuer: ISSUER, ...config })
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  return checked.value
}

/** A gateway whose provider is the scripted one, with its clock. */
export function gatewayOf(
  provider: ScriptedProvider,
  parts: Parameters<typeof testGateway>[0] = {},
) {
  return testGateway({ fetch: provider.fetch, now: () => provider.now, ...parts })
}

/** The plugin at work. */
export function create(
  provider: ScriptedProvider,
  config: Record<string, unknown>,
  gateway: Gateway = gatewayOf(provider),
): Handler {
  return openidConnect.create(configure(config), gateway)
}

export const basic = (name: string, secret: string): [string, string] => [
  'Authorization',
  `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
]
export const refreshToken = (token: string): [string, string] => ['Refresh-Token', token]
export const bearer = (token: string): [string, string] => ['Authorization', `Bearer ${token}`]
