import { createHash } from 'node:crypto'
import { Refusal } from '../refusal.ts'
import { hashOfAlgorithm } from './algorithms.ts'
import { isSameText } from './compact.ts'
import type { Jws } from './jws.ts'

/** What came together with an ID token. */
export interface Companions {
  readonly access_token?: string | undefined
  /** The authorization code. */
  readonly code?: string | undefined
}

/**
 * Judges whether an ID token belongs to what came with it (OpenID Connect Core §3.1.3.6, §3.3.2.11): its `at_hash` and
 * `c_hash`, where it has them. Throws `Refusal`.
 */
export function judgeHashes(
  { alg, claims: { at_hash, c_hash } }: Pick<Jws, 'alg' | 'claims'>,
  { access_token, code }: Companions,
): void {
  const fits = (claim: unknown, of: string | undefined) =>
    claim === undefined || of === undefined || isSameText(claim, leftHalf(alg, of))
  if (!fits(at_hash, access_token))
    throw new Refusal('invalid_token', 'invalid at_hash claim was specified for id token')
  if (!fits(c_hash, code))
    throw new Refusal('invalid_token', 'invalid c_hash claim was specified for id token')
}

/** The left half of a text's hash, by the hash of the algorithm that has signed. */
function leftHalf(alg: string, text: string): string {
  const hash = createHash(hashOfAlgorithm(alg)).update(text).digest()
  return hash.subarray(0, hash.length / 2).toString('base64url')
}
