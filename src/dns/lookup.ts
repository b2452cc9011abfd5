import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type HostsEntry, readHosts, readNameServer, readResolvConf, withoutDot } from './files.ts'
import { isAskable, type RecordType, type ResourceRecord } from './message.ts'
import { type Ask, askOf, NO_SUCH_NAME } from './nameserver.ts'
import type { DnsSettings } from './settings.ts'

/** Where a name leads. */
export interface Place {
  /** An IP address. */
  readonly address: string
  /** What SRV says of it; a port of 0 is none, and the weight is above 0. */
  readonly srv?: { readonly name: string; readonly port: number; readonly weight: number }
}

/** What is known of a name. */
export interface Resolved {
  readonly type: 'A' | 'AAAA' | 'SRV'
  readonly places: readonly Place[]
}

export interface Found extends Resolved {
  /** Seconds; Infinity for what no server said. */
  readonly ttl: number
}

/** A name that leads nowhere, or of which nobody could tell. */
export class NameError extends Error {
  override readonly name = 'NameError'
  /** Whether it is certain that there is no such name. */
  readonly notFound: boolean

  constructor(message: string, notFound: boolean, options?: ErrorOptions) {
    super(message, options)
    this.notFound = notFound
  }
}

/** How many names may lead from one to the next. */
const MAX_ALIASES = 8
/** How many targets of SRV records are asked for at once. */
const AT_ONCE = 16

/** Finds where names lead: by the hosts file, and by the servers in the order of `dns_order`. Remembers nothing. */
export class Lookup {
  readonly #order: DnsSettings['dns_order']
  readonly #hosts: ReadonlyMap<string, HostsEntry>
  readonly #search: readonly string[]
  readonly #ndots: number
  readonly #ask: Ask

  /** Reads the hosts file and `resolv.conf`; a file that is not there is an empty one. */
  constructor(settings: DnsSettings) {
    const conf = readResolvConf(contentOf('/etc/resolv.conf'))
    const servers = settings.dns_resolver.flatMap(readNameServer)
    this.#order = settings.dns_order
    this.#hosts = readHosts(contentOf(settings.dns_hostsfile))
    this.#search = conf.search
    this.#ndots = conf.ndots
    this.#ask = askOf(servers.length > 0 ? servers : conf.servers, conf.timeout, conf.attempts)
  }

  /** Where `host` leads. `last`: the type that had an answer the last time. Throws `NameError`. */
  async find(host: string, last: RecordType | undefined): Promise<Found> {
    return (await this.#find(host, last, MAX_ALIASES)) ?? missing(host)
  }

  async #find(
    host: string,
    last: RecordType | undefined,
    aliases: number,
  ): Promise<Found | undefined> {
    const name = withoutDot(host.toLowerCase())
    const known = this.#withoutServer(name)
    if (known) return known
    // RFC 6761 §6.4: there is never anything there, and no server has to be asked.
    if (name === 'invalid' || name.endsWith('.invalid')) return undefined
    const types = this.#types(last)
    let failure: unknown
    for (const candidate of this.#candidates(host).filter(isAskable)) {
      for (const type of types) {
        try {
          const found = await this.#askFor(candidate, type, aliases)
          if (found) return found
        } catch (error) {
          failure ??= error
        }
      }
    }
    if (failure) throw asNameError(failure, host)
    return undefined
  }

