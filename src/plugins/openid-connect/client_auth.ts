import { createPrivateKey, createSecretKey, type webcrypto } from 'node:crypto'
import type { Gateway } from '../../pdk.ts'
import { boolean, type Config, type EntityCheck, string } from '../../schema/field.ts'
import { clientAssertion, type SigningAlg, type SigningKey } from './assertion.ts'
import {
  type Client,
  CLIENT_AUTH_METHODS,
  type ClientAuthMethod,
  type fields as clientFields,
} from './clients.ts'
import type { Metadata } from './metadata.ts'
import { OWN_ALGS, OwnKeys } from './own_keys.ts'
import { Refusal } from './refusal.ts'

const method = { one_of: CLIENT_AUTH_METHODS }

export const fields = {
  token_endpoint_auth_method: string(
    'How the client authenticates at the token endpoint, instead of `client_auth`.',
    method,
  ),
  introspection_endpoint_auth_method: string(
    'How the client authenticates at the introspection endpoint, instead of `client_auth`.',
    method,
  ),
  revocation_endpoint_auth_method: string(
    'How the client authenticates at the revocation endpoint, instead of `client_auth`.',
    method,
  ),
  pushed_authorization_request_endpoint_auth_method: string(
    'How the client authenticates where authorization requests are handed in, instead of `client_auth`.',
    method,
  ),
  tls_client_auth_cert_id: string(
    'The id of the certificate that the client shows, for `tls_client_auth` and `self_signed_tls_client_auth`.',
  ),
  tls_client_auth_ssl_verify: boolean("Whether the provider's certificate is checked meanwhile.", {
    default: true,
  }),
}

/** RFC 7523 §2.2. */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

type Settings = Config<
  typeof fields &
    Pick<typeof clientFields, 'client_id' | 'client_auth' | 'client_alg' | 'client_jwk'>
> & {
  readonly require_signed_request_object?: boolean | undefined
}

/** Every way to authenticate that a configuration names. */
function methodsIn(config: Readonly<Record<string, unknown>>): readonly unknown[] {
  const fields = Object.keys(config).filter((name) => name.endsWith('_endpoint_auth_method'))
  return ['client_auth', ...fields].flatMap((name) => config[name] ?? [])
}

/** Whether a client signs by a key: to say who it is, or its authorization requests (RFC 9101). */
function signsByKey(config: Settings): boolean {
  if (methodsIn(config).includes('private_key_jwt')) return true
  const isPublic = (config.client_alg ?? ['RS256']).some((alg) => !alg.startsWith('HS'))
  return config.require_signed_request_object === true && isPublic
}

/** Who is to show a certificate needs one. */
export const checks: readonly EntityCheck[] = [
  (config) =>
    methodsIn(config).some((method) => String(method).endsWith('tls_client_auth')) &&
    (config.tls_client_auth_cert_id === undefined || config.tls_client_auth_cert_id === null)
      ? {
          field: 'tls_client_auth_cert_id',
          message: 'is required where a client authenticates with a certificate',
        }
      : undefined,
]

/** The endpoints at which a client says who it is. */
export type AuthenticatedEndpoint =
  | 'token_endpoint'
  | 'introspection_endpoint'
  | 'revocation_endpoint'
  | 'pushed_authorization_request_endpoint'

/** How a client says who it is at one endpoint. */
export interface ClientAuth {
  readonly method: ClientAuthMethod
  /** What it shows when the connection begins (RFC 8705). */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined
  /** Adds what the method wants to a request to `url`; `audience` replaces whom an assertion is for. Throws `Refusal`. */
  apply(url: URL, body: URLSearchParams, headers: Headers, audience?: string): void | Promise<void>
}

