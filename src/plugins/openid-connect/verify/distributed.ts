import { isRecord } from '../../../schema/check.ts'
import { boolean, type Config } from '../../../schema/field.ts'
import type { Gateway } from '../../../pdk.ts'
import type { Claims } from '../claims.ts'
import type { Discovery } from '../discovery.ts'
import { hashOfAll } from '../hash.ts'
import { Refusal } from '../refusal.ts'
import type { Transport } from '../transport.ts'
import { isSameIssuer, judgeClaims, judgeIssuer, timeOf } from './judgement.ts'
import { type Jws, parseJws } from './jws.ts'
import { verifyWithKeys } from './verifier.ts'

export const fields = {
  resolve_distributed_claims: boolean(
    'Whether claims are fetched that a token says are kept elsewhere, or that it holds in a JWT of somebody else (`_claim_names`, `_claim_sources`).',
    { default: false },
  ),
}

/** Claims that may serve for a time only. */
export interface Resolved {
  readonly claims: Claims
  /** Until when, where others have added to them; milliseconds since the epoch. */
  readonly ends: number | undefined
}

/** Adds to the claims of a token those that it has from others (OpenID Connect Core §5.6.2). */
export type ResolveClaims = (claims: Claims) => Promise<Resolved>

interface Parts {
  readonly discovery: Pick<Discovery, 'load' | 'renew' | 'allowHttp' | 'key'>
  /** The discovery of another issuer. */
  discoveryOf(issuer: string): Pick<Discovery, 'load' | 'renew'>
  readonly transport: Transport
  readonly gateway: Pick<Gateway, 'cache' | 'now' | 'log'>
}

type Settings = Config<typeof fields> & {
  readonly issuer: string
  readonly leeway: number
  readonly cache_ttl: number
  readonly issuers_allowed?: readonly string[] | undefined
}

/** More than any token has; each may be a call. */
const MAX_SOURCES = 8

/** Seconds after which a source that failed is asked again. */
const RETRY_AFTER = 5

/** What the sources of a token gave. */
interface Found {
  readonly claims: Claims
  /** Milliseconds since the epoch. */
  readonly ends: number
}

/** What a token says of itself, and no other may say of it. */
const OWN: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'azp', 'exp', 'nbf', 'iat', 'jti', 'sid', 'typ', 'nonce', 'at_hash'],
  ...['c_hash', 's_hash', 'auth_time', 'acr', 'amr', 'cnf', 'active', 'client_id', 'scope'],
  ...['_claim_names', '_claim_sources', '__proto__'],
])

/**
 * Prepares the resolution of claims. What cannot be resolved is missing, and warned about: a token without an optional
 * claim is still good, and a requirement of that claim is not met.
 */
