import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '..', '..')

/** The path of `dist/gatehouse`; built first where it is missing or older than its sources. */
export const executable = join(root, 'dist', 'gatehouse')

if (changedAt(executable) < Math.max(...['src', 'scripts', 'kong.yaml'].map(newestIn))) {
  const build = Bun.spawn([process.execPath, join(root, 'scripts', 'build.ts')], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const said = (await Promise.all([build.stdout.text(), build.stderr.text()])).join('')
  if ((await build.exited) !== 0) throw new Error(`dist/gatehouse cannot be built:\n${said}`)
}

function newestIn(name: string): number {
  const path = join(root, name)
  if (!statSync(path).isDirectory()) return changedAt(path)
  const entries = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return Math.max(...entries.map((entry) => changedAt(join(path, entry))))
}

/** When a file was written; milliseconds, 0 for one that is not there. */
function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