/** Prepares how clients authenticate. */
export interface ClientAuths {
  /** `isCallers` says that the client is the caller's own. Throws `Refusal` where the configuration lacks what the method needs. */
  at(
    endpoint: AuthenticatedEndpoint,
    metadata: Metadata,
    client: Client,
    isCallers?: boolean,
  ): ClientAuth
  /** The key with which a client signs its authorization requests (RFC 9101), by its `client_alg` and `client_jwk`. Throws `Refusal`. */
  signingKey(client: Client): Promise<SigningKey>
}

export function createClientAuths(
  config: Settings,
  gateway: Pick<Gateway, 'findCertificate' | 'keep' | 'log' | 'now' | 'prefix'>,
): ClientAuths {
  const certificateId = config.tls_client_auth_cert_id
  const certificate =
    certificateId === undefined ? undefined : gateway.findCertificate(certificateId)
  const keys = new Map<Client['jwk'], SigningKey>()
  const ownKeys = OwnKeys.of(gateway)
  if (signsByKey(config) && !config.client_jwk?.length) {
    // Now, so that the provider can fetch them before the first request; who needs them waits for them, and is told of a failure.
    ownKeys.prepare(gateway).catch(() => {})
  }
  if (certificateId !== undefined && !certificate)
    gateway.log.warn('openid-connect: tls_client_auth_cert_id names no certificate')

  function privateKey(client: Client): SigningKey | Promise<SigningKey> {
    const { jwk } = client
    if (!jwk) {
      const alg = OWN_ALGS.find((each) => each === (client.alg ?? 'RS256'))
      if (!alg)
        throw new Refusal(
          'invalid_client',
          `client_alg is ${client.alg}, which is no algorithm for private_key_jwt`,
        )
      return ownKeys.key(alg, gateway)
    }
    let key = keys.get(jwk)
    if (!key) keys.set(jwk, (key = importKey(client)))
    return key
  }

  /** An assertion for the endpoint that it is sent to, unless another audience is given. */
  function assertion(method: ClientAuthMethod, metadata: Metadata, client: Client): ClientAuth {
    return {
      method,
      certificate: undefined,
      async apply(url, body, _headers, audience = audienceFor(url, metadata)) {
        const key = method === 'private_key_jwt' ? await privateKey(client) : secretKey(client)
        const assertion = clientAssertion(client.client_id, audience, key, gateway.now())
        body.set('client_assertion_type', ASSERTION_TYPE)
        body.set('client_assertion', assertion)
      },
    }
  }

  return {
    signingKey: async (client) =>
      client.alg?.startsWith('HS') && !client.jwk ? secretKey(client) : privateKey(client),

    at(endpoint, metadata, client, isCallers = false) {
      const method = chooseAuth(endpoint, config, metadata, client, isCallers)
      const { client_id, client_secret = '' } = client
      const plain = { method, certificate: undefined }
      switch (method) {
        case 'client_secret_basic':
          return {
            ...plain,
            apply: (_url, _body, headers) =>
              headers.set('authorization', basicOf(client_id, client_secret)),
          }
        case 'client_secret_post':
          return {
            ...plain,
            apply(_url, body) {
              body.set('client_id', client_id)
              body.set('client_secret', client_secret)
            },
          }
        case 'client_secret_jwt':
        case 'private_key_jwt':
          return assertion(method, metadata, client)
        case 'tls_client_auth':
        case 'self_signed_tls_client_auth':
          if (!certificate)
            throw new Refusal(
              'invalid_client',
              certificateId === undefined
                ? `tls_client_auth_cert_id is not set, which ${method} needs`
                : 'tls_client_auth_cert_id names no certificate of the configuration',
            )
          return { method, certificate, apply: (_url, body) => body.set('client_id', client_id) }
        case 'none':
          return { ...plain, apply: (_url, body) => body.set('client_id', client_id) }
      }
    },
  }
}

/** What of the provider's metadata says how clients may authenticate at an endpoint. */
const OFFERS = {
  token_endpoint: 'token_endpoint_auth_methods_supported',
  introspection_endpoint: 'introspection_endpoint_auth_methods_supported',
  revocation_endpoint: 'revocation_endpoint_auth_methods_supported',
  // RFC 9126 §2: as at the token endpoint.
  pushed_authorization_request_endpoint: 'token_endpoint_auth_methods_supported',
} as const

