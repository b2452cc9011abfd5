import type { KeyObject, X509Certificate } from 'node:crypto'
import type {
  BasicauthCredential,
  Certificate,
  Consumer,
  ConsumerGroup,
  JwtSecret,
  KeyauthCredential,
  MtlsAuthCredential,
  Oauth2Credential,
  Oauth2Token,
  Route,
  Service,
} from './entities/index.ts'
import type { ClientCertificate, ClientCertificateRequest } from './client_certificate.ts'
import { type ErrorWriter, JSON_TYPE } from './error_body.ts'
import { grpcAnswer, isGrpc } from './grpc.ts'
import type { HeaderList } from './headers.ts'
import type { Field } from './schema/field.ts'
import type { Trace } from './trace.ts'

export type { ClientCertificate, ClientCertificateRequest } from './client_certificate.ts'
export { JSON_TYPE } from './error_body.ts'
export { BodyTooLarge } from './http1/body.ts'

/** What a plugin is. Its folder, its name in `kong.yaml` and `name` are one word. */
export interface Plugin<C = unknown> {
  readonly name: string
  /** Kong's number: the higher runs earlier. */
  readonly priority: number
  /** Says who the caller is: what a client claims about itself in Kong's identity headers is then dropped. */
  readonly authenticates?: true
  readonly schema: Field<C>
  /** What the operator should know of this configuration. */
  warnings?(config: C): readonly Warning[]
  /** Prepares one plugin entity at load, so that a request finds only prepared things. Never contacts anyone. */
  create(config: C, gateway: Gateway): Handler
  /** What to look at where it refuses a request, by the code of the reason or, without one, by the status. */
  readonly remedies?: Readonly<Record<string, Remedy>>
  /** What it serves on the status listener, by path. `configs` gives those of its entities that run now. */
  pages?(node: Node, configs: () => readonly C[]): Readonly<Record<string, () => Awaitable<Page>>>
  /**
   * Asks whom a configuration relies on, before any request needs them, and says what will not work. Sends nothing that
   * only users have, and never throws for what others do.
   */
  online?(config: C, gateway: Online): Promise<readonly Finding[]>
}

/** What a plugin has found out about its configuration by asking others. */
export interface Finding {
  /** An error keeps requests from passing, a warning may or is unsafe, a note is good to know. */
  readonly level: 'error' | 'warning' | 'note'
  /** Stable, and listed in the docs. */
  readonly code: string
  /** Where in `config` it is to be mended. */
  readonly field: readonly (string | number)[]
  /** A sentence without secrets. */
  readonly message: string
}

/** What a check that asks others may use. */
export interface Online extends Pick<
  Gateway,
  'fetch' | 'findCertificate' | 'id' | 'keep' | 'log' | 'now' | 'prefix'
> {
  /** Whether the gateway's own clients may be tried. */
  readonly triesClients: boolean
  /** Looks at what a server shows to say who it is, by a connection of its own; `timeout` in milliseconds. Nothing if there is no connection. */
  findServerCertificate(url: URL, timeout: number): Promise<ServerCertificate | undefined>
  /**
   * Whether a request would come to this plugin entity (`here`), to another one of the same plugin, to a route without
   * the plugin (`unguarded`), or to no route at all.
   */
  destinationOf(method: string, url: URL): 'here' | 'another' | 'unguarded' | 'nowhere'
}

export interface ServerCertificate {
  /** The end of its time; milliseconds since the epoch. */
  readonly ends: number
  /** Why a client that checks it does not go on, and in the words of who checked it. */
  readonly fault:
    { readonly kind: 'expired' | 'name' | 'trust'; readonly message: string } | undefined
}

/** What decides a refusal, and what to do about it. */
export interface Remedy {
  /** The fields of the configuration, as `redis.host`. */
  readonly fields: readonly string[]
  readonly advice?: string
}

/** An answer of the status listener. */
export interface Page {
  readonly contentType: string
  readonly body: string
}

