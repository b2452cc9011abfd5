import { createHash } from 'node:crypto'
import type { Awaitable, ClientCertificate, ClientRequest, Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { Refusal } from '../refusal.ts'
import { createHeaderCertificates, type HeaderSettings } from './header_certificate.ts'
import { isHash } from './confirmation.ts'
import type { fields } from './fields.ts'

/** Checks that the client has the certificate with that SHA-256. Gives what stands against it. */
export type CheckCertificate = (
  request: ClientRequest,
  expected: string,
) => Awaitable<Refusal | undefined>

type Settings = Pick<Config<typeof fields>, 'proof_of_possession_mtls_from_header'>

/** Certificate-bound access tokens (RFC 8705 §3). */
export function createCheckCertificate(config: Settings, gateway: Gateway): CheckCertificate {
  const fromHeader: HeaderSettings | undefined = config.proof_of_possession_mtls_from_header
  const headers = fromHeader && createHeaderCertificates(fromHeader, gateway)
  // A connection has one certificate.
  const hashes = new WeakMap<ClientCertificate, Buffer>()

  function hashOf(certificate: ClientCertificate): Buffer {
    let hash = hashes.get(certificate)
    if (!hash) {
      // RFC 8705 §3.1: of the certificate in DER.
      hash = createHash('sha256').update(certificate.x509.raw).digest()
      hashes.set(certificate, hash)
    }
    return hash
  }

  return (request, expected) => {
    const sent = headers?.find(request)
    if (sent) {
      if (sent instanceof Refusal) return sent
      // First, so that nobody is asked about certificates that prove nothing here.
      if (!isHash(expected, sent.hash)) return mismatch()
      return headers!.check(sent)
    }
    const { clientCertificate } = request
    if (!clientCertificate) return new Refusal('no_client_certificate')
    // The chain is of no account: RFC 8705 §6.2 leaves it to the provider, and TLS has proved who has the key.
    return isHash(expected, hashOf(clientCertificate)) ? undefined : mismatch()
  }
}

function mismatch(): Refusal {
  return new Refusal('certificate_mismatch')
}
