import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startEcho } from '../../src/quickstart/echo.ts'
import { CLIENT, type DevelopmentProvider, startProvider } from '../../src/quickstart/provider.ts'
import { executable } from '../e2e/executable.ts'
import { freePorts } from '../e2e/free_ports.ts'

const root = join(import.meta.dir, '..', '..')

const RELEASE = 'https://github.com/gatehouse-gateway/gatehouse/releases/latest/download/'
const REPOSITORY = 'https://github.com/gatehouse-gateway/gatehouse.git'
const KEYCLOAK = 'https://github.com/keycloak/keycloak/releases/download/26.7.3/'
const SERVICE = 'http://httpbin.konghq.com'

/** Keycloak as its project ships it, from where it was kept. */
const keycloakZip = join(
  process.env.KEYCLOAK_CACHE ?? join(homedir(), '.cache', 'keycloak'),
  'keycloak-quarkus-dist-26.7.3.zip',
)

/** What a block may need beside a shell, and why it cannot be had here, if so. */
export const missing: Readonly<Record<string, string | undefined>> = {
  docker: succeeds('docker', 'info') ? undefined : 'no Docker daemon answers',
  keycloak: !existsSync(keycloakZip)
    ? `there is no ${basename(keycloakZip)}`
    : succeeds('java', '-version')
      ? undefined
      : 'there is no Java',
}

function succeeds(...command: string[]): boolean {
  try {
    return Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore', timeout: 10_000 }).success
  } catch {
    return false
  }
}

/**
 * What stands in for the internet and for the well-known ports, so that the docs can be followed on any machine: the
 * texts of the docs on the left, what is run on the right.
 */
export class Substitutes implements AsyncDisposable {
  /** The environment that makes programs listen where `apply` says. */
  readonly env: Readonly<Record<string, string>>
  readonly #texts: Map<string, string>
  readonly #stops: (() => Promise<unknown>)[]

  private constructor(
    env: Readonly<Record<string, string>>,
    texts: Map<string, string>,
    stops: (() => Promise<unknown>)[],
  ) {
    this.env = env
    this.#texts = texts
    this.#stops = stops
  }

  static async start(): Promise<Substitutes> {
    const downloads = serveDownloads()
    const echo = await startEcho()
    const [proxy, status, provider] = freePorts(3)
    // A clone is called after what was cloned, whatever the folder of this project is called.
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-docs-'))
    const repository = join(folder, 'gatehouse.git')
    symlinkSync(root, repository)
    const texts = new Map([
      [RELEASE, `${downloads.url}release/`],
      [KEYCLOAK, `${downloads.url}keycloak/`],
      [REPOSITORY, repository],
      [SERVICE, `http://127.0.0.1:${echo.port}`],
      ['localhost:8000', `localhost:${proxy}`],
      ['localhost:8080', `localhost:${provider}`],
    ])
    const env = {
      KONG_PROXY_LISTEN: `127.0.0.1:${proxy}`,
      KONG_STATUS_LISTEN: `127.0.0.1:${status}`,
      KC_HTTP_PORT: String(provider),
      KC_HTTP_HOST: '127.0.0.1',
      // Keycloak's command line keeps its login in the home folder; and it is to start soon rather than to run fast.
      KC_OPTS: `-Duser.home=${folder}`,
      JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1',
    }
    return new Substitutes(env, texts, [
      () => downloads.stop(true),
      () => echo.stop(),
      async () => rmSync(folder, { recursive: true }),
    ])
  }

  /** A development provider in Keycloak's place, with the client and the user that the docs set up there. */
  async replaceKeycloak(): Promise<DevelopmentProvider> {
    const provider = await startProvider({ port: Number(this.env.KC_HTTP_PORT), rotate: false })
    this.#texts.set('$(openssl rand -hex 16)', CLIENT.secret)
    this.#stops.push(() => provider.stop())
    return provider
  }

  /** From now on a port of the docs stands for another: the quickstart takes the next free one. */
  map(port: string, taken: string): void {
    this.#texts.set(`localhost:${port}`, `localhost:${taken}`)
  }

  /** From now on the port of the proxy is the one that `env` says. */
  unmap(): void {
    this.map('8000', this.env.KONG_PROXY_LISTEN!.split(':')[1]!)
  }

  apply(text: string): string {
    return [...this.#texts].reduce((done, [from, to]) => done.replaceAll(from, to), text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()))
  }
}

/** The files of a release, made of the executable that was built here, and Keycloak's zip. */
function serveDownloads() {
  const name = 'gatehouse-linux-x64'
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch({ url }) {
      const { pathname } = new URL(url)
      if (pathname === `/release/${name}`) return new Response(Bun.file(executable))
      if (pathname === '/release/SHA256SUMS') {
        const sum = new Bun.CryptoHasher('sha256').update(await Bun.file(executable).bytes())
        return new Response(`${sum.digest('hex')}  ${name}\n`)
      }
      if (pathname === '/keycloak/keycloak-26.7.3.zip') return new Response(Bun.file(keycloakZip))
      return new Response('Not found', { status: 404 })
    },
  })
}
