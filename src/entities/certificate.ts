import { type Infer, record, string } from '../schema/field.ts'
import { allOrNoneOf } from './conditions.ts'
import {
  badCertificate,
  badChain,
  badPrivateKey,
  publicKeyOf,
  readCertificate,
  readPrivateKey,
} from './pem.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** What the gateway shows to say who it is, and the key that proves it. */
export const certificate = record(
  'What the gateway shows to say who it is, and the key that proves it.',
  {
    id,
    cert: string('The certificate, and those up to the authority, in PEM.', {
      required: true,
      referenceable: true,
      custom: badCertificate,
    }),
    key: string('Its private key, in PEM.', {
      required: true,
      referenceable: true,
      encrypted: true,
      custom: badPrivateKey,
    }),
    cert_alt: string('The same for another type of key, as ECDSA beside RSA.', {
      referenceable: true,
      custom: badCertificate,
    }),
    key_alt: string('The private key of the other certificate.', {
      referenceable: true,
      encrypted: true,
      custom: badPrivateKey,
    }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  {
    checks: [
      allOrNoneOf('cert_alt', 'key_alt'),
      ({ cert, key }) => (isPair(cert, key) ? undefined : 'certificate does not match key'),
      ({ cert_alt, key_alt }) =>
        isPair(cert_alt, key_alt) ? undefined : 'alternative certificate does not match key',
      ({ cert, cert_alt }) =>
        keyType(cert) !== undefined && keyType(cert) === keyType(cert_alt)
          ? 'certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the provided certificates were both of the same type'
          : undefined,
      ({ cert, key }) => unserved('cert', cert, key),
      ({ cert_alt, key_alt }) => unserved('cert_alt', cert_alt, key_alt),
    ],
  },
)

export type Certificate = Infer<typeof certificate>

function isPair(cert: unknown, key: unknown): boolean {
  if (typeof cert !== 'string' || typeof key !== 'string') return true
  const privateKey = readPrivateKey(key)
  return privateKey !== undefined && readCertificate(cert)?.checkPrivateKey(privateKey) === true
}

function keyType(cert: unknown): string | undefined {
  const read = typeof cert === 'string' ? readCertificate(cert) : undefined
  return read && publicKeyOf(read)?.asymmetricKeyType
}

function unserved(field: string, cert: unknown, key: unknown) {
  if (typeof cert !== 'string' || typeof key !== 'string' || !isPair(cert, key)) return undefined
  const message = badChain(cert, key)
  return message === undefined ? undefined : { field, message }
}
