import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Log } from './pdk.ts'

/** Where the gateway's own secrets are. */
export interface SecretPlace {
  /** The directory that keeps them; without one they end with the process. */
  readonly prefix?: string | undefined
  readonly log: Log
  /** Whether no file is made where there is none. */
  readonly isReader?: boolean
}

/**
 * The gateway's own secrets of one name: the first is used, the others were in use before and still open what they
 * closed. They are the lines of a file that only its owner can read, so that all processes with one prefix have the
 * same, and have them again after a restart. Where no file can be written, they are of this process alone. Either is
 * said in the log.
 */
export function findSecrets(
  name: string,
  { prefix, log, isReader }: SecretPlace,
): readonly string[] {
  const made = randomBytes(32).toString('base64url')
  if (prefix === undefined) return [made]
  const file = join(prefix, `.gatehouse-${name}-secret`)
  if (isReader && !existsSync(file)) return [made]
  try {
    const isNew = create(file, made)
    const found = linesOf(readFileSync(file, 'utf8'))
    if (found.length === 0) throw new Error('the file holds no secret of 32 characters or more')
    if (isNew) log.notice(`a secret was made: ${name}`, { file })
    else if ((statSync(file).mode & 0o077) !== 0)
      log.warn(`a secret can be read by others: ${name}`, { code: 'secret_readable', file })
    return found
  } catch (cause) {
    log.warn(`a secret cannot be kept, and is another one after each start: ${name}`, {
      code: 'secret_not_kept',
      file,
      cause,
    })
    return [made]
  }
}

/** Makes the file if it is not there, whole at once: of two processes one makes it, and both read the same. */
function create(file: string, secret: string): boolean {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    statSync(file)
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  try {
    writeFileSync(draft, `${secret}\n`, { mode: 0o600, flag: 'wx' })
    // The mode above is subject to the umask, which could only take bits away that are needed.
    chmodSync(draft, 0o600)
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.length >= 32 && !line.startsWith('#'))
}
