import { expect, test } from 'bun:test'
import { Http2Connection } from '../../../src/front/http2.ts'
import { PLAIN } from '../../../src/front/origin.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = Buffer.from('000000040000000000', 'hex')
/** HEADERS of stream 1 with END_STREAM and END_HEADERS: `GET http://a/`, by HPACK's static table but for the host. */
const GET = Buffer.from('000006010500000001' + '828684' + '410161', 'hex')
/** DATA of stream 0, which there is not. */
const BAD = Buffer.from('00000100000000000000', 'hex')
const BODY = 60_000

/** A connection whose socket is the test's, and takes as many bytes as the test says; each request is answered at once. */
async function answered(status = 200) {
  const socket = { sent: 0, takes: 100, state: 'open' }
  const faults: unknown[] = []
  const connection = new Http2Connection(
    {
      remoteAddress: '192.0.2.1',
      localPort: 8000,
      write(bytes: Uint8Array) {
        if (socket.state !== 'open') return -1
        const amount = Math.min(bytes.length, socket.takes)
        socket.takes -= amount
        socket.sent += amount
        return amount
      },
      pause: () => {},
      resume: () => {},
      end: () => (socket.state = 'ended'),
      shutdown: () => (socket.state = 'shut down'),
      terminate: () => (socket.state = 'terminated'),
    } as unknown as ConstructorParameters<typeof Http2Connection>[0],
    {
      deadlines: { add() {}, delete() {} } as never,
      isDraining: false,
      handle: (exchange) => exchange.respond(status, '', new Uint8Array(BODY)),
      refuse: () => {},
      crashed: (error) => void faults.push(error),
    },
    PLAIN,
  )
  connection.data(Buffer.concat([PREFACE, SETTINGS, GET]))
  await settled()
  return {
    connection,
    socket,
    faults,
    /** Seconds until the client has waited too long. */
    patience: () => Math.round((connection.deadline - performance.now()) / 1000),
    /** The client takes up to so many bytes more. */
    async takes(bytes: number) {
      socket.takes = bytes
      connection.drain()
      await settled()
    },
  }
}

/** What is done in the next turns is done. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a slow client has sixty seconds for each part of an answer that is not all out, and then those of an idle one', async () => {
  const { connection, socket, patience, takes } = await answered()
  expect([socket.sent, patience()]).toEqual([100, 60])
  connection.deadline -= 50_000
  await takes(1_000)
  expect([patience(), socket.sent, socket.state]).toEqual([60, 1_100, 'open'])
  await takes(BODY)
  expect(socket.sent).toBeGreaterThan(BODY)
  expect([patience(), socket.state]).toEqual([75, 'open'])
})

test('a client that takes no more of an answer is let go', async () => {
  const { connection, socket } = await answered()
  connection.expire()
  expect(socket.state).toBe('terminated')
})

test.each([
  [
    'is to close',
    ({ connection }: Awaited<ReturnType<typeof answered>>) => connection.closeWhenIdle(),
  ],
  [
    'is broken by its client',
    ({ connection }: Awaited<ReturnType<typeof answered>>) => connection.data(BAD),
  ],
])('a connection that %s sends what is under way, and then its end', async (_, ends) => {
  const all = await answered()
  const { socket, patience, takes } = all
  ends(all)
  await settled()
  expect([socket.state, patience()]).toEqual(['open', 60])
  await takes(1_000)
  expect([socket.state, patience()]).toEqual(['open', 60])
  await takes(BODY)
  expect(socket.sent).toBeGreaterThan(BODY)
  expect([socket.state, patience()]).toEqual(['shut down', 5])
})

test('what cannot be an answer in HTTP/2 resets its stream, and is told', async () => {
  const { connection, socket, faults } = await answered(101)
  expect(faults).toHaveLength(1)
  expect(socket.state).toBe('open')
  // Another stream of the same connection.
  connection.data(Buffer.from('000006010500000003' + '828684' + '410161', 'hex'))
  await settled()
  expect(faults).toHaveLength(2)
})
