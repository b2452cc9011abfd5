import type { ClientRequest } from '../../pdk.ts'

/** The address that a client asked for, as the client knows it. */
export interface Address {
  /** `http` or `https`. */
  readonly scheme: string
  /** Without a port, in lower case. */
  readonly host: string
  readonly port: number
  /** As it was sent, without the query. */
  readonly path: string
}

/** The address of a request: what a trusted proxy in front says of it, or else what the gateway itself was asked for. */
export function addressOf(request: ClientRequest): Address {
  const own: Address = {
    scheme: request.scheme,
    host: nameIn(request.host) ?? '',
    port: request.port,
    path: pathIn(request.rawPath) ?? '/',
  }
  if (!request.isPeerTrusted) return own
  // What the nearest proxy wrote: left of it anyone may have.
  const said = (name: string) => request.headers.all(name).at(-1)?.split(',').at(-1)?.trim() ?? ''
  const scheme = /^https?$/i.exec(said('x-forwarded-proto'))?.[0].toLowerCase()
  const forwardedHost = said('x-forwarded-host')
  const portSaid = portOf(said('x-forwarded-port')) ?? portOf(/:(\d+)$/.exec(forwardedHost)?.[1])
  // A proxy that has ended TLS and names no port is asked at the usual one; ours is of no use to its client.
  const isOtherScheme = scheme !== undefined && scheme !== request.scheme
  return {
    scheme: scheme ?? own.scheme,
    host: nameIn(forwardedHost) ?? own.host,
    port: portSaid ?? (isOtherScheme ? usualPort(scheme) : own.port),
    path: pathIn(said('x-forwarded-path').split('?', 1)[0]!) ?? own.path,
  }
}

/** Its URL, always with scheme and host, so that no browser can take it for another's: not `//host` but `http://gateway//host`. */
export function urlOf({ scheme, host, port, path }: Address): string {
  return `${scheme}://${host}${port === usualPort(scheme) ? '' : `:${port}`}${path}`
}

function usualPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80
}

/** The host without its port; nothing for what cannot be one. */
function nameIn(host: string): string | undefined {
  return /^(\[[\da-f:.]+\]|[\w.-]+)(?::\d*)?$/i.exec(host)?.[1]!.toLowerCase()
}

function portOf(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0
  return port > 0 && port < 65_536 ? port : undefined
}

/** A path that is fit for a URL; the gateway itself takes no other. */
function pathIn(path: string): string | undefined {
  return /^\/[\x21-\x7e]*$/.test(path) && !/[?#\\]/.test(path) ? path : undefined
}
