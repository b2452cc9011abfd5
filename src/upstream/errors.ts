/** Why a service, or another server, gave no answer. */
export type UpstreamFault =
  | 'name_resolution_failed'
  | 'no_peer'
  | 'connect_failed'
  | 'connect_timeout'
  | 'tls_failed'
  | 'write_timeout'
  | 'read_timeout'
  | 'closed'
  | 'invalid_response'

export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly code: UpstreamFault
  /** Whether the request cannot have reached the server. */
  readonly unsent: boolean
  /** Whether some of an answer had come already. */
  readonly partial: boolean

  constructor(
    code: UpstreamFault,
    message: string,
    options: { unsent?: boolean; partial?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.code = code
    this.unsent = options.unsent ?? false
    this.partial = options.partial ?? false
  }
}
