/** What a host is: an address or a name, and the port written behind it, if any. */
export interface Host {
  readonly kind: 'name' | 'ipv4' | 'ipv6'
  readonly port?: number
}

/** Reads `name`, `name:port`, an IPv4 or IPv6 address with or without a port; a string says what is wrong. */
export function readHost(text: string): Host | string {
  const colons = text.split(':').length - 1
  if (colons > 1) return readIpv6(text)
  const [, name = text, digits] = /^(.*):(\d+)$/.exec(text) ?? []
  const kind = /^[\d.:]+$/.test(text) ? 'ipv4' : 'name'
  if (!(kind === 'ipv4' ? isIpv4(name) : isName(name))) {
    return kind === 'ipv4' ? `invalid ipv4 address: ${text}` : `invalid hostname: ${text}`
  }
  return withPort({ kind }, digits)
}

function readIpv6(text: string): Host | string {
  const [, address = text, digits] = /^\[([^\]]*)\](?::(\d+))?$/.exec(text) ?? []
  if (!isIpv6(address)) return `invalid ipv6 address: ${text}`
  return withPort({ kind: 'ipv6' }, digits)
}

function withPort(host: Host, digits: string | undefined): Host | string {
  if (digits === undefined) return host
  return Number(digits) > 65535 ? 'invalid port number' : { ...host, port: Number(digits) }
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((each) => /^\d{1,3}$/.test(each) && Number(each) <= 255)
}

function isIpv6(text: string): boolean {
  const halves = text.split('::')
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  if (!groups.every((each) => /^[0-9a-f]{1,4}$/i.test(each))) return false
  return halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length <= 7
}

// An underscore is no part of a host name, but service names of container networks have it.
function isName(text: string): boolean {
  if (!/^[\w.-]+$/.test(text)) return false
  const labels = text.split('.')
  return labels.every(
    (each, i) => !each.endsWith('-') && (each !== '' || (i > 0 && i === labels.length - 1)),
  )
}
