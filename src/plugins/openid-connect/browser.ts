import type { AccessContext, ClientRequest, Exit } from '../../pdk.ts'
import { type BodyArguments, readBodyArguments } from '../arguments.ts'
import { hideCookies } from './authenticate.ts'
import { type Finished, LoginRefusal } from './login/index.ts'
import type { Occasion } from './occasion.ts'
import type { Parts } from './parts.ts'
import { Refusal } from './refusal.ts'
import type { Config } from './schema.ts'
import type { Session } from './session/index.ts'

/** A request that is no logout and answers no login after all. */
export const GOES_ON = Symbol('goes on')

/** An answer to a login stands at a URL with a code, which is neither to be kept nor told to other sites (RFC 9700 §4.2.4). */
const OF_CALLBACKS = [
  ['Cache-Control', 'no-store'],
  ['Referrer-Policy', 'no-referrer'],
] as const

/** What the provider or the user does by way of a browser, before anybody is asked who he is. */
export interface Browser {
  /** The names of arguments of a query that no log is to show. */
  readonly secretArguments: readonly string[]
  /** Whether a request may be a logout or the answer to a login, as far as all but its body tells. */
  concerns(request: ClientRequest): boolean
  /** Logs out, or in. `session` opens the session that the request brings. */
  serve(
    ctx: AccessContext,
    session: () => Promise<Session | undefined>,
  ): Promise<Exit | undefined | typeof GOES_ON>
  /** Sends somebody to log in who brings nothing that says who he is. */
  begin(ctx: AccessContext, occasion: Occasion): Promise<Exit | undefined>
}

export function createBrowser(config: Config, parts: Parts): Browser | undefined {
  const { login, logout, admission, additions, occasions, prover, tokens } = parts
  if (!login && !logout.isConfigured) return undefined

  async function logOut(
    ctx: AccessContext,
    session: Session | undefined,
    body: BodyArguments | undefined,
  ): Promise<Exit> {
    const { request } = ctx
    const { exit, cookies } = await logout.perform(request, session, occasions.of(request, body))
    additions.addCookies(request, cookies)
    return exit
  }

  /** Takes the provider's answer to a login. */
  async function logIn(
    ctx: AccessContext,
    form: BodyArguments | undefined,
  ): Promise<Exit | undefined | typeof GOES_ON> {
    const { request } = ctx
    const finished = await login!.finish(request, form)
    if (!finished) {
      if (login!.discard(ctx, form)) additions.add(request, OF_CALLBACKS)
      return GOES_ON
    }
    additions.add(request, OF_CALLBACKS)
    additions.addCookies(request, finished.cookies)
    const occasion = occasions.ofClient(finished.client)
    const presented = {
      occasion,
      method: 'authorization_code',
      returnTo: finished.returnTo,
    } as const
    try {
      const proof = await prove(finished, occasion)
      finished.restore(ctx)
      if (config.hide_credentials) hideCookies(ctx, login!.cookieNames)
      return await admission.admit(ctx, proof, presented)
    } catch (error) {
      return admission.fail(ctx, error, presented)
    }
  }

  function prove({ response, expected }: Finished, occasion: Occasion) {
    return prover.login(tokens.begin(response), expected, occasion)
  }

  return {
    secretArguments: [...(login?.secretArguments ?? []), ...logout.secretArguments],

    concerns: (request) =>
      logout.placeOf(request) !== undefined || login?.placeOfAnswer(request) !== undefined,

    async serve(ctx, session) {
      const { request } = ctx
      const placeOfLogout = logout.placeOf(request)
      const placeOfAnswer = login?.placeOfAnswer(request)
      const isRead = placeOfLogout === 'body' || placeOfAnswer === 'body'
      const body = isRead ? await readBodyArguments(request) : undefined
      const isLogout =
        placeOfLogout === 'body' ? logout.isInBody(body!) : placeOfLogout !== undefined
      if (isLogout) return logOut(ctx, await session(), body)
      if (!placeOfAnswer) return GOES_ON
      try {
        return await logIn(ctx, placeOfAnswer === 'body' ? body : undefined)
      } catch (error) {
        if (error instanceof LoginRefusal) additions.addCookies(request, error.cookies)
        // What answers no login of ours may as well be the application's own.
        else if (error instanceof Refusal && (await session())) return GOES_ON
        additions.add(request, OF_CALLBACKS)
        const occasion = occasions.of(request, body)
        return admission.fail(ctx, error, { occasion, method: 'authorization_code' })
      }
    },

    async begin(ctx, occasion) {
      const { request } = ctx
      try {
        const { exit, cookies } = await login!.begin(request, occasion)
        additions.addCookies(request, cookies)
        return exit
      } catch (error) {
        return admission.fail(ctx, error, { occasion, method: 'authorization_code' })
      }
    },
  }
}
