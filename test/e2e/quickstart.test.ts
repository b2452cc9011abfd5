// `gatehouse quickstart`: the executable in an empty environment and an empty folder.

import { describe, expect, test } from 'bun:test'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { version } from '../../package.json'
import { banner } from '../../src/quickstart/banner.ts'
import { executable } from './executable.ts'
import { Folder } from './folder.ts'
import { run } from './gatehouse.ts'

describe('--verify', () => {
  const NOWHERE = 'http://127.0.0.1:9'
  const PROXIES = { HTTP_PROXY: NOWHERE, http_proxy: NOWHERE, ALL_PROXY: NOWHERE }
  const DECK = { DECK_ISSUER: NOWHERE, DECK_CLIENT_ID: 'other', DECK_CLIENT_SECRET: 'other' }

  // prettier-ignore
  const cases: [what: string, flags: string[], env: Record<string, string>][] = [
    ['the how-to holds',                                   [],           {}],
    ['the how-to holds with single-use refresh tokens',    ['--rotate'], {}],
    ['a proxy in the environment is not used',             [],           PROXIES],
    ['a provider in the environment is not asked',         [],           DECK],
  ]
  test.each(cases)('%s', async (_what, flags, env) => {
    const { stdout, stderr, code } = await run(['quickstart', '--verify', ...flags], { env })
    expect(stdout.split('\n').filter((line) => !line.startsWith('✓ '))).toEqual([''])
    expect(stdout.match(/^✓ /gm)).toHaveLength(9)
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  })
})

test('the banner is the first and the last that is printed', async () => {
  await using quickstart = await Quickstart.start()
  const { proxyUrl, issuer } = quickstart
  expect(await quickstart.stop('SIGTERM')).toBe(0)
  const readyMs = Number(/ready in (\d+) ms/.exec(quickstart.stdout)?.[1])
  const facts = { version, proxyUrl, readyMs, issuer, user: 'alex', password: 'doe' }
  expect(quickstart.stdout).toBe(banner(facts))
  expect(quickstart.stderr).toBe('')
})

