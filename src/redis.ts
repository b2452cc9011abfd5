import { isIP } from 'node:net'
import type { Cluster, CommonRedisOptions, Redis as Single, RedisOptions } from 'ioredis'
import { Pause } from './pause.ts'

/** Where a Redis is and how it is spoken to, by the names of Kong's fields. All times are milliseconds, 0 is a minute. */
export interface RedisSettings {
  readonly host: string
  readonly port: number
  /** The path of a Unix socket, in place of `host` and `port`. */
  readonly socket?: string | undefined
  readonly database: number
  /** The limit for a command, connecting included: beside the limits for its parts. */
  readonly timeout?: number | undefined
  /** The limit for connecting, logging in included. */
  readonly connect_timeout?: number | undefined
  /** The limit for a command to leave, where what was sent before still waits. */
  readonly send_timeout?: number | undefined
  /** The limit for the answer to a command that has left. */
  readonly read_timeout?: number | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly ssl: boolean
  readonly ssl_verify: boolean
  /** The name that the certificate must have, if it is not the host. */
  readonly server_name: string | undefined
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
  /** Whether something between may know no more than keys and values. */
  readonly connection_is_proxied?: boolean | undefined
  /** Makes it a cluster: some of its nodes, in place of `host` and `port`. It has no `database` but 0. */
  readonly cluster_nodes?: readonly { readonly ip: string; readonly port: number }[] | undefined
  readonly cluster_max_redirections?: number | undefined
  /** Has sentinels asked where the Redis is, in place of `host` and `port`: the name that they know it by. */
  readonly sentinel_master?: string | undefined
  /** `master` unless given; `any` is a replica where there is no master. */
  readonly sentinel_role?: string | undefined
  readonly sentinel_nodes?: readonly { readonly host: string; readonly port: number }[] | undefined
  readonly sentinel_username?: string | undefined
  readonly sentinel_password?: string | undefined
}

/** A Redis could not be asked, or did not answer as it should. Its message names the server, and no secret. */
export class RedisError extends Error {
  override readonly name = 'RedisError'
}

export type RedisArgument = string | number | Buffer

type Client = Single | Cluster

/**
 * A connection to a Redis, or to the nodes of a cluster: made when it is first needed, made anew when it broke, shared by
 * all commands. Commands that are sent without waiting for each other leave together.
 */
export class Redis implements Disposable {
  readonly #settings: RedisSettings
  readonly #place: string
  #client: Promise<Client> | undefined
  readonly #pause = new Pause()

  constructor(settings: RedisSettings) {
    this.#settings = settings
    this.#place = placeOf(settings)
  }

  /** Sends a command and gives its answer, a number or a text mostly. Throws `RedisError`. */
  send(command: string, args: readonly RedisArgument[]): Promise<unknown> {
    return this.#send((client) => client.call(command, ...args))
  }

  /** Like `send`, with the answer in bytes where `send` gives text. */
  sendForBytes(command: string, args: readonly RedisArgument[]): Promise<unknown> {
    return this.#send((client) => client.callBuffer(command, ...args))
  }

  [Symbol.dispose](): void {
    if (this.#client) this.#drop(this.#client)
  }

  async #send(ask: (client: Client) => Promise<unknown>): Promise<unknown> {
    try {
      return await this.#attempt(ask)
    } catch (error) {
      // After a failover the connection still leads to the old master, which has done nothing.
      if (!(this.#settings.sentinel_master && isDemoted(error))) throw error
      return await this.#attempt(ask)
    }
  }

  async #attempt(ask: (client: Client) => Promise<unknown>): Promise<unknown> {
    const { send_timeout, read_timeout, timeout } = this.#settings
    const ends = performance.now() + millis(timeout)
    if (!this.#client) this.#pause.check()
    const opening = (this.#client ??= this.#open())
    try {
      const client = await within(millis(timeout), opening)
      const parts = millis(read_timeout) + (isJammed(client) ? millis(send_timeout) : 0)
      return await within(Math.min(parts, ends - performance.now()), ask(client))
    } catch (error) {
      if (isUntrusted(error, await settled(opening))) this.#drop(opening)
      if (error instanceof RedisError) throw error
      throw this.#errorOf(error)
    }
  }

  #errorOf(error: unknown): RedisError {
    // An unknown command is told with its arguments.
    const message = (error as Error).message.replace(/,? with args beginning with:.*/s, '')
    return new RedisError(`${this.#place}: ${message}`)
  }

  #drop(opening: Promise<Client>): void {
    if (this.#client === opening) this.#client = undefined
    void opening.then(
      (client) => client.disconnect(),
      () => {},
    )
  }

  #open(): Promise<Client> {
    const opening = this.#connect()
    opening.then(
      // What ends while nobody waits is made anew for the next who asks.
      (client) => client.once('end', () => this.#drop(opening)),
      () => this.#drop(opening),
    )
    return opening
  }

  /** The library is loaded by whoever needs it: a gateway without a Redis starts without it. */
  async #connect(): Promise<Client> {
    const library = await import('ioredis')
    const settings = this.#settings
    const limit = Math.min(millis(settings.connect_timeout), millis(settings.timeout))
    const ends = performance.now() + limit
    const connect = async (role?: 'master' | 'slave'): Promise<Client> => {
      const client = settings.cluster_nodes
        ? new library.Cluster(nodesOf(settings.cluster_nodes), clusterOptions(settings))
        : new library.Redis(role ? sentinelOptions(settings, role) : singleOptions(settings))
      let cause: Error | undefined
      // It tells why before it tells that there is no connection; later, whoever waits for an answer is told by it.
      client.on('error', (error: Error) => void (cause ??= error))
      try {
        await within(ends - performance.now(), client.connect())
        return client
      } catch (error) {
        client.disconnect()
        if (error instanceof Late) throw new Late(limit)
        throw cause ?? error
      }
    }
    try {
      switch (settings.sentinel_master && (settings.sentinel_role ?? 'master')) {
        case undefined:
          return await connect()
        case 'slave':
          return await connect('slave')
        case 'any':
          return await connect('master').catch(() => connect('slave'))
        default:
          return await connect('master')
      }
    } catch (error) {
      const told = this.#errorOf(error)
      if (error instanceof Late) this.#pause.begin(told)
      throw told
    }
  }
}

const MINUTE = 60_000

class Late extends Error {
  constructor(limit: number) {
    super(`no answer within ${Math.round(limit)} ms`)
  }
}

const millis = (limit: number | undefined) => limit || MINUTE

async function within<T>(limit: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Late(limit)), Math.max(limit, 0))
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** What a promise has given by now, if it has. */
function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, Promise.resolve(undefined)]).catch(() => undefined)
}

