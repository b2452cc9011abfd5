import type { Online } from '../../../pdk.ts'
import type { Config } from '../schema.ts'
import type { Found } from './found.ts'
import { isLocal, shownUrl } from './server.ts'
import type { Path } from './survey.ts'

/** Whether browsers can be sent to the addresses of a configuration, and come back to it. */
export function checkAddresses(config: Config, destinationOf: Online['destinationOf']): Found[] {
  const isLogin = config.auth_methods.includes('authorization_code')
  const callbacks = isLogin ? (config.redirect_uri ?? []) : []
  return [
    ...callbacks.flatMap((text, i) =>
      checkCallback(config, text, ['redirect_uri', i], destinationOf),
    ),
    ...(config.logout_redirect_uri ?? []).flatMap((text, i) =>
      // OpenID Connect RP-Initiated Logout §2: the provider compares it as a whole with the registered ones.
      checkAbsolute(text, ['logout_redirect_uri', i], { mayHaveFragment: true }),
    ),
    ...RELATIVES.flatMap((name) =>
      (config[name] ?? []).flatMap((text, i) =>
        isRelative(text) ? [] : checkAbsolute(text, [name, i], { mayHaveFragment: true }),
      ),
    ),
  ]
}

/** Those that only a browser reads. */
const RELATIVES = [
  'login_redirect_uri',
  'unauthorized_redirect_uri',
  'forbidden_redirect_uri',
  'unexpected_redirect_uri',
] as const

function isRelative(text: string): boolean {
  return /^\/(?![/\\])/.test(text)
}

function checkAbsolute(
  text: string,
  field: Path,
  { mayHaveFragment }: { mayHaveFragment: boolean },
): Found[] {
  const url = URL.parse(text)
  const error = (code: Found['code'], message: string): Found[] => [
    { level: 'error', code, field, message },
  ]
  if (!url || !/^[a-z][a-z\d+.-]*:\/\//i.test(text))
    return error('address_not_absolute', 'is no absolute URL, such as https://example.com/callback')
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return error('address_not_absolute', `${url.protocol} is no scheme of a gateway: write https:`)
  if (!mayHaveFragment && text.includes('#'))
    return error('address_with_fragment', 'must have no fragment (RFC 6749 §3.1.2)')
  if (url.protocol === 'https:' || isLocal(url)) return []
  return [
    {
      level: 'warning',
      code: 'address_without_tls',
      field,
      message: `${shownUrl(url)} is without TLS: many providers refuse it, and what comes back can be read on the way`,
    },
  ]
}

/** RFC 6749 §3.1.2; and who is sent there has to meet the plugin again, which alone can redeem the code. */
function checkCallback(
  { response_mode }: Config,
  text: string,
  field: Path,
  destinationOf: Online['destinationOf'],
): Found[] {
  const findings = checkAbsolute(text, field, { mayHaveFragment: false })
  if (findings.some(({ level }) => level === 'error')) return findings
  const method = response_mode.startsWith('form_post') ? 'POST' : 'GET'
  const url = new URL(text)
  const request = `${method} ${shownUrl(url)}`
  switch (destinationOf(method, url)) {
    case 'here':
      return findings
    case 'another':
      findings.push({
        level: 'warning',
        code: 'callback_elsewhere',
        field,
        message: `${request} comes to another openid-connect plugin, which can finish the login only if its issuer, clients and session_secret are the same`,
      })
      return findings
    case 'unguarded':
      findings.push({
        level: 'error',
        code: 'callback_unguarded',
        field,
        message: `${request} comes to a route without this plugin, so that no login is ever finished`,
      })
      return findings
    case 'nowhere':
      findings.push({
        level: 'warning',
        code: 'callback_not_routed',
        field,
        message: `${request} comes to no route of the configuration: unless a proxy in front changes it, logins end with a 404`,
      })
      return findings
  }
}
