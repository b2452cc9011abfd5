import { CompactEncrypt, importJWK, type JWK } from 'jose'

/** Encrypts a text as a compact JWE, with the public part of a key or with a secret one. */
export async function encrypted(
  text: string,
  alg: string,
  { kty, n, e, crv, x, y, k }: JWK,
  header: Record<string, unknown> = {},
): Promise<string> {
  const enc = alg === 'dir' ? 'A256GCM' : 'A128CBC-HS256'
  const jwk = JSON.parse(JSON.stringify({ kty, n, e, crv, x, y, k })) as JWK
  return new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg, enc, cty: 'JWT', ...header })
    .encrypt(await importJWK(jwk, alg))
}
