import { createSecretKey } from 'node:crypto'
import { isSigned } from '../../signature.ts'
import { Refusal } from '../refusal.ts'
import { SYMMETRIC } from './algorithms.ts'
import { parseObject } from './compact.ts'
import type { Jws } from './jws.ts'
import { findKeys, type KeySet, type PublicJwk } from './keys.ts'

/**
 * Checks the signature with a provider's keys, or with the client secret where that is allowed; gives the key that has
 * signed, if it is public. (`node:crypto` does it at once: a verification by Web Cryptography waits for another thread,
 * which costs more than the verification.) Throws `Refusal`.
 */
export function verifySignature(
  { token, alg }: Pick<Jws, 'token' | 'alg'>,
  keys: KeySet,
  secret: string | undefined,
): PublicJwk | undefined {
  const end = token.lastIndexOf('.')
  const input = token.slice(0, end)
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  if (SYMMETRIC.includes(alg)) {
    verifyMac(alg, input, signature, secret)
    return undefined
  }
  const header = parseObject(token.slice(0, token.indexOf('.'))) ?? {}
  const found = findKeys(keys, alg, header)
  // The key was chosen for the algorithm: its type, its curve and its own `alg` fit.
  const name = alg === 'Ed25519' ? 'EdDSA' : alg
  const signer = found.find(({ key }) => isSigned(name, key, input, signature))
  if (signer) return signer.jwk
  if (found.length > 0)
    throw new Refusal('invalid_signature', 'the signature does not fit the token')
  const fault = typeof header.kid === 'string' ? keys.unusable.get(header.kid) : undefined
  const why = fault === undefined ? '' : `; that of its kid cannot be used: ${fault}`
  throw new Refusal('invalid_signature', `the provider has no key that fits the token${why}`)
}

function verifyMac(
  alg: string,
  input: string,
  signature: Buffer,
  secret: string | undefined,
): void {
  // A secret of one character is Kong's idiom for a client that has none, and a key in PEM is no secret (RFC 8725 §2.1).
  if (secret === undefined || secret.length < 2 || secret.includes('-----BEGIN '))
    throw new Refusal('invalid_token', `the algorithm "${alg}" is not allowed`)
  if (!isSigned(alg, createSecretKey(Buffer.from(secret)), input, signature))
    throw new Refusal('invalid_signature', 'the signature does not fit the token')
}
