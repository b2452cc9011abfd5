import type { HeaderList } from '../../../headers.ts'

/** The cookies of a request: a name may come more than once, with the cookie of the nearest path first. */
export type Cookies = ReadonlyMap<string, readonly string[]>

/** Reads those cookies of a request that have one of these names. Names are found in their own case only (RFC 6265 §5.4). */
export function readCookies(headers: HeaderList, names: ReadonlySet<string>): Cookies {
  const cookies = new Map<string, string[]>()
  for (const { lower, value } of headers.fields) {
    if (lower !== 'cookie') continue
    for (let at = 0; at < value.length;) {
      const end = value.indexOf(';', at)
      const next = end < 0 ? value.length : end
      const equals = value.indexOf('=', at)
      if (equals >= 0 && equals < next) {
        const name = value.slice(at, equals).trim()
        if (names.has(name)) put(cookies, name, value.slice(equals + 1, next).trim())
      }
      at = next + 1
    }
  }
  return cookies
}

function put(cookies: Map<string, string[]>, name: string, value: string): void {
  const values = cookies.get(name)
  if (!values) cookies.set(name, [value])
  else if (values.length < MAX_NAMESAKES) values.push(value)
}

/** How many cookies of one name are looked at: one for each path and domain that a gateway may have been at. */
const MAX_NAMESAKES = 4

/** What a cookie says beside its name and value, by the fields `session_cookie_*` and `authorization_cookie_*`. */
export interface CookieSettings {
  readonly domain: string | undefined
  readonly path: string
  readonly same_site: string
  /** As the request's scheme, unless set. */
  readonly secure: boolean | undefined
  readonly http_only: boolean
}

/** Whole values of `Set-Cookie`. */
export type SetCookies = readonly string[]

/** The attributes of a cookie for a request of that scheme, from `; ` on, in the order in which Kong writes them. */
export function cookieAttributes(settings: CookieSettings): (scheme: string) => string {
  const { domain, path, same_site, secure, http_only } = settings
  const of = (isSecure: boolean) =>
    [
      // Browsers take a host without a dot for no domain.
      domain === undefined || domain === '' || domain === 'localhost' ? '' : `; Domain=${domain}`,
      `; Path=${path}`,
      // The word as it is: browsers take `Default`, which is none, for Lax.
      `; SameSite=${same_site}`,
      isSecure ? '; Secure' : '',
      http_only ? '; HttpOnly' : '',
    ].join('')
  const texts = { plain: of(false), secure: of(true) }
  const isAlways = secure === true || same_site === 'None'
  return (scheme) =>
    isAlways || (secure === undefined && scheme === 'https') ? texts.secure : texts.plain
}

/** A cookie that ends at once. */
export function deletedCookie(name: string, attributes: string): string {
  return `${name}=${attributes}; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0`
}

/** What is wrong with the name of a cookie (RFC 6265 §4.1.1). */
export function badCookieName(name: string): string | undefined {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,80}$/.test(name)
    ? undefined
    : 'expected the name of a cookie, of at most 80 characters'
}

/** What is wrong with a `Path` or `Domain`: what follows a `;` would be an attribute of its own. */
export function badCookieAttribute(value: string): string | undefined {
  return /^[\x20-\x3a\x3c-\x7e]*$/.test(value) ? undefined : 'expected ASCII without a semicolon'
}
