import { checkExpression } from '../expression/expression.ts'
import { array, boolean, type Infer, integer, map, record, set, string } from '../schema/field.ts'
import { readHost } from './host.ts'
import { wireText } from '../path.ts'
import { badRegex, badRoutePath } from './path.ts'
import { created_at, id, name, PROTOCOLS, reference, tags, updated_at } from './typedefs.ts'

/** Kong's routers: only `expressions` reads expressions, only `traditional` looks at `path_handling`. */
export const ROUTER_FLAVORS = ['traditional_compatible', 'expressions', 'traditional'] as const

/** Kong's `router_flavor`: which of its three routers is followed. */
export type RouterFlavor = (typeof ROUTER_FLAVORS)[number]

/** Which requests go to a service, and how. */
export const route = record(
  'Which requests go to a service, and how.',
  {
    id,
    name: name('The name of the route. Unique.'),
    service: reference('The service that the requests go to.', 'services'),
    protocols: set('The protocols of the requests.', string('A protocol.', { one_of: PROTOCOLS }), {
      required: true,
      default: ['http', 'https'],
      len_min: 1,
      custom: badProtocols,
    }),
    methods: set("The requests' methods, one of them.", string('A method.', { custom: badMethod })),
    hosts: array(
      "The requests' hosts, one of them; `*.example.com` and `example.*` stand for many.",
      string('A host, with a port if only that is meant.', { custom: badHost }),
    ),
    paths: array(
      "The beginnings of the requests' paths, one of them; after `~` a regular expression.",
      string('A path.', { custom: badRoutePath }),
    ),
    headers: map(
      "The requests' header fields, all of them, each with one of its values; after `~*` a regular expression.",
      array('The values.', string('A value.', { custom: badHeaderValue }), { len_min: 1 }),
      { keys: badHeaderName },
    ),
    snis: set(
      'The names that clients ask for in their TLS handshake, one of them; `*.example.com` and `example.*` stand for many.',
      string('A name.', { custom: badSni }),
    ),
    expression: string(
      "What is asked of requests in Kong's language of expressions, for the router `expressions`.",
      { custom: badExpression },
    ),
    priority: integer('Which expression is tried first: the one with the higher number.', {
      between: [0, 2 ** 46 - 1],
    }),
    https_redirect_status_code: integer(
      'The answer to a plain request that should have come by HTTPS.',
      {
        required: true,
        default: 426,
        one_of: [426, 301, 302, 307, 308],
      },
    ),
    regex_priority: integer(
      'Which of several regular expressions is tried first: the one with the higher number.',
      {
        default: 0,
      },
    ),
    strip_path: boolean(
      'Whether the part of the path that matched is left out towards the service.',
      {
        required: true,
        default: true,
      },
    ),
    path_handling: string(
      "How the service's path and the request's are joined; `v1` is taken for `v0` unless the router is Kong's `traditional`, as in Kong.",
      {
        default: 'v0',
        one_of: ['v0', 'v1'],
      },
    ),
    preserve_host: boolean("Whether the service sees the request's host instead of its own.", {
      required: true,
      default: false,
    }),
    request_buffering: boolean("Whether a request's body is collected before it is sent on.", {
      required: true,
      default: true,
    }),
    response_buffering: boolean("Whether an answer's body is collected before it is sent on.", {
      required: true,
      default: true,
    }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { checks: [matchesNothing, badSnis, badCompany] },
)

export type Route = Infer<typeof route>

const KINDS = [['http', 'https'], ['tcp', 'tls', 'udp'], ['tls_passthrough'], ['grpc', 'grpcs']]

function badProtocols(protocols: readonly string[]): string | undefined {
  const kinds = KINDS.filter((kind) => kind.some((each) => protocols.includes(each)))
  if (kinds.length > 1) {
    const sets = kinds.map((kind) => `(${kind.map((each) => `'${each}'`).join(', ')})`)
    return `these sets are mutually exclusive: ${sets.join(', ')}`
  }
  if (kinds[0] === KINDS[0]) return undefined
  return `routes for ${protocols.join(', ')} are not supported yet; http and https are`
}

function badMethod(method: string): string | undefined {
  return /^[A-Z]+$/.test(method) ? undefined : `invalid value: ${method}`
}

function badHost(value: string): string | undefined {
  if (/\*.*\*/.test(value)) return 'invalid wildcard: must have at most one wildcard'
  if (value.includes('*') && !/^\*\.|\.\*$/.test(value)) {
    return 'invalid wildcard: must be placed at leftmost or rightmost label'
  }
  const host = readHost(value.replace('*', 'wildcard'))
  return typeof host === 'string' ? host.replace('wildcard', '*') : undefined
}

function badSni(value: string): string | undefined {
  return /:\d+$/.test(value) ? 'must not have a port' : badHost(value.replace(/(?<=.)\.$/, ''))
}

function badExpression(expression: string): string | undefined {
  const fault = checkExpression(expression)
  return fault && `Router Expression failed validation: ${fault}`
}

function badSnis(value: Readonly<Record<string, unknown>>): string | undefined {
  const protocols = value.protocols as readonly string[]
  const isEmpty = !isFilled(value.snis)
  if (isEmpty || protocols.some((each) => /^(?:grpcs|https|tls|tls_passthrough)$/.test(each)))
    return undefined
  return "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"
}

/** An expression says all that is asked of requests. */
function badCompany(value: Readonly<Record<string, unknown>>): string | undefined {
  const others = ['methods', 'hosts', 'paths', 'headers', 'snis']
  const hasOthers = others.some((each) => isFilled(value[each]))
  const cannot = (field: string, company: string) =>
    `Router Expression failed validation: cannot set '${field}' with ${company} simultaneously`
  const all = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'"
  if (value.expression !== undefined) {
    if (hasOthers) return cannot('expression', all)
    return value.regex_priority ? cannot('regex_priority', "'expression'") : undefined
  }
  return hasOthers && value.priority ? cannot('priority', all) : undefined
}

function isFilled(value: unknown): boolean {
  return value !== undefined && Object.keys(value as object).length > 0
}

function badHeaderName(name: string): string | undefined {
  if (/^host$/i.test(name))
    return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
  return /^[\w-]+$/.test(name)
    ? undefined
    : `bad header name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}

function badHeaderValue(value: string): string | undefined {
  // Kong looks only at a value that stands alone, and then cannot build its router.
  return value.startsWith('~*') ? badRegex(lowerAscii(value.slice(2))) : undefined
}

/** Kong's rule for the regexes of a route in the flavour `traditional`, which PCRE reads: where each bad one stands, and why. */
export function badTraditionalRegexes({ paths = [], headers = {} }: Partial<Route>) {
  const ofPaths = paths.flatMap((path, i) => {
    const source = wireText(path.slice(1))
    // The second is how the router finds what follows the match.
    const why = badRegex(source, 'pcre') ?? badRegex(`${source}(.*)`, 'pcre')
    return path.startsWith('~') && why ? { at: ['paths', i], why } : []
  })
  const ofHeaders = Object.entries(headers).flatMap(([name, [only = '', ...others]]) => {
    const isRegex = only.startsWith('~*') && others.length === 0
    const why = isRegex ? badRegex(wireText(only.slice(2)), 'pcre') : undefined
    return why ? { at: ['headers', name, 0], why } : []
  })
  return [...ofPaths, ...ofHeaders]
}

/** Kong compares header fields in lower case, and so makes even `\D` of a regex into `\d`. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function matchesNothing(value: Readonly<Record<string, unknown>>): string | undefined {
  const https = (value.protocols as readonly string[]).includes('https')
  const attributes = ['methods', 'hosts', 'headers', 'paths', ...(https ? ['snis'] : [])]
  if (value.expression !== undefined || attributes.some((each) => isFilled(value[each])))
    return undefined
  const names = attributes.map((each) => `'${each}'`).join(', ')
  return `must set one of ${names} when 'protocols' is '${https ? 'https' : 'http'}'`
}
