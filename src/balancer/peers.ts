import type { Dns } from '../dns/dns.ts'
import { NameError, type Resolved } from '../dns/lookup.ts'
import { UpstreamError } from '../upstream/errors.ts'
import type { Target, TargetTls } from '../upstream/target.ts'
import type { Result } from './active_checks.ts'
import { Address } from './address.ts'
import type { Balancer } from './balancer.ts'
import { type BalancedRequest, type HashValue, hashValueOf } from './hash_value.ts'
import { RoundRobin } from './round_robin.ts'

/** Where one try of a request goes. */
export interface Peer {
  readonly target: Target
  /** The line of the field `Host`, unless the client's is preserved. */
  readonly host: string
}

/** Chooses peers for one request, the first and those after a failed try. */
export interface Choice {
  /**
   * Undefined where nobody can take the request; a promise only while a name was never told. Throws `UpstreamError`, and
   * so may the promise. `now` on the clock of `performance.now()`.
   */
  next(now: number): Peer | undefined | Promise<Peer | undefined>
  /**
   * The try of the last peer is over, after `time` milliseconds; without a result if it says nothing of the peer. `isLast`:
   * there is no other try.
   */
  ended(result: Result | undefined, time: number, now: number, isLast: boolean): void
  /** What the answer has to say in `Set-Cookie`. */
  readonly setCookie: string | undefined
}

/** Where the requests of a service go, prepared at load. */
export interface Peers {
  choose(request: BalancedRequest): Choice
}

/** How a service is spoken to, wherever it is. */
export interface Manner {
  readonly protocol: 'http' | 'https'
  /** For https; `id` tells two settings apart. */
  readonly tls: (Omit<TargetTls, 'serverName'> & { readonly id: string }) | undefined
}

/** A peer at an address; `name` is what it is asked for by. */
export function peerAt(manner: Manner, host: string, port: number, name: string): Peer {
  return {
    target: targetAt(manner, host, port, name),
    host: `Host: ${hostOf(manner.protocol, name, port)}\r\n`,
  }
}

/** A target at an address; `name` is the one that its certificate must have. */
export function targetAt(
  { protocol, tls }: Manner,
  host: string,
  port: number,
  name: string,
): Target {
  const at = `${protocol}://${host}:${port}`
  if (!tls) return { host, port, tls: undefined, key: at }
  const { id, ...settings } = tls
  return { host, port, tls: { ...settings, serverName: name }, key: `${at} ${name} ${id}` }
}

/** The value of `Host`: with the port unless it is the protocol's own. */
function hostOf(protocol: string, host: string, port: number): string {
  // RFC 3986 §3.2.2: an address of IPv6 stands in brackets, or its end could not be told from the port.
  const name = host.includes(':') ? `[${host}]` : host
  return port === (protocol === 'https' ? 443 : 80) ? name : `${name}:${port}`
}

/** A service at an address: one peer, whoever asks. */
export class FixedPeer implements Peers, Choice {
  readonly setCookie = undefined
  readonly #peer: Peer

  constructor(peer: Peer) {
    this.#peer = peer
  }

  choose(): Choice {
    return this
  }

  next(): Peer {
    return this.#peer
  }

  ended(): void {}
}

/** A service at a name: the addresses that it leads to take turns. */
export class NamedPeers implements Peers, Choice {
  readonly setCookie = undefined
  readonly #dns: Dns
  readonly #manner: Manner
  readonly #host: string
  readonly #port: number
  #resolved: Resolved | undefined
  #peers = new Map<Address, Peer>()
  readonly #turns = new RoundRobin()
  /** The one, where there is only one. */
  #only: Peer | undefined

  constructor(dns: Dns, manner: Manner, host: string, port: number) {
    this.#dns = dns
    this.#manner = manner
    this.#host = host
    this.#port = port
  }

  choose(): Choice {
    return this
  }

