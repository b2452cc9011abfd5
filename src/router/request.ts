import type { HeaderList } from '../headers.ts'

/** What the router reads of a request. Text is as on the wire, one character a byte. */
export interface RoutedRequest {
  readonly method: string
  /** The `Host` field as sent. */
  readonly host: string
  /** The port that the request came to, which counts where `host` names none. */
  readonly port: number
  /** Normalised. */
  readonly path: string
  readonly headers: HeaderList
  /** `http` if absent. */
  readonly scheme?: string | undefined
  /** The name that the client asked for in its TLS handshake. */
  readonly sni?: string | undefined
  /** Without its `?`. */
  readonly query?: string | undefined
  /** The address of the client. */
  readonly ip?: string | undefined
  readonly remotePort?: number | undefined
  /** The address that the request came to. */
  readonly localIp?: string | undefined
}

export interface HostAndPort {
  readonly name: string
  readonly port: number | undefined
}

/** As Kong's router: at the first colon, if a number follows. So an address of IPv6 is never split. */
export function splitHost(host: string): HostAndPort {
  const colon = host.indexOf(':')
  if (colon < 0) return { name: host, port: undefined }
  const digits = host.slice(colon + 1)
  if (!/^\d+$/.test(digits)) return { name: host, port: undefined }
  return { name: host.slice(0, colon), port: Number(digits) }
}
