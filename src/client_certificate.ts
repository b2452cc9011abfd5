import type { X509Certificate } from 'node:crypto'

/** A certificate that a client has proved to be its own. */
export interface ClientCertificate {
  /** PEM. */
  readonly pem: string
  readonly x509: X509Certificate
  /** What was sent beside it, or is known, of those who may have signed: each for the one before. Nothing of it is verified. */
  readonly issuers: readonly X509Certificate[]
  /** Why it does not lead to an authority of the request for it; nothing if it does. */
  readonly fault: string | undefined
}

/** Has clients asked for a certificate. */
export interface ClientCertificateRequest {
  /** PEM of the authorities that it is checked against, and that clients are told; without them its `fault` means nothing. */
  readonly ca?: readonly string[]
  /** Lets a client go, before its first request, that shows none of these authorities. */
  readonly isRequired?: boolean
}
