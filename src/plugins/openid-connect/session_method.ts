import type { AccessContext, Awaitable, Exit } from '../../pdk.ts'
import { array, type Config, string } from '../../schema/field.ts'
import { badHeaderName } from '../header.ts'
import type { Additions } from './additions.ts'
import type { Admission } from './admit.ts'
import { fields as authentication, hideCookies } from './authenticate.ts'
import { then } from './awaitable.ts'
import type { Fields } from './headers.ts'
import { AUTH_METHODS, type MethodName } from './methods/method.ts'
import type { Occasion, Occasions } from './occasion.ts'
import type { Proof } from './proof.ts'
import type { Prover } from './prove.ts'
import { isTransient, Refusal } from './refusal.ts'
import { sessionDataOf, subjectOf } from './session_data.ts'
import type { Session, Sessions } from './session/index.ts'
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
    Pick<typeof authentication, 'hide_credentials'> &
    Pick<typeof caching, 'refresh_tokens'> &
    Pick<typeof verification, 'leeway'>
>

interface Parts {
  readonly sessions: Sessions
  readonly prover: Prover
  readonly admission: Admission
  readonly additions: Additions
  readonly occasions: Occasions
  readonly now: () => number
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
  /** Lets the caller of a session pass, with new tokens if the old ones are over. */
  admit(ctx: AccessContext, session: Session): Awaitable<Exit | undefined | SessionOver>
  /** Begins a session for a caller who has just been let in by another method. */
  begin(
    ctx: AccessContext,
    proof: Proof,
    occasion: Occasion,
    before?: Session,
  ): Awaitable<undefined>
  /** Ends a session. */
  end(ctx: AccessContext, session: Session): Awaitable<void>
}

export function createSessionMethod(config: Settings, parts: Parts): SessionMethod {
  const { sessions, prover, admission, additions, occasions, now } = parts
  const { upstream_session_id_header, downstream_session_id_header } = config
  const disabled: ReadonlySet<string> = new Set(config.disable_session)
  // A session that is asked with again on its connection is the same object.
  const proofs = new WeakMap<Session, Proof>()

  function admit(ctx: AccessContext, session: Session): Awaitable<Exit | undefined | SessionOver> {
    const { expires } = session.data
    if (expires !== undefined && expires - config.leeway * 1000 <= now()) return renew(ctx, session)
    const proof = proofs.get(session)
    if (proof && proof.ends > now()) return pass(ctx, proof, session)
    return prover.session(session.data, occasions.ofClient(session.data.client)).then((proof) => {
      proofs.set(session, proof)
      return pass(ctx, proof, session)
    })
  }

  function pass(ctx: AccessContext, proof: Proof, session: Session): Awaitable<Exit | undefined> {
    const occasion = occasions.ofClient(session.data.client)
    if (disabled.has('session')) return passWith(ctx, proof, session, occasion)
    return then(sessions.refresh(session, ctx.request), (kept) => {
      if (kept) additions.addCookies(ctx.request, kept.cookies)
      return passWith(ctx, proof, kept?.session ?? session, occasion)
    })
  }

  function passWith(
    ctx: AccessContext,
    proof: Proof,
    session: Session,
    occasion: Occasion,
  ): Awaitable<Exit | undefined> {
    if (config.hide_credentials) hideCookies(ctx, sessions.cookieNames)
    tell(ctx, session)
    return admission.admit(ctx, proof, { occasion, session })
  }

  /** Tells the service and the client of a session what the configuration wants. */
  function tell({ request, upstream }: AccessContext, session: Session): void {
    const { id } = session
    if (upstream_session_id_header !== undefined)
      upstream.headers.set(upstream_session_id_header, id)
    for (const [name, value] of sessions.facts(session, 'request'))
      upstream.headers.set(name, value)
    const told: Fields =
      downstream_session_id_header === undefined ? [] : [[downstream_session_id_header, id]]
    additions.add(request, [...told, ...sessions.facts(session, 'response')])
  }

  /** Gets new tokens for a session whose access token is over. */
  async function renew(
    ctx: AccessContext,
    session: Session,
  ): Promise<Exit | undefined | SessionOver> {
    const { data } = session
    const occasion = occasions.ofClient(data.client)
    const { refresh_token } = data
    if (!config.refresh_tokens || refresh_token === undefined)
      return over(ctx, session, new Refusal('token_expired', 'the tokens of the session are over'))
    try {
      const proof = await prover.grant(
        'refresh_token',
        { name: '', secret: refresh_token },
        occasion,
      )
      const newer = sessionDataOf(proof, occasion, data)
      const kept = await sessions.save(session, ctx.request, newer ?? data)
      proofs.set(kept.session, proof)
      additions.addCookies(ctx.request, kept.cookies)
      return passWith(ctx, proof, kept.session, occasion)
    } catch (error) {
      // A provider that is down does not end anybody's session.
      if (!(error instanceof Refusal) || isTransient(error)) throw error
      return over(ctx, session, error)
    }
  }

  async function over(
    ctx: AccessContext,
    session: Session,
    refusal: Refusal,
  ): Promise<SessionOver> {
    await end(ctx, session)
    return new SessionOver(refusal)
  }

  function end(ctx: AccessContext, session: Session): Awaitable<void> {
    return then(sessions.destroy(session, ctx.request), (cookies) =>
      additions.addCookies(ctx.request, cookies),
    )
  }

  return {
    admit,
    end,
    begin(ctx, proof, occasion, before) {
      if (disabled.has(proof.method satisfies MethodName)) return undefined
      const data = sessionDataOf(proof, occasion)
      if (!data) return undefined
      return then(sessions.start(ctx.request, data, subjectOf(proof), before), (kept) => {
        proofs.set(kept.session, proof)
        additions.addCookies(ctx.request, kept.cookies)
        tell(ctx, kept.session)
        return undefined
      })
    },
  }
}
