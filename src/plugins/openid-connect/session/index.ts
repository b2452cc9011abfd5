import type { EntityCheck } from '../../../schema/field.ts'
import { chunkNames } from './chunks.ts'

export {
  badCookieAttribute,
  badCookieName,
  cookieAttributes,
  deletedCookie,
  readCookies,
} from './cookies.ts'
export type { Cookies, CookieSettings, SetCookies } from './cookies.ts'
export type { SessionData } from './data.ts'
export { SESSION_FAULTS, SessionError } from './fault.ts'
export { fields } from './fields.ts'
export { createSessions } from './life.ts'
export { createSeal, type Seal } from './sealed.ts'
export type { Kept, Session, Sessions } from './session.ts'
export type { SessionStorage } from './storage.ts'
export { createStorage } from './storages.ts'

/** Two cookies of one name would be one cookie. */
export const checks: readonly EntityCheck[] = [
  ({ session_remember, session_remember_cookie_name, session_cookie_name }) =>
    session_remember === true &&
    chunkNames(String(session_remember_cookie_name)).some((name) =>
      chunkNames(String(session_cookie_name)).includes(name),
    )
      ? {
          field: 'session_remember_cookie_name',
          message: 'must not be one of the names of the session cookie',
        }
      : undefined,
]
