import { randomBytes } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, test } from 'bun:test'
import { proxied } from './gateway.ts'
import { gatewayProcess, type GatewayProcess } from './process.ts'

const MB = 1024 * 1024
const LARGE = 200 * MB
/** How much more a gateway may hold while a large body passes. */
const ALLOWANCE = 64 * MB

type Framing = 'length' | 'chunked' | 'close'

/** Blocks that differ from each other, so that none can be lost, doubled or swapped unseen. */
function* blocks(total: number): Iterable<Buffer> {
  const random = randomBytes(MB)
  for (let i = 0; i * MB < total; i++) {
    const block = Buffer.from(random.subarray(0, Math.min(MB, total - i * MB)))
    block.writeUInt32BE(i)
    yield block
  }
}

/** Sends a body at the pace of its receiver; gives its digest. */
async function sendBody(socket: Socket, total: number, framing: Framing): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256')
  for (const block of blocks(total)) {
    hash.update(block)
    if (framing === 'chunked') socket.write(`${block.length.toString(16)}\r\n`)
    const ready = socket.write(block)
    if (framing === 'chunked') socket.write('\r\n')
    if (!ready) await new Promise((resolve) => socket.once('drain', resolve))
    if (socket.destroyed) break
  }
  if (framing === 'chunked') socket.write('0\r\n\r\n')
  return hash.digest('hex')
}

const field = (framing: Framing, total: number) =>
  framing === 'length'
    ? `Content-Length: ${total}\r\n`
    : framing === 'chunked'
      ? 'Transfer-Encoding: chunked\r\n'
      : ''

interface Received {
  size: number
  digest: string
  /** How the body ended: by its framing, or with the connection. */
  end: 'framing' | 'fin' | 'reset'
}

/** How slowly a body is read, in milliseconds: before the first byte, and after each of so many bytes. */
interface Pace {
  readonly first: number
  readonly every: number
  readonly pause: number
}

/** Reads one message's body at its pace, without keeping it. */
function receiveBody(socket: Socket, { first, every, pause }: Pace): Promise<Received> {
  const { promise, resolve } = Promise.withResolvers<Received>()
  const hash = new Bun.CryptoHasher('sha256')
  let head: Buffer | undefined = Buffer.alloc(0)
  let framing: Framing = 'close'
  let left = Infinity
  let line = ''
  let size = 0
  let since = 0
  const finish = (end: Received['end']) => resolve({ size, digest: hash.digest('hex'), end })
  const rest = (ms: number) => {
    socket.pause()
    setTimeout(() => socket.resume(), ms)
  }
  const feed = (bytes: Buffer, at: number) => {
    while (at < bytes.length) {
      if (left > 0) {
        const part = bytes.subarray(at, at + left)
        hash.update(part)
        at += part.length
        left -= part.length
        size += part.length
        since += part.length
        if (left === 0 && framing === 'length') return finish('framing')
      } else {
        line += String.fromCharCode(bytes[at++]!)
        if (!line.endsWith('\r\n')) continue
        if (line === '0\r\n') return finish('framing')
        left = Number.parseInt(line, 16) || 0
        line = ''
      }
    }
  }
  socket.on('data', (bytes: Buffer) => {
    if (!head) feed(bytes, 0)
    else {
      head = Buffer.concat([head, bytes])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = head.toString('latin1', 0, end)
      const length = /content-length: (\d+)/i.exec(text)?.[1]
      if (length !== undefined) [framing, left] = ['length', Number(length)]
      else if (/transfer-encoding: chunked/i.test(text)) [framing, left] = ['chunked', 0]
      const rest = head
      head = undefined
      since = every
      feed(rest, end + 4)
    }
    if (since < every) return
    rest(size < every ? first : pause)
    since = 0
  })
  socket.on('end', () => finish('fin'))
  socket.on('error', () => finish('reset'))
  return promise
}

