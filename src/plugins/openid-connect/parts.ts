import type { AccessContext, Awaitable, Exit, Gateway } from '../../pdk.ts'
import { Additions } from './additions.ts'
import { createAdmission, type Presented } from './admit.ts'
import { createAnswers } from './answer.ts'
import { boundPasswords } from './attempts.ts'
import { createClusterCache } from './cluster_cache.ts'
import { tokenIdentity } from './grants.ts'
import { hashOfAll } from './hash.ts'
import { createIdentityHeaders } from './headers.ts'
import { createLogin, createLoginAction } from './login/index.ts'
import { createLogout } from './logout/index.ts'
import { createLookups } from './lookups.ts'
import { createOccasions } from './occasion.ts'
import { createPossession } from './possession/index.ts'
import type { Proof } from './proof.ts'
import { createProver } from './prove.ts'
import { createIdentityProvider } from './provider.ts'
import type { Config } from './schema.ts'
import { createSessions, createStorage } from './session/index.ts'
import { createSessionMethod } from './session_method.ts'
import { createTokens, saltOf } from './tokens.ts'
import { createVerification } from './verify.ts'

export type Parts = ReturnType<typeof createParts>

/** Puts together what one plugin entity is made of. Asks nobody. */
export function createParts(config: Config, gateway: Gateway) {
  const { auth_methods } = config
  const provider = createIdentityProvider(config, gateway)
  const { clients, discovery, exchanges, metrics } = provider
  const calls = boundPasswords(provider.calls, config, gateway)
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
  const login = auth_methods.includes('authorization_code')
    ? metrics.watchLogin(createLogin(config, provider, gateway))
    : undefined
  const logout = createLogout(config, provider, sessions, gateway)
  const loginAction = createLoginAction(config)

  const proving = {
    verification,
    clients,
    exchanges,
    lookups,
    headers,
    gateway,
    keepsIdentity: sessions !== undefined || config.login_action !== 'upstream',
  }
  const tokens = metrics.watchTokens(createTokens(config, calls, cluster, gateway, identity))
  const prover = createProver(config, { ...proving, tokens })

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
      cookieNames: [...sessions.cookieNames, ...(login?.cookieNames ?? [])],
      prover: createProver(config, { ...proving, tokens: tokensOfSessions() }),
      admission,
      additions,
      occasions,
      discovery,
      now: gateway.now,
      tellsKeys: headers.tellsKeys,
    })

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

  /** What follows once a caller has been let in. */
  function follow(
    ctx: AccessContext,
    proof: Proof,
    { occasion, session, returnTo }: Presented,
  ): Awaitable<Exit | undefined> {
    const kept = session
      ? sessionMethod!.use(ctx, session)
      : sessionMethod?.begin(ctx, proof, occasion)
    const method = session ? 'session' : proof.method
    const act = () => loginAction(method, proof, occasion.client, returnTo)
    return kept instanceof Promise ? kept.then(act) : act()
  }

  return {
    salt,
    metrics,
    discovery,
    occasions,
    headers,
    sessions,
    login,
    logout,
    tokens,
    prover,
    additions,
    possession,
    admission,
    sessionMethod,
  }
}
