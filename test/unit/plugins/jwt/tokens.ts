import { type CryptoKey, exportSPKI, generateKeyPair, SignJWT } from 'jose'

/** A consumer's key of one algorithm, and what signs with it. */
export interface Signer {
  readonly algorithm: string
  readonly secret: string
  /** PEM; empty for HMAC. */
  readonly rsa_public_key: string
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
}

export async function createSigner(algorithm: string): Promise<Signer> {
  const secret = 'a secret of thirty-two bytes or more, for HS256; and of sixty-four for HS512'
  const isHmac = algorithm.startsWith('HS')
  const pair = isHmac ? undefined : await generateKeyPair(algorithm, { extractable: true })
  return {
    algorithm,
    secret,
    rsa_public_key: pair ? await exportSPKI(pair.publicKey) : '',
    sign: (claims, header) => sign(algorithm, pair?.privateKey ?? secret, claims, header),
  }
}

/** Signs with anything that the algorithm takes. */
export function sign(
  algorithm: string,
  key: CryptoKey | string | Uint8Array,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, ...header })
    .sign(typeof key === 'string' ? Buffer.from(key) : key)
}

export const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
