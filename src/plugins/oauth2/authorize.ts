import type { AccessContext, Exit, Gateway, Oauth2Application } from '../../pdk.ts'
import { readArguments } from '../argument_list.ts'
import type { Oauth2Tokens } from '../oauth2_tokens.ts'
import {
  given,
  INVALID_CLIENT,
  INVALID_PROVISION_KEY,
  NO_USER,
  type Refused,
  refusal,
  refused,
} from './answer.ts'
import { isSameText } from './client.ts'
import type { Codes } from './codes.ts'
import { createGiving, serviceFor, withoutService } from './giving.ts'
import { type Parameters, readParameters, textOf } from './parameters.ts'
import { isUser, judgeConnection, needsProof, readScope } from './rules.ts'
import type { Config } from './schema.ts'

/**
 * Answers a request to the authorization endpoint (RFC 6749 §3.1). As in Kong who asks is not the user's browser, but the
 * application that the user has logged in at: it shows the provision key, and sends the browser to what it is told.
 */
export type AuthorizationEndpoint = (ctx: AccessContext) => Promise<Exit>

export function createAuthorizationEndpoint(
  config: Config,
  { consumers, id: plugin }: Pick<Gateway, 'consumers' | 'id'>,
  tokens: Oauth2Tokens,
  codes: Codes,
): AuthorizationEndpoint {
  const { global_credentials, provision_key } = config
  const giving = createGiving(config, tokens)

  /** What is asked for, or the last fault of it, as in Kong, and where the browser is to go with either. */
  function judge(parameters: Parameters) {
    const response_type = textOf(parameters, 'response_type')
    const isCode = response_type === 'code' && config.enable_authorization_code
    const isToken = response_type === 'token' && config.enable_implicit_grant
    let why: Refused | undefined
    if (!isCode && !isToken) why = refused('unsupported_response_type', 'Invalid response_type')
    const asked = readScope(parameters, config)
    if ('error' in asked) why = asked
    const client_id = textOf(parameters, 'client_id') ?? ''
    const application = consumers.findByClientId(client_id)
    const redirect_uris = application?.credential.redirect_uris
    const redirect_uri = parameters.get('redirect_uri') ?? redirect_uris?.[0]
    const registered = redirect_uris?.find((each) => each === redirect_uri)
    if (!redirect_uris) why = INVALID_CLIENT
    else if (registered === undefined) why = WRONG_REDIRECT_URI
    const proof = readChallenge(parameters, application, config)
    if ('error' in proof) why = proof
    const place = registered ?? redirect_uris?.[0]
    if (why || !application || place === undefined || 'error' in asked || 'error' in proof)
      return { why: why ?? INVALID_CLIENT, place }
    return {
      why: undefined,
      application,
      isCode,
      place,
      scope: asked.scope,
      challenge: proof.challenge,
    }
  }

  return async (ctx) => {
    const parameters = await readParameters(ctx.request)
    const state = parameters.get('state')
    const refuse = (why: Refused, place?: string) =>
      refusal(
        why,
        place === undefined
          ? { ...why, state }
          : { redirect_uri: withArguments(place, { ...why, state }, '?') },
      )

    const unsafe = judgeConnection(ctx.request, config)
    if (unsafe) return refuse(unsafe)
    if (!isSameText(provision_key, parameters.get('provision_key')))
      return refuse(INVALID_PROVISION_KEY)
    const authenticated_userid = parameters.get('authenticated_userid')
    if (!isUser(authenticated_userid)) return refuse(NO_USER)
    const asked = judge(parameters)
    if (asked.why) return refuse(asked.why, asked.place)
    const { application, scope, challenge, isCode, place } = asked
    if (!global_credentials && !ctx.service) return withoutService(ctx)
    const service = serviceFor(ctx, config)
    const grant = { application, service, authenticated_userid, scope }
    if (isCode) {
      const code = codes.give({ ...grant, challenge, plugin })
      return given({ redirect_uri: withArguments(place, { code, state }, '?') })
    }
    const answer = giving.withoutRefreshToken(grant)
    return given({ redirect_uri: withArguments(place, { ...answer, state }, '#') })
  }
}

const WRONG_REDIRECT_URI = refused(
  'invalid_request',
  'Invalid redirect_uri that does not match with any redirect_uri created with the application',
)

/** RFC 7636 §4.3; without a challenge nothing has to be proved later, so it is asked for where it must be. */
function readChallenge(
  parameters: Parameters,
  application: Oauth2Application | undefined,
  config: Config,
): { readonly challenge: string | undefined } | Refused {
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (challenge === undefined) {
    if (method !== undefined)
      return invalid('code_challenge is required when code_method is present')
    if (!application || !needsProof(config, application.credential)) return { challenge }
    const { client_type } = application.credential
    return invalid(`code_challenge is required for ${client_type} clients`)
  }
  if (typeof challenge !== 'string' || challenge === '')
    return invalid('code_challenge is not a string')
  if (method !== undefined && method !== 'S256' && method !== 's256')
    return invalid('code_challenge_method is not supported, must be S256')
  return { challenge: canonical(challenge) }
}

function invalid(description: string): Refused {
  return refused('invalid_request', description)
}

/** Base64 in either alphabet, as the one without padding that RFC 7636 has. */
function canonical(challenge: string): string {
  if (!/^[\w+/-]+={0,2}$/.test(challenge)) return challenge
  return Buffer.from(challenge, 'base64').toString('base64url')
}

/** Adds arguments to the query of a URI or to its fragment, which it has not: sorted and escaped as Kong does. */
function withArguments(
  uri: string,
  added: Readonly<Record<string, unknown>>,
  sign: '?' | '#',
): string {
  const mark = uri.indexOf('?')
  const [base, query] =
    sign === '#' || mark < 0 ? [uri, ''] : [uri.slice(0, mark), uri.slice(mark + 1)]
  const all = new Map<string, unknown>(readArguments(query).entries())
  for (const [name, value] of Object.entries(added)) {
    if (value !== undefined)
      all.set(name, Array.isArray(value) ? value.map(bytesOf) : bytesOf(value))
  }
  const pieces = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(write)
  return `${base}${sign}${pieces.join('&')}`
}

function write([name, value]: readonly [string, unknown]): string | string[] {
  if (Array.isArray(value))
    return value.map((each, i) => `${escape(`${name}[${i + 1}]`)}=${escape(String(each))}`)
  return value === '' ? escape(name) : `${escape(name)}=${escape(String(value))}`
}

function bytesOf(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return Buffer.from(text).toString('latin1')
}

function escape(bytes: string): string {
  return bytes.replace(
    /[^A-Za-z0-9_]/g,
    (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
