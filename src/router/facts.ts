import type { Captures, Pattern } from '../pattern/pattern.ts'
import { type Ip, readIp } from '../expression/ip.ts'
import { type HostAndPort, type RoutedRequest, splitHost } from './request.ts'

/** As many query arguments as Kong reads (`lua_max_uri_args`). */
const MOST_ARGUMENTS = 100

const NOT_ASCII = /[^\x00-\x7f]/

/** What is known of one request while its route is looked for, and what has matched. */
export class Facts {
  readonly request: RoutedRequest
  /** In characters. */
  readonly path: string
  /** What the last comparison of `http.path` that held has matched. */
  matchedPath = ''
  /** The regexes that have matched, each with its text. */
  matched: (readonly [Pattern, string])[] | undefined
  /** Whether a value was read that is not UTF-8. */
  isBroken = false
  #host: HostAndPort | undefined
  #segments: readonly string[] | undefined
  #arguments: ReadonlyMap<string, string[]> | undefined

  constructor(request: RoutedRequest, path: string) {
    this.request = request
    this.path = path
  }

  /** The host's name; nothing for a request without one, as in HTTP/1.0. */
  get host(): string | undefined {
    return this.#splitHost().name || undefined
  }

  get port(): number {
    return this.#splitHost().port ?? this.request.port
  }

  /** Forgets what matched: the next route is tried. */
  reset(): void {
    this.matchedPath = ''
    this.matched = undefined
  }

  remember(pattern: Pattern, text: string): void {
    this.matched ??= []
    this.matched.push([pattern, text])
  }

  /** The values of a header field by Kong's name for it: in lower case, `_` for `-`. */
  headerValues(name: string): readonly string[] {
    const { fields } = this.request.headers
    const exact: string[] = []
    const dashed: string[] = []
    const dashedName = name.toLowerCase().replaceAll('_', '-')
    for (const { lower, value } of fields) {
      if (lower.length !== name.length) continue
      if (lower === name) exact.push(this.#textOf(value))
      else if (lower === dashedName) dashed.push(this.#textOf(value))
    }
    // A field that is sent with `_` hides the one with `-`, as in nginx's module for Lua.
    return exact.length > 0 ? exact : dashed
  }

  queryValues(name: string): readonly string[] {
    this.#arguments ??= readArguments(this.request.query ?? '', (wire) => this.#textOf(wire))
    return this.#arguments.get(name) ?? []
  }

  /** The path's segments, without empty ones at its end. */
  get segments(): readonly string[] {
    if (!this.#segments) {
      const segments = this.path.slice(1).split('/')
      while (segments.at(-1) === '') segments.pop()
      this.#segments = segments
    }
    return this.#segments
  }

  #splitHost(): HostAndPort {
    this.#host ??= splitHost(textOf(this.request.host) ?? '')
    return this.#host
  }

  #textOf(wire: string): string {
    const text = textOf(wire)
    if (text === undefined) this.isBroken = true
    return text ?? ''
  }

  get clientIp(): Ip | undefined {
    return this.request.ip === undefined ? undefined : readIp(this.request.ip)
  }

  get localIp(): Ip | undefined {
    return this.request.localIp === undefined ? undefined : readIp(this.request.localIp)
  }
}

/** The characters of a text of the wire; nothing if its bytes are not UTF-8. */
export function textOf(wire: string): string | undefined {
  if (!NOT_ASCII.test(wire)) return wire
  try {
    return UTF8.decode(Buffer.from(wire, 'latin1'))
  } catch {
    return undefined
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readArguments(
  query: string,
  readText: (wire: string) => string,
): ReadonlyMap<string, string[]> {
  const values = new Map<string, string[]>()
  for (const argument of query.split('&').slice(0, MOST_ARGUMENTS)) {
    const equals = argument.indexOf('=')
    const name = readText(unescape(equals < 0 ? argument : argument.slice(0, equals)))
    if (name === '') continue
    // An argument without a value is one with an empty one.
    const value = equals < 0 ? '' : readText(unescape(argument.slice(equals + 1)))
    const known = values.get(name)
    if (known) known.push(value)
    else values.set(name, [value])
  }
  return values
}

function unescape(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
}

/** What the groups of the regexes have captured, a later regex over an earlier one. Nothing without groups. */
export function capturesOf(
  matched: readonly (readonly [Pattern, string])[] | undefined,
): Captures | undefined {
  if (!matched?.some(([pattern]) => pattern.groups > 0)) return undefined
  const captures: Record<string, string> = Object.assign(
    {},
    ...matched.map(([pattern, text]) => pattern.captures(text)),
  )
  return Object.keys(captures).length > 1 ? captures : undefined
}
