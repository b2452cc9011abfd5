import { isIP } from 'node:net'

export interface NameServer {
  readonly host: string
  readonly port: number
}

/** What `resolv.conf` says (resolv.conf(5)). */
export interface ResolvConf {
  readonly servers: readonly NameServer[]
  /** What a short name is completed by. */
  readonly search: readonly string[]
  /** From how many dots on a name is first asked for as it stands. */
  readonly ndots: number
  /** Milliseconds that one server has for one answer. */
  readonly timeout: number
  /** How often all servers are asked. */
  readonly attempts: number
}

const MAX_SERVERS = 3
/** As in glibc: limits for what the file may set. */
const MAX_NDOTS = 15
const MAX_SECONDS = 30
const MAX_ATTEMPTS = 5

/** Reads a `resolv.conf`. Without a server in it, it is the one of this machine, as in glibc. */
export function readResolvConf(text: string): ResolvConf {
  const servers: NameServer[] = []
  let search: string[] = []
  const options = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [word, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (word === 'nameserver') servers.push(...values.slice(0, 1).flatMap(readNameServer))
    if (word === 'search' || word === 'domain') search = values.map(withoutDot).filter(Boolean)
    if (word === 'options') {
      for (const each of values) {
        const [name = '', value = ''] = each.split(':')
        if (/^\d+$/.test(value)) options.set(name, Number(value))
      }
    }
  }
  const option = (name: string, usual: number, most: number) =>
    Math.min(options.get(name) ?? usual, most)
  return {
    servers: servers.length > 0 ? servers.slice(0, MAX_SERVERS) : [{ host: '127.0.0.1', port: 53 }],
    search,
    ndots: option('ndots', 1, MAX_NDOTS),
    timeout: Math.max(option('timeout', 2, MAX_SECONDS), 1) * 1000,
    attempts: Math.max(option('attempts', 2, MAX_ATTEMPTS), 1),
  }
}

/** A server as Kong's `dns_resolver` names it: `192.0.2.1`, `192.0.2.1:53`, `::1`, `[::1]:53`; nothing for what is none. */
export function readNameServer(text: string): NameServer[] {
  const [, host = text, digits = '53'] =
    /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  return isIP(host) > 0 && port > 0 && port < 65536 ? [{ host, port }] : []
}

export interface HostsEntry {
  readonly ipv4?: string
  readonly ipv6?: string
}

/** Reads a hosts file (hosts(5)): the first address of each family that a name has, names in lower case. */
export function readHosts(text: string): ReadonlyMap<string, HostsEntry> {
  const hosts = new Map<string, HostsEntry>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0) continue
    const entry: HostsEntry = family === 4 ? { ipv4: address } : { ipv6: address }
    for (const name of names) {
      const key = withoutDot(name.toLowerCase())
      hosts.set(key, { ...entry, ...hosts.get(key) })
    }
  }
  return hosts
}

/** The dot that ends a full name says nothing more once the name is known to be one. */
export function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
