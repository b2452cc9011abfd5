import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { NameServer } from './files.ts'
import { type RecordType, type Reply, readReply, writeQuery } from './message.ts'

/** Asks one question; throws an `Error` that says why there is no answer. */
export type Ask = (name: string, type: RecordType) => Promise<Reply>

/** How many questions are on their way at once; each has a socket, and a configuration may have thousands of names. */
const MAX_AT_ONCE = 128

/** Asks these servers, one after the other and `attempts` times; `timeout` in milliseconds for each. */
export function askOf(servers: readonly NameServer[], timeout: number, attempts: number): Ask {
  const line: (() => void)[] = []
  let free = MAX_AT_ONCE
  return async (name, type) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => line.push(resolve))
    try {
      return await ask(name, type)
    } finally {
      const next = line.shift()
      if (next) next()
      else free++
    }
  }

  async function ask(name: string, type: RecordType): Promise<Reply> {
    let last: unknown
    for (let i = 0; i < attempts; i++) {
      for (const server of servers) {
        try {
          const reply = await askBy(byUdp, server, name, type, timeout)
          const whole = reply.isTruncated ? await askBy(byTcp, server, name, type, timeout) : reply
          if (whole.rcode === 0 || whole.rcode === NO_SUCH_NAME) return whole
          last = new Error(`${server.host} answered with code ${whole.rcode}`)
        } catch (cause) {
          last = new Error(`${server.host} gave no answer`, { cause })
        }
      }
    }
    throw last
  }
}

export const NO_SUCH_NAME = 3

/** Who waits for an answer. */
interface Asker {
  /** False for what is an answer to another question. */
  heard(bytes: Buffer): boolean
  failed(error: unknown): void
}

/** Sends a question; gives the function that lets go of what it took. */
type Transport = (server: NameServer, query: Uint8Array, asker: Asker) => () => void

/** A socket and an id of their own for each question, both of chance: what a forger would have to guess (RFC 5452 §9.2). */
function askBy(
  transport: Transport,
  server: NameServer,
  name: string,
  type: RecordType,
  timeout: number,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const id = randomInt(0x10000)
  const heard = (bytes: Buffer): boolean => {
    try {
      const reply = readReply(bytes, id, name, type)
      if (reply) resolve(reply)
      return reply !== undefined
    } catch (error) {
      reject(error)
      return true
    }
  }
  const close = transport(server, writeQuery(id, name, type), { heard, failed: reject })
  const late = () => reject(new Error(`${server.host} did not answer in time`))
  const timer = setTimeout(late, timeout)
  return promise.finally(() => {
    clearTimeout(timer)
    close()
  })
}

const byUdp: Transport = ({ host, port }, query, { heard, failed }) => {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('error', failed)
  // Whoever guesses at the answer must not be able to end the wait for the true one.
  socket.on('message', (bytes, from) => void (from.port === port && heard(bytes)))
  // Connected, so that the kernel takes nobody else's word, and says at once if nobody listens there.
  socket.connect(port, host, () => socket.send(query))
  return () => socket.close()
}

/** RFC 7766: for answers that are too long for a datagram. */
const byTcp: Transport = ({ host, port }, query, { heard, failed }) => {
  const socket = connect(port, host)
  let received: Buffer = Buffer.alloc(0)
  socket.on('error', failed)
  socket.on('close', () => failed(new Error(`${host} closed the connection`)))
  socket.on('connect', () => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
  socket.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return
    if (!heard(received.subarray(2, 2 + received.readUInt16BE())))
      failed(new Error(`${host} answered another question`))
  })
  return () => socket.destroy()
}
