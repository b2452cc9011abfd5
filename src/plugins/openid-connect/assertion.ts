import { constants, createHmac, type KeyObject, randomUUID, sign } from 'node:crypto'

/** The algorithms of RFC 7518 §3.1 and RFC 8037 with which a client can sign. */
export type SigningAlg =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'HS256'
  | 'HS384'
  | 'HS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'

/** A key to sign with; a text is a secret for HMAC. */
export interface SigningKey {
  readonly alg: SigningAlg
  readonly kid: string | undefined
  readonly key: KeyObject | string
}

/** How long an assertion is good; seconds. It is made for one request. */
const LIFE = 60

/** Says who the client is (RFC 7523 §3, OpenID Connect Core §9), for one audience. `now` in milliseconds. */
export function clientAssertion(
  client_id: string,
  audience: string,
  key: SigningKey,
  now: number,
): string {
  const iat = Math.floor(now / 1000)
  return signJwt(key, {
    iss: client_id,
    sub: client_id,
    aud: audience,
    jti: randomUUID(),
    iat,
    exp: iat + LIFE,
  })
}

/** A compact JWS of some claims. `typ` names what kind of token it is, where its receiver goes by that. */
export function signJwt(
  { alg, kid, key }: SigningKey,
  claims: Readonly<Record<string, unknown>>,
  typ = 'JWT',
): string {
  const head = { alg, typ, ...(kid !== undefined && { kid }) }
  const input = [head, claims].map((part) => base64url(JSON.stringify(part))).join('.')
  return `${input}.${signature(alg, key, input).toString('base64url')}`
}

function signature(alg: SigningAlg, key: KeyObject | string, input: string): Buffer {
  const bytes = Buffer.from(input)
  const hash = `sha${alg.slice(2)}`
  if (typeof key === 'string') return createHmac(hash, key).update(bytes).digest()
  switch (alg.slice(0, 2)) {
    case 'HS':
      return createHmac(hash, key).update(bytes).digest()
    case 'RS':
      return sign(hash, bytes, key)
    case 'PS':
      return sign(hash, bytes, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      })
    case 'ES':
      return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
    default:
      return sign(null, bytes, key)
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
