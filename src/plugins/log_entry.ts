import type { HeaderList } from '../headers.ts'
import type { LogContext } from '../pdk.ts'

type Values = Readonly<Record<string, string | true | readonly (string | true)[]>>

/** What Kong's log plugins tell of a request, by Kong's names (`kong.log.serialize`). */
export interface LogEntry {
  readonly request: {
    readonly id: string
    readonly uri: string
    readonly url: string
    readonly querystring: Values
    readonly method: string
    readonly headers: Values
    readonly size: number
  }
  readonly upstream_uri: string
  readonly upstream_status: string
  readonly response: { readonly status: number; readonly headers: Values; readonly size: number }
  readonly latencies: {
    readonly kong: number
    readonly proxy: number
    readonly request: number
    readonly receive: number
  }
  readonly tries: LogContext['tries']
  readonly authenticated_entity?: { readonly id: string; readonly consumer_id?: string }
  readonly route?: LogContext['route']
  readonly service?: LogContext['service']
  readonly consumer?: LogContext['consumer']
  readonly client_ip: string
  readonly started_at: number
  readonly source: 'upstream' | 'kong'
  readonly workspace_name: 'default'
}

/** Describes a request that is over. What carries a credential is left out: more than Kong does. */
export function logEntry(ctx: LogContext): LogEntry {
  const { request, route, service, consumer, credential, latencies, sizes, secrets } = ctx
  const asked = request.query === '' ? request.rawPath : `${request.rawPath}?${request.query}`
  const uri = readable(secrets.leaveOut(asked))
  const host = request.host.replace(/:\d*$/, '').toLowerCase()
  return {
    ...ctx.serializeValues,
    request: {
      id: request.id,
      uri,
      url: `${request.scheme}://${host}:${request.port}${uri}`,
      querystring: gather(argumentsOf(request.query, ctx)),
      method: request.method,
      headers: headersOf(request.headers, ctx),
      size: sizes.request,
    },
    upstream_uri: readable(secrets.leaveOut(ctx.upstreamUri ?? '')),
    upstream_status: String(ctx.upstreamStatus ?? ''),
    response: {
      status: ctx.status,
      headers: headersOf(ctx.headers, ctx),
      size: sizes.response,
    },
    latencies: {
      kong: latencies.kong,
      proxy: latencies.proxy,
      request: latencies.request,
      receive:
        latencies.proxy < 0 ? 0 : Math.max(0, latencies.request - latencies.kong - latencies.proxy),
    },
    tries: ctx.tries,
    ...(credential && {
      authenticated_entity: { id: credential.id, ...(consumer && { consumer_id: consumer.id }) },
    }),
    ...(route && { route }),
    ...(service && { service }),
    ...(consumer && { consumer }),
    client_ip: request.ip,
    started_at: ctx.startedAt,
    source: ctx.source === 'service' ? 'upstream' : 'kong',
    workspace_name: 'default',
  }
}

/** What Kong writes in the place of a credential. */
const REDACTED = 'REDACTED'

/** Headers whose whole value is a credential. Kong leaves out the first two. */
const CREDENTIALS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])

function headersOf(headers: HeaderList, { secrets }: LogContext): Values {
  return gather(
    headers.fields.map(({ lower, spelling, value }) => {
      const isSecret = CREDENTIALS.has(spelling) || secrets.has(lower) || secrets.has(spelling)
      return [lower, isSecret ? REDACTED : readable(secrets.leaveOut(value))]
    }),
  )
}

/** An argument without a value is `true`, as in Kong. */
function argumentsOf(query: string, { secrets }: LogContext): [string, string | true][] {
  if (query === '') return []
  return query.split('&').flatMap((pair): [string, string | true][] => {
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    if (name === '') return []
    if (equals < 0) return [[name, true]]
    const value = decode(pair.slice(equals + 1))
    return [[name, secrets.has(name) ? REDACTED : secrets.leaveOut(value)]]
  })
}

/** One value as itself, several of one name as a list. */
function gather(pairs: readonly (readonly [string, string | true])[]): Values {
  const gathered = new Map<string, string | true | (string | true)[]>()
  for (const [name, value] of pairs) {
    const before = gathered.get(name)
    if (before === undefined) gathered.set(name, value)
    else if (Array.isArray(before)) before.push(value)
    else gathered.set(name, [before, value])
  }
  return Object.fromEntries(gathered)
}

function decode(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    )
  return readable(bytes)
}

/** What came over the wire has a character for each byte; a log is UTF-8. */
function readable(text: string): string {
  return /[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString() : text
}
