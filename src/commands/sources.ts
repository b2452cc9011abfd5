import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceFile } from '../declarative/faults.ts'
import { MAX_CHARACTERS } from '../declarative/parse.ts'

/** Thrown for a file that cannot be read or written. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile'
  /** What to do about it when nothing could be started; one line. */
  readonly advice: string | undefined

  constructor(message: string, advice?: string) {
    super(message)
    this.advice = advice
  }

  /** What, and below it what to do. */
  get help(): string {
    return this.advice === undefined ? this.message : `${this.message}\n${this.advice}`
  }
}

const DECLARATIVE = /\.(?:ya?ml|json)$/
/** Kubernetes mounts every file a second time in a folder whose name begins with two dots. */
const HIDDEN = /(?:^|\/)\./

/**
 * The files that the words after `-c` name: a folder stands for all YAML and JSON files in it, `-` for standard input.
 * Those in `known` are left out, and those that are read are put there.
 */
export function readSources(names: readonly string[], known = new Set<string>()): SourceFile[] {
  // A file may be named on its own and by its folder.
  return distinctNames(names.flatMap(filesOf), known).map((name) => ({
    name: name === '-' ? 'stdin' : name,
    text: read(name),
  }))
}

/** Of several names of one file or folder, in other words or by a link, the first. */
export function distinctNames(names: readonly string[], known = new Set<string>()): string[] {
  return names.filter((name) => known.size < known.add(identityOf(name)).size)
}

/** What is the same for all names of one file. */
function identityOf(name: string): string {
  if (name === '-') return name
  try {
    // A number may be too small for what some file systems give.
    const { dev, ino } = statSync(name, { bigint: true })
    return `${dev}:${ino}`
  } catch (error) {
    throw unreadable(name, error)
  }
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
  try {
    return statSync(name).isDirectory()
  } catch (error) {
    throw unreadable(name, error)
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch (error) {
    throw unreadable(folder, error)
  }
}

function read(name: string): string {
  let bytes: Buffer
  try {
    const fd = name === '-' ? 0 : openSync(name, 'r')
    try {
      bytes = readUpTo(MAX_CHARACTERS + 1, fd)
    } finally {
      if (fd !== 0) closeSync(fd)
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  if (bytes.length > MAX_CHARACTERS)
    throw new UnreadableFile(`${name === '-' ? 'stdin' : name}: the file is larger than 64 MiB`)
  return bytes.toString()
}

const CHUNK = 256 * 1024

/** What a device or a pipe says has no end that its size would tell. */
function readUpTo(limit: number, fd: number): Buffer {
  const chunks: Buffer[] = []
  for (let length = 0; length < limit;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, limit - length))
    const count = readSome(fd, chunk)
    if (count === 0) break
    chunks.push(chunk.subarray(0, count))
    length += count
  }
  return Buffer.concat(chunks)
}

function readSome(fd: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, chunk)
    } catch (error) {
      // Standard input may be a pipe that somebody else has set not to block.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Bun.sleepSync(1)
    }
  }
}

function unreadable(name: string, error: unknown): UnreadableFile {
  const { code = 'failed' } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UnreadableFile(
      `${name}: no such file (looked in ${workingFolder()})`,
      'Give the path of your kong.yaml with -c, or try: gatehouse quickstart',
    )
  }
  if (isForbidden(code)) {
    return new UnreadableFile(
      `${name}: may not be read (${code})`,
      'Let the user that runs gatehouse read it and enter each folder on the path',
    )
  }
  return new UnreadableFile(`${name}: cannot be read (${code})`)
}

/** Where names that are no whole paths begin. */
function workingFolder(): string {
  try {
    return process.cwd()
  } catch {
    return 'a folder that is gone'
  }
}

/** Whether an error of the system says that the user lacks a right. */
export function isForbidden(code: string): boolean {
  return code === 'EACCES' || code === 'EPERM'
}
