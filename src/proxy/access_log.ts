import type { HeaderList } from '../headers.ts'
import type { ProxiedRequest } from './context.ts'

/** A line as Kong's, or an object of JSON. */
export type AccessLogFormat = 'kong' | 'json'

/** Writes a line for each request, gathered so that a busy gateway makes few system calls. */
export class AccessLog {
  readonly #write: ((text: string) => void) | undefined
  readonly #format: AccessLogFormat
  #text = ''
  #timer: Timer | undefined
  #second = 0
  #time = ''

  /** Without `write` there is no access log, and it costs nothing. */
  constructor(write?: (text: string) => void, format: AccessLogFormat = 'kong') {
    this.#write = write
    this.#format = format
  }

  /** `secrets`: the query arguments whose values are left out, as `secretArguments` gives them. */
  add(request: ProxiedRequest, status: number, bytes: number, secrets: ReadonlySet<string>): void {
    if (!this.#write) return
    this.#text +=
      this.#format === 'json'
        ? jsonLine(request, status, bytes, secrets)
        : this.#kongLine(request, status, bytes, secrets)
    if (this.#text.length > 32 * 1024) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), 100)
  }

  #kongLine(
    { ip, id, headers, method, exchange: { head, httpVersion } }: ProxiedRequest,
    status: number,
    bytes: number,
    secrets: ReadonlySet<string>,
  ): string {
    const line = `${method} ${head.target} HTTP/${httpVersion}`
    const user = written(userOf(headers), secrets)
    return (
      `${ip} - ${user} [${this.#now()}] "${written(line, secrets)}" ${status} ${bytes} "${written(headers.get('referer'), secrets)}" ` +
      `"${written(headers.get('user-agent'), secrets)}" kong_request_id: "${id}"\n`
    )
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#text
    this.#text = ''
    if (text !== '') this.#write?.(text)
  }

  #now(): string {
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#second)
      [this.#second, this.#time] = [second, clfTime(new Date(second * 1000))]
    return this.#time
  }
}

/** The same as an object of JSON, by the names of nginx's variables. */
function jsonLine(
  { ip, id, headers, method, exchange: { head, httpVersion, startedAt } }: ProxiedRequest,
  status: number,
  bytes: number,
  secrets: ReadonlySet<string>,
): string {
  const shown = (text: string | undefined) =>
    text === undefined ? undefined : withoutSecrets(text, secrets)
  const line = {
    time: new Date().toISOString(),
    remote_addr: ip,
    remote_user: shown(userOf(headers)),
    request_method: method,
    request_uri: shown(head.target),
    server_protocol: `HTTP/${httpVersion}`,
    status,
    body_bytes_sent: bytes,
    request_time: Math.round(performance.now() - startedAt) / 1000,
    http_referer: shown(headers.get('referer')),
    http_user_agent: shown(headers.get('user-agent')),
    kong_request_id: id,
  }
  return `${JSON.stringify(line)}\n`
}

/** The name of Basic credentials, right or wrong, as nginx reads it: its bytes, one character each. */
function userOf(headers: HeaderList): string | undefined {
  const [, base64 = ''] = BASIC.exec(headers.get('authorization') ?? '') ?? []
  if (base64.length % 4 === 1) return undefined
  const pair = Buffer.from(base64, 'base64').toString('latin1')
  const colon = pair.indexOf(':')
  return colon < 0 ? undefined : pair.slice(0, colon)
}

const BASIC = /^basic +([A-Za-z0-9+/]+)(?:=.*)?$/i

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `23/Nov/2026:20:00:00 +0000`, nginx's `$time_local` in UTC. */
function clfTime(date: Date): string {
  const iso = date.toISOString()
  return `${iso.slice(8, 10)}/${MONTHS[date.getUTCMonth()]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
}

function written(text: string | undefined, secrets: ReadonlySet<string>): string {
  return text === undefined ? '-' : escaped(withoutSecrets(text, secrets))
}

/** As nginx does in its log: quotes, backslashes and all that is not printable ASCII. */
function escaped(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return text
  return text.replace(
    /["\\]|[^\x20-\x7e]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

const NEEDS_ESCAPE = /["\\]|[^\x20-\x7e]/
/** Query arguments that carry a credential (RFC 6750 §2.3 and the names that plugins read by default). */
const SECRET_ARGUMENTS = [
  ...['access_token', 'id_token', 'refresh_token', 'token', 'code'],
  ...['client_secret', 'client_assertion', 'password', 'apikey'],
]

/** The arguments that are left out of every line: those that always carry a credential, and `names`. */
export function secretArguments(names: readonly string[]): ReadonlySet<string> {
  // A name stands in a request as bytes, and one byte is one character here.
  const asSent = names.map((name) => Buffer.from(name, 'utf8').toString('latin1').toLowerCase())
  return new Set([...SECRET_ARGUMENTS, ...asSent])
}

/** A text without the values of arguments of these names, and without what may be a JWT. */
export function withoutSecrets(text: string, secrets: ReadonlySet<string>): string {
  const named = text.includes('=') ? withoutArguments(text, secrets) : text
  return named.includes('eyJ') ? withoutTokens(named) : named
}

/** Reads every character a fixed number of times, where a pattern would begin anew at each `?` that someone sends. */
function withoutArguments(text: string, secrets: ReadonlySet<string>): string {
  let kept = ''
  let keptTo = 0
  let from = 0
  for (;;) {
    const equals = text.indexOf('=', from)
    if (equals < 0) return kept + text.slice(keptTo)
    let mark = equals - 1
    while (mark >= from && !endsArgument(text.charCodeAt(mark)) && text[mark] !== '?') mark--
    const name = mark >= from ? text.slice(mark + 1, equals) : ''
    from = equals + 1
    if (!secrets.has(decoded(name).toLowerCase())) continue
    kept += `${text.slice(keptTo, from)}[redacted]`
    while (from < text.length && !endsArgument(text.charCodeAt(from))) from++
    keptTo = from
  }
}

/** `&`, or white space. */
function endsArgument(c: number): boolean {
  return c === 0x26 || c === 0x20 || c === 0x09
}

/** Leaves out what may be a JWT, which a plugin may read from an argument of any name. */
export function withoutTokens(text: string): string {
  let kept = ''
  let keptTo = 0
  let from = 0
  for (;;) {
    const begin = text.indexOf('eyJ', from)
    if (begin < 0) return kept + text.slice(keptTo)
    from = begin + 3
    while (from < text.length && TOKEN.includes(text[from]!)) from++
    if (!text.slice(begin, from).includes('.')) continue
    kept += `${text.slice(keptTo, begin)}[redacted]`
    keptTo = from
  }
}

/** Base64url, and the dots between the parts of a JWT. */
const TOKEN = '-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** Plugins read `access%5Ftoken` as `access_token`. */
function decoded(name: string): string {
  if (!name.includes('%')) return name
  return name.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}
