import { expect, test } from 'bun:test'
import { ClientConnection } from '../../../src/front/connection.ts'
import type { Exchange } from '../../../src/front/exchange.ts'
import type { BadMessage } from '../../../src/http1/grammar.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n'
const EMPTY = new Uint8Array(0)

/** A connection whose socket is the test's, with the exchanges that it began. */
function connect(handle: (exchange: Exchange) => void = () => {}) {
  const exchanges: Exchange[] = []
  const faults: BadMessage[] = []
  const socket = { sent: '', takes: Infinity, isPaused: false, state: 'open' }
  const connection = new ClientConnection(
    {
      remoteAddress: '::ffff:192.0.2.1',
      localPort: 8000,
      write(bytes: Uint8Array, from = 0, length = bytes.length - from) {
        const amount = Math.min(length, socket.takes)
        socket.takes -= amount
        socket.sent += Buffer.from(bytes.subarray(from, from + amount)).toString('latin1')
        return amount
      },
      pause: () => (socket.isPaused = true),
      resume: () => (socket.isPaused = false),
      shutdown: () => (socket.state = 'shut down'),
      end: () => (socket.state = 'ended'),
      terminate: () => (socket.state = 'terminated'),
    } as unknown as ConstructorParameters<typeof ClientConnection>[0],
    {
      deadlines: { add() {}, delete() {} } as never,
      isDraining: false,
      handle(exchange) {
        exchanges.push(exchange)
        handle(exchange)
      },
      refuse: (_, fault) => void faults.push(fault),
    },
  )
  return {
    connection,
    exchanges,
    faults,
    socket,
    receive: (text: string) => connection.data(Buffer.from(text, 'latin1')),
    /** Seconds until the client has waited too long. */
    patience: () => Math.round((connection.deadline - performance.now()) / 1000),
    /** What happens when it has. */
    expire() {
      connection.deadline = Infinity
      connection.expire()
    },
  }
}

test('an address of IPv4 on a socket of IPv6 is one of IPv4', () => {
  expect(connect().connection.remoteAddress).toBe('192.0.2.1')
})

test('a client that says nothing is let go without a word', () => {
  const { patience, expire, socket, faults } = connect()
  expect(patience()).toBe(60)
  expire()
  expect([socket.state, faults]).toEqual(['ended', []])
})

test('a client that does not end its head is told 408, and each byte gains it no time', () => {
  const { receive, connection, patience, expire, faults, socket } = connect()
  receive('GET / HT')
  connection.deadline -= 50_000
  receive('TP/1.1\r\n')
  expect(patience()).toBe(10)
  expire()
  expect([faults[0]?.status, socket.state]).toEqual([408, 'shut down'])
})

test('a client that does not go on with its body is told 408, and each part gains it time', () => {
  const { receive, connection, exchanges, patience, expire, faults } = connect()
  let left = false
  receive(POST)
  exchanges[0]!.onGone = () => (left = true)
  connection.deadline -= 50_000
  expect(patience()).toBe(10)
  receive('12345')
  expect(patience()).toBe(60)
  expire()
  expect([faults[0]?.status, left]).toEqual([408, true])
})

test('while the service is slow nobody waits for the client', () => {
  const { receive, exchanges, patience, socket } = connect()
  receive(`${GET}`)
  expect(patience()).toBe(Infinity)
  exchanges[0]!.respond(200, '', EMPTY)
  expect(patience()).toBe(75)
  receive(POST)
  exchanges[1]!.pipeBody({ part: () => false, fail() {} })
  receive('12345')
  expect([socket.isPaused, patience()]).toEqual([true, Infinity])
  exchanges[1]!.resumeBody()
  expect([socket.isPaused, patience()]).toEqual([false, 60])
})

test('a client that takes nothing of its answer is broken off, whatever else it sends', () => {
  const { receive, connection, exchanges, patience, expire, socket } = connect()
  receive(GET)
  socket.takes = 10
  exchanges[0]!.start(
    { status: 200, reason: 'OK', length: -1, writeFields() {} },
    Buffer.from('first'),
    false,
  )
  expect(patience()).toBe(60)
  connection.deadline -= 50_000
  receive(GET.repeat(3_000))
  exchanges[0]!.write(Buffer.from('second'), false)
  expect([socket.isPaused, patience()]).toEqual([true, 10])
  socket.takes = 5
  connection.drain()
  expect(patience()).toBe(60)
  expire()
  expect([socket.state, exchanges.length]).toEqual(['terminated', 1])
})

test('requests that were sent ahead wait for the answers before them to be taken', () => {
  const { receive, connection, exchanges, socket } = connect()
  receive(GET.repeat(3))
  expect(exchanges).toHaveLength(1)
  socket.takes = 10
  exchanges[0]!.respond(200, '', EMPTY)
  expect(exchanges).toHaveLength(1)
  socket.takes = Infinity
  connection.drain()
  expect(exchanges).toHaveLength(2)
  exchanges[1]!.respond(200, '', EMPTY)
  exchanges[2]!.respond(200, '', EMPTY)
  expect(socket.sent.match(/HTTP\/1\.1 200/g)).toHaveLength(3)
})

test('after an answer that closes, what the client sends is read past for a while', () => {
  const { receive, exchanges, patience, expire, socket } = connect()
  receive(POST)
  exchanges[0]!.respond(401, '', EMPTY)
  expect([socket.state, patience()]).toEqual(['shut down', 5])
  expect(socket.sent).toContain('Connection: close')
  receive('1234567890GET / HTTP/1.1\r\n\r\n')
  expect(exchanges).toHaveLength(1)
  expire()
  expect(socket.state).toBe('terminated')
})

test('a client that leaves is told to whoever serves it, once', () => {
  const { receive, connection, exchanges } = connect()
  let times = 0
  receive(GET)
  exchanges[0]!.onGone = () => times++
  connection.closed()
  connection.closed()
  expect([times, exchanges[0]!.isOver]).toEqual([1, true])
})

test('a body can be read whole, twice, and not beyond its limit', async () => {
  const { receive, exchanges } = connect()
  receive(`${POST}01234`)
  const both = [exchanges[0]!.readBody(10), exchanges[0]!.readBody(10)]
  receive('56789')
  expect((await Promise.all(both)).map(String)).toEqual(['0123456789', '0123456789'])
  const other = connect()
  other.receive(POST)
  expect(other.exchanges[0]!.readBody(9)).rejects.toThrow('larger than 9 bytes')
})

test('a large body that came whole and was answered at once does not stop the next request', () => {
  const connection = connect((exchange) => exchange.respond(404, '', EMPTY))
  const post = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 150000\r\n\r\n'
  connection.receive(post + 'a'.repeat(150_000))
  expect([connection.socket.isPaused, connection.patience()]).toEqual([false, 75])
  connection.receive(GET)
  expect(connection.socket.sent.match(/HTTP\/1\.1 404/g)).toHaveLength(2)
})

test('who asks for a body after its client has left is told so', async () => {
  const { receive, connection, exchanges } = connect()
  receive(POST)
  connection.closed()
  const read = exchanges[0]!.readBody(10).catch((error: Error) => error.message)
  expect(await Promise.race([read, Bun.sleep(500)])).toBe('the request body ended early')
})
