import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'

const { RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST } = constants

/** Bytes of a signature of ECDSA (RFC 7518 §3.4). */
const LENGTHS: Readonly<Record<string, number>> = { ES256: 64, ES384: 96, ES512: 132 }

/**
 * Whether `signature` is that of `input`. `algorithm` is the key's own, never the token's: else a public key could be
 * taken for a secret (RFC 8725 §3.1).
 */
export function isSigned(
  algorithm: string,
  key: KeyObject,
  input: string,
  signature: Buffer,
): boolean {
  const digest = `sha${algorithm.slice(2)}`
  const data = Buffer.from(input)
  switch (algorithm.slice(0, 2)) {
    case 'HS': {
      const expected = createHmac(digest, key).update(data).digest()
      return expected.length === signature.length && timingSafeEqual(expected, signature)
    }
    case 'RS':
      return verify(digest, data, key, signature)
    case 'PS': {
      const padding = RSA_PKCS1_PSS_PADDING
      const saltLength = RSA_PSS_SALTLEN_DIGEST
      return verify(digest, data, { key, padding, saltLength }, signature)
    }
    case 'ES':
      return (
        signature.length === LENGTHS[algorithm] &&
        verify(digest, data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      )
    default:
      return algorithm === 'EdDSA' && verify(null, data, key, signature)
  }
}
