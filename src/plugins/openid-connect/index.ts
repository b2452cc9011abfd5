import { spelling } from '../../headers.ts'
import type { AccessContext, Awaitable, Exit, Plugin } from '../../pdk.ts'
import { createBrowser, GOES_ON } from './browser.ts'
import { createCredentialMethod } from './credential_method.ts'
import type { Occasion } from './occasion.ts'
import { online } from './online/index.ts'
import { createParts } from './parts.ts'
import { placesOf, secretArgumentsOf, secretHeadersOf } from './places.ts'
import { pages } from './provider.ts'
import { Refusal } from './refusal.ts'
import { remedies } from './remedies.ts'
import { type Config, schema, withDefaults } from './schema.ts'
import type { Session } from './session/index.ts'
import { SessionOver } from './session_method.ts'
import { warningsOf } from './warnings.ts'

/**
 * Lets those pass whom an OpenID Connect provider knows, and tells the service who they are: by a logout or a login that
 * comes back, by a session, by a credential of the request itself, or else by sending the browser to log in.
 */
export const openidConnect: Plugin<Config> = {
  name: 'openid-connect',
  priority: 1050,
  authenticates: true,
  schema,
  remedies,
  pages,
  online,
  warnings: (config) => warningsOf(withDefaults(config)),
  create(given, gateway) {
    const config = withDefaults(given)
    const parts = createParts(config, gateway)
    const { headers, sessions, login, sessionMethod, possession, admission, additions } = parts
    const { occasions } = parts
    const browser = createBrowser(config, parts)
    const byCredential = createCredentialMethod(config, parts, byNothing, gateway)
    const { anonymous, run_on_preflight } = config
    const nothingFound = new Refusal('no_credentials')
    const places = placesOf(config)
    // What a client sends under the names of the gateway's own headers is dropped, in every spelling.
    const ownHeaders = [
      ...new Set([...headers.names, ...(sessionMethod?.headerNames ?? [])].map(spelling)),
    ]
    const addsToAnswers =
      headers.hasDownstream ||
      possession.addsToAnswers ||
      sessions !== undefined ||
      browser !== undefined ||
      config.token_headers_replay !== undefined

    function byNothing(
      ctx: AccessContext,
      occasion: Occasion,
      why: Refusal,
    ): Awaitable<Exit | undefined> {
      ctx.trace?.searched(places)
      return login ? browser!.begin(ctx, occasion) : admission.refuse(ctx, why, { occasion })
    }

    async function byBrowser(ctx: AccessContext): Promise<Exit | undefined> {
      const open = async () => sessions?.open(ctx.request)
      try {
        const exit = await browser!.serve(ctx, open)
        return exit === GOES_ON ? byCaller(ctx) : exit
      } catch (error) {
        return admission.fail(ctx, error, { occasion: occasions.ofClient(0) })
      }
    }

    function byCaller(ctx: AccessContext): Awaitable<Exit | undefined> {
      return sessions ? bySession(ctx) : byCredential.admit(ctx, nothingFound)
    }

    /** Without a promise where the session is in its cookie and was asked with before. */
    function bySession(ctx: AccessContext): Awaitable<Exit | undefined> {
      let session: Session | undefined
      let exit: Exit | undefined | SessionOver
      try {
        const opening = sessions!.open(ctx.request)
        if (opening instanceof Promise) return later(ctx, opening)
        session = opening
        if (session) {
          const admitting = admitSession(ctx, session)
          if (admitting instanceof Promise) return later(ctx, session, admitting)
          exit = admitting
        }
      } catch (error) {
        return failed(ctx, error, session)
      }
      return goOn(ctx, session, exit)
    }

    /** Without a session, or where it is over, another credential counts. */
    function goOn(
      ctx: AccessContext,
      session: Session | undefined,
      exit: Exit | undefined | SessionOver,
    ): Awaitable<Exit | undefined> {
      if (!session) return byCredential.admit(ctx, nothingFound)
      return exit instanceof SessionOver ? byCredential.admit(ctx, exit.refusal) : exit
    }

    function admitSession(ctx: AccessContext, session: Session) {
      ctx.trace?.found('a session', 'its cookie', '')
      return sessionMethod!.admit(ctx, session)
    }

    async function later(
      ctx: AccessContext,
      opening: Awaitable<Session | undefined>,
      admitting?: Promise<Exit | undefined | SessionOver>,
    ): Promise<Exit | undefined> {
      let session: Session | undefined
      let exit: Exit | undefined | SessionOver
      try {
        session = await opening
        if (session) exit = await (admitting ?? admitSession(ctx, session))
      } catch (error) {
        return failed(ctx, error, session)
      }
      return goOn(ctx, session, exit)
    }

    function failed(ctx: AccessContext, error: unknown, session?: Session) {
      const occasion = occasions.ofClient(session?.data.client ?? 0)
      return admission.fail(ctx, error, { occasion, method: 'session' })
    }

    return {
      secretHeaders: secretHeadersOf(config),
      secretArguments: [
        ...byCredential.secretArguments,
        ...(browser?.secretArguments ?? []),
        ...secretArgumentsOf(config),
      ],
      access(ctx) {
        for (const each of ownHeaders) ctx.upstream.headers.deleteSpellings(each)
        if (!possession.isOff) possession.hide(ctx)
        if (!run_on_preflight && ctx.request.method === 'OPTIONS') return undefined
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        return browser?.concerns(ctx.request) ? byBrowser(ctx) : byCaller(ctx)
      },
      ...(addsToAnswers && { header_filter: (ctx) => additions.apply(ctx) }),
    }
  },
}
