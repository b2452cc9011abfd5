import { connect } from 'node:net'
import { freePort, until } from './redis.ts'

export interface MemcachedServer extends AsyncDisposable {
  readonly port: number
  freeze(): void
  thaw(): void
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
}

/** Whether there is a memcached on this machine. */
export const hasMemcached = Bun.which('memcached') !== null

/** Starts a real memcached on a free port, with further words of its command line. */
export async function memcachedServer(...words: string[]): Promise<MemcachedServer> {
  return memcachedServerAt(await freePort(), ...words)
}

/** Starts one on that port. */
export async function memcachedServerAt(
  port: number,
  ...words: string[]
): Promise<MemcachedServer> {
  // As root it wants to be told whom to run as.
  const child = Bun.spawn(
    ['memcached', '-p', String(port), '-l', '127.0.0.1', '-u', 'nobody', ...words],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  await until(() => takes(port))
  const kill = async () => {
    child.kill('SIGKILL')
    await child.exited
  }
  return {
    port,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

/** Whether connections are taken there. */
export function takes(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1', () => resolve(true))
  socket.on('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
