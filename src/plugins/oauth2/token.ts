import { createHash } from 'node:crypto'
import type { AccessContext, Awaitable, Exit, Gateway, Oauth2Application } from '../../pdk.ts'
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
import { type ClientCredentials, isSameText, isSecret, readClientCredentials } from './client.ts'
import type { CodeGrant, Codes } from './codes.ts'
import { createGiving, serviceFor, type TokenAnswer, withoutService } from './giving.ts'
import { type Parameters, readParameters, textOf } from './parameters.ts'
import { isUser, judgeConnection, needsProof, readScope, wordsOf } from './rules.ts'
import type { Config } from './schema.ts'

/** Answers a request to the token endpoint (RFC 6749 §3.2). */
export type TokenEndpoint = (ctx: AccessContext) => Promise<Exit>

/** A request by an application that has said who it is. */
interface Asked {
  readonly ctx: AccessContext
  readonly parameters: Parameters
  readonly application: Oauth2Application
}

type GrantHandler = (asked: Asked) => TokenAnswer | Refused

export function createTokenEndpoint(
  config: Config,
  { consumers, id: plugin }: Pick<Gateway, 'consumers' | 'id'>,
  tokens: Oauth2Tokens,
  codes: Codes,
): TokenEndpoint {
  const { global_credentials, provision_key, scopes = [] } = config
  const giving = createGiving(config, tokens)

  const handlers = new Map<string, GrantHandler>([
    ['authorization_code', redeemCode],
    ['refresh_token', refresh],
  ])
  if (config.enable_client_credentials) handlers.set('client_credentials', giveToApplication)
  if (config.enable_password_grant) handlers.set('password', giveToUser)

  function redeemCode({ ctx, parameters, application }: Asked): TokenAnswer | Refused {
    const code = textOf(parameters, 'code') ?? ''
    const grant = codes.find(code)
    if (!grant || !isForService(grant, ctx)) return INVALID_CODE
    if (grant.application.credential.id !== application.credential.id) return INVALID_CODE
    // Who began with a challenge has to end with its verifier, whatever the configuration says.
    const isProofNeeded =
      grant.challenge !== undefined || needsProof(config, application.credential)
    const fault = isProofNeeded ? judgeVerifier(parameters, grant) : undefined
    if (fault) return fault
    if (global_credentials && grant.plugin !== plugin) return INVALID_CODE
    codes.withdraw(code)
    const { authenticated_userid, scope } = grant
    const service = serviceFor(ctx, config)
    return giving.withRefreshToken({ application, service, authenticated_userid, scope })
  }

  function refresh({ ctx, parameters, application }: Asked): TokenAnswer | Refused {
    const refresh_token = textOf(parameters, 'refresh_token') ?? ''
    const found = tokens.findByRefreshToken(refresh_token)
    if (!found || !isForService(found, ctx))
      return refused('invalid_request', 'Invalid refresh_token')
    if (found.application.credential.id !== application.credential.id) return INVALID_CLIENT
    const isAllowed = wordsOf(found.scope ?? '').every((word) => scopes.includes(word))
    if (!isAllowed) return refused('invalid_scope', 'Scope mismatch')
    return giving.again(refresh_token, found, serviceFor(ctx, config))
  }

  function giveToApplication({ ctx, parameters, application }: Asked): TokenAnswer | Refused {
    const user = parameters.get('authenticated_userid')
    if (user !== undefined && !isProvisioned(parameters)) return INVALID_PROVISION_KEY
    // RFC 6749 §4.4: everybody may know the id of such an application, and there is nothing else to know.
    if (application.credential.client_type === 'public')
      return refused('unauthorized_client', 'client_credentials is disallowed for public clients')
    const asked = readScope(parameters, config)
    if ('error' in asked) return asked
    const authenticated_userid = isUser(user) ? user : undefined
    const service = serviceFor(ctx, config)
    return giving.withoutRefreshToken({ application, service, authenticated_userid, ...asked })
  }

  function giveToUser({ ctx, parameters, application }: Asked): TokenAnswer | Refused {
    if (!isProvisioned(parameters)) return INVALID_PROVISION_KEY
    const authenticated_userid = parameters.get('authenticated_userid')
    if (!isUser(authenticated_userid)) return NO_USER
    const asked = readScope(parameters, config)
    if ('error' in asked) return asked
    const service = serviceFor(ctx, config)
    return giving.withRefreshToken({ application, service, authenticated_userid, ...asked })
  }

  function isProvisioned(parameters: Parameters): boolean {
    return isSameText(provision_key, parameters.get('provision_key'))
  }

  /** Whether a code or token may be used here: where credentials are not global, for its own service alone. */
  function isForService(
    { service }: { readonly service: { readonly id: string } | undefined },
    ctx: AccessContext,
  ): boolean {
    return global_credentials || (service !== undefined && service.id === ctx.service?.id)
  }

  /** What Kong asks of a request before it looks at the grant: the last fault is the one that is told. */
  function judgeRequest(
    grant_type: string,
    parameters: Parameters,
    application: Oauth2Application | undefined,
    credentials: ClientCredentials,
    isAuthentic: boolean,
  ): { readonly why: Refused; readonly isByHeader: boolean } | undefined {
    let why: Refused | undefined
    // Once the header was wrong, that is told by the status, even if there is more to say.
    let isByHeader = false
    if (!handlers.has(grant_type)) why = refused('unsupported_grant_type', 'Invalid grant_type')
    const redirect_uris = application?.credential.redirect_uris
    if (grant_type !== 'client_credentials') {
      if (!redirect_uris) {
        why = INVALID_CLIENT
        isByHeader = credentials.isInHeader
      } else if (!isRegistered(redirect_uris, parameters)) {
        why = WRONG_REDIRECT_URI
      }
    }
    if (application?.credential.client_type === 'confidential' && !isAuthentic) {
      why = INVALID_CLIENT
      isByHeader = credentials.isInHeader
    }
    if (application?.credential.client_type === 'public' && !isBlank(credentials.client_secret))
      why = refused('invalid_request', 'client_secret is disallowed for public clients')
    return why && { why, isByHeader }
  }

  return async (ctx) => {
    const { request } = ctx
    const parameters = await readParameters(request)
    const state = parameters.get('state')
    const refuse = (why: Refused, isByHeader = false) =>
      refusal(why, { ...why, state }, isByHeader ? { status: 401, challenge: BASIC } : {})

    const unsafe = judgeConnection(request, config)
    if (unsafe) return refuse(unsafe)
    const grant_type = textOf(parameters, 'grant_type') ?? ''
    const credentials = readClientCredentials(request, parameters, config.auth_header_name)
    const { client_id, client_secret } = credentials
    const application =
      typeof client_id === 'string' ? consumers.findByClientId(client_id) : undefined
    const isAuthentic = await isSecretOf(application, client_secret)
    const fault = judgeRequest(grant_type, parameters, application, credentials, isAuthentic)
    if (fault) return refuse(fault.why, fault.isByHeader)
    if (!application) {
      const isForUser = parameters.has('authenticated_userid') && !isProvisioned(parameters)
      return refuse(isForUser ? INVALID_PROVISION_KEY : INVALID_CLIENT)
    }
    if (!global_credentials && !ctx.service) return withoutService(ctx)
    // From here on nothing waits: of two requests with one code the second one finds none.
    const answer = handlers.get(grant_type)!({ ctx, parameters, application })
    return isRefused(answer) ? refuse(answer) : given({ ...answer, state })
  }
}