/** The running gateway as the status listener tells of it. */
export interface Node extends Pick<Gateway, 'keep'> {
  /** A UUID, drawn at the start. */
  readonly id: string
  statistics(): Statistics
  /** How the targets of each upstream are. */
  upstreams(): readonly UpstreamHealth[]
}

/** An upstream as a page tells of it. */
export interface UpstreamHealth {
  readonly name: string
  readonly targets: readonly {
    /** As `host:port`. */
    readonly target: string
    /** None if its name is not known. `health` is Kong's word, such as `HEALTHY`. */
    readonly addresses: readonly {
      readonly ip: string
      readonly port: number
      readonly health: string
    }[]
  }[]
}

/** What nginx counts, by Kong's names. */
export interface Statistics {
  readonly connections_active: number
  readonly connections_reading: number
  readonly connections_writing: number
  readonly connections_waiting: number
  readonly connections_accepted: number
  readonly connections_handled: number
  readonly total_requests: number
}

/** What an operator should know of some fields of a configuration: a sentence that goes on after their names. */
export interface Warning {
  readonly fields: readonly string[]
  readonly message: string
}

/** One plugin entity at work: the phases it takes part in. */
export interface Handler {
  /** The configuration is good, and about to be served: what is kept over reloads may follow it now. Must not throw. */
  takeOver?(): void
  /** Before the service is asked. An `Exit` answers the request and nothing goes on; answer without a promise if you can. */
  access?(ctx: AccessContext): Awaitable<Exit | undefined>
  /** May change the answer's status and headers before they are sent. */
  header_filter?(ctx: ResponseContext): void
  /**
   * Gives what is sent instead of a part of the answer's body; the last one may be empty, and all may be kept back until
   * then. Whoever changes the length drops `Content-Length` in `header_filter`.
   */
  body_filter?(ctx: ResponseContext, part: Uint8Array, last: boolean): Uint8Array
  /** After the answer has been sent; cannot fail it. */
  log?(ctx: LogContext): void
  /** Has clients asked for a certificate when they begin TLS: for the `snis` of the routes that this plugin is for, or for all. */
  readonly clientCertificate?: ClientCertificateRequest
  /** The query arguments that it reads a credential from: their values stay out of the access log. Found in any case. */
  readonly secretArguments?: readonly string[]
  /** The header fields, beside the usual ones, that carry credentials to it or from it: no trace shows their values. */
  readonly secretHeaders?: readonly string[]
}

export type Awaitable<T> = T | Promise<T>

/** What a plugin may use beside the request. */
export interface Gateway {
  /** A cache of that name, shared by all who ask for it, kept over reloads. */
  cache<V>(namespace: string): Cache<V>
  /**
   * What lives longer than a configuration, such as counts and connections: made when it is first asked for by that
   * name, kept over reloads, and disposed of, if it can be, after the last request or when no configuration asks for it
   * any more. Ask in `create`, and change nothing that is kept before `takeOver`: the configuration may be refused.
   */
  keep<T extends object>(name: string, create: () => T): T
  /** Asks a server that is not a service, such as an identity provider, with the gateway's own client. */
  fetch(url: string, request: OutboundRequest): Promise<Response>
  /** Milliseconds since the epoch. */
  now(): number
  readonly log: Log
  /** Of this process, as a UUID; drawn at the start unless it is set. */
  readonly node_id: string
  /**
   * What to seal with: `given`, or else a secret of the gateway's own by that name, the same in all its processes and
   * after a restart where it can be kept. Others behind it were in use before: they open only.
   */
  secrets(name: 'session', given: string | undefined): readonly string[]
  /** Wrong passwords for a user and address after which an identity provider is not asked for a while; without it, or with 0, there is no bound. */
  readonly oidc_password_attempts?: number | undefined
  /** The directory for files of the gateway's own, which outlive it; undefined where there is none. */
  readonly prefix: string | undefined
  readonly consumers: Consumers
  /** The certificate of an authority of the configuration, by its id. */
  findAuthority(id: string): X509Certificate | undefined
  /** A certificate of the configuration, by its id. */
  findCertificate(id: string): Certificate | undefined
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
  /** The id of this plugin entity, which stays the same when the configuration is loaded again. */
  readonly id: string
  /** What this plugin entity is for; everything, if it names nothing. */
  readonly scope: Scope
  /** Where this plugin entity stands in the configuration, as `kong.yaml:12`. */
  place(): string
}

