import * as oauth from 'oauth4webapi'
import type { Gateway } from '../../pdk.ts'
import { isRecord } from '../../schema/check.ts'
import { array, type Config, string } from '../../schema/field.ts'
import { badHeaderName, badHeaderValue } from '../header.ts'
import { type Answered, answeredBy, isJwtType } from './answered.ts'
import type { Code, TokenResponse } from './calls.ts'
import {
  ASSERTION_TYPE,
  type AuthenticatedEndpoint,
  type ClientAuth,
  type ClientAuths,
  createClientAuths,
  type fields as authentication,
} from './client_auth.ts'
import type { Client, fields as clientFields } from './clients.ts'
import { configuredUrls, type fields as endpoints } from './endpoints.ts'
import type { fields as exchange } from './exchange.ts'
import { type Attempt, InvalidAnswer, OAuthError, refusalOf } from './failure.ts'
import type { Issuer } from './issuer.ts'
import { type Endpoint, type Metadata, metadataOf } from './metadata.ts'
import { Metrics } from './metrics.ts'
import { NOTHING, type Passed } from './passing.ts'
import { Refusal } from './refusal.ts'
import { createTransport, fields as transport } from './transport.ts'

const argument = string('A text.')
const headerName = string('A name.', { custom: badHeaderName })
const headerValue = string('A value.', { custom: badHeaderValue })
const VALUES = 'Their values, in the same order.'

export const fields = {
  ...transport,
  scopes: array(
    'The scopes that tokens are asked for; null or empty asks for none.',
    string('A scope.', { referenceable: true }),
    { default: ['openid'] },
  ),
  audience: array('The audiences that tokens are asked for.', argument),
  token_post_args_names: array(
    'The names of further arguments sent to the token endpoint.',
    argument,
  ),
  token_post_args_values: array(VALUES, argument),
  token_headers_names: array(
    'The names of further headers sent to the token endpoint.',
    headerName,
  ),
  token_headers_values: array(VALUES, headerValue),
  token_headers_replay: array(
    'The headers of the token endpoint that are passed on to the client.',
    headerName,
  ),
  token_headers_prefix: string('What is put before their names.', {
    custom: (prefix: string) => (prefix === '' ? undefined : badHeaderName(prefix)),
  }),
  token_headers_grants: array(
    'The grants for which they are passed on; without it all.',
    string('A grant.', {
      one_of: ['authorization_code', 'client_credentials', 'password', 'refresh_token'],
    }),
  ),
  introspection_accept: string('The form in which the answer is asked for.', {
    default: 'application/json',
    one_of: ['application/json', 'application/jwt', 'application/token-introspection+jwt'],
  }),
  introspection_hint: string('What the provider is told that the token is.', {
    default: 'access_token',
  }),
  introspection_token_param_name: string('The name of the argument with the token.', {
    default: 'token',
  }),
  introspection_headers_names: array(
    'The names of further headers of the request. `Authorization` replaces that of the client.',
    headerName,
  ),
  introspection_headers_values: array(
    VALUES,
    string('A value.', { referenceable: true, custom: badHeaderValue }),
    { encrypted: true },
  ),
  introspection_post_args_names: array('The names of further arguments of the request.', argument),
  introspection_post_args_values: array(VALUES, argument),
  userinfo_accept: string('The form in which the user info is asked for.', {
    default: 'application/json',
    one_of: ['application/json', 'application/jwt'],
  }),
  userinfo_headers_names: array(
    'The names of further headers of the user info request.',
    headerName,
  ),
  userinfo_headers_values: array(VALUES, headerValue),
  userinfo_query_args_names: array(
    'The names of further arguments of the user info request.',
    argument,
  ),
  userinfo_query_args_values: array(VALUES, argument),
  revocation_token_param_name: string('The name of the argument with the token to revoke.', {
    default: 'token',
  }),
}

type Settings = Config<
  typeof fields &
    typeof endpoints &
    typeof authentication &
    Pick<typeof clientFields, 'client_id' | 'client_auth' | 'client_alg' | 'client_jwk'> &
    Pick<typeof exchange, 'token_exchange' | 'token_exchange_endpoint'>
> & { readonly issuer: string }

/** The provider as it is asked for one request: where, as whom, and with what of the client's. */
export interface Provision {
  readonly metadata: Metadata
  readonly client: Client
  /** Whether the client is the caller's own, not the gateway's. */
  readonly isCallers: boolean
  /** Whether discovered endpoints may be `http:`. */
  readonly allowHttp: boolean
  readonly passed?: Passed
}

