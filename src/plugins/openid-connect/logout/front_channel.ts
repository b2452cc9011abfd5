import type { ClientRequest, Exit } from '../../../pdk.ts'
import { findArgument } from '../../arguments.ts'
import { isSameIssuer } from '../verify.ts'
import type { Session, Sessions, SetCookies } from '../session/index.ts'

/**
 * Prepares the page that the provider shows in a frame when its user logs out (OpenID Connect Front-Channel Logout 1.0
 * §2). The session that the browser brings ends if it is that of `iss` and `sid`: anybody can have a browser load a URL,
 * and who does not know the session ends none.
 */
export function createFrontChannel(
  sessions: Sessions | undefined,
): (
  request: ClientRequest,
  session: Session | undefined,
) => Promise<{ exit: Exit; cookies: SetCookies }> {
  return async (request, session) => {
    const iss = findArgument(request.query, 'iss')
    const sid = findArgument(request.query, 'sid')
    const isMeant =
      session !== undefined &&
      session.data.sid !== undefined &&
      session.data.sid === sid &&
      isSameIssuer(session.data.iss ?? '', iss)
    const cookies = isMeant && sessions ? await sessions.destroy(session, request) : []
    return { exit: PAGE, cookies }
  }
}

/** The same whatever there was to end: a page in a frame is nothing to ask about sessions. */
const PAGE: Exit = {
  status: 200,
  headers: [
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Cache-Control', 'no-store'],
    ['Content-Security-Policy', "default-src 'none'"],
  ],
  body: '<!doctype html><title>Logout</title>\n',
}
