import type { ClientRequest } from '../../../pdk.ts'

/**
 * The URI that a client means by a request, without its query, in the one spelling of `normalizeTarget`: a trusted proxy
 * in front is believed how it was asked itself. Nothing if it makes none.
 */
export function targetOf(request: ClientRequest): string | undefined {
  const told = (name: string) =>
    request.isPeerTrusted ? lastOf(request.headers.all(name)) : undefined
  const scheme = told('x-forwarded-proto') ?? request.scheme
  const authority = told('x-forwarded-host') ?? request.host
  const port = told('x-forwarded-port')
  const hasPort = /:\d+$/.test(authority)
  const path = told('x-forwarded-path')?.split('?', 1)[0] ?? request.rawPath
  // A port beside a host that has none; or else the host says it all.
  const place = port !== undefined && !hasPort ? `${authority}:${port}` : authority
  return normalizeTarget(`${scheme}://${place}${path}`)
}

/** What the nearest proxy wrote: left of it anyone may have. */
function lastOf(values: readonly string[]): string | undefined {
  const last = values.at(-1)?.split(',').at(-1)?.trim()
  return last === '' ? undefined : last
}

const PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' }

/**
 * An `http` or `https` URI without query and fragment (RFC 9449 §4.3, 9), normalized by RFC 3986 §6.2.2 and §6.2.3. Not
 * by `URL`, which takes `\` for `/`, and much else that is no URI.
 */
export function normalizeTarget(uri: string): string | undefined {
  const [, scheme = '', host = '', port = '', path = ''] =
    /^(https?):\/\/([\w.~!$&'()*+,;=%-]+|\[[\da-f:.]+\])(?::(\d*))?(\/[^?#]*)?(?:[?#].*)?$/is.exec(
      uri,
    ) ?? []
  if (host === '' || /[^\x21-\x7e]/.test(path) || /%(?![\da-f]{2})/i.test(host + path))
    return undefined
  const lower = scheme.toLowerCase()
  const shownPort = port === '' || port === PORTS[lower] ? '' : `:${port}`
  return `${lower}://${host.toLowerCase()}${shownPort}${withoutDots(unescaped(path))}`
}

/** Escapes of what needs none are undone, the others are in capitals. */
function unescaped(path: string): string {
  return path.replace(/%[\da-f]{2}/gi, (escape) => {
    const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return /[\w.~-]/.test(char) ? char : escape.toUpperCase()
  })
}

/** RFC 3986 §5.2.4. */
function withoutDots(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  for (const [i, segment] of segments.entries()) {
    const isDots = segment === '.' || segment === '..'
    if (segment === '..') kept.pop()
    if (!isDots) kept.push(segment)
    else if (i === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}`
}
