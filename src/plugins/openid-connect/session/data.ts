/** What a session keeps, as JSON. */
export interface SessionData {
  /** The method by which the caller authenticated. */
  readonly method: string
  /** Which of the clients of the configuration has got the tokens. */
  readonly client: number
  readonly access_token?: string
  readonly id_token?: string
  readonly refresh_token?: string
  /** Until when the access token is good; milliseconds since the epoch. */
  readonly expires?: number
  /** The issuer as the ID token names it; that of the configuration unless given. */
  readonly iss?: string
  /** What the provider calls its own session, for a logout that comes from there. */
  readonly sid?: string
  readonly user_info?: Readonly<Record<string, unknown>>
  readonly introspection?: Readonly<Record<string, unknown>>
  /** The same as they came, where they were JWTs. */
  readonly user_info_jwt?: string
  readonly introspection_jwt?: string
  /** The keys that signed the tokens when the session began. */
  readonly access_token_jwk?: object
  readonly id_token_jwk?: object
  readonly [more: string]: unknown
}

/** What one application keeps in a session. */
export interface Part {
  readonly audience: string
  readonly subject: string | undefined
  /** The id of the client, since another plugin may number the same clients in another way. */
  readonly client_id: string | undefined
  /** When the caller authenticated; milliseconds since the epoch. */
  readonly created: number
  /** What the plugin that let the caller in does not check, where there is anything. */
  readonly unchecked?: readonly string[] | undefined
  /** A hash of its `issuers_allowed`; nothing where only the provider's own name is taken. */
  readonly issuers?: string | undefined
  readonly data: SessionData
}
