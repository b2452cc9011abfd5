import type { ClientCertificate } from '../client_certificate.ts'

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

/** Where a connection without TLS and without a PROXY header comes from. */
export const PLAIN: Origin = {
  scheme: 'http',
  proxiedAddress: undefined,
  serverName: undefined,
  clientCertificate: undefined,
}
