import type { ClientRequest, Exit, Reason } from '../pdk.ts'

/**
 * Answers as `kong.response.error` does for a client that takes JSON: with the request's id. Like Kong's own template
 * it does not escape `message`, which therefore must hold no quotes of a client's making.
 */
export function errorExit(
  request: ClientRequest,
  status: number,
  message: string,
  headers: readonly (readonly [string, string])[] = [],
  reason?: Reason,
): Exit {
  const fields = [['Content-Type', 'application/json; charset=utf-8'] as const, ...headers]
  const body = `{\n  "message":"${message}",\n  "request_id":"${request.id}"\n}`
  return { status, headers: fields, body, ...(reason && { reason }) }
}
