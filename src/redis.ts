import { RedisClient } from 'bun'

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
  #client: RedisClient | undefined

  constructor(settings: RedisSettings) {
    this.#settings = settings
  }

  /** Sends a command and gives its answer, a number or a text mostly. Throws `RedisError`. */
  async send(command: string, args: readonly string[]): Promise<unknown> {
    const { host, port } = this.#settings
    const timeout = this.#settings.timeout || 60_000
    const client = (this.#client ??= connect(this.#settings, timeout))
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      // Ends what waits behind this command too: it would be answered out of turn, or never.
      this.#drop(client)
    }, timeout)
    try {
      return await client.send(command, [...args])
    } catch (error) {
      if (!client.connected) this.#drop(client)
      const said = timedOut ? `no answer within ${timeout} ms` : (error as Error).message
      throw new RedisError(`the Redis at ${host}:${port}: ${said}`)
    } finally {
      clearTimeout(timer)
    }
  }

  [Symbol.dispose](): void {
    if (this.#client) this.#drop(this.#client)
  }

  #drop(client: RedisClient): void {
    if (this.#client === client) this.#client = undefined
    client.close()
  }
}

function connect(settings: RedisSettings, connectionTimeout: number): RedisClient {
  const { host, port, database, username = '', password, ssl, ssl_verify, server_name } = settings
  const name = host.includes(':') ? `[${host}]` : host
  // As in Kong, a user without a password is not told to the server.
  const user = password ? `${encodeURIComponent(username)}:${encodeURIComponent(password)}@` : ''
  return new RedisClient(`${ssl ? 'rediss' : 'redis'}://${user}${name}:${port}/${database}`, {
    connectionTimeout,
    // Its own way of coming back would keep requests waiting for a server that is gone.
    autoReconnect: false,
    maxRetries: 0,
    ...(ssl && {
      tls: {
        rejectUnauthorized: ssl_verify,
        serverName: server_name ?? host,
        ...(settings.ca !== undefined && { ca: settings.ca }),
      },
    }),
  })
}
