import { chmodSync, copyFileSync } from 'node:fs'
import { executable } from './executable.ts'
import type { Folder } from './folder.ts'
import type { Surroundings } from './gatehouse.ts'

const isRoot = process.getuid?.() === 0

/**
 * Runs the executable, from a copy in `folder`, as a user whom the rights of files bind: root is not one, everybody else
 * is already.
 */
export function asNobody(folder: Folder): Pick<Surroundings, 'through' | 'program'> {
  if (!isRoot) return {}
  const program = folder.write('bin/gatehouse', '')
  copyFileSync(executable, program)
  chmodSync(program, 0o555)
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
  return { program, through: ['setpriv', ...user] }
}
