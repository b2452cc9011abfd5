import { isIP } from 'node:net'
import { Dns } from '../dns/dns.ts'
import { Lookup } from '../dns/lookup.ts'
import type { DnsSettings } from '../dns/settings.ts'
import type { CaCertificate, Certificate, Service, Target, Upstream } from '../entities/index.ts'
import type { Log } from '../pdk.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import { probe } from '../upstream/probe.ts'
import type { Address as Place } from '../upstream/target.ts'
import type { Address } from './address.ts'
import type { Balancer, UpstreamHealth } from './balancer.ts'
import { Balancers } from './balancers.ts'
import {
  BalancedPeers,
  FixedPeer,
  type Manner,
  NamedPeers,
  peerAt,
  type Peers,
  targetAt,
  unresolved,
} from './peers.ts'
import { probeHead } from './probe_head.ts'

export interface DirectoryOptions {
  readonly client: UpstreamClient
  readonly log: Log
  readonly dns: DnsSettings
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
  /** Whether the certificates of services are checked where the service does not say. */
  readonly tls_certificate_verify: boolean
}

/** What of a configuration says where services are. */
export interface DirectoryEntities {
  readonly upstreams: readonly Upstream[]
  readonly targets: readonly Target[]
  readonly certificates: readonly Certificate[]
  readonly ca_certificates: readonly CaCertificate[]
}

/** Milliseconds for a probe without a limit of its own: nginx's limit for connecting. */
const USUAL_TIMEOUT = 60_000

/** Knows where services are: at an address, at a name, or behind an upstream. Kept over reloads. */
export class Directory {
  readonly #options: DirectoryOptions
  #lookup: Lookup
  readonly #dns: Dns
  readonly #balancers: Balancers

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#lookup = new Lookup(options.dns)
    this.#dns = new Dns(options.dns, (host, last) => this.#lookup.find(host, last))
    this.#balancers = new Balancers({ dns: this.#dns, log: options.log })
  }

  /**
   * Takes over another configuration, and reads the hosts file and `resolv.conf` again; gives the function that finds the
   * peers of a service.
   */
  update(entities: DirectoryEntities): (service: Service) => Peers {
    this.#lookup = new Lookup(this.#options.dns)
    this.#dns.refresh()
    const { upstreams, targets } = entities
    const certificates = new Map(entities.certificates.map((each) => [each.id, each]))
    const authorities = new Map(entities.ca_certificates.map((each) => [each.id, each.cert]))
    const { client } = this.#options
    const balancers = this.#balancers.update(upstreams, targets, (upstream, address) => {
      const { type, timeout } = upstream.healthchecks.active
      const head = type === 'http' || type === 'https' ? probeHead(upstream, address) : undefined
      const target = this.#probeTarget(upstream, address, certificates)
      return probe(client, target, head, timeout * 1000 || USUAL_TIMEOUT)
    })
    return (service) => {
      const balancer = balancers.get(service.host)
      return this.#peersOf(
        service,
        balancer,
        this.#mannerOf(service, balancer, certificates, authorities),
      )
    }
  }

  /** Where a server is that is no service, by the same names: each address that it has. Throws `UpstreamError`. */
  async locate(host: string, port: number): Promise<readonly Place[]> {
    // This machine has two addresses, and the system tries them both.
    const isFixed = isIP(host) > 0 || host === 'localhost'
    if (isFixed || this.#options.client.leadsElsewhere(host, port)) return [{ host, port }]
    try {
      const { places } = await this.#dns.find(host, performance.now())
      return places.map(({ address, srv }) => ({ host: address, port: srv?.port || port }))
    } catch (error) {
      throw unresolved(host, error)
    }
  }

  /** How all upstreams are, for an operator. */
  get health(): UpstreamHealth[] {
    return this.#balancers.health
  }

  /** Checks no more and asks for no more names. */
  stop(): void {
    this.#balancers.stop()
  }

  #peersOf(service: Service, balancer: Balancer | undefined, manner: Manner): Peers {
    if (balancer) return new BalancedPeers(balancer, manner)
    const { port } = service
    const host = service.host.replace(/^\[|\]$/g, '')
    const isFixed = isIP(host) > 0 || this.#options.client.leadsElsewhere(host, port)
    return isFixed
      ? new FixedPeer(peerAt(manner, host, port, host))
      : new NamedPeers(this.#dns, manner, host, port)
  }

  #mannerOf(
    service: Service,
    balancer: Balancer | undefined,
    certificates: ReadonlyMap<string, Certificate>,
    authorities: ReadonlyMap<string, string>,
  ): Manner {
    if (service.protocol !== 'https') return { protocol: 'http', tls: undefined }
    const { ca, tls_certificate_verify } = this.#options
    const verify = service.tls_verify ?? tls_certificate_verify
    const own = service.ca_certificates?.flatMap((each) => authorities.get(each) ?? []).join('\n')
    const shown = service.client_certificate ?? balancer?.upstream.client_certificate
    return mannerOf(verify, own ?? ca, shown && certificates.get(shown.id))
  }

  #probeTarget(
    upstream: Upstream,
    address: Address,
    certificates: ReadonlyMap<string, Certificate>,
  ) {
    const { ip, port, name } = address
    const { type, https_sni, https_verify_certificate } = upstream.healthchecks.active
    const shown = upstream.client_certificate && certificates.get(upstream.client_certificate.id)
    const isTls = type === 'https' || type === 'grpcs'
    const manner: Manner = isTls
      ? mannerOf(https_verify_certificate, this.#options.ca, shown)
      : { protocol: 'http', tls: undefined }
    const serverName = https_sni ?? upstream.host_header?.replace(/:\d+$/, '') ?? name
    return targetAt(manner, ip, port, serverName)
  }
}

function mannerOf(verify: boolean, ca: string | undefined, shown: Certificate | undefined): Manner {
  // What differs must not share a connection. The key is left out: it changes with its certificate.
  const id = Bun.hash.xxHash64(JSON.stringify([verify, verify && ca, shown?.cert])).toString(36)
  const certificate = shown && { cert: shown.cert, key: shown.key }
  return { protocol: 'https', tls: { id, verify, ca: verify ? ca : undefined, certificate } }
}
