import type { Warning } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import type { fields } from './fields.ts'

type Settings = Config<typeof fields> & {
  readonly auth_methods: readonly string[]
  readonly client_id?: readonly string[] | undefined
}

/** What stands in the way of logins, or makes them other than one would expect. */
export function warningsOf(config: Settings): Warning[] {
  const { auth_methods, response_mode, response_type, authorization_cookie_same_site } = config
  const warnings: Warning[] = []
  const warn = (fields: readonly string[], message: string) =>
    void warnings.push({ fields, message })
  if (!auth_methods.includes('authorization_code')) return warnings
  if (response_mode.startsWith('fragment'))
    warn(
      ['response_mode'],
      `${response_mode} hands the code to the browser alone, so that no login can succeed`,
    )
  if (!response_type.some((each) => each.split(' ').includes('code')))
    warn(['response_type'], 'does not ask for a code, so that no login can succeed')
  if (
    response_mode.startsWith('form_post') &&
    ['Lax', 'Strict'].includes(authorization_cookie_same_site)
  )
    warn(
      ['authorization_cookie_same_site'],
      `with ${response_mode} the provider sends the browser here by a POST, which brings no cookie that is ${authorization_cookie_same_site}: no login from another site can succeed`,
    )
  if (authorization_cookie_same_site === 'Strict' && !response_mode.startsWith('form_post'))
    warn(
      ['authorization_cookie_same_site'],
      'no browser that comes back from a provider on another site brings a cookie that is Strict',
    )
  return warnings
}
