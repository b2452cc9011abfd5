/** Why a session could not be read or kept; stable, for the log. */
export const SESSION_FAULTS = {
  session_storage_failed: 'The storage of sessions could not be asked.',
  session_too_large: 'The session is longer than cookies or its storage can hold.',
} as const

/**
 * A fault that is not the client's: its request is answered with a 500. A redirect to the provider would come back to
 * the same fault, and go round for ever.
 */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly code: keyof typeof SESSION_FAULTS

  constructor(code: keyof typeof SESSION_FAULTS, cause?: unknown) {
    super(SESSION_FAULTS[code], cause === undefined ? undefined : { cause })
    this.code = code
  }
}
