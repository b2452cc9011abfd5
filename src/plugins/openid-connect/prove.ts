import { HeaderList } from '../../headers.ts'
import type { AccessTokenOwner, Gateway } from '../../pdk.ts'
import { boolean, type Config, string } from '../../schema/field.ts'
import { groupsValue } from '../groups.ts'
import { oauth2Tokens } from '../oauth2_tokens.ts'
import { fields as authentication } from './authenticate.ts'
import { createAuthorize, fields as authorization } from './authorize.ts'
import { type Claims, findClaim } from './claims.ts'
import type { Clients } from './clients.ts'
import { fields as consumers, namesIn } from './consumer.ts'
import { type fields as discoveries } from './discovery.ts'
import type { Exchanges, fields as exchange } from './exchange.ts'
import type { Identity, IdentityHeaders } from './headers.ts'
import type { Lookups, Told } from './lookups.ts'
import type { Credential, MethodName } from './methods/method.ts'
import type { Occasion } from './occasion.ts'
import type { Proof } from './proof.ts'
import { isTransient, Refusal } from './refusal.ts'
import type { fields as requests } from './relying_party.ts'
import type { SessionData } from './session/data.ts'
import type { Held, Line, Tokens, TokenSet } from './tokens.ts'
import {
  type Expected,
  fields as verification,
  isOfSameUser,
  judgeSameToken,
  parseJws,
  timeOf,
  type Verification,
  type Verified,
} from './verify.ts'

export const fields = {
  introspect_jwt_tokens: boolean(
    'Whether the provider is asked about JWTs too, which may have been revoked.',
    { default: false },
  ),
  search_user_info: boolean('Whether claims are looked for in the user info too.', {
    default: false,
  }),
  jwt_session_cookie: string(
    'The cookie that has to say the same as a claim of a bearer token: `jwt_session_claim`.',
  ),
  jwt_session_claim: string('The claim that `jwt_session_cookie` has to repeat.', {
    default: 'sid',
  }),
  reverify: boolean('Whether the tokens of a session are verified for each request.', {
    default: false,
  }),
}

type Settings = Config<
  typeof fields &
    typeof authorization &
    typeof verification &
    typeof consumers &
    Pick<typeof authentication, 'auth_methods'> &
    Pick<typeof requests, 'scopes'> &
    Pick<typeof discoveries, 'cache_ttl'> &
    Pick<typeof exchange, 'cache_token_exchange'>
>

interface Parts {
  readonly verification: Verification
  readonly clients: Clients
  readonly exchanges: Exchanges
  readonly tokens: Tokens
  readonly lookups: Lookups
  readonly headers: IdentityHeaders
  readonly gateway: Pick<Gateway, 'cache' | 'consumers' | 'keep' | 'now'>
  /** Whether what a proof was made of is kept with it, for sessions and logins. */
  readonly keepsIdentity: boolean
}

/** Finds out what a credential is worth. All throw `Refusal` for one that is worth nothing. */
export interface Prover {
  /** An access token that a request carries, and the ID token that came beside it. */
  accessToken(token: string, id_token: string | undefined, occasion: Occasion): Promise<Proof>
  grant(method: GrantMethod, credential: Credential, occasion: Occasion): Promise<Proof>
  /** New tokens for a session, by its refresh token; the ID token stays, if none came with them. */
  renewed(data: SessionData, refresh_token: string, occasion: Occasion): Promise<Proof>
  /** The tokens that a login gave. */
  login(held: Held, expected: LoginExpectations, occasion: Occasion): Promise<Proof>
  /** The tokens that a session keeps: they were verified when it began. */
  session(data: SessionData, occasion: Occasion): Promise<Proof>
}

export type GrantMethod = 'password' | 'client_credentials' | 'refresh_token'

/** What the ID token of a login has to say. */
export interface LoginExpectations {
  readonly nonce: string | undefined
  /** The authorization code. */
  readonly code?: string
}

