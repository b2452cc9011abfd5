import type { ClientRequest } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { isRecord } from '../../../schema/check.ts'
import {
  cookieAttributes,
  deletedCookie,
  readCookies,
  type SetCookies,
} from '../session/cookies.ts'
import { createSeal } from '../session/sealed.ts'
import type { fields } from './fields.ts'

/** A login under way, as the browser keeps it for us. */
export interface PendingLogin {
  readonly state: string
  readonly nonce: string
  /** Of PKCE (RFC 7636), if the provider can do so. */
  readonly code_verifier?: string
  readonly redirect_uri: string
  readonly client_id: string
  /** The URL that began it, with its query. */
  readonly url: string
  /** When it began; milliseconds since the epoch. */
  readonly began: number
}

type Settings = Config<
  Pick<
    typeof fields,
    | 'authorization_cookie_name'
    | 'authorization_cookie_path'
    | 'authorization_cookie_domain'
    | 'authorization_cookie_same_site'
    | 'authorization_cookie_http_only'
    | 'authorization_cookie_secure'
    | 'authorization_rolling_timeout'
  >
>

/** What a browser keeps of one cookie at least (RFC 6265 §6.1): its name, value and attributes. */
const MAX_COOKIE = 4096

/** The logins that a browser has begun, one for each tab: all in one cookie, which only this issuer's plugins can read. */
export class PendingLogins {
  readonly name: string
  readonly #timeout: number
  readonly #attributes: (scheme: string) => string
  readonly #seal: ReturnType<typeof createSeal>
  readonly #associated: string
  readonly #now: () => number

  /** `secrets` are those of sessions. */
  constructor(
    config: Settings,
    { secrets, issuer, now }: { secrets: readonly string[]; issuer: string; now: () => number },
  ) {
    this.name = config.authorization_cookie_name
    this.#timeout = config.authorization_rolling_timeout
    this.#attributes = cookieAttributes({
      domain: config.authorization_cookie_domain,
      path: config.authorization_cookie_path,
      same_site: config.authorization_cookie_same_site,
      secure: config.authorization_cookie_secure,
      http_only: config.authorization_cookie_http_only,
    })
    this.#seal = createSeal(secrets, 'logins under way, 1')
    this.#associated = JSON.stringify([this.name, issuer])
    this.#now = now
  }

  /** Whether a request has such a cookie at all, good or not. */
  isIn({ headers }: ClientRequest): boolean {
    for (const { lower, value } of headers.fields)
      if (lower === 'cookie' && value.includes(`${this.name}=`)) return true
    return false
  }

  /** Those that are not too old, the newest first; empty for a cookie that is none of ours. */
  read({ headers }: ClientRequest): readonly PendingLogin[] {
    const cookies = readCookies(headers, new Set([this.name])).get(this.name) ?? []
    const after = this.#timeout > 0 ? this.#now() - this.#timeout * 1000 : -Infinity
    return cookies
      .flatMap((text) => parse(this.#seal.open(text, this.#associated)))
      .filter(({ began }) => began > after)
  }

  /** What the browser is to keep from now on: as many as one cookie holds, the newest first. Nothing if it cannot hold even one. */
  write({ scheme }: ClientRequest, logins: readonly PendingLogin[]): SetCookies | undefined {
    const attributes = this.#attributes(scheme)
    const room = MAX_COOKIE - this.name.length - 1 - attributes.length
    if (logins.length === 0) return [deletedCookie(this.name, attributes)]
    for (const some of everFewer(logins)) {
      const text = this.#seal.seal(JSON.stringify(some), this.#associated)
      if (text.length <= room) return [`${this.name}=${text}${attributes}`]
    }
    return undefined
  }
}

/** Ever fewer, without the oldest ones; and of the newest one at last without its query, and its path. */
function* everFewer(logins: readonly PendingLogin[]): Iterable<readonly PendingLogin[]> {
  for (let count = logins.length; count > 0; count--) yield logins.slice(0, count)
  const [newest] = logins
  if (!newest) return
  yield [{ ...newest, url: newest.url.split('?', 1)[0]! }]
  yield [{ ...newest, url: `${URL.parse(newest.url)?.origin}/` }]
}

function parse(text: Uint8Array | undefined): readonly PendingLogin[] {
  if (!text) return []
  const logins: unknown = JSON.parse(Buffer.from(text).toString())
  // Whoever holds the secret has written it: this is about an older version of ours, no attack.
  return Array.isArray(logins) ? logins.filter(isPendingLogin) : []
}

function isPendingLogin(value: unknown): value is PendingLogin {
  if (!isRecord(value)) return false
  const texts = ['state', 'nonce', 'redirect_uri', 'client_id', 'url']
  return texts.every((name) => typeof value[name] === 'string') && typeof value.began === 'number'
}