/** Every call to the identity provider. All throw `Refusal`. */
export interface RelyingParty {
  /** Loads the discovery document of an issuer, whose own `issuer` may be another. */
  loadMetadata(issuer: Issuer, headers: Headers): Promise<Metadata>
  /** Loads the members of a JWK set; `url` is where. */
  loadKeys(url: string, allowHttp: boolean): Promise<readonly unknown[]>
  password(at: Provision, username: string, password: string): Promise<TokenResponse>
  refresh(at: Provision, refresh_token: string): Promise<TokenResponse>
  clientCredentials(at: Provision): Promise<TokenResponse>
  /** The same with an assertion that the caller has sent. */
  clientAssertion(at: Provision, assertion: string): Promise<TokenResponse>
  authorizationCode(at: Provision, code: Code): Promise<TokenResponse>
  exchange(at: Provision, subject_token: string): Promise<TokenResponse>
  legacyExchange(at: Provision, access_token: string): Promise<string>
  introspect(at: Provision, token: string): Promise<Answered>
  userInfo(at: Provision, access_token: string): Promise<Answered>
  revoke(at: Provision, token: string, hint: string): Promise<void>
  pushAuthorizationRequest(
    at: Provision,
    parameters: URLSearchParams,
  ): Promise<{ readonly request_uri: string; readonly expires_in: number }>
}

/** What is sent to one endpoint; `secrets` must not be seen in any log. */
interface Sending {
  readonly what: string
  readonly endpoint: AuthenticatedEndpoint
  readonly form: URLSearchParams
  readonly accept: string
  readonly secrets: readonly string[]
  /** Headers that the client's authentication replaces, and headers that replace it. */
  readonly before?: Pairs
  readonly after?: Pairs
  /** Authenticates otherwise than the client is configured to. */
  readonly auth?: ClientAuth
}

