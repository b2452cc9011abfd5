import type { ProxiedRequest } from './context.ts'

/** Writes a line for each request in Kong's format, gathered so that a busy gateway makes few system calls. */
export class AccessLog {
  readonly #write: ((text: string) => void) | undefined
  #text = ''
  #timer: Timer | undefined
  #second = 0
  #time = ''

  /** Without `write` there is no access log, and it costs nothing. */
  constructor(write?: (text: string) => void) {
    this.#write = write
  }

  add(request: ProxiedRequest, status: number, bytes: number): void {
    if (!this.#write) return
    const { exchange, headers } = request
    const line = `${request.method} ${exchange.head.target} HTTP/1.${exchange.head.minor}`
    this.#text +=
      `${request.ip} - - [${this.#now()}] "${escaped(withoutSecrets(line))}" ${status} ${bytes} "${field(headers.get('referer'))}" ` +
      `"${field(headers.get('user-agent'))}" kong_request_id: "${request.id}"\n`
    if (this.#text.length > 32 * 1024) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), 100)
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

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `23/Nov/2026:20:00:00 +0000`, nginx's `$time_local` in UTC. */
function clfTime(date: Date): string {
  const iso = date.toISOString()
  return `${iso.slice(8, 10)}/${MONTHS[date.getUTCMonth()]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
}

function field(value: string | undefined): string {
  return value === undefined ? '-' : escaped(withoutSecrets(value))
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
const SECRET_ARGUMENTS = new Set([
  ...['access_token', 'id_token', 'refresh_token', 'token', 'code'],
  ...['client_secret', 'client_assertion', 'password', 'apikey'],
])
const ARGUMENT = /([?&])([^=&\s]*)=[^&\s]*/g
/** A JWT, which a plugin may read from an argument of any name. */
const JWT = /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*/g

function withoutSecrets(text: string): string {
  const named = text.includes('=') ? text.replace(ARGUMENT, withoutSecret) : text
  return named.includes('eyJ') ? named.replace(JWT, '[redacted]') : named
}

function withoutSecret(argument: string, mark: string, name: string): string {
  return SECRET_ARGUMENTS.has(decoded(name).toLowerCase()) ? `${mark}${name}=[redacted]` : argument
}

/** Plugins read `access%5Ftoken` as `access_token`. */
function decoded(name: string): string {
  if (!name.includes('%')) return name
  return name.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}
