export const JSON_TYPE = 'application/json; charset=utf-8'

interface Template {
  readonly contentType: string
  write(message: string, requestId: string): string
}

const JSON_FORM: Template = {
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

/** The forms that a node may give templates of its own for. */
const TEMPLATED = ['html', 'json', 'plain', 'xml'] as const

/** A text for each form: the first `%s` in it is the message, the second the request's id, `%%` a `%`. */
export type ErrorTemplates = Readonly<Partial<Record<(typeof TEMPLATED)[number], string>>>

const FORMS = { html: HTML, json: JSON_FORM, plain: PLAIN, xml: XML, grpc: GRPC }

/** A wildcard takes the first of its kind, as in Kong. */
const FORM_OF: ReadonlyMap<string, keyof typeof FORMS> = new Map([
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['text/plain', 'plain'],
  ['text/*', 'plain'],
  ['text/html', 'html'],
  ['application/xml', 'xml'],
  ['application/grpc', 'grpc'],
])

export interface ErrorBody {
  readonly contentType: string
  readonly body: string
}

/** Words an error in the form that the client's `Accept` asks for; in JSON where it asks for none we have. */
export type ErrorWriter = (
  message: string,
  requestId: string,
  accept: string | undefined,
) => ErrorBody

/** Writes errors as Kong words them, or by the templates where there are any. */
export function createErrorWriter(templates: ErrorTemplates = {}): ErrorWriter {
  const forms: Record<keyof typeof FORMS, Template> = { ...FORMS }
  for (const form of TEMPLATED) {
    const text = templates[form]
    if (text !== undefined) forms[form] = { ...forms[form], write: (...all) => filled(text, all) }
  }
  return (message, requestId, accept) => {
    const { contentType, write } = forms[FORM_OF.get(preferredType(accept ?? '')) ?? 'json']
    return { contentType, body: write(message, requestId) }
  }
}

function filled(template: string, [message, requestId]: [string, string]): string {
  const values = [message, requestId]
  return template.replace(/%[s%]/g, (mark) => (mark === '%%' ? '%' : (values.shift() ?? '')))
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
