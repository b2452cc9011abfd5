import { type Exit, exit } from '../../pdk.ts'
import { array, boolean, type Config, string } from '../../schema/field.ts'
import type { Client } from './clients.ts'
import { createChallenge } from './possession/challenge.ts'
import { fields as possession } from './possession/fields.ts'
import { Refusal } from './refusal.ts'

const location = string('A URL.')

export const fields = {
  display_errors: boolean('Whether the answer tells why a request was refused: for trying out.', {
    default: false,
  }),
  expose_error_code: boolean(
    'Whether `WWW-Authenticate` says what was wrong in the words of RFC 6750.',
    { default: true },
  ),
  unauthorized_error_message: string('The message of a 401.', { default: 'Unauthorized' }),
  forbidden_error_message: string('The message of a 403.', { default: 'Forbidden' }),
  unauthorized_redirect_uri: array(
    'Where to send callers instead of a 401, for each client.',
    location,
  ),
  forbidden_redirect_uri: array(
    'Where to send callers instead of a 403, for each client.',
    location,
  ),
  unexpected_redirect_uri: array(
    'Where to send callers instead of a 500, for each client.',
    location,
  ),
}

export interface Answers {
  /** 401 or 403, or the redirect of the client that the request chose; the refusal goes to the log. */
  refuse(refusal: Refusal, client: Client | undefined): Exit
  /** For a fault of ours: the redirect of the configuration, or nothing where there is none. */
  fail(cause: unknown, client: Client | undefined): Exit | undefined
}

type Settings = Config<typeof fields & Pick<typeof possession, 'proof_of_possession_dpop'>>

/** Prepares the answers of one plugin entity; `realm` is the issuer's host. */
export function createAnswers(config: Settings, realm: string): Answers {
  const { display_errors, expose_error_code } = config
  const challenge = (error: string | undefined): readonly [string, string] => {
    const code = expose_error_code && error !== undefined ? `, error="${error}"` : ''
    return ['WWW-Authenticate', `Bearer realm="${realm}"${code}`]
  }
  const messages = { 401: config.unauthorized_error_message, 403: config.forbidden_error_message }
  const dpop = createChallenge(config, realm)
  const unauthorized = answer(401, messages[401], challenge(undefined))
  const invalid = answer(401, messages[401], challenge('invalid_token'))
  const forbidden = answer(403, messages[403], challenge('insufficient_scope'))

  return {
    refuse(refusal, client) {
      const { code, status, retryAfter } = refusal
      const reason = { code, cause: refusal }
      const target =
        status === 403
          ? client
            ? client.forbidden_redirect_uri
            : config.forbidden_redirect_uri?.[0]
          : client
            ? client.unauthorized_redirect_uri
            : config.unauthorized_redirect_uri?.[0]
      // Who is only to repeat a nonce is not sent away.
      if (target !== undefined && code !== 'use_dpop_nonce') return { ...redirect(target), reason }
      const detail = display_errors ? ` (${refusal.shown})` : ''
      const wait = retryAfter === undefined ? [] : [['Retry-After', String(retryAfter)] as const]
      if (dpop) {
        const error = status === 403 ? 'insufficient_scope' : 'invalid_token'
        const fields = dpop(refusal, code === 'no_credentials' ? undefined : error)
        return exit(status, { message: messages[status] + detail }, [...fields, ...wait], reason)
      }
      // RFC 6750 §3.1: no error code for a request without any credentials.
      const kind = status === 403 ? forbidden : code === 'no_credentials' ? unauthorized : invalid
      const said = kind(detail)
      return { ...said, headers: [...said.headers, ...wait], reason }
    },
    fail(cause, client) {
      const target = client ? client.unexpected_redirect_uri : config.unexpected_redirect_uri?.[0]
      if (target === undefined) return undefined
      return { ...redirect(target), reason: { code: 'unexpected', cause } }
    },
  }
}

function answer(
  status: number,
  message: string,
  challenge: readonly [string, string],
): (detail: string) => Exit {
  const plain = exit(status, { message }, [challenge])
  return (detail) => (detail ? exit(status, { message: message + detail }, [challenge]) : plain)
}

/** Sends a browser elsewhere; nobody may keep the answer, which is of this moment. */
export function redirect(target: string): Exit {
  return {
    status: 302,
    headers: [
      ['Cache-Control', 'no-store'],
      ['Location', target],
    ],
    body: '',
  }
}
