/** The record types that are asked for, by their numbers (RFC 1035 §3.2.2, RFC 2782, RFC 3596). */
export const TYPES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const
export type RecordType = keyof typeof TYPES

/** One record of an answer: `data` is an address, or the name that a CNAME or SRV leads to. */
export interface ResourceRecord {
  /** In lower case, without the last dot. */
  readonly owner: string
  readonly type: RecordType
  /** Seconds. */
  readonly ttl: number
  readonly data: string
  /** What only SRV has. */
  readonly srv?: { readonly priority: number; readonly weight: number; readonly port: number }
}

export interface Reply {
  /** RFC 1035 §4.1.1: 0 is an answer, 3 says that there is no such name, others are faults of the server. */
  readonly rcode: number
  /** It did not fit, and must be asked for by TCP. */
  readonly isTruncated: boolean
  readonly records: readonly ResourceRecord[]
}

/** An answer that cannot be read. */
export class BadReply extends Error {
  override readonly name = 'BadReply'
}

const HEADER = 12
const INTERNET = 1

/** Whether a name can be asked for: labels of 1 to 63 characters, 253 in all (RFC 1035 §2.3.4). */
export function isAskable(name: string): boolean {
  return name.length <= 253 && /^[\x21-\x7e]+$/.test(name) && name.split('.').every(isLabel)
}

function isLabel(label: string): boolean {
  return label.length > 0 && label.length < 64
}

/** A question for one name and type, that wants recursion. The name must be askable. */
export function writeQuery(id: number, name: string, type: RecordType): Buffer {
  const message = Buffer.alloc(HEADER + name.length + 2 + 4)
  message.writeUInt16BE(id, 0)
  message.writeUInt16BE(0x0100, 2)
  message.writeUInt16BE(1, 4)
  let at = HEADER
  for (const label of name.split('.')) {
    message[at] = label.length
    at += 1 + message.write(label, at + 1, 'latin1')
  }
  message.writeUInt16BE(TYPES[type], at + 1)
  message.writeUInt16BE(INTERNET, at + 3)
  return message
}

/**
 * Reads the answer to a question; undefined for what answers another one, or has another id: a forger would have to guess
 * both (RFC 5452 §9.1). Throws `BadReply` for an answer that is broken.
 */
export function readReply(
  message: Buffer,
  id: number,
  name: string,
  type: RecordType,
): Reply | undefined {
  // The question comes back as it was asked (RFC 1035 §4.1.1), but for the case of its letters.
  const asked = writeQuery(id, name, type)
  const isAnswer = message.length >= asked.length && (message[2]! & 0xf8) === 0x80
  if (!isAnswer || message.readUInt16BE(0) !== id || message.readUInt16BE(4) !== 1) return undefined
  if (textOf(message, asked.length) !== textOf(asked, asked.length)) return undefined
  try {
    return read(message, asked.length)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new BadReply('the message ends too early', { cause })
  }
}

function textOf(message: Buffer, end: number): string {
  return message.toString('latin1', HEADER, end).toLowerCase()
}

/** `from`: where the question ends. */
function read(message: Buffer, from: number): Reply {
  const flags = message.readUInt16BE(2)
  const records: ResourceRecord[] = []
  let at = from
  const isTruncated = (flags & 0x0200) !== 0
  // What was cut may end anywhere.
  const count = isTruncated ? 0 : message.readUInt16BE(6)
  for (let i = 0; i < count; i++) {
    const { name: owner, end } = readName(message, at)
    const data = end + 10
    const length = message.readUInt16BE(end + 8)
    if (data + length > message.length) throw new BadReply('a record ends too late')
    at = data + length
    const isInternet = message.readUInt16BE(end + 2) === INTERNET
    const value = isInternet && readData(message, message.readUInt16BE(end), data, length)
    // RFC 2181 §8: a TTL with the highest bit set is none.
    const ttl = message.readInt32BE(end + 4)
    if (value) records.push({ owner, ttl: Math.max(ttl, 0), ...value })
  }
  return { rcode: flags & 0x000f, isTruncated, records }
}

function readData(
  message: Buffer,
  type: number,
  at: number,
  length: number,
): Omit<ResourceRecord, 'owner' | 'ttl'> | undefined {
  switch (type) {
    case TYPES.A:
      if (length !== 4) throw new BadReply('an address of a wrong length')
      return { type: 'A', data: message.subarray(at, at + 4).join('.') }
    case TYPES.AAAA:
      if (length !== 16) throw new BadReply('an address of a wrong length')
      return { type: 'AAAA', data: ipv6(message, at) }
    case TYPES.CNAME:
      return { type: 'CNAME', data: host(readName(message, at).name) }
    case TYPES.SRV: {
      const priority = message.readUInt16BE(at)
      const weight = message.readUInt16BE(at + 2)
      const port = message.readUInt16BE(at + 4)
      const { name } = readName(message, at + 6)
      return { type: 'SRV', data: host(name), srv: { priority, weight, port } }
    }
    default:
      return undefined
  }
}

/** A name may hold any byte (RFC 2181 §11), but these go on into new questions, into logs and into the field `Host`. */
function host(name: string): string {
  if (name !== '' && !/^[\w.-]+$/.test(name)) throw new BadReply('a name that no host can have')
  return name
}

/** A name of labels and pointers (RFC 1035 §4.1.4), and where the next field begins. */
function readName(message: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = []
  let at = from
  let end = -1
  let size = 0
  for (;;) {
    const length = message.readUInt8(at)
    if (length >= 0xc0) {
      if (end < 0) end = at + 2
      const target = message.readUInt16BE(at) & 0x3fff
      // A pointer leads to what came before: otherwise it could lead round in a circle.
      if (target >= at) throw new BadReply('a pointer that leads nowhere')
      at = target
    } else if (length >= 64) throw new BadReply('a label of an unknown kind')
    else if (length === 0) break
    else {
      size += length + 1
      // Pointers within labels could still lead round: a name has an end.
      if (size > 255) throw new BadReply('a name without an end')
      if (at + 1 + length > message.length) throw new BadReply('a label ends too late')
      labels.push(message.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
  }
  return { name: labels.join('.').toLowerCase(), end: end < 0 ? at + 1 : end }
}

/** RFC 5952, but for the choice among equal runs of zeros, which the URL parser makes. */
function ipv6(message: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => message.readUInt16BE(at + 2 * i).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