  next(now: number): Peer | Promise<Peer> {
    try {
      const resolved = this.#dns.find(this.#host, now)
      if (!(resolved instanceof Promise)) return this.#peerOf(resolved)
      return resolved.then(
        (found) => this.#peerOf(found),
        (error) => {
          throw unresolved(this.#host, error)
        },
      )
    } catch (error) {
      throw unresolved(this.#host, error)
    }
  }

  ended(): void {}

  #peerOf(resolved: Resolved): Peer {
    if (resolved !== this.#resolved) this.#lead(resolved)
    return this.#only ?? this.#peers.get(this.#turns.choose('', [])!)!
  }

  #lead(resolved: Resolved): void {
    this.#resolved = resolved
    const addresses = resolved.places.map(
      ({ address, srv }) =>
        new Address(this.#host, address, srv?.port || this.#port, srv?.weight ?? 1),
    )
    this.#peers = new Map(
      addresses.map((each) => [each, peerAt(this.#manner, each.ip, each.port, this.#host)]),
    )
    this.#turns.update([{ name: this.#host, port: this.#port, addresses }])
    this.#only = this.#peers.size === 1 ? this.#peers.get(addresses[0]!) : undefined
  }
}

/** That a name leads nowhere, as an error of who would be asked there. */
export function unresolved(host: string, cause: unknown): UpstreamError {
  const why = cause instanceof NameError && cause.cause instanceof Error ? cause.cause.message : ''
  const message = `the name ${host} cannot be resolved${why && ` (${why})`}`
  // That there is no such name is all that there is to say.
  const isKnown = cause instanceof NameError && cause.notFound
  const options = { unsent: true, ...(!isKnown && { cause }) }
  return new UpstreamError('name_resolution_failed', message, options)
}

/** A service whose host is an upstream. */
export class BalancedPeers implements Peers {
  readonly balancer: Balancer
  readonly #manner: Manner
  readonly #peers = new WeakMap<Address, Peer>()

  constructor(balancer: Balancer, manner: Manner) {
    this.balancer = balancer
    this.#manner = manner
  }

  choose(request: BalancedRequest): Choice {
    return new BalancedChoice(this, hashValueOf(this.balancer.upstream, request))
  }

  peerOf(address: Address): Peer {
    let peer = this.#peers.get(address)
    if (!peer) this.#peers.set(address, (peer = this.#createPeer(address)))
    return peer
  }

  #createPeer({ name, ip, port, srvName }: Address): Peer {
    const { host_header, use_srv_name } = this.balancer.upstream
    const host = host_header ?? (use_srv_name ? srvName : undefined) ?? name
    const [, bare = host, own] = /^(.+?):(\d+)$/.exec(host) ?? []
    // A port in `host_header` is meant to be told.
    if (host_header === undefined || own === undefined || bare.includes(':'))
      return peerAt(this.#manner, ip, port, host)
    return { target: targetAt(this.#manner, ip, port, bare), host: `Host: ${host}\r\n` }
  }
}

class BalancedChoice implements Choice {
  readonly setCookie: string | undefined
  readonly #peers: BalancedPeers
  readonly #value: string
  #tried: Address[] = []
  #address: Address | undefined

  constructor(peers: BalancedPeers, { value, setCookie }: HashValue) {
    this.#peers = peers
    this.#value = value
    this.setCookie = setCookie
  }

  next(now: number): Peer | undefined | Promise<Peer | undefined> {
    const { balancer } = this.#peers
    return balancer.settled?.then(() => this.#next(now)) ?? this.#next(now)
  }

  #next(now: number): Peer | undefined {
    const { balancer } = this.#peers
    if (this.#address) this.#tried.push(this.#address)
    this.#address = balancer.choose(this.#value, this.#tried, now)
    return this.#address && this.#peers.peerOf(this.#address)
  }

  ended(result: Result | undefined, time: number, now: number, isLast: boolean): void {
    if (this.#address) this.#peers.balancer.ended(this.#address, result, time, now, isLast)
  }
}
