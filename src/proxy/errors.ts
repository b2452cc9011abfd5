import { STATUS_CODES } from 'node:http'
import { errorJson, JSON_TYPE } from '../pdk.ts'
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
  500: 'An unexpected error occurred',
  501: 'Not implemented',
  502: 'An invalid response was received from the upstream server',
  503: 'The upstream server is currently unavailable',
  504: 'The upstream server is timing out',
  505: 'HTTP version not supported',
}

interface Template {
  readonly contentType: string
  write(message: string, requestId: string): string
}

const JSON_TEMPLATE: Template = { contentType: JSON_TYPE, write: errorJson }
const PLAIN: Template = {
  contentType: 'text/plain; charset=utf-8',
  write: (message, id) => `${message}\nrequest_id: ${id}\n`,
}
const HTML: Template = {
  contentType: 'text/html; charset=utf-8',
  write: (message, id) =>
    '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n  <body>\n' +
    `    <h1>Error</h1>\n    <p>${message}.</p>\n    <p>request_id: ${id}</p>\n  </body>\n</html>\n`,
}
const XML: Template = {
  contentType: 'application/xml; charset=utf-8',
  write: (message, id) =>
    `<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>${message}</message>\n  <requestid>${id}</requestid>\n</error>\n`,
}
const GRPC: Template = { contentType: '', write: () => '' }

/** A wildcard takes the first of its kind, as in Kong. */
const TEMPLATES: Readonly<Record<string, Template>> = {
  'application/json': JSON_TEMPLATE,
  'application/*': JSON_TEMPLATE,
  '*/*': JSON_TEMPLATE,
  'text/plain': PLAIN,
  'text/*': PLAIN,
  'text/html': HTML,
  'application/xml': XML,
  'application/grpc': GRPC,
}

export interface ErrorBody {
  readonly contentType: string
  readonly body: string
}

/** An error as Kong words it, in the form that the client's `Accept` asks for; JSON where it asks for none we have. */
export function errorBody(
  message: string,
  requestId: string,
  accept: string | undefined,
): ErrorBody {
  const template = TEMPLATES[preferredType(accept ?? '')] ?? JSON_TEMPLATE
  return { contentType: template.contentType, body: template.write(message, requestId) }
}

/** The media type with the greatest quality, the first of equals. */
function preferredType(accept: string): string {
  let best = ''
  let most = 0
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((each) => each.trim())
    const quality = parameters.find((each) => each.startsWith('q='))
    const weight = quality ? Number(quality.slice(2)) : 1
    if (weight > most) [best, most] = [type.toLowerCase(), weight]
  }
  return best
}

/** The answer to bytes that are no request at all: there is no route, no plugin and no `Accept` to ask. */
export function brokenRequest(fault: number, requestId: string): string {
  // nginx's own number for too large a head, which Kong turns back into the one that clients know.
  const status = fault === 494 ? 400 : fault
  const message = MESSAGES[fault] ?? 'Bad request'
  const body = PLAIN.write(message, requestId)
  const allow = status === 405 ? `Allow: ${ALLOWED}\r\n` : ''
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nDate: ${new Date().toUTCString()}\r\n` +
    `Content-Type: ${PLAIN.contentType}\r\nContent-Length: ${body.length}\r\n${allow}` +
    `Server: ${PRODUCT}\r\nX-Kong-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`
  )
}

/** What a 405 must name (RFC 9110 §15.5.6). Methods that nobody has heard of pass as well. */
export const ALLOWED = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
