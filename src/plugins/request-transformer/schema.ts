import { array, type Infer, record, string } from '../../schema/field.ts'
import { isRecord } from '../../schema/check.ts'
import { badHeader, badHeaders, badName, readPair, WITH_COLON } from '../pair.ts'
import { badTemplate } from './template.ts'

const LIST = { required: true, default: [] } as const

const names = (description: string) =>
  array(description, string('A name.', { custom: badName }), LIST)
const pairs = (description: string) =>
  array(
    description,
    string('`name:value`; the value may be a template.', { custom: badPair }),
    LIST,
  )
const headerNames = (description: string) =>
  array(description, string('The name of a header.', { custom: badHeader }), LIST)
const headerPairs = (description: string, custom = badHeaderPair) =>
  array(
    description,
    string('`name:value`; the value may be a template.', { match: WITH_COLON, custom }),
    LIST,
  )

export const schema = record(
  'Changes requests on their way to the service. In this order: it removes, renames, replaces, adds and appends. Values may be templates, such as `$(headers.host)`, `$(query_params["q"])` or `$(uri_captures.name or "none")`.',
  {
    http_method: string('The method that the service is asked with.', { custom: badMethod }),
    remove: record('What is taken out.', {
      body: names('Members of a JSON object, or arguments of a form.'),
      headers: headerNames('Headers.'),
      querystring: names('Arguments of the query.'),
    }),
    rename: record('What gets another name, if it is there.', {
      body: pairs('Members of a JSON object, or arguments of a form, as `old:new`.'),
      headers: array(
        'Headers, as `old:new`.',
        string('`old:new`.', { match: WITH_COLON, custom: badHeaders }),
        LIST,
      ),
      querystring: pairs('Arguments of the query, as `old:new`.'),
    }),
    replace: record('What gets another value, if it is there.', {
      body: pairs('Members of a JSON object, or arguments of a form.'),
      headers: headerPairs('Headers; `host` among them.'),
      querystring: pairs('Arguments of the query.'),
      uri: string('The path that the service is asked for; a template.', { custom: badUri }),
    }),
    add: record('What is put in, unless it is there.', {
      body: pairs('Members of a JSON object, or arguments of a form.'),
      headers: headerPairs('Headers, but not `host`.'),
      querystring: pairs('Arguments of the query.'),
    }),
    append: record('What is put in beside what is there.', {
      body: pairs('Members of a JSON object, or arguments of a form, but not of a multipart form.'),
      headers: headerPairs('Headers, but not `host`.', badAppendedHeader),
      querystring: pairs('Arguments of the query.'),
    }),
  },
  { required: true },
)

export type Config = Infer<typeof schema>

/** Those that Kong can send. */
const METHODS =
  /^(?:GET|HEAD|PUT|POST|DELETE|OPTIONS|MKCOL|COPY|MOVE|PROPFIND|PROPPATCH|LOCK|UNLOCK|PATCH|TRACE)$/

function badMethod(method: string): string | undefined {
  if (!/^[A-Z]+$/.test(method)) return `invalid value: ${method}`
  return METHODS.test(method) ? undefined : `invalid method: ${method}`
}

function badPair(entry: string): string | undefined {
  const { name, value } = readPair(entry)
  if (value === '') return `key '${name}' has no value`
  return badName(entry) ?? badTemplate(value)
}

function badHeaderPair(entry: string): string | undefined {
  return badHeader(entry) ?? badTemplate(readPair(entry).value)
}

// There is one `Host`; Kong fails at each request.
function badAppendedHeader(entry: string): string | undefined {
  if (readPair(entry).name.toLowerCase() === 'host') return 'host cannot be appended to'
  return badHeaderPair(entry)
}

function badUri(uri: string): string | undefined {
  return /^(?:\/|\$\()/.test(uri) ? badTemplate(uri) : 'path must start with /'
}

/** All fields with a template in them, which is Lua in Kong. */
export function badLua(config: Readonly<Record<string, unknown>>) {
  return Object.entries(config).flatMap(([step, parts]) =>
    Object.entries(isRecord(parts) ? parts : {})
      .filter(([, texts]) => [texts].flat().some((each) => /\$\([^]*\)/.test(String(each))))
      .map(([part]) => ({ field: `${step}.${part}`, message: LUA_IS_OFF })),
  )
}

const LUA_IS_OFF = "templates are not allowed, since 'untrusted_lua' is set to 'off'"
