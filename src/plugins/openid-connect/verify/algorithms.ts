/** What a key has to be for an algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). */
export interface Algorithm {
  readonly kty: 'RSA' | 'EC' | 'OKP'
  readonly crv?: string
}

/**
 * The algorithms with a public key. `EdDSA` is that of Ed25519 alone: neither of the two libraries of cryptography that
 * there are in this runtime knows Ed448.
 */
export const ASYMMETRIC: Readonly<Record<string, Algorithm>> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
}

/** The algorithms with the client secret. */
export const SYMMETRIC: readonly string[] = ['HS256', 'HS384', 'HS512']

/** Whether two names are those of one algorithm: `EdDSA` has a newer name for each curve. */
export function isSameAlgorithm(one: string, other: string): boolean {
  return one === other || (isOfEd25519(one) && isOfEd25519(other))
}

function isOfEd25519(name: string): boolean {
  return name === 'EdDSA' || name === 'Ed25519'
}

/** The hash of an algorithm, by OpenSSL's name; that of Ed25519 is the one in its signature. */
export function hashOfAlgorithm(name: string): string {
  return isOfEd25519(name) ? 'sha512' : `sha${name.slice(2)}`
}
