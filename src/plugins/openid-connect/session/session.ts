import type { Awaitable, ClientRequest } from '../../../pdk.ts'
import type { SetCookies } from './cookies.ts'
import type { SessionData } from './data.ts'
import type { Opened } from './jar.ts'

/** What one application sees of a session. It never changes: what is done to a session gives another one. */
export interface Session {
  /** What headers show, and what the storage has it under, unless hashed there. */
  readonly id: string
  /** Another text for every other cookie and content: fit for the keys of caches, and no secret. */
  readonly key: string
  readonly data: SessionData
  readonly subject: string | undefined
  /** When it ends for each of these reasons; milliseconds since the epoch, or Infinity. */
  readonly ends: Readonly<Record<'idling' | 'rolling' | 'absolute', number>>
  /** For `Sessions` alone: where it was read from. */
  readonly source: Opened
}

/** A session, and the cookies that say so. */
export interface Kept {
  readonly session: Session
  readonly cookies: SetCookies
}

/**
 * The sessions of one plugin entity. Only with a storage is there a promise; all throw `SessionError` where it cannot be
 * asked, but for `refresh`.
 */
export interface Sessions {
  /** The names of all its cookies. */
  readonly cookieNames: readonly string[]
  /** The names of the headers that tell the service of a session: no client may send them. */
  readonly requestHeaders: readonly string[]
  /** The session that a request brings, if it is good. */
  open(request: ClientRequest): Awaitable<Session | undefined>
  /**
   * What the answer must say besides, which is nothing mostly: that the session was used, at most once a minute, or that
   * it goes on under a new id. The old one is good for ten more seconds, for requests that are on their way.
   */
  refresh(session: Session, request: ClientRequest): Awaitable<Kept | undefined>
  /**
   * Begins a session, always under a new id. That of the same application which the request brings ends; other
   * applications in the same cookie keep theirs.
   */
  start(
    request: ClientRequest,
    data: SessionData,
    subject: string | undefined,
    before?: Session,
  ): Awaitable<Kept>
  /** Keeps other data under the same id, as after a token refresh. */
  save(session: Session, request: ClientRequest, data: SessionData): Awaitable<Kept>
  /** Ends a session for this application; gives the cookies that say so. */
  destroy(session: Session, request: ClientRequest): Awaitable<SetCookies>
  /**
   * Ends all sessions of a subject, or those of one session of the provider if `sid` is given: for logouts that come
   * from the provider. Gives how many were found; without a storage they cannot be counted, and 0 says nothing.
   */
  destroyAll(which: {
    readonly iss: string
    readonly sub?: string | undefined
    readonly sid?: string | undefined
  }): Promise<number>
  /** What `session_request_headers` and `session_response_headers` tell of a session, as header fields. */
  facts(
    session: Session,
    whither: 'request' | 'response',
  ): readonly (readonly [name: string, value: string])[]
}
