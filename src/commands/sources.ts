import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceFile } from '../declarative/faults.ts'

/** Thrown for a file that cannot be read: what, and what to do. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile'
}

const DECLARATIVE = /\.(?:ya?ml|json)$/
/** Kubernetes mounts every file a second time in a folder whose name begins with two dots. */
const HIDDEN = /(?:^|\/)\./

/** The files that the words after `-c` name: a folder stands for all YAML and JSON files in it, `-` for standard input. */
export function readSources(names: readonly string[]): SourceFile[] {
  return names
    .flatMap(filesOf)
    .map((name) => ({ name: name === '-' ? 'stdin' : name, text: read(name) }))
}

/** Every file behind those words, for who watches them. */
export function filesOf(name: string): string[] {
  if (name === '-' || !isFolder(name)) return [name]
  const files = entriesOf(name)
    .filter((entry) => DECLARATIVE.test(entry) && !HIDDEN.test(entry))
    .sort()
    .map((entry) => join(name, entry))
  if (files.length === 0)
    throw new UnreadableFile(`${name}: the folder holds no .yaml, .yml or .json file`)
  return files
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UnreadableFile(`${folder}: the folder cannot be read (${code})`)
  }
}

function read(name: string): string {
  try {
    return readFileSync(name === '-' ? 0 : name, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      throw new UnreadableFile(
        `${name}: no such file (looked in ${process.cwd()})\nGive the path of your kong.yaml with -c, or try: gatehouse quickstart`,
      )
    }
    throw new UnreadableFile(
      `${name}: cannot be read (${code})\nLet the user that runs gatehouse read it`,
    )
  }
}
