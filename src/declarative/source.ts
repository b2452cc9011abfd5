import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LocatedFault, SourceFile } from './faults.ts'

const MAX_BYTES = 64 * 1024 * 1024

/**
 * Reads the files and folders that `-c` names, in their order; of a folder every `.yaml`, `.yml` and `.json` below it,
 * by name. Names stay as the user wrote them.
 */
export function readSources(
  paths: readonly string[],
): { files: SourceFile[] } | { faults: LocatedFault[] } {
  const files: SourceFile[] = []
  const faults: LocatedFault[] = []
  for (const path of paths) {
    try {
      const found = listFiles(path)
      if (found.length === 0)
        faults.push({
          file: path,
          path: '',
          message: 'the folder holds no .yaml, .yml or .json file',
        })
      for (const name of found) files.push({ name, text: readText(name) })
    } catch (error) {
      faults.push(explain(path, error as NodeJS.ErrnoException))
    }
  }
  return faults.length > 0 ? { faults } : { files }
}

function listFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && /\.(?:ya?ml|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function readText(path: string): string {
  const { size } = statSync(path)
  if (size > MAX_BYTES) throw new RangeError('the file is larger than 64 MiB')
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}

function explain(path: string, error: NodeJS.ErrnoException): LocatedFault {
  const fault = (message: string, hint?: string) => ({ file: path, path: '', message, hint })
  if (error.code === 'ENOENT') {
    return fault(
      'there is no such file',
      '\ngive the path of your configuration: gatehouse start -c kong.yaml\nor try: gatehouse quickstart',
    )
  }
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return fault('the file may not be read by this user')
  if (error instanceof TypeError) return fault('the file is not a text in UTF-8')
  return fault(
    error instanceof RangeError
      ? error.message
      : `the file cannot be read (${error.code ?? 'unknown'})`,
  )
}
