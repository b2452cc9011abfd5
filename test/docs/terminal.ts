import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Ended {
  readonly code: number | null
  /** What it printed on both streams, in its order. */
  readonly output: string
}

/** A program that goes on while other blocks are run. */
export interface Running {
  /** What it has printed so far. */
  readonly output: string
  /** The exit status, once it has ended. */
  readonly code: number | null
  /** Ctrl-C; waits for the end, at most 20 seconds. */
  stop(): Promise<void>
}

/** The longest that a command may take; a download and a build are among them. Milliseconds. */
const PATIENCE = 240_000

/** A shell in a folder of its own, as somebody has it who follows the docs: what is exported and where one is stays. */
export class Terminal implements AsyncDisposable {
  readonly folder: string
  readonly #state: string
  readonly #running: Running[] = []

  /** `env` is added to an environment that has nothing but `PATH`, `HOME` and the like. */
  constructor(env: Readonly<Record<string, string>>) {
    const home = mkdtempSync(join(tmpdir(), 'gatehouse-docs-'))
    this.folder = join(home, 'folder')
    this.#state = join(home, 'state')
    mkdirSync(this.folder)
    mkdirSync(this.#state)
    // Without a terminal curl draws its progress between the lines of the answer.
    writeFileSync(join(this.#state, '.curlrc'), 'silent\nshow-error\n')
    const exports = Object.entries({ ...env, CURL_HOME: this.#state }).map(
      ([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`,
    )
    writeFileSync(join(this.#state, 'env'), exports.join(''))
    writeFileSync(join(this.#state, 'cwd'), `${this.folder}\n`)
  }

  /** Runs commands to their end. */
  async run(script: string): Promise<Ended> {
    const child = this.#spawn(script, `trap 'export -p >"$S/env"; pwd >"$S/cwd"' EXIT\n`)
    const timer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), PATIENCE)
    const output = await child.stdout.text()
    await child.exited
    clearTimeout(timer)
    return { code: child.exitCode, output }
  }

  /** Starts commands of which the last goes on, as in a terminal beside this one. */
  start(script: string): Running {
    const child = this.#spawn(script, '')
    let output = ''
    const read = (async () => {
      const decoder = new TextDecoder()
      for await (const bytes of child.stdout) output += decoder.decode(bytes, { stream: true })
    })()
    const running: Running = {
      get output() {
        return output
      },
      get code() {
        // As a shell counts: 128 and the number of the signal.
        return child.signalCode === 'SIGINT' ? 130 : child.exitCode
      },
      async stop() {
        if (child.killed || child.exitCode !== null) return
        killGroup(child.pid, 'SIGINT')
        const timer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), 20_000)
        await child.exited
        clearTimeout(timer)
        await read
      },
    }
    this.#running.push(running)
    return running
  }

  /** Stops all that was started and is still running. */
  async stop(): Promise<void> {
    for (const running of this.#running.splice(0).reverse()) await running.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(join(this.folder, '..'), { recursive: true, force: true })
  }

  #spawn(script: string, before: string) {
    const text = `S='${this.#state}'\nsource "$S/env"\ncd "$(cat "$S/cwd")"\n${before}set -eo pipefail\n${script}`
    const { PATH = '', HOME = '', LANG = 'C.UTF-8', TMPDIR = tmpdir() } = process.env
    return Bun.spawn(['bash', '-c', `exec 2>&1\n${text}`], {
      env: { PATH, HOME, LANG, TMPDIR },
      // A process group of its own: Ctrl-C reaches all that the command has started, and nothing else.
      detached: true,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
    })
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}