export interface Scope {
  readonly route?: { readonly id: string } | undefined
  readonly service?: { readonly id: string } | undefined
}

export interface Consumers {
  /** A consumer by its id or username, as the field `anonymous` names it. */
  find(idOrUsername: string): Consumer | undefined
  findBy(field: 'id' | 'username' | 'custom_id', value: string): Consumer | undefined
  /** A consumer by its username, whatever the case of its letters. */
  findByUsernameInAnyCase(username: string): Consumer | undefined
  findGroup(name: string): ConsumerGroup | undefined
  /** The owner of a token of the oauth2 plugin that is in the configuration. */
  findByAccessToken(access_token: string): StoredTokenOwner | undefined
  /** The same by what renews it. */
  findByRefreshToken(refresh_token: string): StoredTokenOwner | undefined
  /** An application that the oauth2 plugin gives tokens to. */
  findByClientId(client_id: string): Oauth2Application | undefined
  /** The owner of a key of the key-auth plugin. */
  findByKey(key: string): Owner<KeyauthCredential> | undefined
  /** The owner of a name of the basic-auth plugin. */
  findByUsername(username: string): Owner<BasicauthCredential> | undefined
  /** Whether it is the password of that owner. It takes as long if there is no owner. */
  isPassword(owner: Owner<BasicauthCredential> | undefined, password: string): boolean
  /** The owner of what the jwt plugin looks up by a token's claim. */
  findByTokenKey(key: string): TokenKeyOwner | undefined
  /** The owner of a name in a certificate, under the authority of that id or, without one, under any. */
  findBySubject(name: string, authority: string | undefined): Owner<MtlsAuthCredential> | undefined
  /** The groups of a consumer that the acl plugin knows; always the same list for the same consumer. */
  groupsOf(consumer: Consumer): readonly string[]
  /** The names of the consumer groups that a consumer is in, in the order of the alphabet; always the same list. */
  consumerGroupsOf(consumer: Consumer): readonly string[]
}

export interface Owner<C extends Credential> {
  readonly consumer: Consumer
  readonly credential: C
}

/** An application of the oauth2 plugin, and whose it is. */
export type Oauth2Application = Owner<Oauth2Credential>

/** Whose application a token of the oauth2 plugin is. */
export interface AccessTokenOwner extends Oauth2Application {
  readonly token: Pick<Oauth2Token, 'authenticated_userid' | 'expires_in' | 'scope' | 'service'> & {
    /** Seconds since the epoch. */
    readonly created_at: number
  }
}

/** The same of a token in the configuration. */
export interface StoredTokenOwner extends Oauth2Application {
  readonly token: Oauth2Token
}

/** Who signs tokens, with the keys that verify them. A key that is absent cannot be used with the algorithm. */
export interface TokenKeyOwner extends Owner<JwtSecret & Credential> {
  readonly key: KeyObject | undefined
  /** The secret of HMAC, where it is written in Base64. */
  readonly decodedKey: KeyObject | undefined
}

export interface OutboundRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>> | Headers
  readonly body?: string | undefined
  /** The limit for all of it, from connecting to the last byte of the answer; milliseconds. */
  readonly timeout: number
  /** The limit for the whole answer's body; bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /** Checks the server's certificate. Default true. */
  readonly ssl_verify?: boolean
  /** Keeps the connection for the next request. Default true. */
  readonly keepalive?: boolean
  /** Default 1.1. A server that is asked by 1.0 must not answer in chunks. */
  readonly http_version?: '1.0' | '1.1'
  /** What the gateway shows to say who it is, in PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined
  /** Asks by a proxy, for `https:` through a tunnel (RFC 9110 §9.3.6); `authorization` is its `Proxy-Authorization`. */
  readonly proxy?: { readonly url: string; readonly authorization?: string } | undefined
}

