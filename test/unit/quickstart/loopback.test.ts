import { afterEach, expect, test } from 'bun:test'
import { connect, createServer, type Server } from 'node:net'
import {
  isAddressInUse,
  listenOnLoopback,
  loopbackAddresses,
} from '../../../src/quickstart/loopback.ts'

const strangers: Server[] = []
afterEach(async () => {
  for (const stranger of strangers.splice(0)) await new Promise((done) => stranger.close(done))
})

test('one port answers on every loopback address', async () => {
  const server = await listenOnLoopback(0)
  server.serve((_request, response) => response.end('here'))
  for (const host of loopbackAddresses()) {
    const answer = await fetch(`http://${host.includes(':') ? `[${host}]` : host}:${server.port}/`)
    expect(await answer.text()).toBe('here')
  }
  await server.stop()
})

test.each(loopbackAddresses())(
  'a port that is taken on %s alone is refused, and held nowhere',
  async (host) => {
    const port = await takePort(host)
    const attempt = listenOnLoopback(port)
    expect(isAddressInUse(await attempt.catch((fault: unknown) => fault))).toBe(true)
    for (const other of loopbackAddresses().filter((address) => address !== host)) {
      expect(await accepts(other, port)).toBe(false)
    }
  },
)

test('stopping closes the port and the connections', async () => {
  const server = await listenOnLoopback(0)
  const arrived = Promise.withResolvers<void>()
  server.serve(() => arrived.resolve())
  const hanging = fetch(`http://127.0.0.1:${server.port}/`).catch(() => 'closed')
  await arrived.promise
  await server.stop()
  expect(await hanging).toBe('closed')
  for (const host of loopbackAddresses()) expect(await accepts(host, server.port)).toBe(false)
})

async function takePort(host: string): Promise<number> {
  const stranger = createServer()
  strangers.push(stranger)
  await new Promise<void>((done) => stranger.listen(0, host, done))
  const address = stranger.address()
  return typeof address === 'object' && address ? address.port : 0
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
