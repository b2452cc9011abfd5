import type { AccessContext, Awaitable, Exit } from '../../pdk.ts'
import { array, type Config, string } from '../../schema/field.ts'
import { badHeaderName } from '../header.ts'
import type { Additions } from './additions.ts'
import type { Admission, fields as admission } from './admit.ts'
import { fields as authentication, hideCookies } from './authenticate.ts'
import { andThen } from './awaitable.ts'
import { wireName } from './headers.ts'
import { AUTH_METHODS, type MethodName } from './methods/method.ts'
import type { Occasion, Occasions } from './occasion.ts'
import type { Discovery } from './discovery.ts'
import { holds, type Proof } from './proof.ts'
import type { fields as proving, Prover } from './prove.ts'
import { isTransient, Refusal } from './refusal.ts'
import { sessionDataOf, subjectOf } from './session_data.ts'
import type { Kept, Session, Sessions } from './session/index.ts'
import { fields as caching } from './tokens.ts'
import { fields as verification } from './verify.ts'

export const fields = {
  disable_session: array(
    'The methods that begin no session.',
    string('A method.', { one_of: AUTH_METHODS }),
  ),
  upstream_session_id_header: string('The header that carries the session id to the service.', {
    custom: badHeaderName,
  }),
  downstream_session_id_header: string('The header that carries the session id to the client.', {
    custom: badHeaderName,
  }),
}

type Settings = Config<
  typeof fields &
    Pick<typeof admission, 'unauthorized_destroy_session'> &
    Pick<typeof authentication, 'hide_credentials'> &
    Pick<typeof caching, 'refresh_tokens'> &
    Pick<typeof proving, 'reverify'> &
    Pick<typeof verification, 'leeway'>
>

interface Parts {
  readonly sessions: Sessions
  /** The cookies that are the gateway's own, those of logins under way among them. */
  readonly cookieNames: readonly string[]
  readonly prover: Prover
  readonly admission: Admission
  readonly additions: Additions
  readonly occasions: Occasions
  readonly discovery: Pick<Discovery, 'current'>
  readonly now: () => number
  /** Whether anybody is told the keys that signed the tokens. */
  readonly tellsKeys: boolean
}