/** A memory of values that end: least recently used go first. */
export interface Cache<V> {
  get(key: string): V | undefined
  /**
   * `ttl` in seconds; a value whose ttl is not above zero is not kept. `size` is about how many bytes the value holds
   * (4096 unless told), since a cache is bounded by bytes.
   */
  set(key: string, value: V, ttl: number, size?: number): void
  /** Runs `load` once for all who ask for `key` at the same time. What it gives is theirs; it is not kept. */
  once(key: string, load: () => Promise<V>): Promise<V>
}

export interface Log {
  debug(message: string, facts?: Facts): void
  info(message: string, facts?: Facts): void
  notice(message: string, facts?: Facts): void
  warn(message: string, facts?: Facts): void
  error(message: string, facts?: Facts): void
}
/** What a log line tells beside its message; an error in `cause` is written as its message and those of its causes. */
export type Facts = Readonly<Record<string, unknown>>

/** The request as the client sent it. */
export interface ClientRequest {
  /** 32 hexadecimal digits: `X-Kong-Request-Id`. */
  readonly id: string
  readonly method: string
  readonly httpVersion: '1.0' | '1.1' | '2.0'
  /** `http` or `https`. */
  readonly scheme: string
  /** The `Host` field as sent. */
  readonly host: string
  /** The host that the client named when it began TLS, in lower case. */
  readonly sni: string | undefined
  /** What the client showed then, if a plugin had it asked. */
  readonly clientCertificate: ClientCertificate | undefined
  /** The port that the request came to. */
  readonly port: number
  /** As sent, without the query. */
  readonly rawPath: string
  /** Normalised as Kong does for routing: decoded but for reserved characters, without dot segments. */
  readonly path: string
  /** What follows `?`, raw; empty without one. */
  readonly query: string
  readonly headers: HeaderList
  /** The client's address. */
  readonly ip: string
  /** Whether who sent it is one of `trusted_ips`: a proxy in front, that is to be believed what it says of its client. */
  readonly isPeerTrusted: boolean
  /** Stands for the client's connection: what one of its requests told may be remembered for the next, in a `WeakMap`. */
  readonly connection: object
  /** Words an error as this node does. */
  readonly writeError: ErrorWriter
  /** Whether a body was announced; it may still be empty. */
  readonly hasBody: boolean
  /**
   * Sets how large the body may be, in bytes. False if it is longer already, or announced to be; one that gets longer on
   * its way is answered with `refusal`, if none of the answer was sent yet.
   */
  limitBody(bytes: number, refusal: () => Exit): boolean
  /** Reads the whole body; it is still sent upstream. Throws `BodyTooLarge` over `limit` bytes (default 1 MiB). */
  body(limit?: number): Promise<Uint8Array>
}

/** The request as it will be sent to the service. */
export interface UpstreamRequest {
  /** Changes here reach the service; hop-by-hop and forwarding fields are the gateway's and come last. */
  readonly headers: HeaderList
  method: string
  /** Replaces what the route and the service make of the path; as it is to stand on the wire. */
  path: string | undefined
  /** What follows `?`, raw. */
  query: string
  /** Replaces the `Host` that the service would be asked by. */
  host: string | undefined
  /** What a plugin has put in the place of the body; undefined if it is still the client's. */
  readonly body: Uint8Array | undefined
  /** Replaces the body, and `Content-Length` with it. */
  setBody(body: Uint8Array): void
}

export interface AccessContext {
  readonly request: ClientRequest
  readonly upstream: UpstreamRequest
  readonly route: Route
  readonly service: Service | undefined
  /**
   * What the groups of the route's regular expressions captured of the path, by number and by name, 0 being the whole
   * match; undefined without groups. Text in characters.
   */
  readonly uri_captures: Readonly<Record<string, string>> | undefined
  readonly consumer: Consumer | undefined
  readonly credential: Credential | undefined
  /** Where it is told what happens to the request, if somebody asks: not for most. */
  readonly trace?: Trace | undefined
  /** The groups that an authentication plugin found for the caller, where it finds any: for `acl`. */
  authenticatedGroups: readonly string[] | undefined
  /** The consumer groups that it found, where it finds any: plugins for a group go by these, not by the consumer's own. */
  consumerGroups: readonly ConsumerGroup[] | undefined
  /** Adds a text to what log plugins tell of the request, under Kong's name for it. */
  setSerializeValue(name: string, value: string): void
  /** Says who the caller is: sets the consumer and Kong's identity headers towards the service. */
  authenticate(
    consumer: Consumer | undefined,
    credential: Credential | undefined,
    anonymous?: boolean,
  ): void
}

