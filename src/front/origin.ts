import type { ClientCertificate } from '../client_certificate.ts'

/** Where a connection comes from, and what was agreed before its first request. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** Whether its requests are streams of HTTP/2. */
  readonly isHttp2: boolean
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
  isHttp2: false,
  proxiedAddress: undefined,
  serverName: undefined,
  clientCertificate: undefined,
}
