import { isRecord } from '../schema/check.ts'
import { type LocatedFault, printPath, type SourceFile } from './faults.ts'
import { findNode, MAX_DEPTH, type Outline, type OutlineNode, readOutline } from './outline.ts'
import { type Env, type Rendered, renderTemplate } from './template.ts'

export type Path = readonly (string | number)[]

/** A file of a configuration that could be read. */
export interface ParsedFile {
  readonly name: string
  readonly content: Readonly<Record<string, unknown>>
  /** Says where a fault stands: at its key or at its value; at what is nearest to it where it has no place. */
  locate(path: Path, at?: 'key' | 'value'): Position
  fault(path: Path, message: string, hint?: string): LocatedFault
}

export interface Position {
  readonly line: number
  readonly column: number
}

export interface Unparsed {
  readonly faults: readonly LocatedFault[]
  /** The variables that the environment lacks, with the line that first names each. */
  readonly unset: readonly { readonly name: string; readonly line: number }[]
}

const MAX_CHARACTERS = 64 * 1024 * 1024
const MAX_VALUES = 5_000_000
/** Beyond this size the place of a broken line is only estimated: the exact parser would take long. */
const MAX_EXACT = 1024 * 1024

/** Reads one file: templates first, as decK does, then YAML (or JSON, which is YAML). */
export function parseFile(file: SourceFile, env: Env): ParsedFile | Unparsed {
  const whole = (message: string): Unparsed => ({
    faults: [{ file: file.name, path: '', message }],
    unset: [],
  })
  if (file.text.length > MAX_CHARACTERS) return whole('the file is larger than 64 MiB')
  if (/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(file.text))
    return whole('the file is not a text in UTF-8')
  if (/^(?:\s|#.*|---)*$/.test(file.text)) {
    return whole(
      'the file is empty; expected _format_version: "3.0" and entities, such as services',
    )
  }
  const rendered = renderTemplate(file.text, env)
  const at = (offset: number): Position => positionOf(file.text, rendered.sourceOffset(offset))
  const fault = (offset: number, message: string, path = ''): LocatedFault => ({
    file: file.name,
    ...at(offset),
    path,
    message,
  })
  if (rendered.unset.length > 0 || rendered.faults.length > 0) return untemplated(file, rendered)

  const outline = readOutline(rendered.text)
  const unparsed = (...faults: LocatedFault[]): Unparsed => ({ faults, unset: [] })
  if (outline.broken?.why === 'depth') return unparsed(fault(outline.broken.at, STRUCTURE.depth))
  if (outline.secondDocument !== undefined) {
    return unparsed(
      fault(outline.secondDocument, 'a second document begins here; a file holds one'),
    )
  }
  if (outline.duplicates.length > 0) {
    return unparsed(
      ...outline.duplicates.map((node) =>
        fault(node.at, 'the key is given twice', printPath(pathOf(node))),
      ),
    )
  }
  const read = readYaml(rendered.text, outline)
  if ('message' in read)
    return unparsed(
      read.offset === undefined ? whole(read.message).faults[0]! : fault(read.offset, read.message),
    )
  const { content } = read
  const overgrown = findOvergrowth(content)
  if (overgrown) return whole(overgrown)
  if (!isRecord(content))
    return whole('expected a map with _format_version: "3.0" and entities, such as services')

  const locate = (path: Path, part: 'key' | 'value' = 'value') =>
    at(offsetOf(outline, rendered.text, path, part))
  return {
    name: file.name,
    content,
    locate,
    fault: (path, message, hint) => ({
      file: file.name,
      ...locate(path, message === 'unknown field' ? 'key' : 'value'),
      path: printPath(path),
      message,
      hint,
    }),
  }
}

function untemplated(file: SourceFile, { unset, faults }: Rendered): Unparsed {
  return {
    faults: faults.map(({ message, offset }) => ({
      file: file.name,
      ...positionOf(file.text, offset),
      path: '',
      message,
    })),
    unset: unset.map(({ name, offset }) => ({ name, line: positionOf(file.text, offset).line })),
  }
}

type Read =
  { readonly content: unknown } | { readonly message: string; readonly offset: number | undefined }

function readYaml(text: string, outline: Outline): Read {
  try {
    const content = Bun.YAML.parse(withBooleans(text, outline))
    const twice = outline.broken && text.length <= MAX_EXACT ? findSyntaxFault(text) : undefined
    return twice ?? { content }
  } catch (error) {
    if (error instanceof RangeError) return { message: STRUCTURE.depth, offset: undefined }
    if (/excessive/i.test((error as Error).message)) return { message: ALIASES, offset: undefined }
    const { why = 'form', at = undefined } = outline.broken ?? {}
    if (why !== 'form') return { message: STRUCTURE[why], offset: at }
    const exact = text.length <= MAX_EXACT ? findSyntaxFault(text) : undefined
    return exact ?? { message: 'the file is not valid YAML', offset: at }
  }
}

const STRUCTURE = {
  depth: `nested deeper than ${MAX_DEPTH} levels`,
  indentation: 'the indentation fits none of the levels above',
  quote: 'the quote that opens here is not closed',
  bracket: 'the bracket that opens here is not closed, or a comma is missing in it',
  alias: 'an alias (*name) has no anchor (&name) before it; if it is text, put it in quotes',
}

const ALIASES = 'aliases of this file refer to themselves or grow beyond measure'

/** YAML 1.1's words for booleans become what YAML 1.2 has for them. */
function withBooleans(text: string, { booleans }: Outline): string {
  let end = 0
  const parts: string[] = []
  for (const { at, word } of booleans) {
    parts.push(text.slice(end, at), /^(?:yes|on)$/i.test(word) ? 'true' : 'false')
    end = at + word.length
  }
  parts.push(text.slice(end))
  return parts.join('')
}

// Our own words: those of the parser may repeat what stands in the file, which may be a secret.
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE:
    'a backslash sequence that YAML does not know; use single quotes for plain backslashes',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_SCALAR_START: 'a text cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a key and its value cannot stand here; check the indentation, or put text with a colon in quotes',
  BLOCK_IN_FLOW: 'a list or a map by indentation cannot stand inside brackets',
  DUPLICATE_KEY: 'the key is given twice',
  MISSING_CHAR: 'a quote, a bracket, a comma or a colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; perhaps a colon is missing',
  MULTIPLE_DOCS: 'a second document begins here; a file holds one',
  TAB_AS_INDENT: 'a tab cannot indent; use spaces',
}

