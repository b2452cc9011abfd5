import { BlockList, isIP } from 'node:net'

/** Whether an address is one of a list of addresses and CIDR blocks; false for what is no address. */
export type AddressMatcher = (address: string) => boolean

/** Prepares a list whose entries `badAddress` has passed. */
export function createMatcher(entries: readonly string[]): AddressMatcher {
  // A list for each family, since `::/0` means no address of IPv4, as in Kong.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const entry of entries) {
    const { address, family, bits } = read(entry)
    if (bits === undefined) lists[family].addAddress(address, family)
    else lists[family].addSubnet(address, bits, family)
  }
  return (address) => {
    const plain = MAPPED.exec(address)?.[1] ?? address
    const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4'
    return lists[family].check(plain, family)
  }
}

/** An address of IPv4 in the clothes of IPv6 (RFC 4291 §2.5.5.2): it must not slip past what is said of the former. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** Kong's message for what is neither an address nor a CIDR block. */
export function badAddress(entry: string): string | undefined {
  const { address, family, bits } = read(entry)
  const most = family === 'ipv6' ? 128 : 32
  // An address with a zone, such as `fe80::1%eth0`, means something on one machine only.
  const isGood = isIP(address) > 0 && !address.includes('%') && (bits ?? 0) <= most
  return isGood ? undefined : `invalid ip or cidr range: '${entry}'`
}

function read(entry: string) {
  const [, address = entry, digits] = /^(.*)\/(0|[1-9]\d{0,2})$/.exec(entry) ?? []
  const family: 'ipv4' | 'ipv6' = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  return { address, family, bits: digits === undefined ? undefined : Number(digits) }
}
