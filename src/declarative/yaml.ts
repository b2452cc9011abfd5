import { isRecord } from '../schema/check.ts'
import { MAX_DEPTH, type Outline, type OutlineNode } from './outline.ts'

/** A fault of a text as YAML; `offset` is absent where it has no one place. */
export interface YamlFault {
  readonly message: string
  readonly offset?: number | undefined
  readonly path?: readonly (string | number)[]
}

/** What a text holds, if it can be read, and all that is at fault with it as YAML. */
export interface YamlRead {
  readonly content?: Readonly<Record<string, unknown>>
  readonly faults: readonly YamlFault[]
}

const MAX_VALUES = 5_000_000
/** The exact parser is slow: of a longer text a broken place is told as the outline has it. */
const MAX_EXACT = 1024 * 1024

/** Reads a text that holds one map, in YAML or JSON. `outline` is that text's. */
export function readYaml(text: string, outline: Outline): YamlRead {
  const { broken, secondDocument, cycle } = outline
  if (broken?.why === 'depth' || broken?.why === 'tab')
    return fault(STRUCTURE[broken.why], broken.at)
  if (secondDocument !== undefined) return fault(SYNTAX.MULTIPLE_DOCS, secondDocument)
  const faults = keyFaults(outline)
  const content = parse(text, outline)
  if (content instanceof SyntaxFault) {
    const { message, offset } = content
    return { faults: [...faults, { message, offset }] }
  }
  if (isOvergrown(content))
    return cycle === undefined ? fault(ALIASES) : fault(STRUCTURE.cycle, cycle)
  if (!isRecord(content))
    return fault('expected a map with _format_version: "3.0" and entities, such as services')
  return { content, faults }
}

/** What the reader drops without a word: the values of a key but the last one. */
function keyFaults({ duplicates, oddKeys }: Outline): YamlFault[] {
  const faultOf = (node: OutlineNode, message: string) => ({
    message,
    offset: node.at,
    path: pathOf(node),
  })
  return [
    ...oddKeys.map((node) => faultOf(node, ODD)),
    // Which of two maps goes first differs from reader to reader.
    ...duplicates.map((node) =>
      faultOf(node, node.key === '<<' ? `${TWICE}; write <<: [*one, *other]` : TWICE),
    ),
  ]
}

const TWICE = 'the key is given twice'
const ODD = 'a key cannot have a tag, an anchor or a question mark, nor be an alias; write it out'
const ALIASES = 'aliases of this file refer to themselves or grow beyond measure'

const STRUCTURE = {
  depth: `nested deeper than ${MAX_DEPTH} levels`,
  tab: 'a tab cannot indent; use spaces',
  indentation: 'the indentation fits none of the levels above',
  quote: 'the quote that opens here is not closed',
  bracket: 'the bracket that opens here is not closed, or a comma is missing in it',
  cycle: 'the alias stands inside of what it is an alias of',
  form: 'keys and values in this form are not read; write key: value, a key on one line',
  alias: 'an alias (*name) has no anchor (&name) before it; if it is text, put it in quotes',
}

// By the exact parser's codes, in our own words: its own may repeat what stands in the file, which may be a secret.
const SYNTAX = {
  BAD_DQ_ESCAPE:
    'a backslash sequence that YAML does not know; use single quotes for plain backslashes',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_SCALAR_START: 'a text cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a key and its value cannot stand here; check the indentation, or put text with a colon in quotes',
  BLOCK_IN_FLOW: 'a list or a map by indentation cannot stand inside brackets',
  DUPLICATE_KEY: TWICE,
  MISSING_CHAR: 'a quote, a bracket, a comma or a colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; perhaps a colon is missing',
  MULTIPLE_DOCS: 'a second document begins here; a file holds one',
  TAB_AS_INDENT: STRUCTURE.tab,
}

class SyntaxFault {
  readonly message: string
  readonly offset: number | undefined

  constructor(message: string, offset?: number) {
    this.message = message
    this.offset = offset
  }
}

function parse(text: string, outline: Outline): unknown {
  const { broken, cycle } = outline
  try {
    const content = Bun.YAML.parse(withBooleans(text, outline))
    if (!broken) return content
    // What the outline could not follow may hide a key that comes twice.
    return findSyntaxFault(text) ?? new SyntaxFault(STRUCTURE[broken.why], broken.at)
  } catch (error) {
    if (error instanceof RangeError) return new SyntaxFault(STRUCTURE.depth)
    if (cycle !== undefined) return new SyntaxFault(STRUCTURE.cycle, cycle)
    if (/excessive/i.test((error as Error).message)) return new SyntaxFault(ALIASES)
    if (broken && broken.why !== 'form') return new SyntaxFault(STRUCTURE[broken.why], broken.at)
    return findSyntaxFault(text) ?? new SyntaxFault('this is not valid YAML', broken?.at)
  }
}

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

/** Asks the exact parser, which is not even loaded before, where the text is broken. */
function findSyntaxFault(text: string): SyntaxFault | undefined {
  if (text.length > MAX_EXACT) return undefined
  const { parseDocument } = require('yaml') as typeof import('yaml')
  try {
    const [fault] = parseDocument(text, { merge: true, prettyErrors: false }).errors
    if (!fault) return undefined
    const message = Object.hasOwn(SYNTAX, fault.code)
      ? SYNTAX[fault.code as keyof typeof SYNTAX]
      : undefined
    return new SyntaxFault(message ?? 'this is not valid YAML', fault.pos[0])
  } catch {
    return undefined
  }
}

/** An alias can make a map its own child, or a small file a large one: goes through all values, with limits. */
function isOvergrown(content: unknown): boolean {
  let left = MAX_VALUES
  const grows = (value: unknown, depth: number): boolean => {
    if (--left < 0 || depth > MAX_DEPTH) return true
    return (
      typeof value === 'object' &&
      value !== null &&
      Object.values(value).some((each) => grows(each, depth + 1))
    )
  }
  return grows(content, 0)
}

function fault(message: string, offset?: number): YamlRead {
  return { faults: [{ message, offset }] }
}

function pathOf(node: OutlineNode): (string | number)[] {
  return node.parent ? [...pathOf(node.parent), node.key] : [node.key]
}
