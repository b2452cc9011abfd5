import { spelling } from '../../headers.ts'
import type { AccessContext, Awaitable, Exit, Plugin } from '../../pdk.ts'
import { type BodyArguments, readBodyArguments } from '../arguments.ts'
import { Additions } from './additions.ts'
import { createAdmission, type Presented } from './admit.ts'
import { createAnswers } from './answer.ts'
import { createSearch } from './authenticate.ts'
import { createClusterCache } from './cluster_cache.ts'
import { tokenIdentity } from './grants.ts'
import { hashOf, hashOfAll } from './hash.ts'
import { createIdentityHeaders } from './headers.ts'
import { createLookups } from './lookups.ts'
import type { Found } from './methods/method.ts'
import { online } from './online/index.ts'
import { createOccasions, type Occasion } from './occasion.ts'
import { placesOf, secretHeadersOf, tellFound } from './places.ts'
import { createPossession } from './possession/index.ts'
import { holds, type Proof, sizeOf } from './proof.ts'
import { createProver } from './prove.ts'
import { createIdentityProvider, pages } from './provider.ts'
import { Refusal } from './refusal.ts'
import { remedies } from './remedies.ts'
import { type Config, schema, withDefaults } from './schema.ts'
import { createSessions, createStorage, type Session, type Sessions } from './session/index.ts'
import { createSessionMethod, SessionOver } from './session_method.ts'
import { createTokens, saltOf } from './tokens.ts'
import { warningsOf } from './unsupported.ts'
import { createVerification } from './verify.ts'

