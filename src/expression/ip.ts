/** An address as a number of 32 or 128 bits. */
export interface Ip {
  readonly bits: 32 | 128
  readonly value: bigint
}

/** A network: the first `prefix` bits of an address. */
export interface Cidr {
  readonly ip: Ip
  readonly prefix: number
}

/** Reads an address of IPv4 or IPv6; nothing if it is none. */
export function readIp(text: string): Ip | undefined {
  return text.includes(':') ? readIpv6(text) : readIpv4(text)
}

/** Reads `address/bits`. The bits behind the network's may be set; they do not count. */
export function readCidr(text: string): Cidr | undefined {
  const [, address = '', digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const ip = readIp(address)
  const prefix = Number(digits)
  return ip && prefix <= ip.bits ? { ip, prefix } : undefined
}

export function isSameIp(a: Ip, b: Ip): boolean {
  return a.bits === b.bits && a.value === b.value
}

export function isWithin(ip: Ip, network: Cidr): boolean {
  if (ip.bits !== network.ip.bits) return false
  const rest = BigInt(ip.bits - network.prefix)
  return ip.value >> rest === network.ip.value >> rest
}

/** Whether the bits behind the network's are all 0. */
export function isNetwork({ ip, prefix }: Cidr): boolean {
  const rest = BigInt(ip.bits - prefix)
  return (ip.value >> rest) << rest === ip.value
}

function readIpv4(text: string): Ip | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    // Some programs read a 0 at the front as the sign of an octal number.
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return { bits: 32, value }
}

function readIpv6(text: string): Ip | undefined {
  const [, front = text, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  const tail = dotted === undefined ? undefined : readIpv4(dotted)
  if (dotted !== undefined && !tail) return undefined
  const whole = tail
    ? `${front}${(tail.value >> 16n).toString(16)}:${(tail.value & 0xffffn).toString(16)}`
    : text
  const halves = whole.split('::')
  if (halves.length > 2) return undefined
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - left.length - right.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...left, ...new Array<string>(missing).fill('0'), ...right]
  if (!groups.every((each) => /^[0-9a-f]{1,4}$/i.test(each))) return undefined
  return {
    bits: 128,
    value: groups.reduce((value, each) => (value << 16n) | BigInt(`0x${each}`), 0n),
  }
}