describe.skipIf(lacks('bash', 'curl', 'jq', 'awk'))('pasted into a shell', () => {
  test('each line of the banner is answered with 200 and tokens', async () => {
    await using quickstart = await Quickstart.start()
    const commands = quickstart.stdout.replace(/ \\\n/g, ' ').match(/^curl .*$/gm) ?? []
    expect(commands).toHaveLength(3)
    for (const command of commands) {
      const answer = await shell(command)
      expect(answer).toStartWith('HTTP/1.1 200 ')
      expect(answer).toMatch(/"Authorization": "Bearer [\w-]+\.[\w-]+\.[\w-]+"/)
      expect(answer).toMatch(/"Refresh-Token": "ey/)
    }
  })

  test('the refresh token is found in every spelling of its header', async () => {
    await using quickstart = await Quickstart.start()
    const url = `${quickstart.proxyUrl}/anything`
    const token = `$(curl -su alex:doe ${url} | jq -r '.headers."Refresh-Token"')`
    for (const name of ['Refresh-Token', 'refresh_token', 'REFRESH_TOKEN', 'refresh-Token']) {
      expect(await shell(`curl -iH "${name}: ${token}" ${url}`)).toStartWith('HTTP/1.1 200 ')
      expect(await shell(`curl -iH "${name}:${token}" ${url}`)).toStartWith('HTTP/1.1 200 ')
      expect(await shell(`curl -iH "${name}: null" ${url}`)).toStartWith('HTTP/1.1 401 ')
    }
  })
})

test('ports that are taken are left alone', async () => {
  // Whoever has them then, 8000 and 8080 are taken.
  await using _proxy = await occupy(8000)
  await using _provider = await occupy(8080)
  await using first = await Quickstart.start()
  await using second = await Quickstart.start()
  const ports = [first, second].flatMap(({ urls }) => urls.map(portOf))
  expect(new Set([8000, 8080, ...ports]).size).toBe(6)
  for (const { proxyUrl } of [first, second]) {
    expect((await fetch(`${proxyUrl}/anything`)).status).toBe(401)
  }
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends it with 0 and leaves no child, port or file',
  async (signal) => {
    using folder = new Folder()
    const env = { HOME: folder.path, TMPDIR: folder.path }
    await using quickstart = await Quickstart.start({ env, cwd: folder.path })
    const authorization = `Basic ${btoa('alex:doe')}`
    await fetch(`${quickstart.proxyUrl}/anything`, { headers: { authorization } })
    expect(await childrenOf(quickstart.pid)).toEqual([])
    expect(await quickstart.stop(signal)).toBe(0)
    for (const port of quickstart.urls.map(portOf)) {
      for (const host of ['127.0.0.1', '[::1]']) {
        await expect(fetch(`http://${host}:${port}/`)).rejects.toThrow()
      }
    }
    expect(await readdir(folder.path)).toEqual([])
  },
)

test('it is open to this machine only', async () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (!outside) return console.log('skipped: this machine has no address but loopback')
  await using quickstart = await Quickstart.start()
  for (const url of quickstart.urls) {
    expect((await fetch(new URL('/', url))).status).toBe(404)
    const signal = AbortSignal.timeout(2000)
    const attempt = fetch(`http://${outside.address}:${portOf(url)}/`, { signal })
    await expect(attempt).rejects.toThrow()
  }
})

/** A quickstart at work; ended with its scope. */
class Quickstart implements AsyncDisposable {
  stdout = ''
  stderr = ''
  readonly #child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>
  readonly #said: Promise<unknown>
  readonly #banner = Promise.withResolvers<void>()

  private constructor(env: Readonly<Record<string, string>>, cwd: string) {
    const stdio = { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' } as const
    this.#child = Bun.spawn([executable, 'quickstart'], { cwd, env, ...stdio })
    this.#said = Promise.all([this.#collectOut(), this.#collectErrors()])
  }

  /** Gives it once it has printed its banner. */
  static async start({ env = {}, cwd = '/' } = {}): Promise<Quickstart> {
    const quickstart = new Quickstart(env, cwd)
    await Promise.race([quickstart.#banner.promise, quickstart.#said])
    if (quickstart.proxyUrl === '') throw new Error(`it did not start: ${quickstart.stderr}`)
    return quickstart
  }

  get pid(): number {
    return this.#child.pid
  }

  get proxyUrl(): string {
    return /^ {2}Proxy +(\S+),/m.exec(this.stdout)?.[1] ?? ''
  }

  get issuer(): string {
    return /^ {2}Provider +(\S+),/m.exec(this.stdout)?.[1] ?? ''
  }

  get urls(): [string, string] {
    return [this.proxyUrl, this.issuer]
  }

  /** Sends a signal and gives the exit status, which must come within two seconds. */
  async stop(signal: NodeJS.Signals): Promise<number> {
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    const status = await this.#child.exited
    clearTimeout(timer)
    await this.#said
    return status
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#child.exited
  }

  async #collectOut(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.stdout += text
      if (this.stdout.includes('Ctrl-C')) this.#banner.resolve()
    }
  }

  async #collectErrors(): Promise<void> {
    this.stderr = await this.#child.stderr.text()
  }
}

async function shell(command: string): Promise<string> {
  const child = Bun.spawn(['bash', '-c', command], { stdout: 'pipe', stderr: 'ignore' })
  return child.stdout.text()
}

/** Takes a port on 127.0.0.1, unless somebody has it already. */
async function occupy(port: number): Promise<AsyncDisposable> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve())
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return server
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** The processes that a process has started; only Linux tells. */
async function childrenOf(pid: number): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const tasks = await readdir(`/proc/${pid}/task`)
  const lists = tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8'))
  return (await Promise.all(lists)).flatMap((list) => list.split(' ').filter(Boolean))
}

function lacks(...programs: string[]): boolean {
  const absent = programs.filter((program) => !Bun.which(program))
  if (absent.length > 0) console.log(`skipped: this machine has no ${absent.join(', ')}`)
  return absent.length > 0
}