/** Prepares the calls of one plugin entity; `gateway.fetch` makes them. */
export function createRelyingParty(
  config: Settings,
  gateway: Pick<Gateway, 'fetch' | 'findCertificate' | 'keep' | 'log' | 'now' | 'prefix'>,
  auths: ClientAuths = createClientAuths(config, gateway),
): RelyingParty {
  const send = createTransport(config, gateway)
  const metrics = new Metrics(config, gateway)
  const ownUrls = configuredUrls(config)
  const tokenArgs = pairs(config.token_post_args_names, config.token_post_args_values)
  const tokenHeaders = pairs(config.token_headers_names, config.token_headers_values)
  const introspectionArgs = pairs(
    config.introspection_post_args_names,
    config.introspection_post_args_values,
  )
  const introspectionHeaders = pairs(
    config.introspection_headers_names,
    config.introspection_headers_values,
  )
  const userInfoArgs = pairs(config.userinfo_query_args_names, config.userinfo_query_args_values)
  const userInfoHeaders = pairs(config.userinfo_headers_names, config.userinfo_headers_values)
  const replay = createReplay(config)
  const { token_exchange } = config

  /** Makes one call; `last` keeps what is known of it for the words about its failure. */
  async function attempt<T>(
    what: string,
    at: { readonly isCallers: boolean; readonly url: URL; readonly secrets?: readonly string[] },
    ask: (last: Attempt) => Promise<T>,
  ): Promise<T> {
    const last: Attempt = { what, url: at.url, secrets: at.secrets ?? [] }
    try {
      return await ask(last)
    } catch (error) {
      throw refusalOf(inOurWords(error), what, at.isCallers, last)
    }
  }

  /** One exchange with the provider. */
  async function exchange(
    last: Attempt,
    url: URL,
    request: { method: string; headers: Headers; body?: string | undefined },
    more?: Parameters<typeof send>[2],
  ): Promise<Response> {
    last.url = url
    const answer = await metrics.call(last.what, () => send(url, request, more))
    last.status = answer.status
    last.mediaType = mediaTypeOf(answer)
    return answer
  }

  function endpointOf(
    name: Endpoint,
    { metadata, allowHttp }: Provision,
    withCertificate: boolean,
  ): URL {
    const alias = withCertificate ? metadata.mtls_endpoint_aliases?.[name] : undefined
    const text = alias ?? metadata[name]
    if (text === undefined)
      throw new InvalidAnswer(`the provider has no ${name}, and none is configured`)
    const url = URL.parse(text)
    if (!url) throw new InvalidAnswer(`the ${name} of the provider is no URL`)
    oauth.checkProtocol(url, !allowHttp && !ownUrls.has(text))
    return url
  }

  function post<T>(
    at: Provision,
    { what, endpoint, form, accept, secrets, before = [], after = [], auth: other }: Sending,
    read: (answer: Response) => Promise<T>,
  ): Promise<T> {
    const { metadata, client, isCallers } = at
    const url = new URL(URL.parse(metadata[endpoint] ?? '') ?? metadata.issuer)
    const added = valuesOf(before, after, at.passed?.args ?? [])
    const hidden = [...secrets, client.client_secret ?? '', ...added].filter((each) => each !== '')
    return attempt(what, { isCallers, url, secrets: hidden }, async (last) => {
      const auth = other ?? auths.at(endpoint, metadata, client, isCallers)
      const { certificate } = auth
      const to = endpointOf(endpoint, at, certificate !== undefined)
      const { tls_client_auth_ssl_verify: ssl_verify } = config
      const sendAs = async (audience: string | undefined) => {
        const headers = new Headers({ accept })
        for (const [name, value] of before) headers.set(name, value)
        await auth.apply(to, form, headers, audience)
        for (const [name, value] of after) headers.set(name, value)
        headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
        last.secrets = [...last.secrets, ...secretsIn(form, headers)]
        const request = { method: 'POST', headers, body: form.toString() }
        return exchange(last, to, request, certificate && { certificate, ssl_verify })
      }
      const answer = await sendAs(undefined)
      // Keycloak takes no assertion for its revocation endpoint. To revoke twice does no harm.
      const isAgain =
        endpoint === 'revocation_endpoint' && auth.method.endsWith('_jwt') && answer.status < 500
      if (isAgain && !answer.ok) return read(await sendAs(metadata.issuer))
      return read(answer)
    })
  }

  /** Asks for tokens. `own` are the grant's arguments, which nothing replaces. */
  function grant(
    grant_type: string,
    at: Provision,
    own: Readonly<Record<string, string | undefined>>,
    asked: { scopes?: readonly string[] | undefined; audience?: readonly string[] | undefined },
    more: Partial<Pick<Sending, 'what' | 'auth' | 'secrets'>> & {
      /** Throws `InvalidAnswer` for what this grant may not be answered with. */
      readonly judge?: (tokens: TokenResponse) => void
    } = {},
  ): Promise<TokenResponse> {
    const { headers, args } = at.passed ?? NOTHING
    const form = new URLSearchParams({ grant_type })
    for (const [name, value] of Object.entries(own)) if (value !== undefined) form.set(name, value)
    const isPassed = (name: string) => args.some(([passed]) => passed === name)
    if (!isPassed('scope') && asked.scopes && asked.scopes.length > 0)
      form.set('scope', asked.scopes.join(' '))
    if (!isPassed('audience'))
      for (const audience of asked.audience ?? []) form.append('audience', audience)
    for (const [name, value] of tokenArgs) form.append(name, value)
    // What the operator has written counts before what a client has sent.
    const isWritten = (name: string) => tokenArgs.some(([written]) => written === name)
    for (const [name, value] of args) if (!isWritten(name)) form.append(name, value)
    const what = more.what ?? grant_type
    const sending: Sending = {
      what,
      endpoint: 'token_endpoint',
      form,
      accept: 'application/json',
      before: [...headers, ...tokenHeaders],
      secrets: more.secrets ?? [],
      ...(more.auth && { auth: more.auth }),
    }
    return post(at, sending, async (answer) => {
      const tokens = await tokensIn(at, answer)
      more.judge?.(tokens)
      const replayed = replay(what, answer.headers)
      return replayed.length > 0 ? { ...tokens, replayed } : tokens
    })
  }

  /** RFC 8693 §2.2.1: what a token is exchanged for must be one that services take. Throws `InvalidAnswer`. */
  function judgeIssuedType({ members }: TokenResponse): void {
    const type = members?.issued_token_type ?? undefined
    if (type === undefined)
      gateway.log.debug(
        'openid-connect: a token was exchanged, and the answer names no type of it',
        {
          code: 'issued_token_type_missing',
        },
      )
    else if (type !== ACCESS_TOKEN_TYPE && type !== JWT_TYPE)
      throw new InvalidAnswer('the issued token is no access token')
  }

  const usual = { scopes: config.scopes, audience: config.audience }

  return {
    loadMetadata: (issuer, headers) =>
      attempt('discovery', { isCallers: false, url: issuer.url }, async (last) => {
        const answer = await oauth.discoveryRequest(issuer.url, {
          algorithm: issuer.algorithm,
          [oauth.customFetch]: (url: string, { headers }: { headers: Record<string, string> }) =>
            exchange(last, new URL(url), { method: 'GET', headers: withoutAgent(headers) }),
          [oauth.allowInsecureRequests]: issuer.url.protocol === 'http:',
          headers,
        })
        // Kong takes a document of another issuer, which then counts for the tokens.
        const expected = await issuerOf(answer.clone())
        return metadataOf(await oauth.processDiscoveryResponse(expected ?? issuer.url, answer))
      }),

    loadKeys: (url, allowHttp) =>
      attempt('keys', { isCallers: false, url: new URL(url) }, async (last) => {
        oauth.checkProtocol(new URL(url), !allowHttp)
        const headers = new Headers({ accept: 'application/json, application/jwk-set+json' })
        const answer = await exchange(last, new URL(url), { method: 'GET', headers })
        if (answer.status !== 200) throw new InvalidAnswer(`the keys answered ${answer.status}`)
        const document: unknown = await answer.json()
        const keys = isRecord(document) ? document.keys : undefined
        if (!Array.isArray(keys)) throw new InvalidAnswer('the answer is no JWK set')
        return keys
      }),

    password: (at, username, password) => grant('password', at, { username, password }, usual),

    refresh: (at, refresh_token) =>
      // RFC 6749 §6: the scopes stay as they are.
      grant('refresh_token', at, { refresh_token }, { audience: config.audience }),

    clientCredentials: (at) => grant('client_credentials', at, {}, usual),

    clientAssertion: (at, assertion) =>
      grant('client_credentials', at, {}, usual, {
        auth: {
          method: 'private_key_jwt',
          certificate: undefined,
          apply(_url, form) {
            form.set('client_assertion_type', ASSERTION_TYPE)
            form.set('client_assertion', assertion)
          },
        },
      }),

    authorizationCode: (at, { code, redirect_uri, code_verifier }) =>
      // The scopes were asked for with the authorization request.
      grant('authorization_code', at, { code, redirect_uri, code_verifier }, {}),

    exchange(at, subject_token) {
      const { scopes, empty_scopes, audience, empty_audience } = token_exchange?.request ?? {}
      return grant(
        'urn:ietf:params:oauth:grant-type:token-exchange',
        at,
        { subject_token, subject_token_type: ACCESS_TOKEN_TYPE },
        {
          scopes: empty_scopes ? [] : (scopes ?? config.scopes),
          audience: empty_audience ? [] : (audience ?? config.audience),
        },
        { what: 'token_exchange', secrets: [subject_token], judge: judgeIssuedType },
      )
    },

    legacyExchange(at, access_token) {
      const url = new URL(config.token_exchange_endpoint ?? at.metadata.issuer)
      const { isCallers } = at
      return attempt(
        'token_exchange',
        { isCallers, url, secrets: [access_token] },
        async (last) => {
          const headers = new Headers({ authorization: `Bearer ${access_token}` })
          const answer = await exchange(last, url, { method: 'POST', headers, body: '' })
          if (answer.status !== 200) throw new InvalidAnswer(`status ${answer.status}`)
          const token = (await answer.text()).trim()
          if (!isBearerToken(token)) throw new InvalidAnswer('the answer is no token')
          return token
        },
      )
    },

    introspect(at, token) {
      const { headers, args } = at.passed ?? NOTHING
      const form = new URLSearchParams([[config.introspection_token_param_name, token]])
      if (config.introspection_hint) form.set('token_type_hint', config.introspection_hint)
      for (const [name, value] of introspectionArgs) form.append(name, value)
      for (const [name, value] of args) if (!form.has(name)) form.append(name, value)
      const sending: Sending = {
        what: 'introspection',
        endpoint: 'introspection_endpoint',
        form,
        accept: config.introspection_accept,
        after: [...headers, ...introspectionHeaders],
        secrets: [token],
      }
      return post(at, sending, async (answer) => {
        await judgeStatus(answer)
        const type = mediaTypeOf(answer) ?? ''
        // RFC 7662 §2.2, RFC 9701 §5: what stands in a page of somebody else's is no word of the provider.
        if (type !== 'application/json' && !isJwtType(type))
          throw new InvalidAnswer('the answer is neither application/json nor a JWT')
        return answeredBy(answer, 'token_introspection')
      })
    },

    userInfo(at, access_token) {
      const { metadata, isCallers } = at
      const { headers: passed, args } = at.passed ?? NOTHING
      const url = new URL(URL.parse(metadata.userinfo_endpoint ?? '') ?? metadata.issuer)
      const secrets = [access_token, ...valuesOf(passed, args, userInfoHeaders)]
      return attempt('userinfo', { isCallers, url, secrets }, async (last) => {
        const to = endpointOf('userinfo_endpoint', at, false)
        for (const [name, value] of userInfoArgs) to.searchParams.append(name, value)
        for (const [name, value] of args)
          if (!to.searchParams.has(name)) to.searchParams.append(name, value)
        const headers = new Headers({ accept: config.userinfo_accept })
        for (const [name, value] of [...passed, ...userInfoHeaders]) headers.set(name, value)
        // OpenID Connect Core §5.3.1: it is about this token, whatever else is sent.
        headers.set('authorization', `Bearer ${access_token}`)
        const answer = await exchange(last, to, { method: 'GET', headers })
        if (answer.status === 401 || answer.status === 403)
          throw new Refusal(
            'invalid_token',
            `the user info endpoint of the provider refused the token (${answer.status})`,
          )
        await judgeStatus(answer)
        return answeredBy(answer)
      })
    },

    revoke(at, token, hint) {
      const form = new URLSearchParams([
        [config.revocation_token_param_name, token],
        ['token_type_hint', hint],
      ])
      const sending: Sending = {
        what: 'revocation',
        endpoint: 'revocation_endpoint',
        form,
        accept: 'application/json',
        secrets: [token],
      }
      return post(at, sending, judgeStatus)
    },

    pushAuthorizationRequest(at, parameters) {
      const { client_id } = at.client
      const form = new URLSearchParams(parameters)
      form.set('client_id', client_id)
      const sending: Sending = {
        what: 'pushed_authorization_request',
        endpoint: 'pushed_authorization_request_endpoint',
        form,
        accept: 'application/json',
        secrets: [],
      }
      return post(at, sending, async (answer) => {
        const as = at.metadata as oauth.AuthorizationServer
        const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(
          as,
          { client_id },
          withoutChallenge(answer),
        )
        return { request_uri, expires_in }
      })
    },
  }
}

