import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis, type RedisSettings } from '../../src/redis.ts'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** Asks it as an operator would. */
  ask(command: string, ...args: string[]): Promise<unknown>
  /** Stops it in its tracks: it takes connections and answers nobody. */
  freeze(): void
  thaw(): void
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
}

/** Whether there is a Redis on this machine. */
export const hasRedis = Bun.which('redis-server') !== null

export const PASSWORD = 'p@ss/word'

/** How a Redis of these tests is reached. */
export function redisSettings(port: number, more: Partial<RedisSettings> = {}): RedisSettings {
  return {
    host: '127.0.0.1',
    port,
    database: 0,
    timeout: 1000,
    username: undefined,
    password: PASSWORD,
    ssl: false,
    ssl_verify: false,
    server_name: undefined,
    ca: undefined,
    ...more,
  }
}

/** Starts a real Redis on a free port, with further words of its command line. Its password is `p@ss/word`. */
export async function redisServer(...words: string[]): Promise<RedisServer> {
  return redisServerAt(await freePort(), ...words)
}

/** Starts one on that port. */
export async function redisServerAt(port: number, ...words: string[]): Promise<RedisServer> {
  const child = Bun.spawn(
    // prettier-ignore
    ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', PASSWORD, ...words],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  const redis = new Redis(redisSettings(port))
  await until(async () => (await redis.send('PING', []).catch(() => undefined)) === 'PONG')
  const kill = async () => {
    child.kill('SIGKILL')
    await child.exited
  }
  return {
    port,
    ask: (command, ...args) => redis.send(command, args),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    kill,
    async [Symbol.asyncDispose]() {
      redis[Symbol.dispose]()
      await kill()
    },
  }
}

export interface Servers extends AsyncDisposable {
  readonly nodes: readonly RedisServer[]
}

/**
 * A Redis Cluster of three nodes, with a third of the slots each and no replicas. `words` as the command line has them;
 * with ports for TLS the nodes tell of those.
 */
export async function redisCluster(
  words: readonly string[] = [],
  tlsPorts?: readonly number[],
): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const busPorts = [await freePort(), await freePort(), await freePort()]
  const nodes = await Promise.all(
    busPorts.map((busPort, i) =>
      redisServer(
        ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--dir', folder],
        ...['--cluster-config-file', `nodes-${i}.conf`, '--cluster-node-timeout', '1000'],
        ...(tlsPorts ? ['--tls-port', String(tlsPorts[i]), '--tls-cluster', 'yes'] : []),
        ...words,
      ),
    ),
  )
  for (const [i, node] of nodes.entries()) {
    await node.ask('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
    const [from, to] = [Math.ceil((16_384 / 3) * i), Math.ceil((16_384 / 3) * (i + 1)) - 1]
    await node.ask('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
    const port = tlsPorts?.[i] ?? node.port
    await nodes[0]!.ask('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPorts[i]))
  }
  for (const node of nodes) {
    await until(async () => {
      const info = String(await node.ask('CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
    })
  }
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

export const SENTINEL_PASSWORD = 's3ntinel'

/** A master, its replica, and a sentinel that knows them as `mymaster`; its password is `s3ntinel`. */
export async function redisSentinel(): Promise<Servers & { readonly port: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const port = await freePort()
  const master = await redisServer('--masterauth', PASSWORD)
  const replica = await redisServer(
    ...['--replicaof', '127.0.0.1', String(master.port), '--masterauth', PASSWORD],
    ...['--repl-diskless-sync-delay', '0', '--dir', folder],
  )
  await until(async () =>
    String(await replica.ask('INFO', 'replication')).includes('master_link_status:up'),
  )
  const file = join(folder, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `requirepass ${SENTINEL_PASSWORD}`,
    `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
    `sentinel auth-pass mymaster ${PASSWORD}`,
    'sentinel down-after-milliseconds mymaster 500',
    'sentinel failover-timeout mymaster 3000',
  ]
  writeFileSync(file, lines.join('\n'))
  const child = Bun.spawn(['redis-server', file, '--sentinel'], {
    stdout: 'ignore',
    stderr: 'ignore',
  })
  const sentinel = new Redis(redisSettings(port, { password: SENTINEL_PASSWORD }))
  await until(async () => {
    const [replica] = (await sentinel
      .send('SENTINEL', ['replicas', 'mymaster'])
      .catch(() => [])) as readonly string[][]
    return replica?.[replica.indexOf('flags') + 1] === 'slave'
  })
  sentinel[Symbol.dispose]()
  return {
    port,
    nodes: [master, replica],
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      for (const node of [master, replica]) await node[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Looks until it holds, for 15 seconds at most. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 15_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it does not come to hold: ${holds}`)
    await Bun.sleep(10)
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
