// The package ships no types. Declared here is what provider.ts uses of it, as version 9.13 behaves.

declare module 'oidc-provider/lib/provider.js' {
  import type { webcrypto } from 'node:crypto'
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export class Provider {
    constructor(issuer: string, configuration: Configuration)
    readonly AccessToken: TokenModel
    readonly ClientCredentials: TokenModel
    readonly RefreshToken: TokenModel
    readonly Grant: new (facts: Record<string, unknown>) => Grant
    readonly IdToken: new (claims: Record<string, unknown>, options: { ctx: Context }) => IdToken
    registerGrantType(
      name: string,
      handler: (ctx: Context) => Promise<void>,
      parameters: readonly string[],
    ): void
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
  }

  /** A class of tokens: one for each provider, so that what is overridden here concerns that provider alone. */
  export interface TokenModel {
    new (facts: Record<string, unknown>): Token
    readonly prototype: Token
    find(value: string, options?: { ignoreExpiration?: boolean }): Promise<Token | undefined>
  }

  export interface Token {
    /** What the client is given, and what is kept under the token's `jti`. */
    getValueAndPayload(): Promise<{ value: string; payload: TokenPayload }>
    save(): Promise<string>
    /** The lifetime in seconds. */
    readonly expiration: number
  }

  export interface TokenPayload {
    readonly kind: 'AccessToken' | 'ClientCredentials' | 'RefreshToken'
    readonly jti: string
    readonly iat: number
    readonly exp: number
    readonly clientId: string
    readonly accountId?: string
    readonly scope?: string
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    save(): Promise<string>
  }

  export interface IdToken {
    scope: string
    issue(options: { use: 'idtoken' }): Promise<string>
  }

  /** Koa's context with oidc-provider's part. */
  export interface Context {
    body: unknown
    type: string
    readonly oidc: {
      readonly client: { readonly clientId: string }
      readonly params: Readonly<Record<string, string | undefined>>
      entity(kind: 'Grant', entity: Grant): void
    }
  }

  export interface Account {
    readonly accountId: string
    claims(): Promise<{ sub: string } & Record<string, unknown>>
  }

  export interface Configuration {
    adapter: (model: string) => object
    claims: Record<string, readonly string[]>
    clientAuthMethods: readonly string[]
    clientBasedCORS: () => boolean
    clients: readonly Record<string, unknown>[]
    conformIdTokenClaims: boolean
    features: Record<string, Record<string, unknown>>
    findAccount: (ctx: Context, accountId: string) => Promise<Account | undefined>
    jwks: { keys: readonly (webcrypto.JsonWebKey & { kid: string })[] }
    renderError: (ctx: Context, answer: Record<string, string>) => Promise<void>
    responseTypes: readonly string[]
    rotateRefreshToken: boolean
    routes: Record<string, string>
    scopes: readonly string[]
    ttl: Record<string, number>
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  /** A store in memory of at most 1,000 entries, the least recently used dropped first. */
  export function createMemoryAdapter(): (model: string) => object
}

declare module 'oidc-provider/lib/helpers/errors.js' {
  /** RFC 6749 §5.2: answered with 400; `detail` is for the log only. */
  export class InvalidGrant extends Error {
    constructor(detail: string)
  }
  export class InvalidRequest extends Error {
    constructor(description: string)
  }
  export class InvalidScope extends Error {
    constructor(description: string, scope: string)
  }
}
