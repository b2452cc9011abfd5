import { randomUUID } from 'node:crypto'
import type { Config } from '../../../schema/field.ts'
import { signJwt } from '../assertion.ts'
import type { Calls } from '../calls.ts'
import type { ClientAuths } from '../client_auth.ts'
import type { Client } from '../clients.ts'
import { configuredUrls, type fields as endpoints } from '../endpoints.ts'
import type { Endpoint, Metadata } from '../metadata.ts'
import type { Passed } from '../passing.ts'
import { Refusal } from '../refusal.ts'
import type { fields as requests } from '../relying_party.ts'
import type { fields } from './fields.ts'

type Settings = Config<
  Pick<
    typeof fields,
    | 'authorization_query_args_names'
    | 'authorization_query_args_values'
    | 'response_mode'
    | 'response_type'
    | 'require_proof_key_for_code_exchange'
    | 'require_pushed_authorization_requests'
    | 'require_signed_request_object'
  > &
    Pick<typeof requests, 'scopes' | 'audience'> &
    typeof endpoints
>

/** What of an authorization request is of this login alone. */
export interface LoginParameters {
  readonly redirect_uri: string
  readonly state: string
  readonly nonce: string
  /** Of PKCE by S256. */
  readonly code_challenge: string | undefined
}

/** Makes authorization requests (OpenID Connect Core §3.1.2.1). */
export interface AuthorizationRequests {
  /** Whether the code is to be bound by PKCE. */
  usesPkce(metadata: Metadata): boolean
  /** The URL that the browser is sent to; handed in before (RFC 9126) and signed (RFC 9101) as configuration and provider want it. Throws `Refusal`. */
  urlOf(
    parameters: LoginParameters,
    metadata: Metadata,
    as: { readonly client: Client; readonly passed: Passed },
  ): Promise<string>
}

/** How long a signed request is good; seconds. The browser brings it at once. */
const LIFE = 300

export function createAuthorizationRequests(
  config: Settings,
  { calls, auths, allowHttp }: { calls: Calls; auths: ClientAuths; allowHttp: boolean },
  now: () => number,
): AuthorizationRequests {
  const urls = createEndpointUrls(config, allowHttp)
  const written = (config.authorization_query_args_names ?? []).map((name, i): [string, string] => [
    name,
    config.authorization_query_args_values?.[i] ?? '',
  ])
  const response_type = config.response_type.join(' ')

  function argumentsOf(
    { redirect_uri, state, nonce, code_challenge }: LoginParameters,
    { client_id }: Client,
    { args }: Passed,
  ): URLSearchParams {
    const own = new URLSearchParams({
      client_id,
      response_type,
      response_mode: config.response_mode,
      redirect_uri,
      state,
      nonce,
      ...(code_challenge !== undefined && { code_challenge, code_challenge_method: 'S256' }),
    })
    // What the operator has written counts before what a client has sent, and what makes the login safe before both.
    const more = new URLSearchParams(written)
    for (const [name, value] of args) if (!more.has(name)) more.append(name, value)
    for (const name of own.keys()) more.delete(name)
    if (config.scopes && config.scopes.length > 0 && !more.has('scope'))
      own.set('scope', config.scopes.join(' '))
    if (!more.has('audience'))
      for (const audience of config.audience ?? []) own.append('audience', audience)
    for (const [name, value] of more) own.append(name, value)
    return own
  }

  async function sign(all: URLSearchParams, metadata: Metadata, client: Client): Promise<string> {
    const iat = Math.floor(now() / 1000)
    const claims: Record<string, unknown> = {}
    for (const name of new Set(all.keys())) {
      const values = all.getAll(name)
      claims[name] = values.length > 1 ? values : values[0]
    }
    const of = {
      iss: client.client_id,
      aud: metadata.issuer,
      iat,
      nbf: iat,
      exp: iat + LIFE,
      jti: randomUUID(),
    }
    return signJwt(await auths.signingKey(client), { ...claims, ...of }, 'oauth-authz-req+jwt')
  }

  return {
    usesPkce({ code_challenge_methods_supported: supported }) {
      // RFC 9700 §2.1.1: whoever does not know PKCE does not mind it either.
      return config.require_proof_key_for_code_exchange ?? supported?.includes('S256') ?? true
    },

    async urlOf(parameters, metadata, as) {
      const { client, passed } = as
      const to = urls.of('authorization_endpoint', metadata)
      const isSigned =
        config.require_signed_request_object ?? metadata.require_signed_request_object ?? false
      const isPushed =
        config.require_pushed_authorization_requests ??
        metadata.require_pushed_authorization_requests ??
        false
      const all = argumentsOf(parameters, client, passed)
      let sent = all
      if (isSigned) {
        const { client_id } = client
        sent = new URLSearchParams({ client_id, request: await sign(all, metadata, client) })
        // OpenID Connect Core §6.1 wants both outside too.
        for (const name of isPushed ? [] : ['response_type', 'scope'])
          if (all.has(name)) sent.set(name, all.get(name)!)
      }
      if (isPushed) {
        const { request_uri } = await calls.pushAuthorizationRequest(sent, as)
        sent = new URLSearchParams({ client_id: client.client_id, request_uri })
      }
      for (const [name, value] of sent) to.searchParams.append(name, value)
      // Some providers read a blank only where it is escaped like everything else.
      to.search = to.search.replaceAll('+', '%20')
      return to.href
    },
  }
}

/** The endpoints of a provider that browsers are sent to. */
export interface EndpointUrls {
  /** Throws `Refusal` for one that is not there, or that would take a browser out of TLS. */
  of(endpoint: Endpoint, metadata: Metadata): URL
}

/** `allowHttp` says whether discovered ones may be `http:`. */
export function createEndpointUrls(
  config: Config<typeof endpoints>,
  allowHttp: boolean,
): EndpointUrls {
  const own = configuredUrls(config)
  return {
    of(endpoint, metadata) {
      const text = metadata[endpoint]
      const fault = (why: string) => new Refusal('provider_invalid_response', why)
      if (text === undefined) throw fault(`the provider has no ${endpoint}, and none is configured`)
      const url = URL.parse(text)
      const isHttp = url?.protocol === 'http:' && (allowHttp || own.has(text))
      if (!url || (url.protocol !== 'https:' && !isHttp))
        throw fault(`the ${endpoint} of the provider is no URL that a browser can be sent to`)
      url.hash = ''
      return url
    },
  }
}
