import type { ResponseHead } from '../http1/head.ts'

/** RFC 9113 §8.2.2: they belong to a connection, and here there is none of theirs. */
const OF_CONNECTIONS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path'])
/** RFC 9113 §8.2.1. The values are looked at by the reader of HTTP/1.1, but for line ends, which it would believe. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const LINE_BREAK = /[\r\n\0]/

interface TranslatedHead {
  readonly method: string
  readonly text: string
  /** The announced length of the body. */
  readonly length: number | undefined
}

/** The head of a request in HTTP/1.1; nothing for one that is malformed (RFC 9113 §8.1.1, §8.3.1). */
export function requestHead(raw: readonly string[], isWhole: boolean): TranslatedHead | undefined {
  const pseudo = new Map<string, string>()
  const fields: [string, string][] = []
  const cookies: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i]!, raw[i + 1]!]
    if (LINE_BREAK.test(value)) return undefined
    if (name.startsWith(':')) {
      if (!PSEUDO.has(name) || pseudo.has(name) || fields.length > 0) return undefined
      pseudo.set(name, value)
    } else if (!NAME.test(name) || OF_CONNECTIONS.has(name)) return undefined
    else if (name === 'te' && value !== 'trailers') return undefined
    else if (name === 'cookie') cookies.push(value)
    else fields.push([name, value])
  }
  // RFC 9113 §8.2.3: what HPACK has taken apart is one field again.
  if (cookies.length > 0) fields.push(['cookie', cookies.join('; ')])
  const method = pseudo.get(':method')
  const target = pseudo.get(':path') ?? pseudo.get(':authority')
  const hosts = [pseudo.get(':authority'), ...valuesOf(fields, 'host')].filter((each) => each)
  const lengths = valuesOf(fields, 'content-length')
  if (method === undefined || target === undefined) return undefined
  // RFC 9113 §8.5.
  if (!pseudo.has(':scheme') && method !== 'CONNECT') return undefined
  if (new Set(hosts).size !== 1 || lengths.length > 1) return undefined
  const length = lengths[0] === undefined ? undefined : Number(lengths[0])
  if (length !== undefined && (!/^\d{1,15}$/.test(lengths[0]!) || (isWhole && length > 0)))
    return undefined
  const framing = isWhole || length !== undefined ? [] : [['transfer-encoding', 'chunked']]
  const lines = [['host', hosts[0]!], ...fields.filter(([name]) => name !== 'host'), ...framing]
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return { method, length, text: `${method} ${target} HTTP/1.1\r\n${text}\r\n` }
}

function valuesOf(fields: readonly (readonly [string, string])[], name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value)
}

/** An answer's fields, name and value in turn, in the order and number that they came in. */
export function answerFields({ status, headers }: ResponseHead): string[] {
  const fields = [':status', String(status)]
  for (const { lower, value } of headers.fields) {
    // `TE` is a request's; a client takes it in an answer for a fault of the stream (RFC 9113 §8.2.2).
    if (!OF_CONNECTIONS.has(lower) && lower !== 'te') fields.push(lower, value)
  }
  return fields
}
