import { type Exit, exit } from '../../pdk.ts'
import { array, boolean, type Config, string } from '../../schema/field.ts'
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
  unauthorized_redirect_uri: array('Where to send the client instead of a 401.', location),
  forbidden_redirect_uri: array('Where to send the client instead of a 403.', location),
  unexpected_redirect_uri: array('Where to send the client instead of a 500.', location),
}

export interface Answers {
  /** 401 or 403 for the client; the refusal goes to the log. */
  refuse(refusal: Refusal): Exit
  /** For a fault of ours: the redirect of the configuration, or nothing where there is none. */
  fail(cause: unknown): Exit | undefined
}

/** Prepares the answers of one plugin entity; `realm` is the issuer's host. */
export function createAnswers(config: Config<typeof fields>, realm: string): Answers {
  const { display_errors, expose_error_code } = config
  const challenge = (error: string | undefined): readonly [string, string] => {
    const code = expose_error_code && error !== undefined ? `, error="${error}"` : ''
    return ['WWW-Authenticate', `Bearer realm="${realm}"${code}`]
  }
  // prettier-ignore
  const unauthorized = answer(401, config.unauthorized_error_message, challenge(undefined), config.unauthorized_redirect_uri)
  // prettier-ignore
  const invalid = answer(401, config.unauthorized_error_message, challenge('invalid_token'), config.unauthorized_redirect_uri)
  // prettier-ignore
  const forbidden = answer(403, config.forbidden_error_message, challenge('insufficient_scope'), config.forbidden_redirect_uri)
  const unexpected = config.unexpected_redirect_uri?.[0]

  return {
    refuse(refusal) {
      const { code, status } = refusal
      // RFC 6750 §3.1: no error code for a request without any credentials.
      const kind = status === 403 ? forbidden : code === 'no_credentials' ? unauthorized : invalid
      return {
        ...kind(display_errors ? ` (${refusal.shown})` : ''),
        reason: { code, cause: refusal },
      }
    },
    fail(cause) {
      if (unexpected === undefined) return undefined
      return { ...redirect(unexpected), reason: { code: 'unexpected', cause } }
    },
  }
}

function answer(
  status: number,
  message: string,
  challenge: readonly [string, string],
  redirects: readonly string[] | undefined,
): (detail: string) => Exit {
  const target = redirects?.[0]
  if (target !== undefined) return () => redirect(target)
  const plain = exit(status, { message }, [challenge])
  return (detail) => (detail ? exit(status, { message: message + detail }, [challenge]) : plain)
}

function redirect(target: string): Exit {
  return { status: 302, headers: [['Location', target]], body: '' }
}