/** Lets those pass whom an OpenID Connect provider knows, and tells the service who they are. */
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
    const { anonymous, auth_methods, run_on_preflight } = config
    const provider = createIdentityProvider(config, gateway)
    const { calls, clients, discovery, exchanges, metrics } = provider
    const occasions = createOccasions(clients, provider.passing)
    const salt = saltOf(config, gateway)
    const identity = tokenIdentity(config, salt)
    const cluster = createClusterCache(config, gateway)
    const verification = createVerification(config, provider, gateway)
    const lookups = createLookups(config, calls, verification, cluster, gateway, identity, metrics)
    const headers = createIdentityHeaders(config)
    const sessions = auth_methods.includes('session')
      ? metrics.watchSessions(
          createSessions(config, gateway, metrics.watchStorage(createStorage(config, gateway))),
        )
      : undefined
    const parts = {
      verification,
      clients,
      exchanges,
      lookups,
      headers,
      gateway,
      keepsIdentity: !!sessions,
    }
    const tokens = metrics.watchTokens(createTokens(config, calls, cluster, gateway, identity))
    const prover = createProver(config, { ...parts, tokens })
    const search = createSearch(config)
    const additions = new Additions()
    const answers = createAnswers(config, URL.parse(config.issuer)?.hostname ?? '')
    const possession = createPossession(config, gateway, { additions, cluster })
    const admission = createAdmission(config, {
      answers,
      additions,
      sessions,
      possession,
      metrics,
      gateway,
      follow,
    })
    const sessionMethod =
      sessions &&
      createSessionMethod(config, {
        sessions,
        prover: createProver(config, { ...parts, tokens: tokensOfSessions() }),
        admission,
        additions,
        occasions,
        discovery,
        now: gateway.now,
      })
    const proofs = gateway.cache<Proof>('oidc:proofs')
    // A proof is one of this configuration: another one might have refused the same credential.
    const fingerprint = hashOfAll(salt, JSON.stringify(config))
    // What a client sends under the names of the gateway's own headers is dropped, in every spelling.
    const ownHeaders = [
      ...new Set(
        [
          ...headers.names,
          ...(sessions?.requestHeaders ?? []),
          ...(config.upstream_session_id_header ? [config.upstream_session_id_header] : []),
        ].map(spelling),
      ),
    ]
    const addsToAnswers =
      headers.hasDownstream ||
      possession.addsToAnswers ||
      sessions !== undefined ||
      config.token_headers_replay !== undefined
    const nothingFound = new Refusal('no_credentials')
    // A client that keeps its connection sends the same credential again: to see that it is the same takes no hash.
    const lastProofs = new WeakMap<object, LastProof>()
    const places = placesOf(config)
    // For those who ask what became of a request.
    const provedAt = new WeakMap<Proof, number>()

    /** Requests that bring the same session at once redeem its refresh token once, whether or not tokens are kept otherwise. */
    function tokensOfSessions() {
      const kept = {
        ...config,
        cache_tokens: true,
        cache_ttl_min: undefined,
        cache_ttl_max: undefined,
      }
      const apart = hashOfAll(identity, 'session')
      return metrics.watchTokens(createTokens(kept, calls, cluster, gateway, apart))
    }

    /** The credential that the request carries counts, or else there is none. */
    function bySearch(ctx: AccessContext, why = nothingFound): Awaitable<Exit | undefined> {
      const { request } = ctx
      const found = search.find(request)
      const needsBody = found ? occasions.needsBody(request) : search.needsBody(request)
      if (!needsBody) {
        const occasion = occasions.of(request)
        return found ? judge(ctx, found, occasion) : byNothing(ctx, occasion, why)
      }
      return readBodyArguments(request).then((body) => {
        const occasion = occasions.of(request, body)
        const inBody = found ?? search.findInBody(body, request)
        return inBody ? judge(ctx, inBody, occasion, body) : byNothing(ctx, occasion, why)
      })
    }

    function byNothing(ctx: AccessContext, occasion: Occasion, why: Refusal) {
      ctx.trace?.searched(places)
      return admission.refuse(ctx, why, { occasion })
    }

    function bySession(ctx: AccessContext, session: Session): Awaitable<Exit | undefined> {
      const occasion = occasions.ofClient(session.data.client)
      ctx.trace?.found('a session', 'its cookie', '')
      let exit: Awaitable<Exit | undefined | SessionOver>
      try {
        exit = sessionMethod!.admit(ctx, session)
      } catch (error) {
        return fail(ctx, { occasion, method: 'session' }, error)
      }
      if (exit instanceof Promise)
        return orSearch(ctx, settle(ctx, { occasion, method: 'session' }, exit))
      return exit instanceof SessionOver ? bySearch(ctx, exit.refusal) : exit
    }

    async function orSearch(
      ctx: AccessContext,
      exit: Promise<Exit | undefined | SessionOver>,
    ): Promise<Exit | undefined> {
      const said = await exit
      return said instanceof SessionOver ? bySearch(ctx, said.refusal) : said
    }

    /** Answers without a promise where the credential has been proved before. */
    function judge(
      ctx: AccessContext,
      found: Found,
      occasion: Occasion,
      body?: BodyArguments,
    ): Awaitable<Exit | undefined> {
      const presented = { occasion, found, body }
      if (ctx.trace) tellFound(ctx.trace, found)
      try {
        const proof = proofOf(ctx.request.connection, found, occasion)
        if (ctx.trace && !(proof instanceof Promise))
          ctx.trace.known(provedAt.get(proof), proof.ends)
        const exit =
          proof instanceof Promise
            ? admitLater(ctx, proof, presented)
            : admission.admit(ctx, proof, presented)
        return exit instanceof Promise ? settle(ctx, presented, exit) : exit
      } catch (error) {
        return fail(ctx, presented, error)
      }
    }

    // In functions of their own, since what a closure holds is set up even where no promise is.
    async function admitLater(
      ctx: AccessContext,
      proof: Promise<Proof>,
      presented: Presented,
    ): Promise<Exit | undefined> {
      return admission.admit(ctx, await proof, presented)
    }

    function settle<T>(
      ctx: AccessContext,
      presented: Presented,
      exit: Promise<T>,
    ): Promise<T | Exit | undefined> {
      return exit.catch((error: unknown) => fail(ctx, presented, error))
    }

    /** Refuses a caller where what was asked for was refused, and answers for what nobody foresaw. */
    function fail(
      ctx: AccessContext,
      presented: Presented,
      error: unknown,
    ): Awaitable<Exit | undefined> {
      if (error instanceof Refusal) return admission.refuse(ctx, error, presented)
      metrics.failed(presented, error)
      const exit = answers.fail(error, presented.occasion.client)
      if (exit) return exit
      throw error
    }

    /** What a credential has proved: known, or found out now. */
    function proofOf(connection: object, found: Found, occasion: Occasion): Awaitable<Proof> {
      const last = lastProofs.get(connection)
      if (last && isSame(last, found, occasion) && isGood(last.proof)) {
        metrics.caches.proofs.hits.value++
        return last.proof
      }
      const key = keyOf(found, occasion)
      const proof = proofs.get(key)
      if (!proof || !isGood(proof)) return proveOnce(found, occasion, key)
      metrics.caches.proofs.hits.value++
      lastProofs.set(connection, { found, occasion, proof })
      return proof
    }

    function proveOnce(found: Found, occasion: Occasion, key: string): Promise<Proof> {
      metrics.caches.proofs.misses.value++
      return proofs.once(key, () => proveAnew(found, occasion, key))
    }

    function keyOf({ kind, place, raw, idToken }: Found, { key }: Occasion): string {
      const rest = idToken || key ? ` ${raw.length} ${idToken?.raw ?? ''} ${key}` : ''
      // None of the first three holds a blank, nor does an ID token that is any good, so that no two have one text.
      return hashOf(`${fingerprint} ${kind} ${place.id} ${raw}${rest}`)
    }

    function isGood(proof: Proof): boolean {
      return holds(proof, gateway.now(), discovery.current())
    }

    /** What follows once a caller has been let in. */
    function follow(
      ctx: AccessContext,
      proof: Proof,
      { occasion, session }: Presented,
    ): Awaitable<Exit | undefined> {
      return session ? sessionMethod!.use(ctx, session) : sessionMethod?.begin(ctx, proof, occasion)
    }

    async function proveAnew(found: Found, occasion: Occasion, key: string): Promise<Proof> {
      const proof = await prove(found, occasion)
      provedAt.set(proof, gateway.now())
      if (config.cache_tokens || found.kind === 'access_token')
        proofs.set(key, proof, (proof.ends - gateway.now()) / 1000, sizeOf(proof))
      return proof
    }

    function prove({ kind, place, raw, idToken }: Found, occasion: Occasion): Promise<Proof> {
      const credential = place.read(raw)
      if (kind !== 'access_token') return prover.grant(kind, credential, occasion)
      const id_token = idToken && idToken.place.read(idToken.raw).secret
      return prover.accessToken(credential.secret, id_token, occasion)
    }

    function openSession(ctx: AccessContext, sessions: Sessions): Awaitable<Exit | undefined> {
      let session: Awaitable<Session | undefined>
      try {
        session = sessions.open(ctx.request)
      } catch (error) {
        return fail(ctx, { occasion: occasions.ofClient(0), method: 'session' }, error)
      }
      if (session instanceof Promise) return openLater(ctx, session)
      return session ? bySession(ctx, session) : bySearch(ctx)
    }

    async function openLater(
      ctx: AccessContext,
      opening: Promise<Session | undefined>,
    ): Promise<Exit | undefined> {
      let session: Session | undefined
      try {
        session = await opening
      } catch (error) {
        return fail(ctx, { occasion: occasions.ofClient(0), method: 'session' }, error)
      }
      return session ? bySession(ctx, session) : bySearch(ctx)
    }

    return {
      secretArguments: search.secretArguments,
      secretHeaders: secretHeadersOf(config),
      access(ctx) {
        for (const each of ownHeaders) ctx.upstream.headers.deleteSpellings(each)
        if (!possession.isOff) possession.hide(ctx)
        if (!run_on_preflight && ctx.request.method === 'OPTIONS') return undefined
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        return sessions ? openSession(ctx, sessions) : bySearch(ctx)
      },
      ...(addsToAnswers && { header_filter: (ctx) => additions.apply(ctx) }),
    }
  },
}

/** What the last request of a connection proved. */
interface LastProof {
  readonly found: Found
  readonly occasion: Occasion
  readonly proof: Proof
}

function isSame(last: LastProof, found: Found, occasion: Occasion): boolean {
  return (
    last.found.raw === found.raw &&
    last.found.place === found.place &&
    last.found.idToken?.raw === found.idToken?.raw &&
    last.occasion === occasion
  )
}