/**
 * How a client authenticates: as configured, or the first way that the provider offers and the client has the means for.
 * A caller's own client has nothing but its secret: by a key or a certificate it would pass for the gateway.
 */
export function chooseAuth(
  endpoint: AuthenticatedEndpoint,
  config: Settings,
  metadata: Metadata,
  client: Client,
  isCallers = false,
): ClientAuthMethod {
  const configured = [config[`${endpoint}_auth_method`], client.auth]
  const wanted = configured.find((each) => (isCallers ? bySecret(each) : each !== undefined))
  const hasSecret = client.client_secret !== undefined
  if (wanted !== undefined) return bySecret(wanted) && !hasSecret ? 'none' : wanted
  const offered = metadata[OFFERS[endpoint]] ?? metadata.token_endpoint_auth_methods_supported ?? []
  const usable = CLIENT_AUTH_METHODS.filter((each) => {
    if (bySecret(each)) return hasSecret
    if (isCallers) return false
    if (each === 'private_key_jwt') return client.jwk !== undefined
    return each !== 'none' && config.tls_client_auth_cert_id !== undefined
  })
  const first = offered.find((name) => (usable as readonly string[]).includes(name))
  return (first as ClientAuthMethod | undefined) ?? (hasSecret ? 'client_secret_basic' : 'none')
}

function bySecret(method: ClientAuthMethod | undefined): boolean {
  return method?.startsWith('client_secret') ?? false
}

/**
 * RFC 6749 §2.3.1: both halves are form-encoded before Base64, with `-`, `.` and `_` left as they are: the many providers
 * that do not decode would take them for a wrong secret.
 */
function basicOf(client_id: string, client_secret: string): string {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  const pair = `${encode(client_id)}:${encode(client_secret)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

/**
 * For whom an assertion is: the endpoint it is sent to, so that it is worth nothing at another (which is what Okta and
 * Entra ID want too). A provider that demands pushed authorization requests follows FAPI 2.0, whose §5.3.2.1 wants the issuer.
 */
function audienceFor(url: URL, metadata: Metadata): string {
  return metadata.require_pushed_authorization_requests === true ? metadata.issuer : url.href
}

function secretKey({ alg, client_secret = '' }: Client): SigningKey {
  const isHmac = alg?.startsWith('HS')
  return {
    alg: isHmac ? alg! : 'HS256',
    kid: undefined,
    key: createSecretKey(Buffer.from(client_secret)),
  }
}

type JsonWebKey = webcrypto.JsonWebKey

/** The algorithms of a key, the usual one first. */
function algsOf({ kty, crv }: JsonWebKey): readonly SigningAlg[] {
  switch (kty) {
    case 'RSA':
      return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
    case 'EC':
      return crv === 'P-256' ? ['ES256'] : crv === 'P-384' ? ['ES384'] : ['ES512']
    case 'OKP':
      return ['EdDSA']
    case 'oct':
      return ['HS256', 'HS384', 'HS512']
  }
  return []
}

function importKey({ jwk, alg }: Client): SigningKey {
  const algs = algsOf((jwk ?? {}) as JsonWebKey)
  const wanted = jwk?.alg ?? alg ?? algs[0]
  const fits = algs.find((each) => each === wanted)
  if (!jwk || !fits)
    throw new Refusal('invalid_client', `client_jwk is no key for ${wanted ?? 'signing'}`)
  try {
    const key =
      jwk.kty === 'oct'
        ? createSecretKey(Buffer.from(jwk.k ?? '', 'base64url'))
        : createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })
    return { alg: fits, kid: jwk.kid, key }
  } catch {
    // The cause would quote the key.
    throw new Refusal('invalid_client', 'client_jwk is no private key')
  }
}