export function createResolveClaims(config: Settings, parts: Parts): ResolveClaims {
  const { discovery, discoveryOf, transport, gateway } = parts
  if (!config.resolve_distributed_claims) return async (claims) => ({ claims, ends: undefined })

  /** Verifies with the keys of the issuer. `sub` is the user of the token. Throws `Refusal`. */
  async function verify(jws: Jws, iss: string, sub: unknown): Promise<void> {
    const provider = await discovery.load()
    const own = [provider.metadata.issuer, ...(config.issuers_allowed ?? [])]
    if (own.some((issuer) => isSameIssuer(issuer, iss))) {
      // OpenID Connect Core §5.6.2: another issuer knows the user by another name, and the same one by the same.
      if (sub !== undefined && jws.claims.sub !== undefined && jws.claims.sub !== sub)
        throw new Refusal('invalid_token', 'the claims are of another user')
      await verifyWithKeys(jws, discovery, provider)
      return
    }
    judgeUrl(iss)
    const other = discoveryOf(iss)
    const issuer = await other.load()
    judgeIssuer(iss, [issuer.metadata.issuer], 'claims')
    await verifyWithKeys(jws, other, issuer)
  }

  function judgeUrl(text: string): URL {
    const url = URL.parse(text)
    const isAllowed =
      url?.protocol === 'https:' || (discovery.allowHttp && url?.protocol === 'http:')
    if (url && isAllowed && url.username === '' && url.password === '') return url
    throw new Refusal('provider_invalid_response', 'a claim source is no https URL')
  }

  async function fetchClaims(endpoint: string, access_token: unknown): Promise<string> {
    const headers = new Headers({ accept: 'application/jwt' })
    // What could break out of the header is no token (RFC 6750 §2.1).
    if (typeof access_token === 'string' && /^[\x21-\x7e]+$/.test(access_token))
      headers.set('authorization', `Bearer ${access_token}`)
    const answer = await transport(judgeUrl(endpoint), { method: 'GET', headers })
    if (answer.status === 200) return (await answer.text()).trim()
    throw new Refusal('provider_invalid_response', `a claim source answered ${answer.status}`)
  }

  /** The claims of one source, verified. Throws. */
  async function claimsOf(source: unknown, sub: unknown): Promise<Claims> {
    const { JWT, endpoint, access_token } = isRecord(source) ? source : {}
    let jwt = JWT
    if (jwt === undefined && typeof endpoint === 'string')
      jwt = await fetchClaims(endpoint, access_token)
    if (typeof jwt !== 'string')
      throw new Refusal('provider_invalid_response', 'a claim source has neither JWT nor endpoint')
    const jws = parseJws(jwt, 'claims')
    const { iss } = jws.claims
    if (typeof iss !== 'string') throw new Refusal('invalid_issuer')
    const { leeway } = config
    const now = gateway.now() / 1000
    judgeClaims(jws.claims, { kind: 'claims', issuers: [iss], leeway, now, strict: false })
    await verify(jws, iss, sub)
    return jws.claims
  }

  async function resolve(
    name: string,
    source: unknown,
    wanted: readonly string[],
    sub: unknown,
  ): Promise<Found> {
    try {
      const claims = await claimsOf(source, sub)
      const found = wanted.filter((claim) => Object.hasOwn(claims, claim))
      const exp = timeOf(claims, 'exp') ?? Infinity
      return {
        claims: Object.fromEntries(found.map((claim) => [claim, claims[claim]])),
        ends: (exp + config.leeway) * 1000,
      }
    } catch (cause) {
      const claims = wanted.join(', ')
      gateway.log.warn(`openid-connect: the claims ${claims} could not be resolved`, {
        code: 'claims_not_resolved',
        source: name,
        cause: cause instanceof Refusal ? cause.message : 'the source could not be asked',
      })
      return { claims: {}, ends: gateway.now() + RETRY_AFTER * 1000 }
    }
  }

  /** All that a token has from others. */
  async function resolveAll(claims: Claims, names: Claims, sources: Claims): Promise<Found> {
    const wanted = new Map<string, string[]>()
    for (const [claim, source] of Object.entries(names)) {
      if (typeof source !== 'string' || !Object.hasOwn(sources, source)) continue
      // What the token says itself counts.
      if (OWN.has(claim) || Object.hasOwn(claims, claim)) continue
      wanted.set(source, [...(wanted.get(source) ?? []), claim])
    }
    const asked = [...wanted].slice(0, MAX_SOURCES)
    const found = await Promise.all(
      asked.map(([name, wanted]) => resolve(name, sources[name], wanted, claims.sub)),
    )
    return {
      claims: Object.assign({}, ...found.map((each) => each.claims)) as Claims,
      ends: Math.min(gateway.now() + config.cache_ttl * 1000, ...found.map(({ ends }) => ends)),
    }
  }

  const kept = gateway.cache<Found>('oidc:claims')
  const trust = JSON.stringify([discovery.key, config.issuers_allowed, config.leeway])

  return async (claims) => {
    const { _claim_names: names, _claim_sources: sources } = claims
    if (!isRecord(names) || !isRecord(sources)) return { claims, ends: undefined }
    const key = hashOfAll(trust, JSON.stringify([claims.sub, names, sources]))
    const known = kept.get(key)
    const isGood = known && known.ends > gateway.now()
    const found = isGood
      ? known
      : await kept.once(key, async () => {
          const found = await resolveAll(claims, names, sources)
          kept.set(key, found, (found.ends - gateway.now()) / 1000, JSON.stringify(found).length)
          return found
        })
    return { claims: { ...found.claims, ...claims }, ends: found.ends }
  }
}
