import type { AccessContext, Awaitable, Exit, Gateway } from '../../pdk.ts'
import { boolean, type Config } from '../../schema/field.ts'
import { becomeAnonymous } from '../anonymous.ts'
import type { BodyArguments } from '../arguments.ts'
import type { Additions } from './additions.ts'
import type { Answers } from './answer.ts'
import { fields as authentication, hide } from './authenticate.ts'
import { andThen } from './awaitable.ts'
import { createFindMapped, fields as consumers, type Mapped } from './consumer.ts'
import { cookieOf } from './methods/access_token.ts'
import type { Metrics } from './metrics.ts'
import type { Found, MethodName } from './methods/method.ts'
import type { Occasion } from './occasion.ts'
import type { BoundToken, Possession } from './possession/index.ts'
import type { Proof } from './proof.ts'
import { fields as proving } from './prove.ts'
import { Refusal } from './refusal.ts'
import type { Session, Sessions } from './session/index.ts'

export const fields = {
  unauthorized_destroy_session: boolean('Whether a 401 ends the session.', { default: true }),
  forbidden_destroy_session: boolean('Whether a 403 ends the session.', { default: true }),
}

type Settings = Config<
  typeof fields &
    typeof consumers &
    Pick<typeof authentication, 'hide_credentials'> &
    Pick<typeof proving, 'jwt_session_cookie'>
>

/** How a caller presents itself. */
export interface Presented {
  readonly occasion: Occasion
  readonly found?: Found
  /** The body, where it was read in search of credentials. */
  readonly body?: BodyArguments | undefined
  readonly session?: Session
  /** By what the caller came, where neither of the two says it. */
  readonly method?: MethodName
  /** The URL that began the login by which the caller came, with its query. */
  readonly returnTo?: string
}

export interface Admission {
  /** Lets a caller pass as far as its proof goes: says who it is, or refuses it. */
  admit(ctx: AccessContext, proof: Proof, presented: Presented): Awaitable<Exit | undefined>
  /** Refuses a caller, or lets it pass as the anonymous consumer. */
  refuse(ctx: AccessContext, refusal: Refusal, presented: Presented): Awaitable<Exit | undefined>
  /** Refuses a caller where what was asked for was refused, and answers for what nobody foresaw. Throws what has no answer. */
  fail(ctx: AccessContext, error: unknown, presented: Presented): Awaitable<Exit | undefined>
}

interface Parts {
  readonly answers: Answers
  readonly additions: Additions
  readonly sessions: Sessions | undefined
  readonly possession: Possession
  readonly metrics: Metrics
  readonly gateway: Gateway
  /** What follows once a caller is let in, such as the beginning of a session. */
  follow(ctx: AccessContext, proof: Proof, presented: Presented): Awaitable<Exit | undefined>
}

export function createAdmission(config: Settings, parts: Parts): Admission {
  const { answers, additions, sessions, possession, metrics, gateway, follow } = parts
  const { anonymous, hide_credentials, jwt_session_cookie } = config
  const findMapped = createFindMapped(config, gateway.consumers)
  // Who a proof's caller is depends on this configuration's consumers; proofs outlive it.
  const mappings = new WeakMap<Proof, Mapped | Refusal>()

  function mappingOf(proof: Proof): Mapped | Refusal {
    let mapping = mappings.get(proof)
    if (!mapping) mappings.set(proof, (mapping = findMapped(proof.names)))
    return mapping
  }

  function refuse(
    ctx: AccessContext,
    refusal: Refusal,
    presented: Presented,
  ): Awaitable<Exit | undefined> {
    const { occasion, session } = presented
    metrics.refused(presented, refusal, anonymous !== undefined)
    if (anonymous !== undefined) ctx.trace?.forgiven(refusal.code, refusal.message)
    const answer = () =>
      anonymous === undefined
        ? answers.refuse(refusal, occasion.client)
        : becomeAnonymous(ctx, gateway, anonymous)
    const isDestroyed =
      refusal.status === 403
        ? config.forbidden_destroy_session
        : config.unauthorized_destroy_session
    if (!session || !isDestroyed) return answer()
    return andThen(sessions!.destroy(session, ctx.request), (cookies) => {
      additions.addCookies(ctx.request, cookies)
      return answer()
    })
  }

  /** What stands against a request beside its proof. */
  function objectionTo({ request, service }: AccessContext, proof: Proof): Refusal | undefined {
    if (proof.refusal) return proof.refusal
    const only = proof.names.owner?.token.service
    if (only && only.id !== service?.id)
      return new Refusal('invalid_token', 'the oauth2 plugin gave this token for another service')
    if (jwt_session_cookie === undefined || proof.method !== 'bearer') return undefined
    const { session } = proof
    const isSame = session !== undefined && cookieOf(request, jwt_session_cookie) === session
    return isSame ? undefined : new Refusal('session_mismatch')
  }

  function letIn(
    ctx: AccessContext,
    proof: Proof,
    presented: Presented,
  ): Awaitable<Exit | undefined> {
    const mapping = mappingOf(proof)
    if (mapping instanceof Refusal) return refuse(ctx, mapping, by(proof, presented))
    if (presented.found && hide_credentials) hide(ctx, presented.found, presented.body)
    const { consumer, consumerGroups, credential } = mapping
    metrics.passed[methodOf(proof, presented)].value++
    ctx.authenticate(consumer, credential)
    ctx.authenticatedGroups = proof.names.groups
    ctx.consumerGroups = consumerGroups
    ctx.upstream.headers.appendList(proof.upstream)
    additions.add(ctx.request, proof.downstream)
    if (proof.set) additions.add(ctx.request, proof.set.replayed)
    return follow(ctx, proof, presented)
  }

  return {
    refuse,
    fail(ctx, error, presented) {
      if (error instanceof Refusal) return refuse(ctx, error, presented)
      metrics.failed(presented, error)
      const exit = answers.fail(error, presented.occasion.client)
      if (exit) return exit
      throw error
    },
    admit(ctx, proof, presented) {
      const objection = objectionTo(ctx, proof)
      if (objection) return refuse(ctx, objection, by(proof, presented))
      if (possession.isOff) return letIn(ctx, proof, presented)
      return andThen(possession.check(ctx.request, boundToken(proof, presented)), (refusal) => {
        if (!refusal) return letIn(ctx, proof, presented)
        // Who cannot prove that a session is his does not end it either.
        const { occasion } = presented
        return refuse(ctx, refusal, { occasion, method: methodOf(proof, presented) })
      })
    },
  }
}

/** By what a caller came; the new tokens of a session were got by another method. */
function methodOf({ method }: Proof, { session }: Presented): MethodName {
  return session ? 'session' : method
}

/** The same caller, of whom the method is known. */
function by(proof: Proof, presented: Presented): Presented {
  return { ...presented, method: methodOf(proof, presented) }
}

/** The token that a caller has, and how it came. A session's is good for whoever could begin it. */
function boundToken({ cnf, method }: Proof, { found, session }: Presented): BoundToken {
  if (session) {
    const { access_token = '', method } = session.data
    return { token: access_token, cnf, method, scheme: undefined }
  }
  const isToken = found?.kind === 'access_token'
  const token = isToken ? found.place.read(found.raw).secret : ''
  return { token, cnf, method, scheme: found?.place.isDpop ? 'DPoP' : 'Bearer' }
}
