import { HeaderList } from '../../headers.ts'
import type { Gateway } from '../../pdk.ts'
import type { Config } from '../../schema/field.ts'
import { groupsValue } from '../groups.ts'
import { createAuthorize, fields as authorization } from './authorize.ts'
import type { Claims } from './claims.ts'
import { fields as clients, ownClient } from './client.ts'
import { credentialOf, fields as consumers, groupsOf } from './consumer.ts'
import { type Discovery, fields as discoveries, type Provider } from './discovery.ts'
import type { Fields, IdentityHeaders } from './headers.ts'
import type { Credential, MethodName } from './methods/method.ts'
import { isTransient, Refusal } from './refusal.ts'
import { type Held, type Line, sizeOfSet, type Tokens, type TokenSet } from './tokens.ts'
import {
  type Expectations,
  fields as verification,
  judgeClaims,
  judgeIssuer,
  type KeySet,
  looksLikeJws,
  parseJws,
  signatureSecret,
  timeOf,
  verifySignature,
} from './verify.ts'

/** What a credential has proved, with all that its requests need ready to be sent. */
export interface Proof {
  /** Until when it holds; milliseconds since the epoch. */
  readonly ends: number
  /** The keys that verified the tokens, if any did: others may have to be asked again. */
  readonly keys: KeySet | undefined
  /** The tokens, and the line whose newest they were. */
  readonly set: TokenSet | undefined
  readonly line: Line | undefined
  /** Why a known caller may not pass. */
  readonly refusal: Refusal | undefined
  readonly credential: { readonly id: string } | undefined
  readonly groups: readonly string[] | undefined
  readonly upstream: HeaderList
  readonly downstream: Fields
}

/** About how many bytes a proof holds: what the service and the client are sent for it, and its tokens. */
export function sizeOf({ upstream, downstream, set, groups = [] }: Proof): number {
  let size = set ? sizeOfSet(set) : 0
  for (const group of groups) size += group.length
  // A field to the service is kept twice, as its value and as its line.
  for (const { line, value } of upstream.fields) size += line.length + value.length
  for (const [name, value] of downstream) size += name.length + value.length
  return size
}

type Settings = Config<
  typeof authorization &
    typeof verification &
    typeof consumers &
    typeof clients &
    Pick<typeof discoveries, 'cache_ttl'>
>

interface Parts {
  readonly discovery: Discovery
  readonly tokens: Tokens
  readonly headers: IdentityHeaders
  readonly gateway: Pick<Gateway, 'now'>
}

type Expected = Pick<Expectations, 'kind' | 'audience' | 'strict' | 'isKept'>

interface Verified {
  readonly claims: Claims
  /** The keys that verified the signature, if it was asked for. */
  readonly keys: KeySet | undefined
}

/** Finds out what a credential is worth. Throws `Refusal` for one that is worth nothing. */
export type Prove = (method: MethodName, credential: Credential) => Promise<Proof>

