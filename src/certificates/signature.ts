import { type KeyObject, verify, type X509Certificate } from 'node:crypto'
import { DerReader, oid, TAG } from './der.ts'

/** The hash of each way to sign; none for EdDSA, which has its own. SHA-1 is broken, so that no such signature counts. */
const HASHES: ReadonlyMap<string, string | null> = new Map([
  [oid('1.2.840.113549.1.1.11'), 'sha256'],
  [oid('1.2.840.113549.1.1.12'), 'sha384'],
  [oid('1.2.840.113549.1.1.13'), 'sha512'],
  [oid('1.2.840.10045.4.3.2'), 'sha256'],
  [oid('1.2.840.10045.4.3.3'), 'sha384'],
  [oid('1.2.840.10045.4.3.4'), 'sha512'],
  [oid('1.3.101.112'), null],
])

/** Whether a key has signed these bytes. `algorithm` is an AlgorithmIdentifier, with tag and length. */
export function isSigned(
  data: Buffer,
  signature: Buffer,
  algorithm: Buffer,
  key: KeyObject,
): boolean {
  const id = new DerReader(algorithm).enter().next(TAG.oid).content.toString('hex')
  const hash = HASHES.get(id)
  if (hash === undefined) return false
  try {
    return verify(hash, data, key, signature)
  } catch {
    // A key of another kind has signed nothing.
    return false
  }
}

/** Collisions can be made for these: a signature may then be of another certificate. */
const BROKEN_HASH = /md[245]|sha-?1(?!\d)/i

/** Whether nobody can tell from its signature that an authority meant this very certificate. */
export function hasBrokenHash(certificate: X509Certificate): boolean {
  // Not in the types yet.
  const { signatureAlgorithm = 'md5' } = certificate as { signatureAlgorithm?: string }
  return BROKEN_HASH.test(signatureAlgorithm)
}
