import { createPublicKey, type KeyObject } from 'node:crypto'
import type { JwtSecret } from './jwt_secret.ts'

type Parts = Pick<JwtSecret, 'algorithm' | 'rsa_public_key'>

/** The public key of an algorithm that has one; nothing if there is none, or it is one of another algorithm. */
export function readPublicKey({ algorithm, rsa_public_key }: Parts): KeyObject | undefined {
  const key = rsa_public_key === undefined ? undefined : parse(rsa_public_key)
  return key && fits(key, algorithm) ? key : undefined
}

/** Says why tokens are refused whatever they are, or by something else than was meant; nothing if all is well. */
export function whyUnfit(parts: Parts): string | undefined {
  const { algorithm, rsa_public_key } = parts
  const isSecret = algorithm.startsWith('HS')
  if (rsa_public_key === undefined)
    return isSecret ? undefined : `is not given, and ${algorithm} needs one: each token is refused`
  if (isSecret) return `is not read: tokens are signed with algorithm ${algorithm} and the secret`
  return readPublicKey(parts)
    ? undefined
    : `is no key of ${algorithm}, which takes ${kindOf(algorithm)}: each token is refused`
}

function parse(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem)
  } catch {
    return undefined
  }
}

const CURVES: Readonly<Record<string, readonly [name: string, usual: string]>> = {
  ES256: ['prime256v1', 'P-256'],
  ES384: ['secp384r1', 'P-384'],
  ES512: ['secp521r1', 'P-521'],
}

/** Whether a key is one of that algorithm: RFC 8725 §3.1 wants each to be used with one alone. */
function fits({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, algorithm: string): boolean {
  if (/^[RP]S/.test(algorithm)) return asymmetricKeyType === 'rsa'
  if (algorithm === 'EdDSA') return asymmetricKeyType === 'ed25519'
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === CURVES[algorithm]?.[0]
}

function kindOf(algorithm: string): string {
  if (/^[RP]S/.test(algorithm)) return 'one of RSA'
  return algorithm === 'EdDSA' ? 'one of Ed25519' : `one of ECDSA on ${CURVES[algorithm]?.[1]}`
}
