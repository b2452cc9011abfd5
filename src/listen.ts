import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'

/** A place that a listener takes, with what the flags of Kong's settings ask of it. */
export interface ListenAddress {
  /** A name or an address. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The path of a Unix socket, in place of a host and a port. */
  readonly unix?: string
  /** Clients speak TLS here. */
  readonly ssl?: boolean
  /** HTTP/2 is spoken beside HTTP/1.1: by ALPN, and without TLS by prior knowledge. */
  readonly http2?: boolean
  /** Each connection begins with a header of the PROXY protocol. */
  readonly proxyProtocol?: boolean
  /** Other processes may listen here as well, and share the clients. */
  readonly reusePort?: boolean
  /** If off, `[::]` takes the clients of IPv4 as well. */
  readonly ipv6Only?: boolean
  /** Seconds of silence after which the system asks a client whether it is still there; 0 for the system's own habit. */
  readonly keepAlive?: number
}

/** Thrown for an address that cannot be taken; the message is for the operator. */
export class BadListenAddress extends Error {
  override readonly name = 'BadListenAddress'
}

type Flags = { -readonly [K in keyof ListenAddress]?: ListenAddress[K] }
type Effect = (flags: Flags, word: string) => void

/** nginx's flags and what each does here; nothing where there is no effect. */
// prettier-ignore
const FLAGS: readonly (readonly [word: RegExp, effect?: Effect])[] = [
  [/^ssl$/,                                     (flags) => void (flags.ssl = true)],
  [/^proxy_protocol$/,                          (flags) => void (flags.proxyProtocol = true)],
  [/^http2$/,                                   (flags) => void (flags.http2 = true)],
  [/^reuseport$/,                               (flags) => void (flags.reusePort = true)],
  [/^ipv6only=(?:on|off)$/,                     (flags, word) => void (flags.ipv6Only = word === 'ipv6only=on')],
  [/^so_keepalive=off$/,                        () => {}],
  [/^so_keepalive=(?:on|\w*:\w*:\d*)$/,         (flags, word) => void (flags.keepAlive = silence(word))],
  // Every address has a socket of its own here.
  [/^bind$/,                                    () => {}],
  [/^backlog=\d+$/],
  [/^deferred$/],
]

/** Reads an entry of `proxy_listen` and its like, such as `0.0.0.0:8443 ssl reuseport`; `idle` are its flags without an effect. Throws `BadListenAddress`. */
export function readListenAddress(entry: string): { address: ListenAddress; idle: string[] } {
  const [place = '', ...words] = entry.split(/\s+/)
  const flags: Flags = {}
  const idle: string[] = []
  for (const word of words) {
    if (word === 'quic' || word === 'http3')
      throw new BadListenAddress(`HTTP/3 is not spoken here; remove ${word}`)
    const flag = FLAGS.find(([pattern]) => pattern.test(word))
    if (!flag) throw new BadListenAddress(`unknown flag "${word}"`)
    const [, effect] = flag
    if (effect) effect(flags, word)
    else idle.push(word)
  }
  return { address: { ...readPlace(place), ...flags }, idle }
}

/** An address as it is written in a setting. */
export function writtenAddress({ host, port, unix }: ListenAddress): string {
  if (unix !== undefined) return `unix:${unix}`
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function readPlace(text: string): ListenAddress {
  const [, path] = /^unix:(.*)$/.exec(text) ?? []
  if (path !== undefined) {
    if (!isAbsolute(path))
      throw new BadListenAddress(`"${text}" needs the whole path of its socket`)
    // `sockaddr_un` has room for 108 bytes and their end; what is longer would be cut.
    if (Buffer.byteLength(path) > 107)
      throw new BadListenAddress(`the path in "${text}" is too long`)
    return { host: '', port: 0, unix: path }
  }
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65535 || (bracketed !== undefined && isIP(bracketed) !== 6)) {
    throw new BadListenAddress(
      `"${text}" is no address; write it as 0.0.0.0:8000 or [::]:8000, or off`,
    )
  }
  return { host: bracketed ?? (plain === '*' ? '0.0.0.0' : plain!), port }
}

const SECONDS = { '': 1, s: 1, m: 60, h: 3600 } as const

/** nginx's `so_keepalive=30m::10`: idle time, interval and count, of which the idle time can be set here. */
function silence(word: string): number {
  const [, digits, unit = ''] = /^so_keepalive=(\d{1,6})([smh]?):/.exec(word) ?? []
  return digits === undefined ? 0 : Number(digits) * SECONDS[unit as keyof typeof SECONDS]
}
