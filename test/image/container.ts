// Builds the repository's Dockerfile and runs what comes of it, with tools that need no daemon: buildah, umoci, runc.

import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '..', '..')

/** What an image says of itself, as Docker shows it under `Config`. */
export interface ImageConfig {
  readonly User: string
  readonly Env: string[]
  readonly Cmd: string[]
  readonly Entrypoint: string[]
  readonly ExposedPorts: Record<string, object>
  readonly Healthcheck: { readonly Test: string[] }
  readonly Labels: Record<string, string>
}

export interface Container {
  /** What it has written so far, of both streams. */
  output(): string
  /** Runs one more command inside, with the same user and environment. */
  exec(...command: string[]): Promise<{ code: number; out: string }>
  /** What the system of this machine tells of its first process: a file of `/proc/<pid>/`. */
  proc(file: string): Promise<string>
  signal(name: 'SIGTERM' | 'SIGHUP'): void
  /** The exit code. */
  readonly exited: Promise<number>
}

export interface Image {
  readonly config: ImageConfig
  /** Where its files lie on this machine. */
  readonly rootfs: string
  /** Runs it with a read-only root, no capability and the network of this machine. */
  start(options: {
    args?: string[]
    env: Record<string, string>
    /** Path inside → path on this machine. */
    mounts: Record<string, string>
  }): Promise<Container>
  remove(): Promise<void>
}

/**
 * Builds the image. `BUILD_IMAGE` in the environment names the image of the build stage; without it one is made of
 * Debian's packages and this machine's Node. Throws, with the reason, where this machine cannot do it.
 */
export async function buildImage(): Promise<Image> {
  const missing = ['buildah', 'umoci', 'runc', 'debootstrap'].filter((tool) => !Bun.which(tool))
  if (missing.length) throw new Error(`the image cannot be tested: install ${missing.join(', ')}`)
  if (process.getuid?.() !== 0) throw new Error('the image cannot be tested: runc needs root here')
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-'))
  const storage = ['--storage-driver', 'vfs', '--root', join(folder, 'storage')]
  const buildah = (...args: string[]) =>
    run('buildah', ...storage, '--runroot', join(folder, 'run'), ...args)

  const base = process.env['BUILD_IMAGE'] ?? (await createBase(buildah))
  // prettier-ignore
  await buildah(
    'build', '--format', 'docker', '--isolation', 'chroot', '--network', 'host', '--layers=false',
    '--build-arg', `BUILD_IMAGE=${base}`, '--tag', 'localhost/gatehouse', root,
  )
  const inspected: { Docker: { config: ImageConfig } } = JSON.parse(
    await buildah('inspect', '--type', 'image', 'localhost/gatehouse'),
  )
  await buildah('push', '--quiet', 'localhost/gatehouse', `oci:${join(folder, 'oci')}:gatehouse`)
  const bundle = join(folder, 'bundle')
  await run('umoci', 'unpack', '--image', `${join(folder, 'oci')}:gatehouse`, bundle)

  let started = 0
  return {
    config: inspected.Docker.config,
    rootfs: join(bundle, 'rootfs'),
    start: (options) =>
      startContainer(bundle, folder, `gatehouse-${process.pid}-${++started}`, options),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** An image like Docker's `node`: Debian, CA certificates, and Node with npm where the official one has them. */
async function createBase(buildah: (...args: string[]) => Promise<string>): Promise<string> {
  const system = await Bun.file('/etc/os-release').text()
  const [, suite] = /^VERSION_CODENAME=(\w+)$/m.exec(system) ?? []
  if (!suite || !/^ID=debian$/m.test(system)) {
    throw new Error(
      'the image cannot be tested: this is not Debian, so BUILD_IMAGE must name an image',
    )
  }
  const container = (await buildah('from', 'scratch')).trim()
  const folder = (await buildah('mount', container)).trim()
  await run(
    'debootstrap',
    '--variant=minbase',
    '--include=ca-certificates,libstdc++6',
    suite,
    folder,
  )
  const node = Bun.which('node') ?? ''
  const modules = (await run('npm', 'root', '--global')).trim()
  const settings = (await run('npm', 'config', 'get', 'globalconfig')).trim()
  await cp(node, join(folder, 'usr/bin/node'), { dereference: true })
  await cp(join(modules, 'npm'), join(folder, 'usr/lib/node_modules/npm'), {
    recursive: true,
    dereference: true,
  })
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/bin/npm'))
  // A machine behind a proxy has its authority and npm's settings for it here.
  const authorities = 'etc/ssl/certs/ca-certificates.crt'
  await cp(join('/', authorities), join(folder, authorities), { dereference: true })
  if (await Bun.file(settings).exists()) await cp(settings, join(folder, 'usr/etc/npmrc'))
  await buildah('commit', '--quiet', '--rm', container, 'localhost/build')
  return 'localhost/build'
}

interface Bundle {
  process: {
    terminal: boolean
    args: string[]
    env: string[]
    capabilities: object
    rlimits?: object
  }
  root: { path: string; readonly: boolean }
  mounts: { destination: string; type: string; source: string; options: string[] }[]
  linux: { resources?: object; namespaces: { type: string }[] }
}

async function startContainer(
  bundle: string,
  folder: string,
  id: string,
  { args, env, mounts }: Parameters<Image['start']>[0],
): Promise<Container> {
  const own = join(folder, id)
  const config: Bundle = JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8'))
  if (args) config.process.args.splice(1, Infinity, ...args)
  config.process.terminal = false
  config.process.capabilities = {}
  config.process.env.push(...Object.entries(env).map(([name, value]) => `${name}=${value}`))
  config.root = { path: join(bundle, 'rootfs'), readonly: true }
  for (const [destination, source] of Object.entries(mounts)) {
    config.mounts.push({ destination, source, type: 'bind', options: ['bind', 'ro'] })
  }
  // The provider and the service of a test are on this machine, and not every machine may set limits.
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'network')
  delete config.linux.resources
  delete config.process.rlimits
  await mkdir(own)
  await Bun.write(join(own, 'config.json'), JSON.stringify(config))

  const runc = ['runc', '--root', join(folder, 'runc')]
  const child = Bun.spawn([...runc, 'run', '--bundle', own, id], { stdout: 'pipe', stderr: 'pipe' })
  let output = ''
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) output += Buffer.from(chunk).toString()
  }
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)])
  return {
    output: () => output,
    async exec(...command) {
      const inner = Bun.spawn([...runc, 'exec', id, ...command], { stdout: 'pipe', stderr: 'pipe' })
      const [out, errors] = await Promise.all([inner.stdout.text(), inner.stderr.text()])
      return { code: await inner.exited, out: out + errors }
    },
    async proc(file) {
      const { pid }: { pid: number } = JSON.parse(await run(...runc, 'state', id))
      return readFile(`/proc/${pid}/${file}`, 'utf8')
    },
    signal: (name) => child.kill(name),
    exited: collected.then(() => child.exited),
  }
}

/** Runs a command to its end and gives what it printed; throws, with its last words, if it failed. */
async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' })
  const [out, errors] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) === 0) return out
  throw new Error(`${command.join(' ')} failed:\n${(out + errors).slice(-4000)}`)
}
