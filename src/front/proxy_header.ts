import { isIP } from 'node:net'

/** Thrown for bytes that are no header of the PROXY protocol. */
export class BadProxyHeader extends Error {
  override readonly name = 'BadProxyHeader'
}

export interface ProxyHeader {
  /** The client's address; nothing where the proxy speaks for itself or does not say. */
  readonly address: string | undefined
  /** How many bytes the header takes. */
  readonly length: number
}

// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, §2.1 and §2.2.
const MAX_TEXT = 107
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const BINARY_HEAD = 16
/** Addresses take 36 bytes at most; the rest is what proxies add about their side of TLS. */
const MAX_BINARY = 4096

/** Reads the header that a proxy begins a connection with. Gives nothing as long as it is not whole. Throws `BadProxyHeader`. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  const start = bytes.subarray(0, SIGNATURE.length)
  if (start.equals(SIGNATURE.subarray(0, start.length)))
    return bytes.length < BINARY_HEAD ? undefined : readBinary(bytes)
  return readText(bytes)
}

function readText(bytes: Buffer): ProxyHeader | undefined {
  const text = bytes.toString('latin1', 0, MAX_TEXT)
  if (!text.startsWith('PROXY '.slice(0, text.length))) throw new BadProxyHeader('no PROXY header')
  const end = text.indexOf('\r\n')
  if (end < 0) {
    if (text.length === MAX_TEXT) throw new BadProxyHeader('the PROXY header is too long')
    return undefined
  }
  const length = end + 2
  const [, family, ...words] = text.slice(0, end).split(' ')
  // What follows this word is not to be read.
  if (family === 'UNKNOWN') return { address: undefined, length }
  const [address = '', ownAddress = '', ...ports] = words
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined
  const isValid =
    isIP(address) === version &&
    isIP(ownAddress) === version &&
    ports.length === 2 &&
    ports.every((port) => /^(?:0|[1-9]\d{0,4})$/.test(port) && Number(port) < 65536)
  if (!isValid) throw new BadProxyHeader('malformed PROXY header')
  return { address, length }
}

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  const versionAndCommand = bytes[12]!
  const familyAndProtocol = bytes[13]!
  const size = bytes.readUInt16BE(14)
  if (versionAndCommand !== LOCAL && versionAndCommand !== PROXY)
    throw new BadProxyHeader('unknown version or command in the PROXY header')
  if (size > MAX_BINARY) throw new BadProxyHeader('the PROXY header is too long')
  const length = BINARY_HEAD + size
  const needed = ADDRESS_SIZES[familyAndProtocol >> 4]
  if (needed === undefined || (familyAndProtocol & 15) > 2)
    throw new BadProxyHeader('unknown address family in the PROXY header')
  if (versionAndCommand === PROXY && size < needed)
    throw new BadProxyHeader('the PROXY header has no room for its addresses')
  if (bytes.length < length) return undefined
  if (versionAndCommand === LOCAL) return { address: undefined, length }
  if (familyAndProtocol === TCP_IPV4) return { address: bytes.subarray(16, 20).join('.'), length }
  if (familyAndProtocol === TCP_IPV6) return { address: ipv6(bytes.subarray(16, 32)), length }
  return { address: undefined, length }
}

const LOCAL = 0x20
const PROXY = 0x21
const TCP_IPV4 = 0x11
const TCP_IPV6 = 0x21
/** Of two addresses and two ports, by family: none, IPv4, IPv6, Unix. */
const ADDRESS_SIZES: readonly (number | undefined)[] = [0, 12, 36, 216]

/** RFC 5952: the longest run of zeros is left out. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  // The parser of URLs writes addresses in just this form.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}
