import type { Socket } from 'bun'
import { Deadlines } from '../http1/deadlines.ts'
import type { BadMessage } from '../http1/grammar.ts'
import type { Capacity } from './capacity.ts'
import { ClientConnection, type ClientConnectionOwner } from './connection.ts'
import type { Exchange } from './exchange.ts'

/** How long an idle connection is kept after the listener has stopped; milliseconds. */
const FAREWELL = 250

export interface ListenerOptions {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Shared by all listeners. Who finds no place is let go at once. */
  readonly capacity: Capacity
  handle(exchange: Exchange): void
  refuse(connection: ClientConnection, fault: BadMessage): void
  /** A fault of our own while a connection was served. The connection is closed already. */
  crashed(error: unknown): void
}

/** Thrown where an address cannot be taken; `code` is the system's, as EADDRINUSE or EACCES. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly host: string
  readonly port: number
  readonly code: string
  /** The setting that the address comes from. */
  readonly setting: string

  constructor(host: string, port: number, code: string, setting = 'KONG_PROXY_LISTEN') {
    super(`cannot listen on ${host} port ${port} (${code})`)
    this.host = host
    this.port = port
    this.code = code
    this.setting = setting
  }
}

/** A TCP port that speaks HTTP/1.1 with clients. */
export class Listener implements ClientConnectionOwner {
  readonly deadlines = new Deadlines()
  isDraining = false
  readonly handle: (exchange: Exchange) => void
  readonly refuse: (connection: ClientConnection, fault: BadMessage) => void
  readonly #connections = new Set<ClientConnection>()
  readonly #server: Bun.TCPSocketListener<ClientConnection>

  /** Throws `ListenError`. */
  constructor(options: ListenerOptions) {
    this.handle = options.handle
    this.refuse = options.refuse
    try {
      this.#server = this.#listen(options)
    } catch (error) {
      const { code = 'failed' } = error as { code?: string }
      throw new ListenError(options.host, options.port, code)
    }
  }

  #listen(options: ListenerOptions): Bun.TCPSocketListener<ClientConnection> {
    const address = {
      hostname: options.host,
      port: options.port,
      // `::` is IPv6 alone, as in nginx, so that `0.0.0.0` beside it is no conflict. Bun's types do not know it here.
      ipv6Only: true,
    }
    return Bun.listen<ClientConnection>({
      ...address,
      socket: {
        open: (socket) => {
          // A client that has left already has no address, and its socket no connection.
          if (socket.remoteAddress === undefined || !options.capacity.enter())
            return void socket.terminate()
          socket.data = new ClientConnection(socket, this)
          this.#connections.add(socket.data)
        },
        data: (socket, bytes) => this.#connectionOf(socket)?.data(bytes),
        drain: (socket) => this.#connectionOf(socket)?.drain(),
        close: (socket) => {
          const connection = this.#connectionOf(socket)
          if (!connection) return
          this.#connections.delete(connection)
          options.capacity.leave()
          connection.closed()
        },
        error: (socket, error) => {
          this.#connectionOf(socket)?.abort()
          options.crashed(error)
        },
      },
    })
  }

  #connectionOf(socket: Socket<ClientConnection>): ClientConnection | undefined {
    return socket.data
  }

  get port(): number {
    return this.#server.port
  }

  /** Takes no more connections, lets every request be answered, and gives up on the rest after `timeout` milliseconds. */
  async stop(timeout: number): Promise<void> {
    this.isDraining = true
    this.#server.stop()
    const start = performance.now()
    // A request may be under way on a connection that looks idle: for a moment its client is answered, and told to go.
    await this.#emptied(start + Math.min(timeout, FAREWELL))
    for (const connection of this.#connections) connection.closeWhenIdle()
    await this.#emptied(start + timeout)
    for (const connection of this.#connections) connection.abort()
  }

  /** Waits until every connection is closed, or a time has come. */
  async #emptied(until: number): Promise<void> {
    while (this.#connections.size > 0 && performance.now() < until) await Bun.sleep(5)
  }
}
