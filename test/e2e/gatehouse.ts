import { expect } from 'bun:test'
import { join } from 'node:path'
import { executable } from './executable.ts'
import { Folder } from './folder.ts'
import { until } from './until.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  /** The whole environment; empty unless given. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
  /** Words before the executable, such as those that change the user. */
  readonly through?: readonly string[]
  readonly program?: string
}

/** Runs the executable to its end, which must come within ten seconds. */
export async function run(args: readonly string[], around: Surroundings = {}): Promise<Ended> {
  const child = spawn(args, around)
  child.stdin.write(around.stdin ?? '')
  void child.stdin.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  await child.exited
  clearTimeout(timer)
  return { code: child.exitCode, stdout, stderr }
}

function spawn(
  args: readonly string[],
  { env = {}, cwd = '/', through = [], program = executable }: Surroundings,
) {
  return Bun.spawn([...through, program, ...args], {
    cwd,
    env: { ...env },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

export interface GatehouseOptions extends Omit<Surroundings, 'stdin'> {
  /** The configuration, as text or as entities, or several files by name. */
  readonly config: string | object
  /** Lines of the kong.conf, after those that take free ports; `null` for no kong.conf at all. */
  readonly settings?: readonly string[] | null
  /** Words after `start -c kong.conf -c kong.yaml`. */
  readonly words?: readonly string[]
  /** Texts that no log may hold, beside those that none may ever. */
  readonly secrets?: readonly string[]
}

/** What no line that the executable writes may ever hold: a JWT, Keycloak's secret of the how-to, `alex:doe`. */
const SECRETS = ['eyJ', 'UNT3GPzCKI7zUbhAmFSUGbj4wmiBDGiW', 'YWxleDpkb2U=', 'alex:doe']

/** `gatehouse start` at work, in a folder of its own. When its scope ends it is stopped and its logs are searched for secrets. */
export class Gatehouse implements AsyncDisposable {
  readonly folder: Folder
  /** The ports of `proxy_listen`, in its order. */
  readonly ports: readonly number[]
  readonly #child: ReturnType<typeof spawn>
  readonly #output: Output
  readonly #secrets: readonly string[]

  private constructor(
    folder: Folder,
    child: ReturnType<typeof spawn>,
    output: Output,
    ports: readonly number[],
    secrets: readonly string[],
  ) {
    this.folder = folder
    this.ports = ports
    this.#child = child
    this.#output = output
    this.#secrets = secrets
  }

  /** Starts it and waits until it says that it is ready; throws with what it said if it ends instead. */
  static async start({
    config,
    settings = [],
    words = [],
    secrets = [],
    ...around
  }: GatehouseOptions): Promise<Gatehouse> {
    const free = ['proxy_listen = 127.0.0.1:0', 'status_listen = off']
    const folder = new Folder({
      ...(settings && { 'kong.conf': `${[...free, ...settings].join('\n')}\n` }),
      'kong.yaml': textOf(config),
    })
    const conf = settings ? ['-c', 'kong.conf'] : []
    const child = spawn(['start', ...conf, '-c', 'kong.yaml', ...words], {
      cwd: folder.path,
      ...around,
    })
    const output = new Output(child)
    try {
      const ready = await until('the line "is ready"', () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
        return /gatehouse \S+ is ready proxy=(\S+)/.exec(output.stderr)
      })
      const ports = ready[1]!.split(',').map((address) => Number(/\d+$/.exec(address)?.[0]))
      return new Gatehouse(folder, child, output, ports, [...SECRETS, ...secrets])
    } catch (error) {
      child.kill('SIGKILL')
      await child.exited
      folder[Symbol.dispose]()
      throw new Error(`gatehouse did not start: ${(error as Error).message}\n${output.stderr}`)
    }
  }

  /** The port of the first address. */
  get port(): number {
    return this.ports[0]!
  }

  get pid(): number {
    return this.#child.pid
  }

  /** What the error log holds so far. */
  get log(): string {
    return this.#output.stderr
  }

  /** What the access log holds so far. */
  get accessLog(): string {
    return this.#output.stdout
  }

  /** Waits for the first line of the error log that matches. */
  async logged(pattern: RegExp, limit?: number): Promise<string> {
    return until(
      `a log line like ${pattern}; there was:\n${this.log}`,
      () => this.log.split('\n').find((line) => pattern.test(line)),
      limit,
    )
  }

  /** Waits for the first line of the access log that matches. */
  async accessLogged(pattern: RegExp): Promise<string> {
    return until(`an access log line like ${pattern}`, () =>
      this.accessLog.split('\n').find((line) => pattern.test(line)),
    )
  }

  /** Overwrites its kong.yaml. */
  write(config: string | object): void {
    this.folder.write('kong.yaml', textOf(config))
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Overwrites its kong.yaml, sends HUP and waits until it says that it has loaded it. */
  async reload(config: string | object): Promise<void> {
    const before = this.log.length
    this.write(config)
    this.signal('SIGHUP')
    await until('the line of a reload', () =>
      this.log.slice(before).includes('the configuration was loaded again'),
    )
  }

  /** The resident memory of the process; bytes. */
  async memory(): Promise<number> {
    const status = await Bun.file(join('/proc', String(this.pid), 'status')).text()
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Its exit status once it has ended, which must be within `limit` milliseconds. */
  async ended(limit = 12_000): Promise<number | null> {
    await until('the end of the process', () => !this.isRunning, limit)
    await this.#output.ended
    return this.#child.exitCode
  }

  /** Sends TERM and gives the exit status. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM')
    return this.ended()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.isRunning) expect(await this.stop()).toBe(0)
      const said = this.log + this.accessLog
      for (const secret of this.#secrets) expect(said).not.toContain(secret)
    } finally {
      this.#child.kill('SIGKILL')
      this.folder[Symbol.dispose]()
    }
  }
}

function textOf(config: string | object): string {
  return typeof config === 'string' ? config : JSON.stringify(config, null, 2)
}

/** What a process has written so far. */
class Output {
  stdout = ''
  stderr = ''
  readonly ended: Promise<unknown>

  constructor({ stdout, stderr }: ReturnType<typeof spawn>) {
    this.ended = Promise.all([
      collect(stdout, (text) => (this.stdout += text)),
      collect(stderr, (text) => (this.stderr += text)),
    ])
  }
}

async function collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void) {
  const decoder = new TextDecoder()
  for await (const bytes of stream) add(decoder.decode(bytes, { stream: true }))
}