/** RFC 8693 §3. */
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'

type Pairs = readonly (readonly [name: string, value: string])[]

function mediaTypeOf(answer: Response): string | undefined {
  return answer.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
}

function withoutAgent(given: Record<string, string>): Headers {
  const headers = new Headers(given)
  headers.delete('user-agent')
  return headers
}

/** A challenge would hide the error code of the body (RFC 6749 §5.2 wants both with invalid_client). */
function withoutChallenge(answer: Response): Response {
  const headers = new Headers(answer.headers)
  headers.delete('www-authenticate')
  return new Response(answer.body, { status: answer.status, headers })
}

/** What is passed on or written into a header may be a credential. Shorter than any it is a word like others. */
function valuesOf(...lists: readonly Pairs[]): string[] {
  return lists.flat().flatMap(([, value]) => (value.length < 4 ? [] : value))
}

/** What a request carries that nobody may read in a log. */
function secretsIn(form: URLSearchParams, headers: Headers): string[] {
  const [, basic = ''] = /^basic (.+)$/i.exec(headers.get('authorization') ?? '') ?? []
  const names = ['client_secret', 'password', 'refresh_token', 'client_assertion', 'code']
  const sent = [...names, 'code_verifier', 'request'].flatMap((name) => form.getAll(name))
  const [, secret = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(basic, 'base64').toString()) ?? []
  return [basic, secret, ...sent].filter((each) => each !== '')
}