/** What a proof is made of. */
interface Evidence {
  readonly method: MethodName
  /** The method that began a session. */
  readonly origin?: MethodName
  readonly access?: Verified
  readonly id?: Verified | undefined
  readonly refresh_token?: string | undefined
  readonly introspection?: Told | undefined
  readonly userInfo?: Told | undefined
  readonly owner?: AccessTokenOwner
  readonly set?: TokenSet
  readonly line?: Line
  /** What the client's own token is bound to, where that was exchanged for another. */
  readonly cnf?: unknown
  /** Milliseconds since the epoch. */
  readonly ends: number
}

export function createProver(config: Settings, parts: Parts): Prover {
  const { clients, exchanges, tokens, lookups, headers, gateway } = parts
  const { verifier, resolve, users } = parts.verification
  const { leeway, cache_ttl, verify_claims, auth_methods } = config
  const authorize = createAuthorize(config)
  const seconds = () => gateway.now() / 1000
  const given = oauth2Tokens(gateway)
  const needsUserInfo = config.search_user_info || headers.tellsUserInfo
  const isSigned = (method: MethodName) =>
    config.verify_signature && !(config.ignore_signature as readonly string[]).includes(method)

  async function verify(
    token: string,
    expected: Expected,
    isSigned: boolean,
    { client }: Occasion,
  ): Promise<Verified> {
    const verified = await verifier.verify(token, expected, isSigned, client)
    // A token that anybody could have written must not say what is fetched.
    return isSigned ? { ...verified, ...(await resolve(verified.claims)) } : verified
  }

  /**
   * An ID token that a caller sent beside an access token, made for any of the gateway's clients and of the same user:
   * its claims are searched with those of the access token. `told` is what is known of that.
   */
  async function verifyPresented(
    id_token: string | undefined,
    access_token: string,
    told: readonly (Claims | undefined)[],
    occasion: Occasion,
  ): Promise<Verified | undefined> {
    if (id_token === undefined) return undefined
    const audience = clients.all.length > 0 ? clients.all.map((each) => each.client_id) : undefined
    const expected = { kind: 'id token', strict: true, audience, access_token } as const
    const id = await verify(id_token, expected, isSigned('bearer'), occasion)
    for (const { sub } of present(told)) {
      if (sub !== undefined && sub !== id.claims.sub)
        throw new Refusal('invalid_token', 'the id token is of another user than the access token')
    }
    return id
  }

  /** A token that somebody else has found good. */
  async function take(token: string): Promise<Verified> {
    return { token, claims: await verifier.read(token), keys: undefined, jwk: undefined }
  }

  /** A token that came from the provider itself: what is opaque is for others to judge. */
  async function verifyGiven(
    token: string,
    method: MethodName,
    occasion: Occasion,
  ): Promise<Verified> {
    if (!(await verifier.isReadable(token))) return unread(token)
    const expected = { kind: 'access token', strict: false } as const
    return verify(token, expected, isSigned(method), occasion)
  }

  async function proveBearer(
    token: string,
    id_token: string | undefined,
    occasion: Occasion,
  ): Promise<Proof> {
    const expected = { kind: 'access token', strict: true } as const
    const access = await verify(token, expected, isSigned('bearer'), occasion)
    const introspection = config.introspect_jwt_tokens
      ? await lookups.introspect(token, occasion)
      : undefined
    if (introspection) judgeSameToken(introspection.claims, access.claims)
    const known = [access.claims, introspection?.claims]
    const id = await verifyPresented(id_token, token, known, occasion)
    const ends = Math.min(endOf(access.claims), gateway.now() + cache_ttl * 1000)
    return conclude({ method: 'bearer', access, id, introspection, ends }, occasion)
  }

  /** A token of another issuer, or for another audience, for which the provider gives one of its own (RFC 8693). */
  async function proveExchanged(
    presented: string,
    id_token: string | undefined,
    occasion: Occasion,
  ): Promise<Proof> {
    const { answer, ttl } = await exchanges.exchange(presented, occasion.asker('token'))
    const access = await verifyGiven(answer.access_token, 'bearer', occasion)
    const id = await verifyPresented(id_token, presented, [access.claims], occasion)
    const ends = Math.min(endOf(access.claims), ttl > 0 ? gateway.now() + ttl * 1000 : 0)
    const { cnf } = parseJws(presented).claims
    return conclude({ method: 'bearer', access, id, cnf, ends }, occasion)
  }

  /** When a token is over by its own words. */
  function endOf(claims: Claims): number {
    if (!verify_claims) return Infinity
    return ((timeOf(claims, 'exp') ?? Infinity) + leeway) * 1000
  }

  const asksProvider = (['introspection', 'userinfo'] as const).filter((method) =>
    auth_methods.includes(method),
  )

  async function proveByProvider(
    method: (typeof asksProvider)[number],
    token: string,
    id_token: string | undefined,
    occasion: Occasion,
  ): Promise<Proof> {
    const asked =
      method === 'introspection'
        ? await lookups.introspect(token, occasion)
        : await lookups.userInfo(token, occasion)
    const told = method === 'introspection' ? { introspection: asked } : { userInfo: asked }
    const access = await take(token)
    const id = await verifyPresented(id_token, token, [access.claims, asked.claims], occasion)
    return conclude({ method, access, id, ends: endOf(access.claims), ...told }, occasion)
  }

  /** A token that the oauth2 plugin gave: looked up each time, since it may be taken back. */
  function proveOwned(
    token: string,
    occasion: Occasion,
    method: MethodName = 'kong_oauth2',
  ): Promise<Proof> | undefined {
    if (!auth_methods.includes('kong_oauth2')) return undefined
    const owner = given.find(token)
    if (!owner) return undefined
    const { created_at, expires_in, scope, authenticated_userid } = owner.token
    const exp = expires_in > 0 ? created_at + expires_in : Infinity
    if (exp <= seconds())
      throw new Refusal('token_expired', 'the token of the oauth2 plugin is over')
    const claims = {
      ...(scope && { scope }),
      ...(authenticated_userid && { sub: authenticated_userid }),
    }
    const access = { ...unread(token), claims }
    return conclude({ method, origin: 'kong_oauth2', access, owner, ends: 0 }, occasion)
  }

  async function proveGrant(
    method: GrantMethod,
    credential: Credential,
    occasion: Occasion,
    id_token?: string,
  ): Promise<Proof> {
    const prove = async (held: Held) => {
      if (id_token !== undefined && held.set.id_token !== undefined)
        await judgeSameUser(id_token, held.set.id_token)
      const own = occasion.client?.client_id
      const audience = method === 'client_credentials' ? credential.name || undefined : own
      const set = { ...held.set, id_token: held.set.id_token ?? id_token }
      const tokens = id_token === undefined ? held : { ...held, set }
      return proveTokens(method, tokens, { audience, nonce: undefined }, occasion)
    }
    const held = await tokens.redeem(method, credential, occasion)
    try {
      return await prove(held)
    } catch (error) {
      if (isTransient(error)) throw error
      // What does not verify now never will. If it was kept, the provider may have changed its keys since then.
      tokens.spoil(held)
      if (!held.isCached) throw error
    }
    const fresh = await tokens.redeem(method, credential, occasion)
    return prove(fresh).catch((error: unknown) => {
      if (!isTransient(error)) tokens.spoil(fresh)
      throw error
    })
  }

  /** OpenID Connect Core §12.2: whose ID token it is never changes. Throws `Refusal`. */
  async function judgeSameUser(before: string, since: string): Promise<void> {
    const [old, fresh] = [await verifier.read(before), await verifier.read(since)]
    if (old.iss === fresh.iss && old.sub === fresh.sub) return
    throw new Refusal('invalid_token', 'the new id token is of another user')
  }

  async function proveTokens(
    method: GrantMethod | 'authorization_code',
    { set, line, isCached }: Held,
    expected: LoginExpectations & { audience: string | undefined },
    occasion: Occasion,
  ): Promise<Proof> {
    const { access_token, id_token, refresh_token } = set
    const access = await verifyGiven(access_token, method, occasion)
    const isKept = isCached || !set.isIdTokenNew
    const id =
      id_token === undefined
        ? undefined
        : await verify(
            id_token,
            {
              kind: 'id token',
              strict: true,
              isKept,
              // It tells of the access token that it came with.
              ...(set.isIdTokenNew && { access_token }),
              ...expected,
            },
            isSigned(method),
            occasion,
          )
    const ends = Math.min(set.ends - leeway * 1000, endOf(access.claims))
    return conclude({ method, access, id, refresh_token, set, line, ends }, occasion)
  }

  /** A token of a session: it was verified when that began. */
  async function reopen(token: string): Promise<Verified> {
    const taken = await take(token)
    return isSigned('session') ? { ...taken, ...(await resolve(taken.claims)) } : taken
  }

  async function proveSession(data: SessionData, occasion: Occasion): Promise<Proof> {
    const { access_token, id_token, refresh_token, introspection, user_info } = data
    const origin = data.method as MethodName
    if (origin === 'kong_oauth2') {
      const owned = proveOwned(access_token ?? '', occasion, 'session')
      return owned ?? Promise.reject(new Refusal('invalid_token', UNKNOWN))
    }
    const ends = data.expires ?? gateway.now() + cache_ttl * 1000
    const told = (claims: Claims | undefined, jwt: string | undefined): Told | undefined =>
      claims && { claims, jwt, ends }
    const open = async (
      token: string | undefined,
      kind: Expected['kind'],
      jwk: object | undefined,
    ): Promise<Verified | undefined> => {
      if (token === undefined) return undefined
      if (!config.reverify || !(await verifier.isReadable(token)))
        return { ...(await reopen(token)), jwk: jwk as Verified['jwk'] }
      const expected = { kind, strict: false, isKept: kind === 'id token' }
      return verify(token, expected, isSigned('session'), occasion)
    }
    const access = await open(access_token, 'access token', data.access_token_jwk)
    const id = await open(id_token, 'id token', data.id_token_jwk)
    return conclude(
      {
        method: 'session',
        origin,
        ...(access && { access }),
        id,
        refresh_token,
        introspection: told(introspection, data.introspection_jwt),
        userInfo: told(user_info, data.user_info_jwt),
        ends,
      },
      occasion,
    )
  }

  /** Asks for the user info, where it is to be told or searched. A caller without one is no worse for it. */
  async function userInfoFor(evidence: Evidence, occasion: Occasion): Promise<Told | undefined> {
    const { access, userInfo, owner } = evidence
    // The provider knows nothing of what the oauth2 plugin gave, and is not to have it.
    if (userInfo || !access || !needsUserInfo || owner) return userInfo
    try {
      return await lookups.userInfo(access.token, occasion)
    } catch (error) {
      if (isTransient(error)) throw error
      return undefined
    }
  }

  async function conclude(evidence: Evidence, occasion: Occasion): Promise<Proof> {
    const { method, origin = method, access, id, introspection, set, line } = evidence
    const userInfo = await userInfoFor(evidence, occasion)
    const searched = config.search_user_info || origin === 'userinfo' ? userInfo?.claims : undefined
    const claims = present([introspection?.claims, access?.claims, id?.claims, searched])
    if (id && userInfo && !isOfSameUser(userInfo.claims, id.claims))
      throw new Refusal('invalid_token', 'the user info is of another user than the id token')
    const until = verify_claims ? users.judge(claims, seconds()) * 1000 : undefined
    const identity: Identity = {
      access_token: access?.token,
      access_token_jwk: access?.jwk,
      id_token: id?.token,
      id_token_jwk: id?.jwk,
      refresh_token: evidence.refresh_token,
      introspection: introspection?.claims,
      introspection_jwt: introspection?.jwt,
      user_info: userInfo?.claims,
      user_info_jwt: userInfo?.jwt,
      claims,
    }
    // What the provider says of a token, and what the token says; its user's claims where there is nothing else.
    const ofToken = present([introspection?.claims, access?.claims])
    const judged = origin === 'userinfo' ? claims : ofToken
    const exchanged =
      access && exchanges.legacy && (await exchanges.legacy(access.token, occasion.asker('token')))
    const sent = exchanged === undefined ? identity : { ...identity, access_token: exchanged }
    const isForOnce = exchanged !== undefined && !config.cache_token_exchange
    const named = present([access?.claims, id?.claims, introspection?.claims, searched])
    const names = namesIn(named, claims, config, evidence.owner)
    const value = names.groups && groupsValue(names.groups)
    const told = value === undefined ? [] : [['X-Authenticated-Groups', value] as const]
    const asked = [introspection?.ends, userInfo?.ends, isForOnce ? 0 : undefined]
    const ends = [evidence.ends, until, access?.ends, id?.ends, ...asked]
    return {
      method,
      origin,
      expires: earliest(set?.expires, expiryOf(ofToken)),
      ends: Math.min(...ends.filter((each) => each !== undefined)),
      keys: access?.keys ?? id?.keys,
      set,
      line,
      refusal: authorize(judged),
      names,
      cnf:
        'cnf' in evidence
          ? evidence.cnf
          : ofToken.map(({ cnf }) => cnf).find((cnf) => cnf !== undefined && cnf !== null),
      session: sessionOf(ofToken),
      upstream: HeaderList.of([...headers.upstream(sent), ...told]),
      downstream: headers.downstream(sent),
      identity: parts.keepsIdentity ? identity : undefined,
    }
  }

  function sessionOf(claims: readonly Claims[]): string | undefined {
    if (config.jwt_session_cookie === undefined) return undefined
    const found = claims.map((each) => findClaim(each, [config.jwt_session_claim]))
    const value = found.find((each) => each !== undefined)
    return typeof value === 'string' ? value : undefined
  }

  return {
    async accessToken(token, id_token, occasion) {
      const isBearer = auth_methods.includes('bearer') && (await verifier.isReadable(token))
      if (isBearer && exchanges.isFor(token)) return proveExchanged(token, id_token, occasion)
      if (isBearer) return proveBearer(token, id_token, occasion)
      const owned = proveOwned(token, occasion)
      if (owned) return owned
      // Where nobody else can know it, it says itself what is wrong with it.
      if (asksProvider.length === 0 && auth_methods.includes('bearer'))
        return proveBearer(token, id_token, occasion)
      let refusal = new Refusal('invalid_token', UNKNOWN)
      for (const method of asksProvider) {
        try {
          return await proveByProvider(method, token, id_token, occasion)
        } catch (error) {
          if (isTransient(error) || !(error instanceof Refusal)) throw error
          refusal = error
        }
      }
      throw refusal
    },
    grant: (method, credential, occasion) => proveGrant(method, credential, occasion),
    renewed: ({ id_token }, secret, occasion) =>
      proveGrant('refresh_token', { name: '', secret }, occasion, id_token),
    async login(held, expected, occasion) {
      // OpenID Connect Core §3.1.3.3; the nonce that binds the answer to this login stands in it.
      if (held.set.id_token === undefined && config.scopes?.includes('openid'))
        throw new Refusal('invalid_token', 'the provider gave no ID token, though asked for openid')
      const audience = occasion.client?.client_id
      return proveTokens('authorization_code', held, { ...expected, audience }, occasion)
    },
    session: proveSession,
  }
}

const UNKNOWN = 'the oauth2 plugin has not given this token'

function present(claims: readonly (Claims | undefined)[]): readonly Claims[] {
  return claims.filter((each) => each !== undefined)
}

/** When a token is over by what is said of it; milliseconds since the epoch. */
function expiryOf(claims: readonly Claims[]): number | undefined {
  const exp = claims.map((each) => timeOf(each, 'exp')).find((time) => time !== undefined)
  return exp === undefined ? undefined : exp * 1000
}

/** What the provider says of a token and what the token says need not agree: times have whole seconds. */
function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** A token of which nothing is known. */
function unread(token: string): Verified {
  return { token, claims: {}, keys: undefined, jwk: undefined }
}
