// The Bun runtimes that an executable is built on: brought by npm, held to the lock file's hashes,
// and deaf to the variables that would turn the executable into something else.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { devDependencies } from '../package.json'

const root = join(import.meta.dir, '..')
const cache = join(root, 'node_modules', '.cache', 'bun')

/** Where a release runs, and the npm package of Bun for it. */
export const PACKAGES = {
  'linux-x64': '@oven/bun-linux-x64',
  'linux-arm64': '@oven/bun-linux-aarch64',
  'linux-x64-musl': '@oven/bun-linux-x64-musl',
  'darwin-arm64': '@oven/bun-darwin-aarch64',
  'darwin-x64': '@oven/bun-darwin-x64',
} as const

export type Target = keyof typeof PACKAGES

/** SHA-512 of a package's archive as the lock file has it (`sha512-…`, Base64); throws for an unknown one. */
export async function findIntegrity(name: string): Promise<string> {
  const lock: { packages: Record<string, { integrity?: string }> } = await Bun.file(
    join(root, 'package-lock.json'),
  ).json()
  const integrity = lock.packages[`node_modules/${name}`]?.integrity
  if (!integrity) throw new Error(`package-lock.json has no hash of ${name}`)
  return integrity
}

/** The pinned Bun for a target; without one, the Bun that runs this. Its archive is kept and downloaded once. */
export async function loadRuntime(target?: Target): Promise<Uint8Array> {
  if (!target) return Bun.file(process.execPath).bytes()
  const name = PACKAGES[target]
  const files = await new Bun.Archive(await loadArchive(name)).files('package/bin/bun')
  const runtime = files.get('package/bin/bun')
  if (!runtime) throw new Error(`${name} holds no bin/bun`)
  return new Uint8Array(await runtime.arrayBuffer())
}

async function loadArchive(name: string): Promise<Uint8Array> {
  const integrity = await findIntegrity(name)
  const { bun } = devDependencies
  const path = join(cache, `${name.replace('@', '').replace('/', '-')}-${bun}.tgz`) // npm's name for it
  const isPinned = async () =>
    (await Bun.file(path).exists()) && hash(await Bun.file(path).bytes()) === integrity
  if (!(await isPinned())) {
    await mkdir(cache, { recursive: true })
    const pack = Bun.spawn(
      ['npm', 'pack', '--silent', '--pack-destination', cache, `${name}@${bun}`],
      { cwd: root, stdout: 'ignore', stderr: 'inherit' },
    )
    if ((await pack.exited) !== 0) throw new Error(`npm could not download ${name}`)
    if (!(await isPinned())) throw new Error(`${name} is not what package-lock.json pins`)
  }
  return Bun.file(path).bytes()
}

function hash(bytes: Uint8Array): string {
  return `sha512-${new Bun.CryptoHasher('sha512').update(bytes).digest('base64')}`
}

/**
 * Bun reads these variables before any of our code: `BUN_OPTIONS` adds its own command line
 * (`--preload` runs a stranger's file), `BUN_BE_BUN` turns the executable into plain Bun,
 * `BUN_INSPECT` opens a debugger to whoever finds its port.
 */
const VARIABLES = ['BUN_OPTIONS', 'BUN_BE_BUN', 'BUN_INSPECT']

/**
 * The same runtime with those names overwritten: a name that begins with `=` can be in no
 * environment that a shell, a container or a service manager makes. Throws if a name is not
 * there, since then Bun has changed and the executable would be open again.
 */
export function closeEnvironment(runtime: Uint8Array): Uint8Array {
  const closed = Buffer.from(runtime)
  for (const name of VARIABLES) {
    let found = closed.indexOf(name)
    if (found < 0) throw new Error(`this Bun does not read ${name}: see scripts/runtime.ts`)
    for (; found >= 0; found = closed.indexOf(name, found)) closed[found] = '='.charCodeAt(0)
  }
  return closed
}
