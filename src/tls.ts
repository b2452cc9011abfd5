import { Certificates, type HandshakeRules, type KeyPair } from './front/certificates.ts'
import type { TlsSource } from './front/handshake.ts'
import { createSelfSigned } from './front/self_signed.ts'

/** The certificates for clients that name no host of the configuration. */
export function createDefaults(given: readonly KeyPair[]): readonly KeyPair[] {
  return given.length > 0 ? given : [createSelfSigned(Date.now())]
}

/** What handshakes are made of under one configuration. */
export function tlsSource(defaults: readonly KeyPair[], rules: HandshakeRules): TlsSource {
  return {
    certificates: new Certificates(defaults, [], rules),
    clientCertificate: () => undefined,
  }
}
