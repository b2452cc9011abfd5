import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket, SocketHandler } from 'bun'
import { Deadlines } from '../http1/deadlines.ts'
import { BadMessage } from '../http1/grammar.ts'
import { type ListenAddress, writtenAddress } from '../listen.ts'
import type { Capacity } from './capacity.ts'
import type { ClientHello } from './client_hello.ts'
import { ClientConnection } from './connection.ts'
import type { Exchange } from './exchange.ts'
import { Greeting, type GreetingOptions, type Guest } from './greeting.ts'
import { Http2Connection } from './http2.ts'
import { shakeHands, type TlsSource } from './handshake.ts'
import { type Origin, PLAIN } from './origin.ts'
import type { RequestStreamOwner } from './request_stream.ts'

/** How long an idle connection is kept after the listener has stopped; milliseconds. */
const FAREWELL = 250

export interface ListenerOptions {
  readonly address: ListenAddress
  /** What the next handshake is made of; asked where the address says `ssl`. */
  tls(): TlsSource
  /** The port that clients know, where it is not this one. */
  readonly publicPort?: number | undefined
  /** Shared by all listeners. Who finds no place is let go at once. */
  readonly capacity: Capacity
  handle(exchange: Exchange): void
  refuse(connection: ClientConnection, fault: BadMessage): void
  /** Who left, or had to, before a first request; in words. */
  turnedAway(remoteAddress: string, reason: string): void
  /** A fault of our own while a connection was served. The connection is closed already. */
  crashed(error: unknown): void
}

/** Thrown where an address cannot be taken; `code` is the system's, as EADDRINUSE or EACCES. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly address: ListenAddress
  readonly code: string
  /** The setting that the address comes from. */
  readonly setting: string

  constructor(address: ListenAddress, code: string, setting = 'KONG_PROXY_LISTEN') {
    super(`cannot listen on ${writtenAddress(address)} (${code})`)
    this.address = address
    this.code = code
    this.setting = setting
  }
}

type Server = Bun.TCPSocketListener<Guest> | Bun.UnixSocketListener<Guest>

/** A port or a Unix socket on which HTTP/1.1 is spoken with clients. */
export class Listener implements RequestStreamOwner {
  readonly deadlines = new Deadlines()
  isDraining = false
  readonly handle: (exchange: Exchange) => void
  readonly refuse: (connection: ClientConnection, fault: BadMessage) => void
  readonly crashed: (error: unknown) => void
  readonly publicPort: number | undefined
  readonly #options: ListenerOptions
  readonly #guests = new Set<Guest>()
  readonly #greetings: GreetingOptions
  readonly #server: Server

