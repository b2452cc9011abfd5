import { BlockList, isIP } from 'node:net'

/** Whether an address is one of a list of addresses and CIDR blocks; false for what is no address. */
export type AddressMatcher = (address: string) => boolean

/** Prepares a list whose entries `badAddress` has passed. */
export function createMatcher(entries: readonly string[]): AddressMatcher {
  const list = new BlockList()
  for (const entry of entries) {
    const { address, family, bits } = read(entry)
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, bits, family)
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

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
