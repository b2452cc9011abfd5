// Makes one executable of src/main.ts and everything it imports.

import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { signMachO } from './macho.ts'
import { closeEnvironment, loadRuntime, type Target } from './runtime.ts'

const root = join(import.meta.dir, '..')

/**
 * What makes the executable its own master: no `.env`, `bunfig.toml`, `tsconfig.json` or
 * `package.json` of the folder it is started in may change it.
 */
// prettier-ignore
const FLAGS = [
  '--compile', '--minify', '--bytecode', '--format=esm', '--sourcemap',
  '--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig',
  '--no-compile-autoload-tsconfig', '--no-compile-autoload-package-json',
]

/**
 * Writes the executable for a target (without one: for this machine) to a path. The same sources
 * give the same bytes. Throws with the bundler's words if they do not bundle.
 */
export async function createExecutable(path: string, target?: Target): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'gatehouse-build-'))
  try {
    const runtime = join(work, 'bun')
    await Bun.write(runtime, closeEnvironment(await loadRuntime(target)))
    await chmod(runtime, 0o755)
    const built = join(work, 'dist', 'gatehouse')
    await bundle([
      `--compile-executable-path=${runtime}`,
      `--outfile=${built}`,
      ...(target ? [`--target=bun-${target}`] : []),
    ])
    // Bun signs for Apple's processors only, and on Intel a signature that no longer fits remains.
    const bytes = await Bun.file(built).bytes()
    await mkdir(dirname(path), { recursive: true })
    await rm(path, { force: true }) // a running one may not be written to, but may be replaced
    await Bun.write(path, target === 'darwin-x64' ? signMachO(bytes, 'gatehouse') : bytes)
    await chmod(path, 0o755)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function bundle(options: string[]): Promise<void> {
  const build = Bun.spawn(
    [process.execPath, 'build', ...FLAGS, ...options, join('src', 'main.ts')],
    // The bundler looks at NODE_ENV, and would take others: none of this machine may be in what is made.
    { cwd: root, env: { NODE_ENV: 'production' }, stdout: 'pipe', stderr: 'pipe' },
  )
  const [said, complained] = await Promise.all([build.stdout.text(), build.stderr.text()])
  if ((await build.exited) !== 0)
    throw new Error(`the executable was not built\n${said}${complained}`)
}
