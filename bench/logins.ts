import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { ClientRequest } from '../src/pdk.ts'
import { PendingLogins } from '../src/plugins/openid-connect/login/pending.ts'

/** More answers to logins in a second than any gateway here can take; whoever runs out of them fails. */
const PER_SECOND = 12_000

/** Browsers that come back from the provider. */
export interface ReturningBrowsers {
  /** One of them: the query of its request, and its cookies. */
  one(): { readonly query: string; readonly cookie: string }
  /** Writes enough of them for a load of so many seconds, a line each: the query, a blank, the cookies. */
  write(file: string, seconds: number): void
}

/**
 * Each of them has a login of its own under way, as if the gateway had sent it to the provider: its cookie is sealed
 * here with the gateway's secret, since to ask the gateway for so many would take longer than the measure.
 */
export function createReturningBrowsers(options: {
  readonly secret: string
  readonly issuer: string
  readonly client_id: string
  readonly redirect_uri: string
}): ReturningBrowsers {
  const { secret, issuer, client_id, redirect_uri } = options
  const settings = {
    authorization_cookie_name: 'authorization',
    authorization_cookie_path: '/',
    authorization_cookie_domain: undefined,
    authorization_cookie_same_site: 'Default',
    authorization_cookie_http_only: true,
    authorization_cookie_secure: undefined,
    authorization_rolling_timeout: 600,
  } as const
  const logins = new PendingLogins(settings, { secrets: [secret], issuer, now: Date.now })
  // All that the cookie depends on.
  const request = { scheme: 'http' } as ClientRequest

  function one() {
    const random = (bytes: number) => randomBytes(bytes).toString('base64url')
    const state = random(18)
    const url = `${redirect_uri}?page=1`
    const login = { state, nonce: random(18), code_verifier: random(32), redirect_uri, client_id }
    const [cookie = ''] = logins.write(request, [{ ...login, url, began: Date.now() }]) ?? []
    return { query: `code=${random(24)}&state=${state}`, cookie: cookie.split(';', 1)[0]! }
  }

  return {
    one,
    write(file, seconds) {
      const lines = Array.from({ length: seconds * PER_SECOND }, () => {
        const { query, cookie } = one()
        return `${query} ${cookie}\n`
      })
      writeFileSync(file, lines.join(''))
    },
  }
}
