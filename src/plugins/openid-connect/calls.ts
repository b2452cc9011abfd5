import type { Answered } from './answered.ts'
import type { Client } from './clients.ts'
import type { Metadata } from './metadata.ts'
import type { Credential } from './methods/method.ts'
import type { Passed } from './passing.ts'

export type { Answered } from './answered.ts'

/** As whom the provider is asked, and what of the client's request goes along. */
export interface Asker {
  /** The first one, unless given. */
  readonly client: Client | undefined
  readonly passed: Passed
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
  /** All members, for `login_tokens: [tokens]`. */
  readonly members?: Readonly<Record<string, unknown>>
  /** The headers of the answer that the client is sent (`token_headers_replay`), under the names that it sees. */
  readonly replayed?: readonly (readonly [name: string, value: string])[]
}

/** What an authorization response is redeemed with (RFC 6749 §4.1.3, RFC 7636 §4.5). */
export interface Code {
  readonly code: string
  readonly redirect_uri: string
  readonly code_verifier: string | undefined
}

/**
 * Every call to the provider that is made for a request, with discovery before it. All throw `Refusal`. Each is one call
 * for whoever waits for it: it keeps nothing, and its promise may be shared. Without an `Asker` the first client asks, and nothing is passed.
 */
export interface Calls {
  /** What is known of the provider. */
  metadata(): Promise<Metadata>
  password(credential: Credential, by?: Asker): Promise<TokenResponse>
  /** As the caller's own client, by its secret or an assertion (RFC 7523 §2.2); `by` gives what is passed. */
  client_credentials(credential: Credential, by?: Asker): Promise<TokenResponse>
  refresh_token(refresh_token: string, by?: Asker): Promise<TokenResponse>
  /** The ID token of the answer, its nonce included, is for the caller to judge. */
  authorization_code(code: Code, by?: Asker): Promise<TokenResponse>
  /** RFC 8693, as `token_exchange.request` says. */
  token_exchange(subject_token: string, by?: Asker): Promise<TokenResponse>
  /** `token_exchange_endpoint`: gives the new token. */
  legacy_exchange(access_token: string, by?: Asker): Promise<string>
  /** RFC 7662. Does not judge `active`. */
  introspect(token: string, by?: Asker): Promise<Answered>
  userInfo(access_token: string, by?: Asker): Promise<Answered>
  /** RFC 7009; `hint` says which of the two it is. */
  revoke(token: string, hint: 'access_token' | 'refresh_token', by?: Asker): Promise<void>
  /** RFC 9126: `parameters` are those of the authorization request, `request` included with JAR; client_id is added. */
  pushAuthorizationRequest(
    parameters: URLSearchParams,
    by?: Asker,
  ): Promise<{ readonly request_uri: string; readonly expires_in: number }>
}
