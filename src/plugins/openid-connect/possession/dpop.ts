import { createHash } from 'node:crypto'
import type { Awaitable, ClientRequest, Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import type { Additions } from '../additions.ts'
import { andThen } from '../awaitable.ts'
import type { ClusterCache } from '../cluster_cache.ts'
import { hashOfAll } from '../hash.ts'
import { Refusal } from '../refusal.ts'
import { isHash } from './confirmation.ts'
import { broken, type DpopProof, readDpopProof } from './dpop_proof.ts'
import type { fields } from './fields.ts'
import { createNonces } from './nonces.ts'
import { createUseOnce, UsedProofs } from './used_proofs.ts'
import { normalizeTarget, targetOf } from './target.ts'

type Settings = Pick<Config<typeof fields>, 'dpop_use_nonce' | 'dpop_proof_lifetime'> & {
  readonly leeway: number
  readonly issuer: string
  readonly session_secret?: string | undefined
  readonly client_secret?: readonly (string | undefined)[] | undefined
}

export interface DpopParts {
  readonly gateway: Pick<Gateway, 'keep' | 'now' | 'secrets'>
  /** Tells clients of nonces. */
  readonly additions: Pick<Additions, 'add'>
  readonly cluster: Pick<ClusterCache, 'lock'> | undefined
}

/** Checks that a request proves to have the key of that thumbprint, for that token. Gives what stands against it. */
export type CheckDpop = (
  request: ClientRequest,
  token: string,
  jkt: string,
) => Awaitable<Refusal | undefined>

/** From when its nonce was made, or else from when it was, as it says; seconds since the epoch. */
interface Life {
  readonly begins: number
  readonly ends: number
}

/** How far the clock of a client may be ahead in any case; seconds. RFC 9449 §11.1 wants some. */
const AHEAD = 5

/** The checks of RFC 9449 §4.3 and §7.1 for a protected resource. */
export function createCheckDpop(config: Settings, parts: DpopParts): CheckDpop {
  const { gateway, additions, cluster } = parts
  const { dpop_proof_lifetime: lifetime, leeway } = config
  const nonces = config.dpop_use_nonce ? createNonces(config, gateway) : undefined
  const used = gateway.keep('oidc:dpop-proofs', () => new UsedProofs(gateway.now))
  const useOnce = createUseOnce(used, cluster, gateway.now)

  function tellNonce(request: ClientRequest): void {
    // RFC 9449 §8: nobody may keep the answer, and the nonce with it.
    additions.add(request, [
      ['DPoP-Nonce', nonces!.create()],
      ['Cache-Control', 'no-store'],
    ])
  }

  function wantsNonce(request: ClientRequest, why: string): Refusal {
    tellNonce(request)
    return new Refusal('use_dpop_nonce', `the DPoP proof ${why}`)
  }

  /** How long a proof is good. */
  function lifeOf(proof: DpopProof, request: ClientRequest): Life | Refusal {
    const now = gateway.now() / 1000
    if (!nonces) {
      if (proof.iat > now + Math.max(leeway, AHEAD)) return broken('is of a time to come')
      const ends = proof.iat + lifetime + leeway
      return ends > now ? { begins: proof.iat, ends } : broken('is too old')
    }
    if (proof.nonce === undefined) return wantsNonce(request, 'has no nonce')
    const made = nonces.timeOf(proof.nonce)
    if (made === undefined) return wantsNonce(request, 'has a nonce that is none of ours')
    const ends = made + lifetime + leeway
    // Another node's clock may be ahead of ours.
    if (ends <= now || made > now + lifetime)
      return wantsNonce(request, 'has a nonce that is too old')
    // RFC 9449 §8.2: the next one, before the old one is over.
    if (now - made > lifetime / 2) tellNonce(request)
    return { begins: made, ends }
  }

  function judge(
    request: ClientRequest,
    token: string,
    jkt: string,
  ): Awaitable<Refusal | undefined> {
    const sent = request.headers.all('dpop')
    if (sent.length !== 1)
      return sent.length === 0 ? missing(request) : broken('came more than once')
    const proof = readDpopProof(sent[0]!)
    const asked = targetOf(request)
    if (proof.htm !== request.method) return broken('is for another method')
    if (asked === undefined || normalizeTarget(proof.htu) !== asked)
      return broken('is for another address')
    if (proof.ath === undefined || !isHash(proof.ath, sha256(token)))
      return broken('is for another token')
    if (!isHash(jkt, proof.thumbprint)) return new Refusal('dpop_key_mismatch')
    return andThen(proof.isSigned(), (isSigned) =>
      isSigned ? useUp(proof, request) : broken('is not signed with its key'),
    )
  }

  /** A proof is used up last of all: nobody can use up that of another. */
  function useUp(proof: DpopProof, request: ClientRequest): Awaitable<Refusal | undefined> {
    const life = lifeOf(proof, request)
    if (life instanceof Refusal) return life
    const key = hashOfAll(proof.thumbprint.toString('base64url'), proof.jti)
    return andThen(useOnce(key, life.begins, life.ends), (isFirst) =>
      isFirst ? undefined : new Refusal('replayed_dpop_proof'),
    )
  }

  function missing(request: ClientRequest): Refusal {
    if (nonces) tellNonce(request)
    return broken('is missing')
  }

  return (request, token, jkt) => {
    try {
      return judge(request, token, jkt)
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
