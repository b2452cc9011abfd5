import { type ClientRequest, type Exit, exit, type Gateway } from '../../../pdk.ts'
import { isRecord } from '../../../schema/check.ts'
import type { Config } from '../../../schema/field.ts'
import { FORM, hasBodyArguments, mediaType, readBodyArguments } from '../../arguments.ts'
import type { Claims } from '../claims.ts'
import { hashOfAll } from '../hash.ts'
import type { fields as endpoints } from '../endpoints.ts'
import type { IdentityProvider } from '../provider.ts'
import { isTransient, Refusal } from '../refusal.ts'
import type { fields as requests } from '../relying_party.ts'
import type { Sessions, SetCookies } from '../session/index.ts'
import { createVerification, type fields as verification, timeOf } from '../verify.ts'

type Settings = Config<typeof endpoints & typeof verification & typeof requests> & {
  readonly issuer: string
  readonly cache_ttl: number
}

/** What makes a token one of logout (OpenID Connect Back-Channel Logout 1.0 §2.4). */
const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** How long a logout token is good at most, whatever it says, and so how long it is remembered; seconds. */
const LONGEST = 600

/** Prepares the place where the provider itself says that a user has logged out (OpenID Connect Back-Channel Logout 1.0 §2.5). */
export function createBackChannel(
  config: Settings,
  provider: IdentityProvider,
  sessions: Sessions | undefined,
  gateway: Pick<Gateway, 'cache' | 'fetch' | 'log' | 'now'>,
): (request: ClientRequest) => Promise<{ exit: Exit; cookies: SetCookies }> {
  const { clients } = provider
  // Whatever the configuration lets pass of tokens: this one takes sessions away.
  const { verifier } = createVerification({ ...config, verify_claims: true }, provider, gateway)
  const audience = clients.all.map(({ client_id }) => client_id)
  const used = gateway.cache<true>('oidc:logout-tokens')

  /** All of §2.6. Throws `Refusal`. */
  async function open(token: string): Promise<Claims> {
    const expected = { kind: 'logout token', strict: true, audience } as const
    const { claims } = await verifier.verify(token, expected, true, clients.first)
    const { sub, sid, jti, events } = claims
    const wrong = (why: string) => new Refusal('invalid_token', `logout token: ${why}`)
    if (!isText(sub) && !isText(sid)) throw wrong('it names neither user nor session')
    if ([sub, sid].some((each) => each !== undefined && !isText(each)))
      throw wrong('what it names is no text')
    if (!isRecord(events) || !isRecord(events[EVENT])) throw wrong('it tells of another event')
    // An ID token must never pass for one.
    if (Object.hasOwn(claims, 'nonce')) throw wrong('it has a nonce')
    if (!isText(jti)) throw wrong('it has no jti')
    const iat = timeOf(claims, 'iat', 'logout token')
    if (iat === undefined || iat + LONGEST + config.leeway <= gateway.now() / 1000)
      throw new Refusal('token_expired', 'logout token: it is too old, or does not say how old')
    return claims
  }

  async function end(token: string): Promise<void> {
    const claims = await open(token)
    const [iss, jti] = [String(claims.iss), String(claims.jti)]
    const key = hashOfAll('logout', iss, jti)
    if (used.get(key)) throw new Refusal('invalid_token', 'logout token: it was used before')
    used.set(key, true, LONGEST + 2 * config.leeway + 1, 100)
    const sub = isText(claims.sub) ? claims.sub : undefined
    const sid = isText(claims.sid) ? claims.sid : undefined
    try {
      await sessions?.destroyAll({ iss, sub, sid })
    } catch (error) {
      // The provider may say it again.
      used.set(key, true, 0)
      throw error
    }
  }

  return async (request) => {
    const isForm = hasBodyArguments(request) && mediaType(request) === FORM
    const form = isForm ? await readBodyArguments(request) : undefined
    const token = form?.get('logout_token')
    try {
      if (typeof token !== 'string')
        throw new Refusal('malformed_credentials', 'there is no logout token, or more than one')
      await end(token)
      return { exit: DONE, cookies: [] }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { exit: refused(error), cookies: [] }
    }
  }
}

const NO_STORE = ['Cache-Control', 'no-store'] as const

/** §2.8. */
const DONE: Exit = { status: 200, headers: [NO_STORE], body: '' }

function refused(refusal: Refusal): Exit {
  const reason = { code: refusal.code, cause: refusal }
  // What we cannot find out now is no fault of the token: it may be sent again.
  if (isTransient(refusal))
    return exit(503, { error: 'temporarily_unavailable' }, [NO_STORE], reason)
  return exit(400, { error: 'invalid_request' }, [NO_STORE], reason)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
