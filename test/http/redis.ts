import { createServer } from 'node:net'
import { Redis } from '../../src/redis.ts'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** Asks it as an operator would. */
  ask(command: string, ...args: string[]): Promise<unknown>
  /** Stops it in its tracks: it takes connections and answers nobody. */
  freeze(): void
  thaw(): void
}

/** Whether there is a Redis on this machine. */
export const hasRedis = Bun.which('redis-server') !== null

/** Starts a real Redis on a free port, with further words of its command line. Its password is `p@ss/word`. */
export async function redisServer(...words: string[]): Promise<RedisServer> {
  const port = await freePort()
  const child = Bun.spawn(
    // prettier-ignore
    ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', 'p@ss/word', ...words],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    database: 0,
    timeout: 1000,
    username: undefined,
    password: 'p@ss/word',
    ssl: false,
    ssl_verify: false,
    server_name: undefined,
    ca: undefined,
  })
  const until = performance.now() + 5_000
  while ((await redis.send('PING', []).catch(() => undefined)) !== 'PONG') {
    if (performance.now() > until) throw new Error('the Redis does not answer')
    await Bun.sleep(10)
  }
  return {
    port,
    ask: (command, ...args) => redis.send(command, args),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      redis[Symbol.dispose]()
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