/** The library's errors without their causes, which hold tokens and secrets. */
function inOurWords(error: unknown): unknown {
  if (error instanceof oauth.ResponseBodyError)
    return new OAuthError(error.status, error.error, error.error_description)
  const isAnswer =
    error instanceof oauth.OperationProcessingError ||
    error instanceof oauth.UnsupportedOperationError ||
    error instanceof TypeError
  return isAnswer ? new InvalidAnswer(error.message) : error
}

/** Anything but a success is a failure, whatever its body says. Throws `OAuthError` and `InvalidAnswer`. */
async function judgeStatus(answer: Response): Promise<void> {
  if (answer.ok) return
  const body: unknown = await answer.json().catch(() => undefined)
  const { error, error_description } = isRecord(body) ? body : {}
  if (typeof error === 'string')
    throw new OAuthError(
      answer.status,
      error,
      typeof error_description === 'string' ? error_description : undefined,
    )
  throw new InvalidAnswer(`status ${answer.status}`)
}

/** Judges a token endpoint's answer. Throws the library's errors and `InvalidAnswer`. */
async function tokensIn(at: Provision, given: Response): Promise<TokenResponse> {
  const as = at.metadata as oauth.AuthorizationServer
  // The library wants a name, which nothing depends on here: with an assertion of the caller there is none.
  const client: oauth.Client = { client_id: at.client.client_id || 'unnamed' }
  const answer = withoutChallenge(given)
  if (answer.status !== 200) {
    await oauth.processGenericTokenEndpointResponse(as, client, answer)
    throw new InvalidAnswer(`status ${answer.status}`)
  }
  const document: unknown = await answer
    .clone()
    .json()
    .catch(() => undefined)
  if (!isRecord(document)) {
    await oauth.processGenericTokenEndpointResponse(as, client, answer)
    throw new InvalidAnswer('the answer is no JSON object')
  }
  // Taken out, because the library refuses what Kong takes: lifetimes that are no positive numbers, members that are
  // null, and ID tokens of another issuer, which are judged with the other tokens by the rules of the configuration.
  const { expires_in, refresh_expires_in, id_token, ...rest } = document
  const body = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null))
  const headers = { 'content-type': 'application/json' }
  const judged = await oauth.processGenericTokenEndpointResponse(
    as,
    client,
    new Response(JSON.stringify(body), { headers }),
  )
  const { access_token, refresh_token, token_type } = judged
  // A token that is bound to a key (RFC 9449) is of no use to a service that is sent it as a bearer token.
  if (token_type !== 'bearer') throw new InvalidAnswer('the token type is not Bearer')
  if (id_token !== undefined && id_token !== null && typeof id_token !== 'string')
    throw new InvalidAnswer('the ID token is no text')
  for (const token of [access_token, refresh_token, id_token]) {
    if (token !== undefined && token !== null && !isToken(String(token)))
      throw new InvalidAnswer('a token holds characters that no token may have')
  }
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(typeof id_token === 'string' && { id_token }),
    ...secondsIn('expires_in', expires_in),
    ...secondsIn('refresh_expires_in', refresh_expires_in),
    members: document,
  }
}