/** The most that a process holds over what it held at first, as long as something runs. */
async function growth(
  running: GatewayProcess,
  during: Promise<unknown>,
): Promise<number | undefined> {
  const before = running.memory()
  let most = before
  const timer = setInterval(() => {
    const now = running.memory()
    if (most !== undefined && now !== undefined && now > most) most = now
  }, 10)
  await during.finally(() => clearInterval(timer))
  return most !== undefined && before !== undefined ? most - before : undefined
}

function expectSmall(grown: number | undefined): void {
  if (grown === undefined) console.log('skipped: memory, which this system does not tell')
  else expect(grown).toBeLessThan(ALLOWANCE)
}

function dial(port: number, head: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(head)
  return socket
}

/** A server that hands over its sockets and keeps nothing of what they bring. */
async function server(handle: (socket: Socket) => void): Promise<Disposable & { port: number }> {
  const running: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    handle(socket)
  })
  await new Promise<void>((resolve) => running.listen(0, '127.0.0.1', resolve))
  const address = running.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, [Symbol.dispose]: () => void running.close() }
}

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'
const SLOW_START: Pace = { first: 400, every: 16 * MB, pause: 5 }

describe('200 MB at the pace of the slower side, in little memory:', () => {
  test.each(['length', 'chunked'] as const)(
    'down, by %s',
    async (framing) => {
      let sent: Promise<string> | undefined
      let isSent = false
      using upstream = await server((socket) => {
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${field(framing, LARGE)}\r\n`)
          sent = sendBody(socket, LARGE, framing).finally(() => (isSent = true))
        })
      })
      await using running = await gatewayProcess(proxied(upstream.port))
      const client = dial(running.port, GET)
      const received = receiveBody(client, SLOW_START)
      const grown = growth(running, received)
      await Bun.sleep(300)
      expect(isSent).toBe(false)
      expect(await received).toEqual({ size: LARGE, digest: (await sent)!, end: 'framing' })
      expectSmall(await grown)
      client.destroy()
    },
    20_000,
  )

  test.each(['length', 'chunked'] as const)(
    'up, by %s',
    async (framing) => {
      const received = Promise.withResolvers<Received>()
      using upstream = await server((socket) => {
        void receiveBody(socket, SLOW_START).then((all) => {
          received.resolve(all)
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        })
      })
      await using running = await gatewayProcess(proxied(upstream.port))
      const client = dial(
        running.port,
        `POST / HTTP/1.1\r\nHost: a.test\r\n${field(framing, LARGE)}\r\n`,
      )
      const answer = receiveBody(client, { first: 0, every: MB, pause: 0 })
      let isSent = false
      const sent = sendBody(client, LARGE, framing).finally(() => (isSent = true))
      const grown = growth(running, received.promise)
      await Bun.sleep(300)
      expect(isSent).toBe(false)
      expect(await received.promise).toEqual({ size: LARGE, digest: await sent, end: 'framing' })
      expectSmall(await grown)
      client.destroy()
      await answer
    },
    20_000,
  )
})

// What the service has sent may still wait in our socket when its FIN is there already: none of it may be lost.
describe('a service sends all and closes while the client is slow:', () => {
  test.each(['length', 'chunked', 'close'] as const)(
    'by %s',
    async (framing) => {
      const total = 12 * MB + 345
      const sent: Promise<string>[] = []
      using upstream = await server((socket) => {
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\n${field(framing, total)}\r\n`)
          sent.push(sendBody(socket, total, framing).finally(() => socket.end()))
        })
      })
      await using running = await gatewayProcess(proxied(upstream.port))
      for (const pace of [
        { first: 300, every: MB, pause: 20 },
        { first: 100, every: 64 * 1024, pause: 1 },
        { first: 0, every: 4 * MB, pause: 150 },
      ]) {
        const client = dial(running.port, GET)
        const received = await receiveBody(client, pace)
        expect(received).toEqual({ size: total, digest: (await sent.at(-1))!, end: 'framing' })
        client.destroy()
      }
    },
    20_000,
  )
})