  private constructor(options: ListenerOptions) {
    const { ssl = false, http2 = false, proxyProtocol = false, unix } = options.address
    this.#options = options
    this.handle = options.handle
    this.refuse = options.refuse
    this.crashed = options.crashed
    // A Unix socket has no port; what a service is told is the usual one.
    this.publicPort = options.publicPort ?? (unix === undefined ? undefined : ssl ? 443 : 80)
    this.#greetings = {
      ssl,
      http2,
      proxyProtocol,
      deadlines: this.deadlines,
      plain: (greeting, bytes, isHttp2) => this.#begin(greeting, bytes, isHttp2),
      hello: (greeting, hello, bytes) => this.#shakeHands(greeting, hello, bytes),
      notTls: (greeting) => this.#refuse(greeting, new BadMessage('plain HTTP', 497)),
      failed: ({ socket }, reason) => options.turnedAway(socket.remoteAddress, reason),
    }
    try {
      this.#server = this.#listen(options.address, ssl || http2 || proxyProtocol)
    } catch (error) {
      const { code = 'failed' } = error as { code?: string }
      throw new ListenError(options.address, code)
    }
    // As nginx does: who may connect is told by the folder.
    if (unix !== undefined) chmodSync(unix, 0o666)
  }

  /** Begins to listen. Throws `ListenError`. */
  static async open(options: ListenerOptions): Promise<Listener> {
    await removeAbandoned(options.address)
    return new Listener(options)
  }

  #listen(address: ListenAddress, isGreeted: boolean): Server {
    const socket = this.#handlers(isGreeted)
    if (address.unix !== undefined) return Bun.listen<Guest>({ unix: address.unix, socket })
    const place = {
      hostname: address.host,
      port: address.port,
      // `::` is IPv6 alone, as in nginx, so that `0.0.0.0` beside it is no conflict. Bun's types do not know these here.
      ipv6Only: address.ipv6Only ?? true,
      reusePort: address.reusePort ?? false,
    }
    return Bun.listen<Guest>({ ...place, socket })
  }

  #handlers(isGreeted: boolean): SocketHandler<Guest> {
    const { crashed } = this
    const { capacity, address } = this.#options
    const { unix, keepAlive } = address
    return {
      open: (socket) => {
        // A client that has left already has no address, and its socket no connection.
        const hasLeft = unix === undefined && socket.remoteAddress === undefined
        if (hasLeft || !capacity.enter()) return void socket.terminate()
        if (keepAlive !== undefined) socket.setKeepAlive(true, keepAlive * 1000)
        socket.data = isGreeted
          ? new Greeting(socket, this.#greetings)
          : new ClientConnection(socket, this)
        this.#guests.add(socket.data)
      },
      data: (socket, bytes) => this.#guestOf(socket)?.data(bytes),
      drain: (socket) => this.#guestOf(socket)?.drain(),
      close: (socket) => {
        const guest = this.#guestOf(socket)
        if (!guest) return
        capacity.leave()
        this.#left(guest)
      },
      error: (socket, error) => {
        this.#guestOf(socket)?.abort()
        crashed(error)
      },
    }
  }

  #guestOf(socket: Socket<Guest>): Guest | undefined {
    return socket.data
  }

  #left(guest: Guest): void {
    this.#guests.delete(guest)
    guest.closed()
  }

  /** A client whose greeting is over, on the same socket. */
  #begin(greeting: Greeting, bytes: Buffer, isHttp2: boolean): void {
    const { socket, proxiedAddress } = greeting
    this.#admit(greeting, socket, { ...PLAIN, proxiedAddress, isHttp2 })
    if (bytes.length > 0) socket.data.data(bytes)
  }

  #refuse(greeting: Greeting, fault: BadMessage): void {
    const connection = new ClientConnection(greeting.socket, this)
    this.#replace(greeting, greeting.socket, connection)
    connection.refuse(fault)
  }

  #admit(greeting: Greeting, socket: Socket<Guest>, origin: Origin): void {
    const Connection = origin.isHttp2 ? Http2Connection : ClientConnection
    this.#replace(greeting, socket, new Connection(socket, this, origin))
  }

  #replace(greeting: Greeting, socket: Socket<Guest>, guest: Guest): void {
    greeting.finish()
    this.#guests.delete(greeting)
    this.#guests.add(guest)
    socket.data = guest
  }

  #shakeHands(greeting: Greeting, hello: ClientHello, bytes: Buffer): void {
    shakeHands(greeting, hello, bytes, this.#options.tls(), {
      speaksHttp2: this.#greetings.http2,
      done: (...all) => this.#admit(greeting, ...all),
      failed: (reason) => this.#options.turnedAway(greeting.socket.remoteAddress, reason),
      left: (guest) => this.#left(guest),
      crashed: this.crashed,
    })
  }

  /** 0 for a Unix socket. */
  get port(): number {
    return ('port' in this.#server ? this.#server.port : undefined) ?? 0
  }

  /** Takes no more connections, lets every request be answered, and gives up on the rest after `timeout` milliseconds. */
  async stop(timeout: number): Promise<void> {
    this.isDraining = true
    this.#server.stop()
    const { unix } = this.#options.address
    if (unix !== undefined) rmSync(unix, { force: true })
    const start = performance.now()
    // A request may be under way on a connection that looks idle: for a moment its client is answered, and told to go.
    await this.#emptied(start + Math.min(timeout, FAREWELL))
    for (const guest of this.#guests) guest.closeWhenIdle()
    await this.#emptied(start + timeout)
    for (const guest of this.#guests) guest.abort()
  }

  /** Waits until every connection is closed, or a time has come. */
  async #emptied(until: number): Promise<void> {
    while (this.#guests.size > 0 && performance.now() < until) await Bun.sleep(5)
  }
}

/** Removes a Unix socket that a killed process has left behind: it would keep the next one out for ever. */
export async function removeAbandoned({ unix }: ListenAddress): Promise<void> {
  if (unix !== undefined && (await isAbandoned(unix))) rmSync(unix)
}

/** Whether a Unix socket is there, and nobody listens on it. */
async function isAbandoned(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false
  return await new Promise((resolve) => {
    const socket = connect({ path })
    const settle = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => settle(false))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => settle(code === 'ECONNREFUSED'))
  })
}
