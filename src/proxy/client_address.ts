import { BlockList, isIP } from 'node:net'
import type { ExchangeConnection } from '../front/exchange.ts'
import type { RequestHead } from '../http1/head.ts'

export interface ClientAddressSettings {
  /** Kong's `trusted_ips`: addresses or CIDR blocks of the proxies in front. */
  readonly trusted_ips: readonly string[]
  /** The field that those proxies put the client's address in, in lower case; or `proxy_protocol`, for no field. */
  readonly real_ip_header: string
  readonly real_ip_recursive: boolean
}

type Peer = Pick<ExchangeConnection, 'remoteAddress' | 'origin'>

/** nginx's word for the address of a Unix socket. */
const UNIX = 'unix:'

/** Who a request comes from. A field that names the client is believed only from a trusted peer. */
export class ClientAddress {
  readonly #trusted: BlockList | undefined
  readonly #settings: ClientAddressSettings

  constructor(settings: ClientAddressSettings) {
    this.#settings = settings
    this.#trusted = settings.trusted_ips.length > 0 ? blockList(settings.trusted_ips) : undefined
  }

  isTrusted(address: string): boolean {
    // Who comes by a Unix socket has no address.
    if (address === UNIX) return this.#settings.trusted_ips.includes(UNIX)
    return this.#trusted?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') ?? false
  }

  /** The client's address: the peer's, or what a trusted peer says; the last of a list, or with `real_ip_recursive` the last that is not trusted itself. */
  of(head: RequestHead, { remoteAddress: peer, origin }: Peer): string {
    if (!this.#trusted || !this.isTrusted(peer)) return peer
    if (this.#settings.real_ip_header === 'proxy_protocol') return origin.proxiedAddress ?? peer
    const field = this.#settings.real_ip_header
    const sent = head.headers.all(field)
    // nginx takes the lines of this field alone for one list; of another that was sent twice it reads the first.
    const lines = field === 'x-forwarded-for' ? sent : sent.slice(0, 1)
    const chain = lines.flatMap((each) => each.split(',').map((part) => part.trim()))
    // From the right, where the nearest proxy wrote: left of what cannot be read, anyone may have written.
    let client = peer
    for (const each of chain.reverse()) {
      const address = addressIn(each)
      if (address === undefined) break
      client = address
      if (!this.#settings.real_ip_recursive || !this.isTrusted(address)) break
    }
    return client
  }
}

/** The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; some proxies add the client's port. */
function addressIn(text: string): string | undefined {
  const bare =
    /^\[(.*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
  return isIP(bare) === 0 ? undefined : bare
}

function blockList(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) {
    if (block === UNIX) continue
    const [address = '', bits] = block.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
