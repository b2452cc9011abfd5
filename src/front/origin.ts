import type { X509Certificate } from 'node:crypto'

/** Where a connection comes from, and what was agreed before its first request. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** The client's address as the PROXY protocol told it. */
  readonly proxiedAddress: string | undefined
  /** The host that the client named in its handshake, in lower case. */
  readonly serverName: string | undefined
  /** What the client showed in its handshake, if it was asked. */
  readonly clientCertificate: ClientCertificate | undefined
}

export interface ClientCertificate {
  /** PEM. */
  readonly pem: string
  readonly x509: X509Certificate
  /** What was sent beside it, or is known, of those who may have signed: each for the one before. Nothing of it is verified. */
  readonly issuers: readonly X509Certificate[]
  /** Why the certificate does not lead to an authority that was named in the request; nothing if it does. */
  readonly fault: string | undefined
}

/** Asks clients for a certificate. */
export interface ClientCertificateRequest {
  /** PEM of the authorities that the certificate is checked against, and that clients are told. */
  readonly ca?: readonly string[]
  /** Whether a client without a certificate of those authorities is let go before its first request. */
  readonly isRequired?: boolean
}

/** Where a connection without TLS and without a PROXY header comes from. */
export const PLAIN: Origin = {
  scheme: 'http',
  proxiedAddress: undefined,
  serverName: undefined,
  clientCertificate: undefined,
}
