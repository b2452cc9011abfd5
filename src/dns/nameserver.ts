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
          const reply = await askByUdp(server, name, type, timeout)
          const whole = reply.isTruncated ? await askByTcp(server, name, type, timeout) : reply
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

/** A socket and an id of their own for each question, both of chance: what a forger would have to guess (RFC 5452 §9.2). */
function askByUdp(
  { host, port }: NameServer,
  name: string,
  type: RecordType,
  timeout: number,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const id = randomInt(0x10000)
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const timer = setTimeout(() => reject(new Error(`${host} did not answer in time`)), timeout)
  socket.on('error', reject)
  socket.on('message', (bytes, from) => {
    if (from.port !== port) return
    try {
      const reply = readReply(bytes, id, name, type)
      // Whoever guesses at the answer must not be able to end the wait for the true one.
      if (reply) resolve(reply)
    } catch (error) {
      reject(error)
    }
  })
  // Connected, so that the kernel takes nobody else's word, and says at once if nobody listens there.
  socket.connect(port, host, () => socket.send(writeQuery(id, name, type)))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

/** RFC 7766: for answers that are too long for a datagram. */
function askByTcp(
  { host, port }: NameServer,
  name: string,
  type: RecordType,
  timeout: number,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const id = randomInt(0x10000)
  const socket = connect(port, host)
  const timer = setTimeout(() => reject(new Error(`${host} did not answer in time`)), timeout)
  let received: Buffer = Buffer.alloc(0)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error(`${host} closed the connection`)))
  socket.on('connect', () => {
    const query = writeQuery(id, name, type)
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
  socket.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return
    try {
      const reply = readReply(received.subarray(2, 2 + received.readUInt16BE()), id, name, type)
      if (reply) resolve(reply)
      else reject(new Error(`${host} answered another question`))
    } catch (error) {
      reject(error)
    }
  })
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}
