import { STATUS_CODES } from 'node:http'
import type { ErrorWriter } from '../error_body.ts'
import { PRODUCT } from '../version.ts'

/** Kong's sentences for what nginx would say of a status (`kong/error_handlers.lua`). */
export const MESSAGES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  411: 'Length required',
  412: 'Precondition failed',
  413: 'Payload too large',
  414: 'URI too long',
  417: 'Expectation failed',
  494: 'Request header or cookie too large',
  497: 'The plain HTTP request was sent to HTTPS port',
  500: 'An unexpected error occurred',
  501: 'Not implemented',
  502: 'An invalid response was received from the upstream server',
  503: 'The upstream server is currently unavailable',
  504: 'The upstream server is timing out',
  505: 'HTTP version not supported',
}

/** The answer to bytes that are no request at all: there is no route, no plugin and no `Accept` to ask. */
export function brokenRequest(fault: number, requestId: string, writeError: ErrorWriter): string {
  // nginx's own numbers, for too large a head and for no TLS, are turned back into the one that clients know.
  const status = fault === 494 || fault === 497 ? 400 : fault
  const message = MESSAGES[fault] ?? 'Bad request'
  const { contentType, body } = writeError(message, requestId, 'text/plain')
  // The whole is written byte for byte.
  const bytes = Buffer.from(body).toString('latin1')
  const allow = status === 405 ? `Allow: ${ALLOWED}\r\n` : ''
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nDate: ${new Date().toUTCString()}\r\n` +
    `Content-Type: ${contentType}\r\nContent-Length: ${bytes.length}\r\n${allow}` +
    `Server: ${PRODUCT}\r\nX-Kong-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${bytes}`
  )
}

/** What a 405 must name (RFC 9110 §15.5.6). Methods that nobody has heard of pass as well. */
export const ALLOWED = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
