import { spelling } from '../../headers.ts'
import type { ClientRequest } from '../../pdk.ts'
import { array, type Config, record, string } from '../../schema/field.ts'
import { type BodyArguments, findArgument, findHeader, hasBodyArguments } from '../arguments.ts'
import type { fields as answers } from './answer.ts'

/** Every way for a client to say who it is, by the names of RFC 8414. */
export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const
export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number]

const text = string('A text.')
const secret = string('A secret part.', { referenceable: true, encrypted: true })

export const fields = {
  client_id: array(
    'The ids by which the provider knows the gateway. A request can choose one of several with `client_arg`; the first is the usual one.',
    string('A client id.', { referenceable: true }),
    { encrypted: true },
  ),
  client_secret: array(
    'The secrets of the clients, in the order of `client_id`.',
    string('A secret.', { referenceable: true }),
    { encrypted: true },
  ),
  client_auth: array(
    'How each client authenticates at the provider. Without it the first of the ways that the provider names and the client has the means for.',
    string('A way to authenticate.', { one_of: CLIENT_AUTH_METHODS }),
  ),
  client_alg: array(
    'The algorithms with which the clients sign: for `client_secret_jwt` HS256 without it, for `private_key_jwt` that of the key or RS256.',
    string('An algorithm.', {
      // prettier-ignore
      one_of: ['ES256', 'ES384', 'ES512', 'EdDSA', 'HS256', 'HS384', 'HS512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
    }),
  ),
  client_jwk: array(
    "The keys with which the clients sign. Without one `private_key_jwt` takes a key of the gateway's own, published at `/openid-connect/jwks`.",
    record('A JSON Web Key (RFC 7517).', {
      issuer: text,
      kty: text,
      use: text,
      key_ops: array('Texts.', text),
      alg: text,
      kid: text,
      x5u: text,
      x5c: array('Texts.', text),
      x5t: text,
      'x5t#S256': text,
      k: secret,
      x: text,
      y: text,
      crv: text,
      n: text,
      e: text,
      d: secret,
      p: secret,
      q: secret,
      dp: secret,
      dq: secret,
      qi: secret,
      oth: secret,
      r: secret,
      t: secret,
    }),
  ),
  client_arg: string(
    "The header (also with `X-` before it), the argument of the query or of the body with which a request chooses one of several clients: by its id or its position, from 1. An application's own argument of that name chooses too.",
    { default: 'client_id' },
  ),
  redirect_uri: array(
    'Where the provider sends the browser back, for each client. Without it to the URL of the request.',
    string('A URL.'),
  ),
  login_redirect_uri: array(
    'Where the browser goes after a login, for each client. Without it back to where it came from.',
    string('A URL.', { referenceable: true }),
  ),
  logout_redirect_uri: array(
    'Where the browser goes after a logout, for each client.',
    string('A URL.', { referenceable: true }),
  ),
}

type Settings = Config<
  typeof fields &
    Pick<
      typeof answers,
      'unauthorized_redirect_uri' | 'forbidden_redirect_uri' | 'unexpected_redirect_uri'
    >
>

export type ClientKey = NonNullable<Settings['client_jwk']>[number]

/** A client of the provider. Without a secret and a key it is a public one. */
export interface Client {
  /** Its position among the configured ones, from 0; 0 for a caller's own too, which has the first one's settings. */
  readonly index: number
  readonly client_id: string
  readonly client_secret: string | undefined
  /** How it authenticates, where no field for one endpoint says so; unset where the provider may choose. */
  readonly auth: ClientAuthMethod | undefined
  readonly alg: NonNullable<Settings['client_alg']>[number] | undefined
  readonly jwk: ClientKey | undefined
  readonly redirect_uri: string | undefined
  readonly login_redirect_uri: string | undefined
  readonly logout_redirect_uri: string | undefined
  readonly unauthorized_redirect_uri: string | undefined
  readonly forbidden_redirect_uri: string | undefined
  readonly unexpected_redirect_uri: string | undefined
}

/** The gateway's own clients, and which of them a request is for. */
export interface Clients {
  /** In the order of `client_id`; empty without one. */
  readonly all: readonly Client[]
  /** The one that serves where nothing else is said. */
  readonly first: Client | undefined
  /** Whether a request's choice may stand in its body: then, if `choose` found none, the body has to be read. */
  inBody(request: ClientRequest): boolean
  /** The position in `all` that the header, the query or, if it was read, the body chooses; nothing if none of them does. */
  choose(request: ClientRequest, body?: BodyArguments): number | undefined
  /** The client that a caller says it is, for the grant client_credentials. */
  callers(client_id: string, client_secret: string): Client
}

/** Prepares the clients of a configuration. */
export function createClients(config: Settings): Clients {
  const ids = config.client_id ?? []
  const all = ids.map((client_id, i) => clientAt(config, i, client_id))
  const positions = new Map<string, number>()
  // An id counts before a position that is spelled the same, and of equal ids the first.
  for (const client of [...all].reverse()) positions.set(String(client.index + 1), client.index)
  for (const client of [...all].reverse()) positions.set(client.client_id, client.index)
  const name = config.client_arg
  const headers = [spelling(name), spelling(`x-${name}`)]
  const isChoice = all.length > 1

  return {
    all,
    first: all[0],
    inBody: (request) => isChoice && hasBodyArguments(request),
    choose(request, body) {
      if (!isChoice) return undefined
      const chosen =
        findHeader(request.headers, headers[0]!) ??
        findHeader(request.headers, headers[1]!) ??
        findArgument(request.query, name) ??
        body?.getScalar(name)
      return typeof chosen === 'string' ? positions.get(chosen) : undefined
    },
    // A caller always has a secret, whatever the gateway's own client has.
    callers: (client_id, client_secret) => {
      const client = clientAt(config, 0, client_id)
      const { auth } = client
      return {
        ...client,
        client_secret,
        jwk: undefined,
        auth: auth?.startsWith('client_secret') ? auth : undefined,
      }
    },
  }
}

/** What is not there for one client is as it is for the first, as in Kong. */
function clientAt(config: Settings, index: number, client_id: string): Client {
  const of = <T>(list: readonly T[] | undefined): T | undefined => list?.[index] ?? list?.[0]
  return {
    index,
    client_id,
    client_secret: of(config.client_secret),
    auth: of(config.client_auth),
    alg: of(config.client_alg),
    jwk: of(config.client_jwk),
    redirect_uri: of(config.redirect_uri),
    login_redirect_uri: of(config.login_redirect_uri),
    logout_redirect_uri: of(config.logout_redirect_uri),
    unauthorized_redirect_uri: of(config.unauthorized_redirect_uri),
    forbidden_redirect_uri: of(config.forbidden_redirect_uri),
    unexpected_redirect_uri: of(config.unexpected_redirect_uri),
  }
}
