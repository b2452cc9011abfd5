import * as oauth from 'oauth4webapi'
import type { Gateway } from '../../pdk.ts'
import { isRecord } from '../../schema/check.ts'
import { array, boolean, type Config, number, string } from '../../schema/field.ts'
import { badHeaderName, badHeaderValue } from '../header.ts'
import { chooseAuth, type Client } from './client.ts'
import { type Attempt, InvalidAnswer, OAuthError, refusalOf } from './failure.ts'
import type { Issuer } from './issuer.ts'

const argument = string('A text.')

export const fields = {
  timeout: number('How long the provider may take to answer; milliseconds.', { default: 10_000 }),
  ssl_verify: boolean("Whether the provider's certificate is checked.", { default: true }),
  keepalive: boolean('Whether connections to the provider are kept for the next request.', {
    default: true,
  }),
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
  token_post_args_values: array('Their values, in the same order.', argument),
  token_headers_names: array(
    'The names of further headers sent to the token endpoint.',
    string('A name.', { custom: badHeaderName }),
  ),
  token_headers_values: array(
    'Their values, in the same order.',
    string('A value.', { custom: badHeaderValue }),
  ),
}

/** A provider's discovery document (OpenID Connect Discovery §3), as far as it is read; `issuer` is always there. */
export interface Metadata {
  readonly issuer: string
  readonly token_endpoint?: string
  readonly jwks_uri?: string
  readonly token_endpoint_auth_methods_supported?: readonly string[]
}

/** What a token endpoint gave (RFC 6749 §5.1). */
export interface TokenResponse {
  readonly access_token: string
  readonly refresh_token?: string
  readonly id_token?: string
  /** Seconds; below or at zero the token is not for a second use. Unset if the provider does not say. */
  readonly expires_in?: number
  /** Seconds that the refresh token lives, as Keycloak tells. */
  readonly refresh_expires_in?: number
}

/** Every call to the identity provider. All throw `Refusal`. */
export interface RelyingParty {
  /** Loads the discovery document of an issuer, whose own `issuer` may be another. */
  loadMetadata(issuer: Issuer, headers: Headers): Promise<Metadata>
  /** Loads the members of a JWK set; `url` is where. */
  loadKeys(url: string, allowHttp: boolean): Promise<readonly unknown[]>
  password(at: TokenEndpoint, username: string, password: string): Promise<TokenResponse>
  refresh(at: TokenEndpoint, refresh_token: string): Promise<TokenResponse>
  clientCredentials(at: TokenEndpoint): Promise<TokenResponse>
}

/** Where tokens are asked for, and as whom. */
export interface TokenEndpoint {
  readonly metadata: Metadata
  readonly client: Client
  /** Whether the client is the caller's own, not the gateway's. */
  readonly isCallers: boolean
  /** Whether the endpoint may be `http:`. */
  readonly allowHttp: boolean
}

/** Prepares the calls of one plugin entity; `gateway.fetch` makes them. */
export function createRelyingParty(
  config: Config<typeof fields>,
  gateway: Pick<Gateway, 'fetch'>,
): RelyingParty {
  const { timeout, ssl_verify, keepalive } = config
  const postArguments = pairs(config.token_post_args_names, config.token_post_args_values)
  const tokenHeaders = pairs(config.token_headers_names, config.token_headers_values)

  /** One exchange with the provider; `last` keeps what is known of it for the advice. */
  const fetcher = (last: Attempt) => async (url: string, request: FetchOptions) => {
    last.url = new URL(url)
    last.secrets = [...last.secrets, ...secretsIn(request)]
    const headers = new Headers(request.headers)
    headers.delete('user-agent')
    const body = request.body?.toString()
    const answer = await gateway.fetch(url, {
      method: request.method,
      headers,
      body,
      timeout,
      ssl_verify,
      keepalive,
    })
    last.status = answer.status
    last.mediaType = answer.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
    // A challenge would hide the error code of the body (RFC 6749 §5.2 wants both with invalid_client).
    const answered = new Headers(answer.headers)
    answered.delete('www-authenticate')
    return new Response(answer.body, { status: answer.status, headers: answered })
  }

  async function attempt<T>(
    what: string,
    at: { isCallers: boolean; url: URL; secret?: string | undefined },
    ask: (fetch: ReturnType<typeof fetcher>) => Promise<T>,
  ): Promise<T> {
    const last: Attempt = { url: at.url, secrets: at.secret ? [at.secret] : [] }
    try {
      return await ask(fetcher(last))
    } catch (error) {
      throw refusalOf(inOurWords(error), what, at.isCallers, last)
    }
  }

  function grant(
    what: string,
    at: TokenEndpoint,
    ask: (as: oauth.AuthorizationServer, options: GrantOptions) => Promise<Response>,
  ): Promise<TokenResponse> {
    const { metadata, client, allowHttp, isCallers } = at
    const as = metadata as oauth.AuthorizationServer
    const url = new URL(URL.parse(metadata.token_endpoint ?? '') ?? metadata.issuer)
    const secret = client.client_secret
    return attempt(what, { isCallers, url, secret }, async (fetch) => {
      const additionalParameters = new URLSearchParams()
      if (what !== 'refresh_token' && config.scopes && config.scopes.length > 0)
        additionalParameters.set('scope', config.scopes.join(' '))
      for (const audience of config.audience ?? [])
        additionalParameters.append('audience', audience)
      for (const [name, value] of postArguments) additionalParameters.append(name, value)
      const answer = await ask(as, {
        [oauth.customFetch]: fetch,
        [oauth.allowInsecureRequests]: allowHttp,
        headers: new Headers(tokenHeaders),
        additionalParameters,
      })
      return judge(as, { client_id: client.client_id }, answer)
    })
  }

  return {
    loadMetadata: (issuer, headers) =>
      attempt('discovery', { isCallers: false, url: issuer.url }, async (fetch) => {
        const answer = await oauth.discoveryRequest(issuer.url, {
          algorithm: issuer.algorithm,
          [oauth.customFetch]: fetch,
          [oauth.allowInsecureRequests]: issuer.url.protocol === 'http:',
          headers,
        })
        // Kong takes a document of another issuer, which then counts for the tokens.
        const expected = await issuerOf(answer.clone())
        return metadataOf(await oauth.processDiscoveryResponse(expected ?? issuer.url, answer))
      }),

    loadKeys: (url, allowHttp) =>
      attempt('keys', { isCallers: false, url: new URL(url) }, async (fetch) => {
        oauth.checkProtocol(new URL(url), !allowHttp)
        const headers = { accept: 'application/json, application/jwk-set+json' }
        const answer = await fetch(url, { method: 'GET', headers, body: undefined })
        if (answer.status !== 200) throw new InvalidAnswer(`the keys answered ${answer.status}`)
        const document: unknown = await answer.json()
        const keys = isRecord(document) ? document.keys : undefined
        if (!Array.isArray(keys)) throw new InvalidAnswer('the answer is no JWK set')
        return keys
      }),

    password: (at, username, password) =>
      grant('password', at, (as, { additionalParameters, ...options }) => {
        additionalParameters.set('username', username)
        additionalParameters.set('password', password)
        // prettier-ignore
        return oauth.genericTokenEndpointRequest(as, clientOf(at), authOf(at), 'password', additionalParameters, options)
      }),

    refresh: (at, refresh_token) =>
      grant('refresh_token', at, (as, options) =>
        oauth.refreshTokenGrantRequest(as, clientOf(at), authOf(at), refresh_token, options),
      ),

    clientCredentials: (at) =>
      grant('client_credentials', at, (as, { additionalParameters, ...options }) =>
        // prettier-ignore
        oauth.clientCredentialsGrantRequest(as, clientOf(at), authOf(at), additionalParameters, options),
      ),
  }
}