export function createProve(config: Settings, parts: Parts): Prove {
  const { discovery, tokens, headers, gateway } = parts
  const { leeway, cache_ttl, verify_claims, issuers_allowed } = config
  const authorize = createAuthorize(config)
  const own = ownClient(config)
  const secret = signatureSecret(config, own?.client_secret)
  const seconds = () => gateway.now() / 1000

  /** Judges the claims as far as the configuration asks for it. Throws `Refusal`. */
  function judge(claims: Claims, provider: Provider | undefined, expected: Expected): void {
    const issuers = issuers_allowed ?? (provider ? [provider.metadata.issuer] : [])
    if (verify_claims) judgeClaims(claims, { ...expected, issuers, leeway, now: seconds() })
    // The issuers that are allowed are no standard check: they count without `verify_claims` too.
    else if (issuers_allowed) judgeIssuer(claims.iss, issuers, expected.kind)
  }

  /** Verifies a JWT; asks for newer keys once if none of the known ones has signed it. Throws `Refusal`. */
  async function verify(token: string, expected: Expected, isSigned: boolean): Promise<Verified> {
    const jws = parseJws(token)
    const { claims } = jws
    const needsProvider = isSigned || (verify_claims && !issuers_allowed)
    const provider = needsProvider ? await discovery.load() : undefined
    // Before the signature, so that a token which is no good anyway cannot make the gateway look for keys.
    judge(claims, provider, expected)
    if (!isSigned || !provider) return { claims, keys: undefined }
    try {
      await verifySignature(jws, provider.keys, secret)
      return { claims, keys: provider.keys }
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'invalid_signature') throw error
      const { keys } = await discovery.renew(provider)
      if (keys === provider.keys) throw error
      await verifySignature(jws, keys, secret)
      return { claims, keys }
    }
  }

  async function proveBearer({ secret: token }: Credential): Promise<Proof> {
    const { claims, keys } = await verify(
      token,
      { kind: 'access token', strict: true },
      config.verify_signature,
    )
    const now = gateway.now()
    const ends = Math.min(endOf(claims), now + cache_ttl * 1000)
    return proofOf({ access_token: token, claims: [claims] }, { ends, keys })
  }

  function endOf(claims: Claims): number {
    if (!verify_claims) return Infinity
    return ((timeOf(claims, 'exp') ?? Infinity) + leeway) * 1000
  }

  async function proveGrant(
    method: Exclude<MethodName, 'bearer'>,
    credential: Credential,
  ): Promise<Proof> {
    const held = await tokens.redeem(method, credential)
    try {
      return await proveTokens(method, credential, held)
    } catch (error) {
      if (isTransient(error)) throw error
      // What does not verify now never will. If it was kept, the provider may have changed its keys since then.
      tokens.spoil(held)
      if (!held.isCached) throw error
    }
    const fresh = await tokens.redeem(method, credential)
    return proveTokens(method, credential, fresh).catch((error: unknown) => {
      if (!isTransient(error)) tokens.spoil(fresh)
      throw error
    })
  }

  async function proveTokens(
    method: Exclude<MethodName, 'bearer'>,
    credential: Credential,
    { set, line, isCached }: Held,
  ): Promise<Proof> {
    const isSigned = config.verify_signature && !config.ignore_signature.includes(method)
    const { access_token, id_token, refresh_token } = set
    // An opaque token is for others to judge: it came from the provider itself.
    const access = looksLikeJws(access_token)
      ? await verify(access_token, { kind: 'access token', strict: false }, isSigned)
      : { claims: {}, keys: undefined }
    const audience = method === 'client_credentials' ? credential.name : own?.client_id
    const isKept = isCached || !set.isIdTokenNew
    const id =
      id_token === undefined
        ? undefined
        : await verify(id_token, { kind: 'id token', strict: true, audience, isKept }, isSigned)
    return proofOf(
      {
        access_token,
        id_token,
        refresh_token,
        claims: id ? [access.claims, id.claims] : [access.claims],
      },
      {
        ends: Math.min(set.ends - leeway * 1000, endOf(access.claims)),
        keys: access.keys ?? id?.keys,
        set,
        line,
      },
    )
  }

  function proofOf(
    identity: {
      access_token: string
      id_token?: string | undefined
      refresh_token?: string | undefined
      claims: readonly [Claims, ...Claims[]]
    },
    rest: { ends: number; keys: KeySet | undefined; set?: TokenSet; line?: Line },
  ): Proof {
    const { claims } = identity
    const whole = { id_token: undefined, refresh_token: undefined, ...identity }
    const groups = groupsOf(config, claims)
    const value = groups && groupsValue(groups)
    const told: Fields = value === undefined ? [] : [['X-Authenticated-Groups', value]]
    return {
      set: undefined,
      line: undefined,
      ...rest,
      refusal: authorize(claims[0]),
      credential: credentialOf(config, claims),
      groups,
      upstream: HeaderList.of([...headers.upstream(whole), ...told]),
      downstream: headers.downstream(whole),
    }
  }

  return (method, credential) =>
    method === 'bearer' ? proveBearer(credential) : proveGrant(method, credential)
}

/** Whether a proof holds still: its tokens are the newest, and its keys are the provider's. */
export function holds(proof: Proof, now: number, provider: Provider | undefined): boolean {
  const { ends, keys, set, line } = proof
  if (ends <= now || (keys !== undefined && provider?.keys !== keys)) return false
  return line === undefined || (line.set === set && line.ended === undefined)
}
