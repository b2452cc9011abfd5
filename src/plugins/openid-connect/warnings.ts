import type { Warning } from '../../pdk.ts'
import { check } from '../../schema/check.ts'
import type { Config, Field } from '../../schema/field.ts'
import { fields as authentication } from './authenticate.ts'
import { fields as clients } from './clients.ts'
import { clusterCacheWarnings, fields as cluster } from './cluster_cache.ts'
import type { fields as discovery } from './discovery.ts'
import { fields as possession } from './possession/fields.ts'
import { possessionWarnings } from './possession/index.ts'
import { fields as sessions } from './session/index.ts'
import { type fields as login, warningsOf as loginWarnings } from './login/index.ts'
import { fields as verification } from './verify.ts'

type Settings = Config<
  typeof login &
    typeof authentication &
    typeof clients &
    typeof cluster &
    typeof sessions &
    typeof possession &
    Pick<typeof discovery, 'issuer'> &
    typeof verification
>

/** What the operator should know of a configuration: what it asks for in vain, and what it leaves open. */
export function warningsOf(config: Settings): Warning[] {
  const warnings: Warning[] = []
  const warn = (fields: readonly string[], message: string) =>
    void warnings.push({ fields, message })
  // Nobody has asked for a method that only stands in the default list.
  const asked = isSet(authentication.auth_methods, config.auth_methods) ? config.auth_methods : []
  if (asked.includes('refresh_token') && config.refresh_token_param_name === undefined)
    warn(['refresh_token_param_name'], 'not set, so that no refresh tokens are looked for')
  const needClient = asked.filter((name) => name === 'password' || name === 'refresh_token')
  if (needClient.length > 0 && config.client_id === undefined)
    warn(['client_id'], `not set, so that ${needClient.join(' and ')} cannot succeed`)
  const clientCount = config.client_id?.length ?? 0
  if (clientCount > 1)
    warn(
      ['client_arg'],
      `an argument or a header "${config.client_arg}" of any request chooses one of the ${clientCount} clients, one of the application's own too`,
    )
  if (asked.includes('session') && config.session_secret === undefined)
    warn(
      ['session_secret'],
      'not set: one is made and kept beside the prefix, so that sessions are good on this machine only',
    )
  if (config.ignore_signature.length > 0)
    warn(
      ['ignore_signature'],
      `the tokens of ${config.ignore_signature.join(', ')} are not verified`,
    )
  if (!config.verify_signature)
    warn(['verify_signature'], 'is off, so that anybody can write a token that is taken')
  return [
    ...warnings,
    ...loginWarnings(config),
    ...possessionWarnings(config),
    ...clusterCacheWarnings(config),
  ]
}

/** Whether the value is another than the one that stands without it. */
function isSet(field: Field, value: unknown): boolean {
  if (value === undefined) return false
  const { rules } = field
  const empty = field.type === 'record' ? check(field, {}) : undefined
  const usual = rules.default ?? (empty && !empty.faults ? empty.value : undefined)
  return !Bun.deepEquals(value, usual)
}
