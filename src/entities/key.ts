import { createPrivateKey, createPublicKey } from 'node:crypto'
import { isRecord } from '../schema/check.ts'
import { foreign, type Infer, record, string } from '../schema/field.ts'
import { atLeastOneOf, atMostOneOf } from './conditions.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** Keys that plugins name together. */
export const key_set = record(
  'Keys that plugins name together.',
  { id, name: string('The name of the set. Unique.'), tags, created_at, updated_at },
  { required: true },
)

/** A key for signing, verifying, encrypting or decrypting. */
export const key = record(
  'A key for signing, verifying, encrypting or decrypting.',
  {
    id,
    set: foreign('The set that it is in.', 'key_sets'),
    name: string('The name of the key. Unique.'),
    kid: string('What tokens call it.', { required: true }),
    jwk: string('The key as a JSON Web Key, written as a text.', {
      referenceable: true,
      encrypted: true,
    }),
    pem: record('The key in PEM.', {
      private_key: string('The private key.', {
        referenceable: true,
        encrypted: true,
        custom: badPrivateKey,
      }),
      public_key: string('The public key.', { referenceable: true, custom: badPublicKey }),
    }),
    x5t: string('The thumbprint of its certificate.'),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { checks: [atMostOneOf('jwk', 'pem'), atLeastOneOf('jwk', 'pem'), badJwk, emptyPem] },
)

export type KeySet = Infer<typeof key_set>
export type Key = Infer<typeof key>

function badPrivateKey(pem: string): string | undefined {
  return reads(() => createPrivateKey(pem)) ? undefined : 'could not load private key'
}

function badPublicKey(pem: string): string | undefined {
  return reads(() => createPublicKey(pem)) ? undefined : 'could not load public key'
}

function badJwk({ jwk, kid }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof jwk !== 'string') return undefined
  let read: unknown
  try {
    read = JSON.parse(jwk)
  } catch {
    return 'could not json decode jwk string'
  }
  if (!isRecord(read)) return 'could not json decode jwk string'
  if (read.kid !== kid) return 'kid in jwk.kid must be equal to keys.kid'
  // RFC 7517 §4.1: of a type that is not known nobody can say whether the key is good.
  if (read.kty === 'oct') return typeof read.k === 'string' ? undefined : 'could not load JWK'
  const options = { key: read, format: 'jwk' } as const
  const isKey = reads(() => ('d' in read ? createPrivateKey(options) : createPublicKey(options)))
  return isKey ? undefined : 'could not load JWK'
}

function emptyPem({ pem }: Readonly<Record<string, unknown>>): string | undefined {
  if (!isRecord(pem) || pem.private_key !== undefined || pem.public_key !== undefined)
    return undefined
  return 'need to supply a PEM formatted public and/or private key.'
}

function reads(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}
