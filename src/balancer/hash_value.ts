import type { Upstream } from '../entities/index.ts'
import type { ClientRequest, Credential } from '../pdk.ts'

/** What of a request may choose its target. */
export interface BalancedRequest {
  readonly request: Pick<ClientRequest, 'ip' | 'path' | 'query' | 'headers'>
  readonly consumer: { readonly id: string } | undefined
  readonly credential: Credential | undefined
  /** What the groups of the route's regular expression matched, by number and name. */
  readonly uri_captures?: Readonly<Record<string, string>> | undefined
}

export interface HashValue {
  /** One character a byte. */
  readonly value: string
  /** The field `Set-Cookie` that makes the next request choose the same. */
  readonly setCookie: string | undefined
}

/** As many arguments of a query are looked at: Kong's `lua_max_uri_args`. */
const MAX_ARGUMENTS = 100

/** What chooses the target of a request: by `hash_on`, else by `hash_fallback`, else nothing, which is a value too. */
export function hashValueOf(upstream: Upstream, request: BalancedRequest): HashValue {
  const { hash_on, hash_fallback } = upstream
  const first = valueOf(
    hash_on,
    upstream.hash_on_header,
    upstream.hash_on_query_arg,
    upstream.hash_on_uri_capture,
  )
  const second = () =>
    valueOf(
      hash_fallback,
      upstream.hash_fallback_header,
      upstream.hash_fallback_query_arg,
      upstream.hash_fallback_uri_capture,
    )
  return first ?? second() ?? { value: '', setCookie: undefined }

  function valueOf(
    input: Upstream['hash_on'],
    header = '',
    argument = '',
    capture = '',
  ): HashValue | undefined {
    if (input === 'none') return undefined
    if (input === 'cookie') return cookieOf(upstream, request)
    const value = inputOf(input, request, header, argument, capture)
    return value === undefined ? undefined : { value, setCookie: undefined }
  }
}

function inputOf(
  input: Exclude<Upstream['hash_on'], 'none' | 'cookie'>,
  { request, consumer, credential, uri_captures }: BalancedRequest,
  header: string,
  argument: string,
  capture: string,
): string | undefined {
  switch (input) {
    case 'consumer':
      return consumer?.id ?? credential?.id
    case 'ip':
      return request.ip
    case 'path':
      return request.path
    case 'header': {
      const values = request.headers.all(header.toLowerCase())
      return values.length > 0 ? values.join(', ') : undefined
    }
    case 'query_arg':
      return argumentOf(request.query, argument)
    case 'uri_capture':
      return uri_captures?.[capture]
  }
}

/** The cookie of the request, or a new one that the answer sets. */
function cookieOf(upstream: Upstream, { request }: BalancedRequest): HashValue {
  const name = upstream.hash_on_cookie ?? ''
  // nginx finds a cookie's name in any case.
  const wanted = name.toLowerCase()
  for (const field of request.headers.all('cookie')) {
    for (const part of field.split(';')) {
      const equals = part.indexOf('=')
      if (part.slice(0, Math.max(equals, 0)).trim().toLowerCase() === wanted)
        return { value: part.slice(equals + 1).trim(), setCookie: undefined }
    }
  }
  const value = crypto.randomUUID()
  const path = upstream.hash_on_cookie_path
  // `Same-Site` is Kong's spelling: no browser knows it, so nothing that works behind Kong is refused a cookie here.
  return { value, setCookie: `${name}=${value}; Path=${path}; Same-Site=Lax; HttpOnly` }
}

/** An argument's values, sorted and in one; `true` for one without a value. */
function argumentOf(query: string, name: string): string | undefined {
  const wanted = Buffer.from(name, 'utf8').toString('latin1')
  const values: string[] = []
  for (const part of query.split('&', MAX_ARGUMENTS)) {
    const equals = part.indexOf('=')
    if (unescape(equals < 0 ? part : part.slice(0, equals)) !== wanted) continue
    values.push(equals < 0 ? 'true' : unescape(part.slice(equals + 1)))
  }
  return values.length > 0 ? values.sort().join(',') : undefined
}

function unescape(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)))
}