/** RFC 6749 appendix A: all else could break out of the header that carries it. */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

/** RFC 6750 §2.1: what may stand behind `Bearer`. */
function isBearerToken(text: string): boolean {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(text)
}

function secondsIn<N extends string>(name: N, value: unknown): { [K in N]?: number } {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return {}
  return { [name]: seconds } as { [K in N]?: number }
}

/** Headers that belong to the connection or to the body, which the client is not sent. */
const NOT_REPLAYED: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'keep-alive',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Prepares which headers of the token endpoint the client is sent. */
function createReplay(
  config: Pick<Settings, 'token_headers_replay' | 'token_headers_prefix' | 'token_headers_grants'>,
): (grant: string, headers: Headers) => Pairs {
  const { token_headers_replay = [], token_headers_prefix = '', token_headers_grants } = config
  const names = token_headers_replay.filter(
    (name) => token_headers_prefix !== '' || !NOT_REPLAYED.has(name.toLowerCase()),
  )
  const grants: ReadonlySet<string> | undefined =
    token_headers_grants && new Set(token_headers_grants)
  return (grant, headers) =>
    grants && !grants.has(grant)
      ? []
      : names.flatMap((name) => {
          const value = headers.get(name)
          const isSent = value !== null && badHeaderValue(value) === undefined
          return isSent ? [[`${token_headers_prefix}${name}`, value] as const] : []
        })
}

async function issuerOf(answer: { json(): Promise<unknown> }): Promise<URL | null> {
  const document: unknown = await answer.json().catch(() => undefined)
  return isRecord(document) && typeof document.issuer === 'string'
    ? URL.parse(document.issuer)
    : null
}

/** The pairs of two lists of one length; a name without a value is sent empty. */
function pairs(names: readonly string[] | undefined, values: readonly string[] | undefined): Pairs {
  return (names ?? []).map((name, i) => [name, values?.[i] ?? ''] as const)
}