/** What proved the caller's identity: a stored credential, or one made from a claim. */
export interface Credential {
  readonly id: string
  /** What the service is told of it in `X-Credential-Identifier`; the id unless given. */
  readonly identifier?: string
}

export interface ResponseContext {
  readonly request: ClientRequest
  readonly route: Route | undefined
  readonly service: Service | undefined
  readonly consumer: Consumer | undefined
  readonly credential: Credential | undefined
  /** Who made the answer: the service, a plugin (`exit`), or the gateway itself. */
  readonly source: 'service' | 'exit' | 'error'
  status: number
  readonly headers: HeaderList
}

/** A request that is over. */
export interface LogContext extends ResponseContext {
  /** When the request's head had come; milliseconds since the epoch. */
  readonly startedAt: number
  readonly latencies: Latencies
  /** Bytes on the client's connection: the whole request, the whole answer. */
  readonly sizes: { readonly request: number; readonly response: number }
  /** What the service answered; undefined if it did not, or was not asked. */
  readonly upstreamStatus: number | undefined
  /** The path and query that the service was asked for. */
  readonly upstreamUri: string | undefined
  /** The addresses that were tried, in order. */
  readonly tries: readonly Try[]
  readonly secrets: Secrets
  /** What plugins have added to it. */
  readonly serializeValues?: Readonly<Record<string, string>> | undefined
}

/** What no log may show, as the plugins of the configuration name it and as tokens look. */
export interface Secrets {
  /** Whether a header or query argument of that name carries a credential. */
  has(name: string): boolean
  /** A text, such as an address with its query, without the values of such arguments and without tokens. */
  leaveOut(text: string): string
}

/** Milliseconds. */
export interface Latencies {
  /** From the request's head to the last byte of the answer. */
  readonly request: number
  /** What the gateway and its plugins took, before the service was asked. */
  readonly kong: number
  /** From the first byte to the service to its answer's head; -1 if it was not asked. */
  readonly proxy: number
}

export interface Try {
  readonly ip: string
  readonly port: number
}

/** What answers a request instead of its service. */
export interface Exit {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | Uint8Array
  /** What `body` is the JSON of: a client of gRPC is told its `message` in its place. */
  readonly table?: Readonly<Record<string, unknown>>
  /** Why, for the log alone; its code is stable and listed in the docs. */
  readonly reason?: Reason
}

export interface Reason {
  readonly code: string
  readonly cause?: unknown
}

/** Answers as `kong.response.exit` does with a table: its JSON, without a request id. */
export function exit(
  status: number,
  body: Readonly<Record<string, unknown>>,
  headers: readonly (readonly [string, string])[] = [],
  reason?: Reason,
): Exit {
  const fields = [['Content-Type', JSON_TYPE] as const, ...headers]
  const text = JSON.stringify(body)
  return { status, headers: fields, body: text, table: body, ...(reason && { reason }) }
}

/**
 * Answers as `kong.response.error` does: the message and the request's id, in the form that `Accept` asks for. Like Kong
 * it does not escape `message`, which therefore must hold no quotes of a client's making.
 */
export function errorExit(
  request: ClientRequest,
  status: number,
  message: string,
  headers: readonly (readonly [string, string])[] = [],
  reason?: Reason,
): Exit {
  if (isGrpc(request))
    return { ...grpcAnswer(status, undefined, headers), ...(reason && { reason }) }
  const accept = request.headers.get('accept')
  const { contentType, body } = request.writeError(message, request.id, accept)
  const fields = [['Content-Type', contentType || 'application/grpc'] as const, ...headers]
  return { status, headers: fields, body, ...(reason && { reason }) }
}
