import { exit, type Exit } from '../../pdk.ts'

/** Why an endpoint gives nothing (RFC 6749 §5.2). */
export interface Refused {
  readonly error: string
  readonly error_description: string
}

export function refused(error: string, error_description: string): Refused {
  return { error, error_description }
}

export const INVALID_CLIENT = refused('invalid_client', 'Invalid client authentication')
export const INVALID_PROVISION_KEY = refused('invalid_provision_key', 'Invalid provision_key')
export const NO_USER = refused(
  'invalid_authenticated_userid',
  'Missing authenticated_userid parameter',
)

/** RFC 6749 §5.1: what holds a token is kept by nobody on its way. */
const NOT_KEPT = [
  ['Cache-Control', 'no-store'],
  ['Pragma', 'no-cache'],
] as const

/** What an endpoint gives. */
export function given(body: Readonly<Record<string, unknown>>): Exit {
  return exit(200, body, NOT_KEPT)
}

/** What it answers otherwise; `body` says why in the form that the endpoint says it. */
export function refusal(
  why: Refused,
  body: Readonly<Record<string, unknown>>,
  { status = 400, challenge }: { readonly status?: number; readonly challenge?: string } = {},
): Exit {
  const headers = challenge === undefined ? [] : [['WWW-Authenticate', challenge] as const]
  return exit(status, body, [...NOT_KEPT, ...headers], reasonOf(why))
}

/** A method that an endpoint does not know; Kong's status, and Kong's words. */
export function wrongMethod(method: string, endpoint: string, realm: string | undefined): Exit {
  const why = refused(
    'invalid_method',
    `The HTTP method ${method} is invalid for the ${endpoint} endpoint`,
  )
  const challenge = ['WWW-Authenticate', bearer(realm, why)] as const
  return exit(405, { ...why }, [challenge], reasonOf(why))
}

/** The challenge of RFC 6750 §3. */
export function bearer(realm: string | undefined, why?: Refused): string {
  const facts = { ...(realm !== undefined && { realm }), ...why }
  const parameters = Object.entries(facts).map(([name, value]) => `${name}="${value}"`)
  return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`
}

function reasonOf({ error, error_description }: Refused) {
  return { code: 'token_request_refused', cause: `${error}: ${error_description}` }
}