  /** What needs no server: an address, a name in the hosts file, and this machine (RFC 6761 §6.3). */
  #withoutServer(name: string): Found | undefined {
    if (isIP(name) > 0) return only(name)
    const { ipv4, ipv6 } = this.#hosts.get(name) ?? {}
    const prefersIpv6 = this.#order.find((type) => type === 'A' || type === 'AAAA') === 'AAAA'
    const address = prefersIpv6 ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)
    if (address !== undefined) return only(address)
    return name === 'localhost' || name.endsWith('.localhost') ? only('127.0.0.1') : undefined
  }

  #types(last: RecordType | undefined): readonly RecordType[] {
    const types = this.#order.flatMap((type) => (type === 'LAST' ? (last ?? []) : type))
    return [...new Set(types)]
  }

  /** The full names that a name may stand for (resolv.conf(5), `search` and `ndots`). */
  #candidates(host: string): string[] {
    if (host.endsWith('.')) return [withoutDot(host)]
    const longer = this.#search.map((domain) => `${host}.${domain}`)
    const dots = host.split('.').length - 1
    return dots >= this.#ndots ? [host, ...longer] : [...longer, host]
  }

  /** Asks for one type. Undefined if there is no such record; throws if nobody could tell. */
  async #askFor(name: string, type: RecordType, aliases: number): Promise<Found | undefined> {
    const { rcode, records } = await this.#ask(name, type)
    if (rcode === NO_SUCH_NAME) return undefined
    const { owner, ttl } = followAliases(name.toLowerCase(), records)
    if (type === 'CNAME' || (owner !== name.toLowerCase() && !has(records, owner, type))) {
      if (owner === name.toLowerCase() || aliases === 0) return undefined
      const found =
        type === 'CNAME'
          ? await this.#find(`${owner}.`, undefined, aliases - 1)
          : await this.#askFor(owner, type, aliases - 1)
      return found && { ...found, ttl: Math.min(ttl, found.ttl) }
    }
    const own = records.filter((each) => each.owner === owner && each.type === type)
    if (own.length === 0) return undefined
    const least = Math.min(ttl, ...own.map((each) => each.ttl))
    if (type === 'SRV') return this.#followSrv(own, least)
    return { type, ttl: least, places: own.map(({ data }) => ({ address: data })) }
  }

  /** RFC 2782: only the records of the best priority count, and one that names no host says that there is no service. */
  async #followSrv(records: readonly ResourceRecord[], ttl: number): Promise<Found | undefined> {
    const best = Math.min(...records.map(({ srv }) => srv!.priority))
    const own = records.filter(({ srv, data }) => srv!.priority === best && data !== '')
    const places: Place[] = []
    let least = ttl
    let failure: unknown
    for (let i = 0; i < own.length; i += AT_ONCE) {
      const part = own.slice(i, i + AT_ONCE)
      const results = await Promise.allSettled(part.map(({ data }) => this.#addressesOf(data)))
      for (const [at, result] of results.entries()) {
        if (result.status === 'rejected') failure = result.reason
        else if (result.value) {
          const { data, srv } = part[at]!
          const { port, weight } = srv!
          least = Math.min(least, result.value.ttl)
          const { places: found } = result.value
          // A weight of 0 is the least chance, not none; that of a host is shared by its addresses.
          const share = Math.max(weight, 1) / found.length
          for (const { address } of found)
            places.push({ address, srv: { name: data, port, weight: share } })
        }
      }
    }
    if (places.length > 0) return { type: 'SRV', places, ttl: least }
    if (failure) throw failure
    return undefined
  }

  /** The addresses of a host that an SRV record names, which is a full name. */
  async #addressesOf(name: string): Promise<Found | undefined> {
    const known = this.#withoutServer(name)
    if (known) return known
    const types = this.#order.filter((type) => type === 'A' || type === 'AAAA')
    for (const type of types.length > 0 ? types : (['A'] as const)) {
      const found = await this.#askFor(name, type, MAX_ALIASES)
      if (found) return found
    }
    return undefined
  }
}

/** Where the aliases in an answer end, and the least TTL on the way there. */
function followAliases(name: string, records: readonly ResourceRecord[]) {
  let owner = name
  let ttl = Infinity
  for (let i = 0; i < MAX_ALIASES; i++) {
    const alias = records.find((each) => each.type === 'CNAME' && each.owner === owner)
    if (!alias) break
    owner = alias.data
    ttl = Math.min(ttl, alias.ttl)
  }
  return { owner, ttl }
}

function has(records: readonly ResourceRecord[], owner: string, type: RecordType): boolean {
  return records.some((each) => each.owner === owner && each.type === type)
}

function only(address: string): Found {
  return { type: isIP(address) === 6 ? 'AAAA' : 'A', places: [{ address }], ttl: Infinity }
}

function missing(host: string): never {
  throw new NameError(`there is no name ${host}`, true)
}

/** Whatever went wrong, as the error of a name. */
export function asNameError(error: unknown, host: string): NameError {
  if (error instanceof NameError) return error
  return new NameError(`the name ${host} could not be asked for`, false, { cause: error })
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
