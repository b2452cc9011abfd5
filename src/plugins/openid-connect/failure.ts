import { isRecord } from '../../schema/check.ts'
import { advise, type Failure } from './advice.ts'
import { type Code, quotable, Refusal } from './refusal.ts'

/** What is known of a call to the provider, for the words about its failure. */
export interface Attempt {
  /** Which call it is. */
  readonly what: string
  url: URL
  status?: number
  mediaType?: string | undefined
  /** What was sent and must not be seen: a provider may repeat it in what it answers. */
  secrets: readonly string[]
}

/** The provider said no in the words of OAuth (RFC 6749 §5.2). */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly status: number
  readonly error: string
  readonly description: string | undefined

  constructor(status: number, error: string, description: string | undefined) {
    super(error)
    this.status = status
    this.error = error
    this.description = description
  }
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

/** Whether the gateway's client says why it could not ask. */
export function isConnectionFault(error: unknown): error is Error & { readonly code: string } {
  return isRecord(error) && typeof error.code === 'string' && error.code in CONNECTION_CODES
}

/** Says what went wrong and what to do. What the provider wrote is cleared of what it was sent. */
export function refusalOf(
  error: unknown,
  what: string,
  isCallers: boolean,
  last: Attempt,
): Refusal {
  const { url, status, mediaType } = last
  const place = `${url.origin}${url.pathname}`
  const theirs = (text: string) => quotable(withoutSecrets(text, last.secrets))
  const refuse = (code: Code, sentence: string, more: Pick<Failure, 'fault' | 'words'> = {}) => {
    const media = mediaType === undefined ? {} : { mediaType: theirs(mediaType) }
    const answer = status === undefined ? {} : { status }
    const advice = advise({ code, what, url, isCallers, ...answer, ...media, ...more })
    return new Refusal(code, advice === undefined ? sentence : `${sentence}; ${advice}`)
  }
  if (error instanceof OAuthError) {
    const code = OAUTH_CODES.has(error.error) ? (error.error as Code) : 'provider_refused'
    const words = error.description === undefined ? undefined : theirs(error.description)
    const detail = words === undefined ? '' : ` (${words})`
    const sentence = `${place} answered ${error.status} ${theirs(error.error)}${detail}`
    return refuse(code, sentence, words === undefined ? {} : { words })
  }
  if (error instanceof Refusal) return error
  const message = error instanceof Error ? theirs(error.message) : 'unknown'
  if (status !== undefined) {
    const media = mediaType === undefined ? '' : ` ${theirs(mediaType)}`
    const reason = error instanceof InvalidAnswer ? message : 'the answer cannot be read'
    const sentence = `${place} answered ${status}${media}, not what was asked for: ${reason}`
    return refuse('provider_invalid_response', sentence)
  }
  if (error instanceof InvalidAnswer) return refuse('provider_invalid_response', message)
  const fault = isRecord(error) && typeof error.code === 'string' ? error.code : ''
  return refuse(
    CONNECTION_CODES[fault] ?? 'provider_unreachable',
    `${place} could not be asked: ${message}`,
    { fault, words: message },
  )
}

/** Takes out of a text what was sent, in the spellings of a form, a header, JSON and HTML. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  // Whoever repeats the parameters of a request may spell them in any way.
  if (
    /(?:client_secret|password|refresh_token|client_assertion|code_verifier|subject_token)\W{0,9}[=:]/i.test(
      text,
    )
  )
    return '…'
  const written = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    Buffer.from(secret).toString('base64'),
    JSON.stringify(secret).slice(1, -1),
    Bun.escapeHTML(secret),
  ])
  const longestFirst = written.filter((each) => each !== '').sort((a, b) => b.length - a.length)
  return longestFirst.reduce((rest, each) => rest.replaceAll(each, '…'), text)
}