/** Asks the exact parser, which is slow to load and to run, where the text is broken. */
function findSyntaxFault(text: string): { message: string; offset: number } | undefined {
  const { parseDocument } = require('yaml') as typeof import('yaml')
  try {
    const fault = parseDocument(text, { merge: true, prettyErrors: false }).errors[0]
    return (
      fault && { message: SYNTAX[fault.code] ?? 'this is not valid YAML', offset: fault.pos[0] }
    )
  } catch {
    return undefined
  }
}

/** Goes through all values once: an alias can make a map its own child, or a small file a large one. */
function findOvergrowth(content: unknown): string | undefined {
  let left = MAX_VALUES
  const grows = (value: unknown, depth: number): boolean => {
    if (typeof value !== 'object' || value === null) return --left < 0
    return (
      depth > MAX_DEPTH || --left < 0 || Object.values(value).some((each) => grows(each, depth + 1))
    )
  }
  return grows(content, 0) ? ALIASES : undefined
}

function offsetOf(outline: Outline, text: string, path: Path, part: 'key' | 'value'): number {
  const { node, exact } = findNode(outline, path)
  if (!node) return 0
  const sameLine = !text.slice(node.at, node.valueAt).includes('\n')
  const isItem = typeof node.key === 'number'
  return sameLine && (isItem || (exact && part === 'value')) ? node.valueAt : node.at
}

function pathOf(node: OutlineNode): Path {
  return node.parent ? [...pathOf(node.parent), node.key] : [node.key]
}

function positionOf(text: string, offset: number): Position {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < lineStart; at = text.indexOf('\n', at + 1))
    line++
  return { line, column: offset - lineStart + 1 }
}