interface FetchOptions {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: URLSearchParams | undefined
}

/** What a request carries that nobody may read in a log. */
function secretsIn({ headers, body }: FetchOptions): string[] {
  const [, basic = ''] = /^basic (.+)$/i.exec(new Headers(headers).get('authorization') ?? '') ?? []
  const names = ['client_secret', 'password', 'refresh_token', 'client_assertion']
  const sent = names.flatMap((name) => body?.getAll(name) ?? [])
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

type GrantOptions = oauth.TokenEndpointRequestOptions & { additionalParameters: URLSearchParams }

function clientOf({ client }: TokenEndpoint): oauth.Client {
  return { client_id: client.client_id }
}

function authOf({ client, metadata }: TokenEndpoint): oauth.ClientAuth {
  const secret = client.client_secret ?? ''
  switch (chooseAuth(client, metadata.token_endpoint_auth_methods_supported)) {
    case 'client_secret_basic':
      return clientSecretBasic(secret)
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret)
    case 'none':
      return oauth.None()
  }
}

/**
 * RFC 6749 §2.3.1: both halves are form-encoded before Base64. The library's own encodes `-`, `.` and `_` as well,
 * which the many providers that do not decode take for a wrong secret.
 */
function clientSecretBasic(client_secret: string): oauth.ClientAuth {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  return (_as, { client_id }, _body, headers) => {
    const pair = `${encode(client_id)}:${encode(client_secret)}`
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
  }
}

/** Judges a token endpoint's answer. Throws the library's errors and `InvalidAnswer`. */
async function judge(
  as: oauth.AuthorizationServer,
  client: oauth.Client,
  answer: Response,
): Promise<TokenResponse> {
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
    // RFC 6749 appendix A: all else could break out of the header that carries it.
    if (token !== undefined && token !== null && !/^[\x21-\x7e]+$/.test(String(token)))
      throw new InvalidAnswer('a token holds characters that no token may have')
  }
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(typeof id_token === 'string' && { id_token }),
    ...secondsIn('expires_in', expires_in),
    ...secondsIn('refresh_expires_in', refresh_expires_in),
  }
}

function secondsIn<N extends string>(name: N, value: unknown): { [K in N]?: number } {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return {}
  return { [name]: seconds } as { [K in N]?: number }
}

/** The members of a discovery document that are read, where they are of the right type. */
function metadataOf(document: Readonly<Record<string, unknown>> & { issuer: string }): Metadata {
  const { issuer, token_endpoint, jwks_uri } = document
  const methods = document.token_endpoint_auth_methods_supported
  return {
    issuer,
    ...(typeof token_endpoint === 'string' && { token_endpoint }),
    ...(typeof jwks_uri === 'string' && { jwks_uri }),
    ...(Array.isArray(methods) && { token_endpoint_auth_methods_supported: methods.map(String) }),
  }
}

async function issuerOf(answer: { json(): Promise<unknown> }): Promise<URL | null> {
  const document: unknown = await answer.json().catch(() => undefined)
  return isRecord(document) && typeof document.issuer === 'string'
    ? URL.parse(document.issuer)
    : null
}

/** The pairs of two lists of one length; a name without a value is sent empty. */
function pairs(
  names: readonly string[] | undefined,
  values: readonly string[] | undefined,
): [string, string][] {
  return (names ?? []).map((name, i) => [name, values?.[i] ?? ''])
}