/** A session that was good, and whose tokens are not any more: why. The search for other credentials goes on. */
export class SessionOver {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

/** The method `session`: callers who have authenticated by another method before. */
export interface SessionMethod {
  /** The names of the headers that tell the service of a session: no client may send them. */
  readonly headerNames: readonly string[]
  /** Lets the caller of a session pass, with new tokens if the old ones are over. */
  admit(ctx: AccessContext, session: Session): Awaitable<Exit | undefined | SessionOver>
  /** What follows once the caller of a session has been let in: it is used, and told of. */
  use(ctx: AccessContext, session: Session): Awaitable<undefined>
  /** Begins a session for a caller who has just been let in by another method. */
  begin(ctx: AccessContext, proof: Proof, occasion: Occasion): Awaitable<undefined>
}

export function createSessionMethod(config: Settings, parts: Parts): SessionMethod {
  const {
    sessions,
    cookieNames,
    prover,
    admission,
    additions,
    occasions,
    discovery,
    now,
    tellsKeys,
  } = parts
  const { hide_credentials, refresh_tokens, reverify, leeway } = config
  const toService = headerName(config.upstream_session_id_header)
  const toClient = headerName(config.downstream_session_id_header)
  const disabled: ReadonlySet<string> = new Set(config.disable_session)
  // A session that is asked with again on its connection is the same object.
  const proofs = new WeakMap<Session, Proof>()

  function admit(ctx: AccessContext, session: Session): Awaitable<Exit | undefined | SessionOver> {
    const { data } = session
    const occasion = occasions.ofClient(data.client)
    const { expires } = data
    if (expires !== undefined && expires - leeway * 1000 <= now())
      return renew(ctx, session, occasion)
    const proof = proofs.get(session)
    if (proof && isGood(proof)) return admission.admit(ctx, proof, { occasion, session })
    return prove(ctx, session, occasion)
  }

  function isGood(proof: Proof): boolean {
    return reverify ? holds(proof, now(), discovery.current()) : proof.ends > now()
  }

  async function prove(
    ctx: AccessContext,
    session: Session,
    occasion: Occasion,
  ): Promise<Exit | undefined | SessionOver> {
    let proof: Proof
    try {
      proof = await prover.session(session.data, occasion)
    } catch (error) {
      return over(ctx, session, error)
    }
    proofs.set(session, proof)
    return admission.admit(ctx, proof, { occasion, session })
  }

  /** Gets new tokens for a session whose access token is over. */
  async function renew(
    ctx: AccessContext,
    session: Session,
    occasion: Occasion,
  ): Promise<Exit | undefined | SessionOver> {
    const { data } = session
    const { refresh_token } = data
    if (!refresh_tokens || refresh_token === undefined)
      return over(ctx, session, new Refusal('token_expired', 'the tokens of the session are over'))
    let proof: Proof
    try {
      proof = await prover.renewed(data, refresh_token, occasion)
    } catch (error) {
      return over(ctx, session, error)
    }
    // OpenID Connect Core §12.2: whose tokens they are never changes.
    const subject = subjectOf(proof) ?? session.subject
    if (subject !== session.subject)
      return over(ctx, session, new Refusal('invalid_token', 'the new tokens are of another user'))
    const newer = sessionDataOf(proof, occasion, tellsKeys, data)
    const kept = await sessions.save(session, ctx.request, newer ?? data)
    proofs.set(kept.session, ofSession(proof, data.method as MethodName))
    additions.addCookies(ctx.request, kept.cookies)
    return admission.admit(ctx, proof, { occasion, session: kept.session })
  }

  /** A session whose tokens are refused. A provider that is down does not end anybody's. */
  async function over(ctx: AccessContext, session: Session, error: unknown): Promise<SessionOver> {
    if (!(error instanceof Refusal) || isTransient(error)) throw error
    if (config.unauthorized_destroy_session) await end(ctx, session)
    return new SessionOver(error)
  }

  function end(ctx: AccessContext, session: Session): Awaitable<void> {
    return andThen(sessions.destroy(session, ctx.request), (cookies) =>
      additions.addCookies(ctx.request, cookies),
    )
  }

  function use(ctx: AccessContext, session: Session): Awaitable<undefined> {
    if (hide_credentials) hideCookies(ctx, cookieNames)
    const kept = disabled.has('session') ? undefined : sessions.refresh(session, ctx.request)
    if (kept instanceof Promise) return kept.then((each) => tell(ctx, session, each))
    return tell(ctx, session, kept)
  }

  /** Tells the service and the client of a session what the configuration wants. */
  function tell(ctx: AccessContext, before: Session, kept: Kept | undefined): undefined {
    const { request, upstream } = ctx
    const session = kept?.session ?? before
    if (kept) additions.addCookies(request, kept.cookies)
    if (toService !== undefined) upstream.headers.set(toService, session.id)
    for (const [name, value] of sessions.facts(session, 'request'))
      upstream.headers.set(name, value)
    if (toClient !== undefined) additions.add(request, [[toClient, session.id]])
    additions.add(request, sessions.facts(session, 'response'))
  }

  return {
    headerNames: [...sessions.requestHeaders, ...(toService === undefined ? [] : [toService])],
    admit,
    use,
    begin(ctx, proof, occasion) {
      if (disabled.has(proof.method)) return undefined
      const data = sessionDataOf(proof, occasion, tellsKeys)
      if (!data) return undefined
      return andThen(sessions.start(ctx.request, data, subjectOf(proof)), (kept) => {
        proofs.set(kept.session, ofSession(proof, proof.origin))
        return tell(ctx, kept.session, kept)
      })
    },
  }
}

/** What a session is worth that was made of a proof. */
function ofSession(proof: Proof, origin: MethodName): Proof {
  return { ...proof, method: 'session', origin, set: undefined, line: undefined }
}

function headerName(name: string | undefined): string | undefined {
  return name === undefined ? undefined : wireName(name)
}
