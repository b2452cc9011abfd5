import { type Infer, record, string } from '../schema/field.ts'
import { badCertificate, countCertificates, readCertificate } from './pem.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** An authority whose certificates are believed where its id is named. */
export const ca_certificate = record(
  'An authority whose certificates are believed where its id is named.',
  {
    id,
    cert: string("The authority's certificate, in PEM.", {
      required: true,
      referenceable: true,
      custom: badCertificate,
    }),
    cert_digest: string('The SHA-256 of the certificate, in hexadecimal. Unique.'),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { amend: addDigest, checks: [badAuthority] },
)

export type CaCertificate = Infer<typeof ca_certificate>

function addDigest(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const cert = typeof given.cert === 'string' ? readCertificate(given.cert) : undefined
  if (!cert) return given
  return { ...given, cert_digest: cert.fingerprint256.replaceAll(':', '').toLowerCase() }
}

function badAuthority({ cert }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof cert !== 'string') return undefined
  if (countCertificates(cert) > 1) return 'please submit only one certificate at a time'
  const read = readCertificate(cert)
  if (!read) return undefined
  if (Date.parse(read.validTo) < Date.now())
    return 'certificate expired, "Not After" time is in the past'
  return read.ca
    ? undefined
    : 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'
}
