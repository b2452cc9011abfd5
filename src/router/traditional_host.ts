import type { RoutedRequest } from './request.ts'

/** The host that a request names, in the spellings that the older router looks for. */
export interface RequestHost {
  readonly sent: string
  readonly name: string
  /** With the port of the scheme if none was sent. */
  readonly withPort: string
}

/** The port of the scheme is the one that counts where none was sent. */
export function hostOf({ host, scheme }: RoutedRequest): RequestHost {
  const { name, withPort } = splitPort(host, scheme === 'https' ? 443 : 80)
  return { sent: host, name, withPort }
}

/** Takes a port off a host; only digits are one, and brackets are taken off the address of IPv6. */
export function splitPort(
  host: string,
  defaultPort: number | undefined,
): { name: string; withPort: string; hasPort: boolean } {
  const add = (name: string) => (defaultPort === undefined ? name : `${name}:${defaultPort}`)
  if (host.startsWith('[')) {
    const [, address, colon, digits = ''] = /^\[(.*?)\](?:(:)(\d*))?$/s.exec(host) ?? []
    if (address === undefined) return { name: host, withPort: add(host), hasPort: false }
    if (colon === undefined) return { name: address, withPort: add(host), hasPort: false }
    if (digits !== '') return { name: address, withPort: host, hasPort: true }
    return { name: address, withPort: `${host}${defaultPort ?? ''}`, hasPort: false }
  }
  const colon = host.indexOf(':')
  if (colon < 0) return { name: host, withPort: add(host), hasPort: false }
  const name = host.slice(0, colon)
  const digits = host.slice(colon + 1)
  if (digits === '') return { name, withPort: add(name), hasPort: false }
  if (/^\d+$/.test(digits)) return { name, withPort: host, hasPort: true }
  const bracketed = defaultPort === undefined ? host : `[${host}]:${defaultPort}`
  return { name: host, withPort: bracketed, hasPort: false }
}
