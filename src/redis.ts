import { isIP } from 'node:net'
import type { Redis as Client, RedisOptions } from 'ioredis'

/** Where a Redis is and how it is spoken to, by the names of Kong's fields. */
export interface RedisSettings {
  readonly host: string
  readonly port: number
  readonly database: number
  /** Milliseconds for a command, connecting included; 0 is a minute. */
  readonly timeout: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly ssl: boolean
  readonly ssl_verify: boolean
  /** The name that the certificate must have, if it is not `host`. */
  readonly server_name: string | undefined
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
}

/** A Redis could not be asked, or did not answer as it should. Its message names the server, and no secret. */
export class RedisError extends Error {
  override readonly name = 'RedisError'
}

/** One connection to a Redis: made when it is first needed, made anew when it broke, shared by all commands. */
export class Redis implements Disposable {
  readonly #settings: RedisSettings
  #client: Promise<Client> | undefined

  constructor(settings: RedisSettings) {
    this.#settings = settings
  }

  /** Sends a command and gives its answer, a number or a text mostly. Throws `RedisError`. */
  async send(command: string, args: readonly string[]): Promise<unknown> {
    const { host, port, timeout } = this.#settings
    const opening = (this.#client ??= this.#open())
    const client = await opening
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new Error(`no answer within ${timeout || MINUTE} ms`)),
      timeout || MINUTE,
    )
    try {
      return await Promise.race([client.call(command, ...args), late.promise])
    } catch (error) {
      // A server that says no is there; of any other the connection is not to be trusted, nor what waits behind.
      if ((error as Error).name !== 'ReplyError') this.#drop(opening)
      throw new RedisError(`the Redis at ${host}:${port}: ${(error as Error).message}`)
    } finally {
      clearTimeout(timer)
    }
  }

  [Symbol.dispose](): void {
    if (this.#client) this.#drop(this.#client)
  }

  #drop(opening: Promise<Client>): void {
    if (this.#client === opening) this.#client = undefined
    void opening.then((client) => client.disconnect())
  }

  /** The library is loaded by whoever needs it: a gateway without a Redis starts without it. */
  async #open(): Promise<Client> {
    const { Redis: IoRedis } = await import('ioredis')
    const client = new IoRedis(optionsOf(this.#settings))
    // Whoever waits for an answer is told by it.
    client.on('error', () => {})
    return client
  }
}

const MINUTE = 60_000

function optionsOf(settings: RedisSettings): RedisOptions {
  const { host, port, database, timeout, username, password, ssl, ssl_verify, server_name } =
    settings
  return {
    host,
    port,
    db: database,
    // As in Kong, a user without a password is not told to the server.
    ...(password && { password, ...(username && { username }) }),
    connectTimeout: timeout || MINUTE,
    // Its own way of coming back would keep requests waiting for a server that is gone.
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    ...(ssl && {
      tls: {
        rejectUnauthorized: ssl_verify,
        servername: server_name ?? (isIP(host) === 0 ? host : ''),
        ...(settings.ca !== undefined && { ca: settings.ca }),
      },
    }),
  }
}