/** Whether more was given to the connection than it takes. */
function isJammed(client: Client): boolean {
  const { stream } = client as { readonly stream?: { readonly writableNeedDrain?: boolean } }
  return stream?.writableNeedDrain === true
}

const isDemoted = (error: unknown) => / (?:READONLY|MASTERDOWN) /.test((error as Error).message)

/** Whether a connection is of no more use after that fault, nor what waits behind. */
function isUntrusted(error: unknown, client: Client | undefined): boolean {
  const { name, message } = error as Error
  // A server that says no is there, but for one that is no master any more.
  if (name === 'ReplyError') return /^(?:READONLY|MASTERDOWN) /.test(message)
  // In a cluster one node may be gone: its connection goes by itself, those to the others stay.
  return !client?.isCluster || client.status === 'end'
}

function placeOf(settings: RedisSettings): string {
  const { host, port, socket, cluster_nodes, sentinel_master, sentinel_nodes = [] } = settings
  const list = (all: readonly { host: string; port: number }[]) =>
    all.map((each) => `${each.host}:${each.port}`).join(', ')
  if (cluster_nodes) return `the Redis cluster at ${list(nodesOf(cluster_nodes))}`
  if (sentinel_master)
    return `the Redis ${sentinel_master} of the sentinels at ${list(sentinel_nodes)}`
  return `the Redis at ${socket ?? `${host}:${port}`}`
}

const nodesOf = (nodes: NonNullable<RedisSettings['cluster_nodes']>) =>
  nodes.map(({ ip, port }) => ({ host: ip, port }))

/** As in Kong, a user without a password is not told to the server. */
const login = ({ username, password }: RedisSettings) =>
  password ? { password, ...(username && { username }) } : {}

function tlsOptions({ ssl_verify, server_name, ca }: RedisSettings, host?: string) {
  const servername = server_name ?? (host === undefined ? undefined : isIP(host) === 0 ? host : '')
  return {
    rejectUnauthorized: ssl_verify,
    ...(servername !== undefined && { servername }),
    ...(ca !== undefined && { ca }),
  }
}

function commonOptions(settings: RedisSettings) {
  return {
    ...login(settings),
    db: settings.database,
    connectTimeout: millis(settings.connect_timeout ?? settings.timeout),
    // Its own way of coming back would keep requests waiting for a server that is gone.
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    lazyConnect: true,
    // AUTH and SELECT are known everywhere; HELLO and CLIENT SETINFO are not.
    protocol: 2,
    disableClientInfo: true,
    // It asks with INFO, which proxies do not know.
    enableReadyCheck: settings.connection_is_proxied !== true,
  } satisfies CommonRedisOptions
}

function singleOptions(settings: RedisSettings): RedisOptions {
  const { host, port, socket, ssl } = settings
  return {
    ...commonOptions(settings),
    ...(socket ? { path: socket } : { host, port }),
    ...(ssl && { tls: tlsOptions(settings, socket ? undefined : host) }),
  }
}

function sentinelOptions(settings: RedisSettings, role: 'master' | 'slave'): RedisOptions {
  const { sentinel_master, sentinel_nodes = [], sentinel_username, sentinel_password } = settings
  return {
    ...commonOptions(settings),
    name: sentinel_master,
    role,
    sentinels: sentinel_nodes.map(({ host, port }) => ({ host, port })),
    ...(sentinel_password && {
      sentinelPassword: sentinel_password,
      ...(sentinel_username && { sentinelUsername: sentinel_username }),
    }),
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: millis(settings.read_timeout ?? settings.timeout),
    ...(settings.ssl && {
      tls: tlsOptions(settings),
      sentinelTLS: tlsOptions(settings),
      enableTLSForSentinelMode: true,
    }),
  }
}

function clusterOptions(settings: RedisSettings) {
  const { retryStrategy: _, ...common } = commonOptions(settings)
  return {
    clusterRetryStrategy: () => null,
    lazyConnect: true,
    enableReadyCheck: common.enableReadyCheck,
    maxRedirections: settings.cluster_max_redirections ?? 5,
    slotsRefreshTimeout: millis(settings.connect_timeout ?? settings.timeout),
    redisOptions: {
      ...common,
      db: 0,
      // A node that says nothing is cut off, so that the others go on.
      socketTimeout: millis(settings.read_timeout ?? settings.timeout),
      ...(settings.ssl && { tls: tlsOptions(settings) }),
    },
  }
}