const BASIC = 'Basic realm="OAuth2.0"'
const INVALID_CODE = refused('invalid_request', 'Invalid code')
const WRONG_REDIRECT_URI = refused(
  'invalid_request',
  'Invalid redirect_uri that does not match with any redirect_uri created with the application',
)

function isRefused(answer: TokenAnswer | Refused): answer is Refused {
  return 'error' in answer
}

function isSecretOf(
  application: Oauth2Application | undefined,
  client_secret: unknown,
): Awaitable<boolean> {
  return application?.credential.client_type === 'confidential'
    ? isSecret(application, client_secret)
    : false
}

function isRegistered(redirect_uris: readonly string[], parameters: Parameters): boolean {
  const redirect_uri = parameters.get('redirect_uri') ?? redirect_uris[0]
  return typeof redirect_uri === 'string' && redirect_uris.includes(redirect_uri)
}

function isBlank(secret: unknown): boolean {
  return secret === undefined || (typeof secret === 'string' && wordsOf(secret).length === 0)
}

/** RFC 7636 §4.6, in Kong's words. */
function judgeVerifier(parameters: Parameters, { challenge }: CodeGrant): Refused | undefined {
  const verifier = parameters.get('code_verifier')
  if (verifier === undefined)
    return refused('invalid_request', 'code_verifier is required for PKCE authorization requests')
  if (typeof verifier !== 'string')
    return refused('invalid_request', 'code_verifier is not a string')
  const length = Buffer.byteLength(verifier)
  if (length < 43 || length > 128)
    return refused('invalid_request', 'code_verifier must be between 43 and 128 characters')
  const made = createHash('sha256').update(verifier).digest('base64url')
  return challenge === made ? undefined : refused('invalid_grant', 'Invalid code')
}
