import type { Dialect } from './dialect.ts'
import { type LocatedFault, printPath, type SourceFile } from './faults.ts'
import { OutlineIndex, readOutline } from './outline.ts'
import { Lines, type Position } from './position.ts'
import { asItIs, type Env, renderTemplate } from './template.ts'
import { readYaml } from './yaml.ts'

export type Path = readonly (string | number)[]

/** A file of a configuration that could be read. */
export interface ParsedFile {
  readonly name: string
  readonly content: Readonly<Record<string, unknown>>
  /** Keys that nobody can tell apart; the rest can be checked all the same. */
  readonly faults: readonly LocatedFault[]
  /** Says where a key or its value stands, or what is nearest to it where it stands nowhere. */
  locate(path: Path, part?: 'key' | 'value'): Position
  fault(path: Path, message: string, hint?: string): LocatedFault
}

/** A file that could not be read. */
export interface Unparsed {
  readonly faults: readonly LocatedFault[]
  /** The variables that the environment lacks, with the line that first names each. */
  readonly unset: readonly { readonly name: string; readonly line: number }[]
}

/** How long a file may be. */
export const MAX_CHARACTERS = 64 * 1024 * 1024

/** Reads one file: templates first unless the dialect is Kong's, as decK does, then YAML (or JSON, which is YAML). */
export function parseFile(
  { name, text }: SourceFile,
  env: Env,
  dialect: Dialect,
): ParsedFile | Unparsed {
  const unfit = findUnfit(text)
  if (unfit) return { faults: [{ file: name, path: '', message: unfit }], unset: [] }
  const lines = new Lines(text)
  const rendered = dialect === 'kong' ? asItIs(text) : renderTemplate(text, env)
  if (rendered.unset.length > 0 || rendered.faults.length > 0) {
    return {
      faults: rendered.faults.map(({ message, offset }) => ({
        file: name,
        ...lines.positionOf(offset),
        path: '',
        message,
      })),
      unset: rendered.unset.map((each) => ({
        name: each.name,
        line: lines.positionOf(each.offset).line,
      })),
    }
  }
  if (dialect === 'deck' && rendered.text.startsWith(' ')) {
    const message = 'the file must not begin with a space'
    return { faults: [{ file: name, line: 1, column: 1, path: '', message }], unset: [] }
  }
  const positionOf = (offset: number) => lines.positionOf(rendered.sourceOffset(offset))
  const outline = readOutline(rendered.text)
  const read = readYaml(rendered.text, outline)
  const faults = read.faults.map(({ message, offset, path = [] }) => ({
    file: name,
    ...(offset !== undefined && positionOf(offset)),
    path: printPath(path),
    message,
  }))
  if (!read.content) return { faults, unset: [] }
  let index: OutlineIndex | undefined
  const locate: ParsedFile['locate'] = (path, part = 'value') => {
    index ??= new OutlineIndex(outline)
    return positionOf(offsetOf(index.find(path), rendered.text, part))
  }
  return {
    name,
    content: read.content,
    faults,
    locate,
    fault(path, message, hint) {
      const part = message === 'unknown field' ? 'key' : 'value'
      return { file: name, ...locate(path, part), path: printPath(path), message, hint }
    },
  }
}

function findUnfit(text: string): string | undefined {
  if (text.length > MAX_CHARACTERS) return 'the file is larger than 64 MiB'
  if (/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(text)) return 'the file is not a text in UTF-8'
  if (/\S/.test(text.replace(/^[^\S\n]*(?:#.*|---[^\S\n]*)$/gm, ''))) return undefined
  return 'the file is empty; expected _format_version: "3.0" and entities, such as services'
}

type Found = ReturnType<OutlineIndex['find']>

/** A value is told where it begins, if that is beside its key; an item where its content begins. */
function offsetOf({ node, exact }: Found, text: string, part: 'key' | 'value'): number {
  if (!node) return 0
  const asValue = typeof node.key === 'number' || (exact && part === 'value')
  return asValue && !text.slice(node.at, node.valueAt).includes('\n') ? node.valueAt : node.at
}
