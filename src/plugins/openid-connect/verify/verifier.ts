import type { Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import type { Claims } from '../claims.ts'
import type { Client } from '../clients.ts'
import type { Discovery, Provider } from '../discovery.ts'
import type { fields as endpoints } from '../endpoints.ts'
import { issuersOf } from '../issuer.ts'
import { Refusal } from '../refusal.ts'
import type { fields as verification } from '../verify.ts'
import { type Companions, judgeHashes } from './hashes.ts'
import { type Decrypt, looksLikeJwe } from './jwe.ts'
import { type Expectations, judgeClaims, judgeIssuer, judgeNonce } from './judgement.ts'
import { type Jws, looksLikeJws, parseJws } from './jws.ts'
import type { KeySet, PublicJwk } from './keys.ts'
import { verifySignature } from './signature.ts'

/** What a token of one kind has to be. */
export interface Expected
  extends Pick<Expectations, 'kind' | 'strict' | 'audience' | 'nonce' | 'isKept'>, Companions {}

/** A token that is good, as far as it was asked. */
export interface Verified {
  /** As it came: if it was encrypted, so is this. */
  readonly token: string
  readonly claims: Claims
  /** The keys that verified the signature, if it was asked for. */
  readonly keys: KeySet | undefined
  /** The one that has signed, if it is public. */
  readonly jwk: PublicJwk | undefined
  /** Until when its claims hold, if those of others are among them; milliseconds since the epoch. */
  readonly ends?: number | undefined
}

/** Verifies tokens of the provider, signed ones and encrypted ones. */
export interface Verifier {
  /** Whether a text is a JWT that can be read: a JWS, or a JWE for one of the gateway's keys. All else is opaque. */
  isReadable(token: string): Promise<boolean>
  /** What a JWT says of itself, unproved, where somebody else has found it good; nothing for what is opaque. */
  read(token: string): Promise<Claims>
  /**
   * Verifies a JWT; asks for newer keys once if none of the known ones has signed it. With `isSigned` false its
   * signature counts for nothing. Throws `Refusal`.
   */
  verify(
    token: string,
    expected: Expected,
    isSigned: boolean,
    client: Pick<Client, 'client_secret'> | undefined,
  ): Promise<Verified>
}

type Settings = Config<
  Pick<
    typeof verification,
    'verify_claims' | 'issuers_allowed' | 'leeway' | 'enable_hs_signatures'
  > &
    Pick<typeof endpoints, 'authorization_endpoint'>
>

export function createVerifier(
  config: Settings,
  discovery: Pick<Discovery, 'load' | 'renew' | 'verified'>,
  decrypt: Decrypt,
  gateway: Pick<Gateway, 'now'>,
): Verifier {
  const { verify_claims, issuers_allowed, leeway } = config

  /** The JWS that a token is or holds; the text itself for all else. */
  async function signedText(token: string): Promise<string> {
    return (looksLikeJwe(token) ? await decrypt(token) : undefined) ?? token
  }

  /** Judges the claims as far as the configuration asks for it. Throws `Refusal`. */
  function judge(jws: Jws, provider: Provider | undefined, expected: Expected): void {
    const { claims } = jws
    const issuers =
      issuers_allowed ??
      (provider ? issuersOf(provider.metadata.issuer, config.authorization_endpoint) : [])
    if (verify_claims) {
      judgeClaims(claims, { ...expected, issuers, leeway, now: gateway.now() / 1000 })
      judgeHashes(jws, expected)
      return
    }
    // Neither the issuers that are allowed nor the nonce are standard checks: they count without `verify_claims` too.
    if (issuers_allowed) judgeIssuer(claims.iss, issuers, expected.kind)
    if (expected.nonce !== undefined) judgeNonce(claims, expected.nonce, expected.kind)
  }

  return {
    isReadable: async (token) => looksLikeJws(await signedText(token)),

    async read(token) {
      const text = await signedText(token)
      return looksLikeJws(text) ? parseJws(text).claims : {}
    },

    async verify(token, expected, isSigned, client) {
      const jws = parseJws(await signedText(token), expected.kind)
      const { claims } = jws
      const needsProvider = isSigned || (verify_claims && !issuers_allowed)
      const provider = needsProvider ? await discovery.load() : undefined
      // Before the signature, so that a token which is no good anyway cannot make the gateway look for keys.
      judge(jws, provider, expected)
      if (!isSigned || !provider) return { token, claims, keys: undefined, jwk: undefined }
      const secret = signatureSecret(config, client?.client_secret)
      const { keys, jwk } = await verifyWithKeys(jws, discovery, provider, secret)
      return { token, claims, keys, jwk }
    },
  }
}

/** Verifies with the keys of a provider; asks for newer ones once if none of them fits. Throws `Refusal`. */
export async function verifyWithKeys(
  jws: Jws,
  discovery: Pick<Discovery, 'renew' | 'verified'>,
  provider: Provider,
  secret?: string,
): Promise<{ readonly keys: KeySet; readonly jwk: PublicJwk | undefined }> {
  try {
    const jwk = verifySignature(jws, provider.keys, secret)
    discovery.verified?.()
    return { keys: provider.keys, jwk }
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'invalid_signature') throw error
    const { keys } = await discovery.renew(provider)
    if (keys === provider.keys) throw error
    return { keys, jwk: verifySignature(jws, keys, secret) }
  }
}

/** The secret with which tokens may be signed, if the configuration allows any. */
export function signatureSecret(
  config: Config<Pick<typeof verification, 'enable_hs_signatures'>>,
  client_secret: string | undefined,
): string | undefined {
  return config.enable_hs_signatures ? client_secret : undefined
}
