import { constants, type SigningOptions } from 'node:crypto'

/** How signatures of one `alg` are checked, and which keys may make them. */
export interface Algorithm {
  readonly kty: 'EC' | 'RSA' | 'OKP'
  readonly crv?: string
  /** None for EdDSA, which has its own. */
  readonly hash: string | null
  /** Whether checking one takes so long that other requests would wait for it: about a millisecond. */
  readonly isSlow?: boolean
  readonly options: SigningOptions & { readonly dsaEncoding?: 'ieee-p1363' }
}

const ec = (crv: string, hash: string): Algorithm => ({
  kty: 'EC',
  crv,
  hash,
  isSlow: crv !== 'P-256',
  options: { dsaEncoding: 'ieee-p1363' },
})
const rs = (hash: string): Algorithm => ({
  kty: 'RSA',
  hash,
  options: { padding: constants.RSA_PKCS1_PADDING },
})
const ps = (hash: string): Algorithm => ({
  kty: 'RSA',
  hash,
  options: {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  },
})
const ed25519: Algorithm = { kty: 'OKP', crv: 'Ed25519', hash: null, options: {} }

/** All asymmetric ones that are there (RFC 7518 §3.1, RFC 9864): with a shared secret nothing is proved (RFC 9449 §4.3). */
export const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map([
  ['ES256', ec('P-256', 'sha256')],
  ['ES384', ec('P-384', 'sha384')],
  ['ES512', ec('P-521', 'sha512')],
  ['PS256', ps('sha256')],
  ['PS384', ps('sha384')],
  ['PS512', ps('sha512')],
  ['RS256', rs('sha256')],
  ['RS384', rs('sha384')],
  ['RS512', rs('sha512')],
  ['EdDSA', ed25519],
  ['Ed25519', ed25519],
])
