import { compactDecrypt, importJWK, type JWK } from 'jose'
import type { Client, ClientKey } from '../clients.ts'
import { isCanonical, parseObject } from './compact.ts'

/** What a kind of key can decrypt (RFC 7518 §4.1). RSA1_5 lets others decrypt (RFC 8725 §3.2), PBES2 makes work at will (§3.8 there). */
const KEY_MANAGEMENT: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RSA-OAEP', 'RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512'],
  EC: ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'],
  OKP: ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'],
  oct: ['dir', 'A128KW', 'A192KW', 'A256KW', 'A128GCMKW', 'A192GCMKW', 'A256GCMKW'],
}

const CONTENT_ENCRYPTION = [
  ...['A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512'],
  ...['A128GCM', 'A192GCM', 'A256GCM'],
]

/**
 * Decrypts what was encrypted for one of the gateway's clients: gives the JWT within, of which nothing is proved yet.
 * Nothing for anything else: such a token is opaque to the gateway.
 */
export type Decrypt = (token: string) => Promise<string | undefined>

interface DecryptionKey {
  readonly jwk: JWK
  readonly kid: string | undefined
  readonly algorithms: readonly string[]
}

/** Prepares the decryption with the keys of the clients (`client_jwk`). */
export function createDecrypt(clients: readonly Pick<Client, 'jwk'>[]): Decrypt {
  const jwks = new Set(clients.map(({ jwk }) => jwk).filter((jwk) => jwk !== undefined))
  const keys = [...jwks].flatMap(decryptionKey)

  return async (token) => {
    if (keys.length === 0) return undefined
    const header = headerOf(token)
    if (!header) return undefined
    const { alg, kid } = header
    for (const key of keys) {
      const isNamed = kid === undefined || key.kid === undefined || key.kid === kid
      if (!isNamed || !key.algorithms.includes(alg)) continue
      const text = await decryptWith(key, alg, token)
      if (text !== undefined) return text
    }
    return undefined
  }
}

/** Whether a text has the form of a compact JWE (RFC 7516 §3.1). */
export function looksLikeJwe(token: string): boolean {
  const parts = token.split('.')
  return parts.length === 5 && parseObject(parts[0]!)?.enc !== undefined
}

function headerOf(token: string): { alg: string; kid: unknown } | undefined {
  const parts = token.split('.')
  if (parts.length !== 5 || !parts.every(isCanonical)) return undefined
  const header = parseObject(parts[0]!)
  if (!header) return undefined
  // `zip` is a way to make a small token a large one; the others would let the token name its own key, or hold unknown
  // extensions (RFC 7516 §4.1).
  for (const name of ['zip', 'crit', 'jku', 'x5u', 'jwk']) {
    if (Object.hasOwn(header, name)) return undefined
  }
  const { alg, kid } = header
  return typeof alg === 'string' ? { alg, kid } : undefined
}

async function decryptWith(
  { jwk }: DecryptionKey,
  alg: string,
  token: string,
): Promise<string | undefined> {
  try {
    const { plaintext } = await compactDecrypt(token, await importJWK(jwk, alg), {
      keyManagementAlgorithms: [alg],
      contentEncryptionAlgorithms: CONTENT_ENCRYPTION,
    })
    return new TextDecoder('utf-8', { fatal: true }).decode(plaintext)
  } catch {
    // Why it failed is told to nobody: it would be an oracle.
    return undefined
  }
}

/** A client's key, as far as it is one for decryption. */
function decryptionKey(given: ClientKey): DecryptionKey[] {
  const { kty, use, alg, key_ops, kid } = given
  const isForIt = key_ops === undefined || key_ops.some((operation) => OPERATIONS.has(operation))
  if ((use !== undefined && use !== 'enc') || !isForIt) return []
  const algorithms = (KEY_MANAGEMENT[kty ?? ''] ?? []).filter(
    (each) => alg === undefined || each === alg,
  )
  const isPrivate = kty === 'oct' ? given.k !== undefined : given.d !== undefined
  if (algorithms.length === 0 || !isPrivate) return []
  // What it is for was judged here: cryptography of the runtime takes other lists of operations than RFC 7517 has.
  const { n, e, d, p, q, dp, dq, qi, crv, x, y, k } = given
  const parts = Object.entries({ kty, n, e, d, p, q, dp, dq, qi, crv, x, y, k })
  const jwk = Object.fromEntries(parts.filter(([, value]) => value !== undefined)) as JWK
  return [{ jwk, kid, algorithms }]
}

const OPERATIONS: ReadonlySet<string> = new Set(['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits'])
