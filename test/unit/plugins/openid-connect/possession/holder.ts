import { createHash } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

/** A client with a key of its own, which it can prove to have (RFC 9449). */
export class Holder {
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
  /** What tokens are bound to. */
  readonly jkt: string
  #count = 0

  private constructor(alg: string, privateKey: CryptoKey, jwk: JWK, jkt: string) {
    this.alg = alg
    this.privateKey = privateKey
    this.jwk = jwk
    this.jkt = jkt
  }

  static async create(alg = 'ES256'): Promise<Holder> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const jwk = await exportJWK(publicKey)
    return new Holder(alg, privateKey, jwk, await calculateJwkThumbprint(jwk))
  }

  /** A proof for a token; `over` is laid over its claims and its header, undefined takes away. `now` in milliseconds. */
  async prove(
    token: string,
    now: number,
    over: Record<string, unknown> = {},
    overHeader: Record<string, unknown> = {},
  ): Promise<string> {
    const claims = {
      jti: `${this.jkt} ${++this.#count}`,
      htm: 'GET',
      htu: 'http://gateway.test:8000/',
      iat: Math.floor(now / 1000),
      ath: createHash('sha256').update(token).digest('base64url'),
      ...over,
    }
    const header = { typ: 'dpop+jwt', alg: this.alg, jwk: this.jwk, ...overHeader }
    return new SignJWT(withoutUndefined(claims))
      .setProtectedHeader(withoutUndefined(header) as { alg: string })
      .sign(this.privateKey)
  }
}

function withoutUndefined(members: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(members)) as Record<string, unknown>
}
