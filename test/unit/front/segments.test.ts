import { expect, test } from 'bun:test'
import { ClientConnection } from '../../../src/front/connection.ts'

/** What a connection made of the bytes of its client: requests with their bodies, and whether it refused the rest. */
function read(segments: readonly Buffer[]) {
  const requests: string[] = []
  let isRefused = false
  const socket = {
    remoteAddress: '192.0.2.1',
    localPort: 8000,
    write: (bytes: Uint8Array, from = 0, length = bytes.length - from) => length,
    pause() {},
    resume() {},
    shutdown() {},
    terminate() {},
  }
  const connection = new ClientConnection(
    socket as unknown as ConstructorParameters<typeof ClientConnection>[0],
    {
      deadlines: { add() {}, delete() {} } as never,
      isDraining: false,
      refuse: () => void (isRefused = true),
      handle(exchange) {
        const { method, target, host, length } = exchange.head
        const index = requests.push(`${method} ${target} ${host} ${length} `) - 1
        const whole = exchange.bodyAtOnce()
        if (whole) {
          requests[index] += `${Buffer.from(whole).toString('latin1')} .`
          return exchange.respond(200, '', whole)
        }
        exchange.pipeBody({
          part(bytes, last) {
            requests[index] += Buffer.from(bytes).toString('latin1')
            if (last) {
              requests[index] += ' .'
              waiting = () => exchange.respond(200, '', bytes)
            }
            return true
          },
          fail() {},
        })
      },
    },
  )
  let waiting: (() => void) | undefined
  for (const segment of segments) {
    connection.data(segment)
    const answer = waiting
    waiting = undefined
    answer?.()
  }
  // A body that was not whole when the client was refused may or may not have begun to be passed on.
  const complete = requests.filter((each) => each.endsWith(' .'))
  return { requests: isRefused ? complete : requests, isRefused }
}

/** Numbers that look random and are the same in every run (mulberry32). */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const SEEDS = [
  'GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\na\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  '\r\nPUT http://b.test/x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
]
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '1',
  'f',
  '\x7f',
  '\xff',
  '\r\n\r\n',
  'chunked',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
]

function mutate(text: string, pick: (below: number) => number): string {
  for (let times = 1 + pick(3); times > 0; times--) {
    const at = pick(text.length + 1)
    const piece = PIECES[pick(PIECES.length)]!
    const drop = pick(3) === 0 ? pick(6) : pick(2)
    text = text.slice(0, at) + (pick(4) === 0 ? '' : piece) + text.slice(at + drop)
  }
  return text
}

function cut(bytes: Buffer, pick: (below: number) => number): Buffer[] {
  const segments: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + pick(20))
    segments.push(bytes.subarray(at, end))
    at = end
  }
  return segments
}

test('what a client asks does not depend on how its bytes arrive', () => {
  const pick = random(20_260_131)
  let refused = 0
  for (let i = 0; i < 2_000; i++) {
    const text = i < SEEDS.length ? SEEDS[i]! : mutate(SEEDS[pick(SEEDS.length)]!, pick)
    const bytes = Buffer.from(text, 'latin1')
    const atOnce = read([bytes])
    const byteByByte = read([...bytes].map((byte) => Buffer.from([byte])))
    expect({ text, ...byteByByte }).toEqual({ text, ...atOnce })
    expect({ text, ...read(cut(bytes, pick)) }).toEqual({ text, ...atOnce })
    if (atOnce.isRefused) refused++
  }
  // Neither all nor nothing: the mutations reach both sides of the rules.
  expect(refused).toBeWithin(500, 1_750)
})
