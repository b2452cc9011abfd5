import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'

/** What a name server says of one name: records by type, or a code, or nothing at all. */
export interface Zone {
  readonly A?: readonly string[]
  readonly AAAA?: readonly string[]
  readonly CNAME?: string
  readonly SRV?: readonly { priority?: number; weight?: number; port: number; target: string }[]
  /** Seconds; 60 unless given. */
  readonly ttl?: number
  readonly rcode?: number
  /** Answers come by TCP alone. */
  readonly truncated?: boolean
  readonly silent?: boolean
}

export interface DnsServer extends Disposable {
  /** As `dns_resolver` takes it. */
  readonly address: string
  /** What it knows; a test may change it. Names in lower case. */
  readonly zones: Map<string, Zone>
  /** What it was asked, as `a.test A`, in order: under `.test` alone, since a machine may ask under domains of its own. */
  readonly questions: string[]
}

const NUMBERS = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const
type Type = keyof typeof NUMBERS

/** A name server on a free port of 127.0.0.1, by UDP and TCP. It knows nothing but its zones. */
export async function dnsServer(zones: Readonly<Record<string, Zone>>): Promise<DnsServer> {
  const known = new Map(Object.entries(zones))
  const questions: string[] = []
  const answer = (query: Buffer, byUdp: boolean) => {
    const { name, type, end } = readQuestion(query)
    if (name.endsWith('.test')) questions.push(`${name} ${type}${byUdp ? '' : ' by TCP'}`)
    const zone = known.get(name)
    if (zone?.silent) return undefined
    return write(query.subarray(0, end), type, zone, byUdp)
  }
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      const reply = answer(bytes.subarray(2), false)
      if (reply) socket.write(Buffer.concat([uint16(reply.length), reply]))
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const { port } = tcp.address() as { port: number }
  const udp = createSocket('udp4')
  udp.on('message', (bytes, from) => {
    const reply = answer(bytes, true)
    if (reply) udp.send(reply, from.port, from.address)
  })
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${port}`,
    zones: known,
    questions,
    [Symbol.dispose]() {
      udp.close()
      tcp.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function readQuestion(query: Buffer): { name: string; type: Type; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const number = query.readUInt16BE(at + 1)
  const type = (Object.keys(NUMBERS) as Type[]).find((each) => NUMBERS[each] === number)
  if (!type) throw new Error(`asked for type ${number}`)
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 }
}

function write(question: Buffer, type: Type, zone: Zone | undefined, byUdp: boolean): Buffer {
  const isCut = zone?.truncated === true && byUdp
  const alias = zone?.CNAME === undefined ? [] : [record('CNAME', writeName(zone.CNAME), zone)]
  const own = type === 'CNAME' ? [] : (zone?.[type] ?? []).map((each) => dataOf(type, each, zone!))
  const records = isCut ? [] : [...alias, ...own]
  const head = Buffer.from(question)
  const rcode = zone ? (zone.rcode ?? 0) : 3
  head.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | rcode, 2)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, ...records])
}

function dataOf(type: Type, value: unknown, zone: Zone): Buffer {
  if (type === 'A') return record(type, Buffer.from(String(value).split('.').map(Number)), zone)
  if (type === 'AAAA') {
    const groups = new URL(`http://[${String(value)}]`).hostname.slice(1, -1).split('::')
    const halves = groups.map((half) => half.split(':').filter(Boolean))
    const missing = 8 - halves.flat().length
    const all = [...(halves[0] ?? []), ...Array<string>(missing).fill('0'), ...(halves[1] ?? [])]
    return record(type, Buffer.concat(all.map((each) => uint16(parseInt(each, 16)))), zone)
  }
  const { priority = 1, weight = 1, port, target } = value as NonNullable<Zone['SRV']>[number]
  return record(
    type,
    Buffer.concat([uint16(priority), uint16(weight), uint16(port), writeName(target)]),
    zone,
  )
}

/** A record of the name that was asked for: a pointer to it, as all servers write it. */
function record(type: Type, data: Buffer, { ttl = 60 }: Zone): Buffer {
  const ttlBytes = Buffer.alloc(4)
  ttlBytes.writeUInt32BE(ttl)
  return Buffer.concat([
    Buffer.from([0xc0, 12]),
    uint16(NUMBERS[type]),
    uint16(1),
    ttlBytes,
    uint16(data.length),
    data,
  ])
}

function writeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  return Buffer.concat([
    ...labels.map((each) => Buffer.from(`${String.fromCharCode(each.length)}${each}`, 'latin1')),
    Buffer.from([0]),
  ])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
