export const JSON_TYPE = 'application/json; charset=utf-8'

interface Template {
  readonly contentType: string
  write(message: string, requestId: string): string
}

const JSON_TEMPLATE: Template = {
  contentType: JSON_TYPE,
  write: (message, id) => `{\n  "message":"${message}",\n  "request_id":"${id}"\n}`,
}
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
const TEMPLATES: ReadonlyMap<string, Template> = new Map([
  ['application/json', JSON_TEMPLATE],
  ['application/*', JSON_TEMPLATE],
  ['*/*', JSON_TEMPLATE],
  ['text/plain', PLAIN],
  ['text/*', PLAIN],
  ['text/html', HTML],
  ['application/xml', XML],
  ['application/grpc', GRPC],
])

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
  const template = TEMPLATES.get(preferredType(accept ?? '')) ?? JSON_TEMPLATE
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
