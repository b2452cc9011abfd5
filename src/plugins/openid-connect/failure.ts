import * as oauth from 'oauth4webapi'
import { isRecord } from '../../schema/check.ts'
import { advise, type Failure } from './advice.ts'
import { type Code, quotable, Refusal } from './refusal.ts'

/** What is known of a call to the provider, for the words about its failure. */
export interface Attempt {
  url: URL
  status?: number
  mediaType?: string | undefined
}

/** An answer that the library takes for right, but that cannot be used. */
export class InvalidAnswer extends Error {
  override readonly name = 'InvalidAnswer'
}

/** The OAuth error codes (RFC 6749 §5.2) that have a meaning of their own in the log. */
const OAUTH_CODES: ReadonlySet<string> = new Set<Code>([
  'invalid_grant',
  'invalid_client',
  'unauthorized_client',
  'invalid_scope',
])

/** What the gateway's client says when a connection fails, by what it means here. */
const CONNECTION_CODES: Readonly<Record<string, Code>> = {
  name_resolution_failed: 'provider_unreachable',
  connect_failed: 'provider_unreachable',
  tls_failed: 'provider_unreachable',
  closed: 'provider_unreachable',
  connect_timeout: 'provider_timeout',
  write_timeout: 'provider_timeout',
  read_timeout: 'provider_timeout',
  invalid_response: 'provider_invalid_response',
}

/** Says what went wrong and what to do, without the library's causes, which hold tokens and secrets. */
export function refusalOf(
  error: unknown,
  what: string,
  isCallers: boolean,
  last: Attempt,
): Refusal {
  const { url, status, mediaType } = last
  const place = `${url.origin}${url.pathname}`
  const refuse = (code: Code, sentence: string, fault?: string) => {
    const failure: Failure = {
      code,
      what,
      url,
      isCallers,
      ...(status !== undefined && { status }),
      ...(mediaType !== undefined && { mediaType }),
      ...(fault !== undefined && { fault }),
    }
    const advice = advise(failure)
    return new Refusal(code, advice === undefined ? sentence : `${sentence}; ${advice}`)
  }
  if (error instanceof oauth.ResponseBodyError) {
    const code = OAUTH_CODES.has(error.error) ? (error.error as Code) : 'provider_refused'
    const detail =
      error.error_description === undefined ? '' : ` (${quotable(error.error_description)})`
    return refuse(code, `${place} answered ${error.status} ${quotable(error.error)}${detail}`)
  }
  if (status !== undefined) {
    const media = mediaType === undefined ? '' : ` ${quotable(mediaType)}`
    const sentence = `${place} answered ${status}${media}, not what was asked for`
    return refuse('provider_invalid_response', `${sentence}: ${explanation(error)}`)
  }
  const fault = faultOf(error)
  const code = fault === undefined ? undefined : CONNECTION_CODES[fault]
  if (code === undefined && error instanceof oauth.OperationProcessingError)
    return refuse('provider_invalid_response', explanation(error))
  const message = error instanceof Error ? quotable(error.message) : 'unknown'
  return refuse(code ?? 'provider_unreachable', `${place} could not be asked: ${message}`, fault)
}

function faultOf(error: unknown): string | undefined {
  return isRecord(error) && typeof error.code === 'string' ? error.code : undefined
}

/** The library's messages name what is wrong, and hold nothing of the answer. */
function explanation(error: unknown): string {
  if (error instanceof InvalidAnswer) return error.message
  return error instanceof oauth.OperationProcessingError ||
    error instanceof oauth.UnsupportedOperationError ||
    error instanceof TypeError
    ? quotable(error.message)
    : 'the answer cannot be read'
}
