import { findFloor } from './position.ts'

/** A file after its `${{ … }}` were replaced, as decK does before it reads the YAML. */
export interface Rendered {
  readonly text: string
  /** Where the character at `offset` of `text` came from in the file. */
  sourceOffset(offset: number): number
  /** The variables that the file names and the environment lacks, each where it is first named. */
  readonly unset: readonly { readonly name: string; readonly offset: number }[]
  readonly faults: readonly { readonly message: string; readonly offset: number }[]
}

export type Env = Readonly<Record<string, string | undefined>>

type Value = string | number
type TemplateFunction = (args: readonly Value[], env: Env) => Value

// A value takes its place as text, so that `port: ${{ env "DECK_PORT" }}` is a number: decK's way. What the environment
// holds is trusted as the file is.
const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  env: ([name], env) => readVariable(String(name), env),
  toBool: ([text]) =>
    convert(text, /^(?:1|t|true|0|f|false)$/i, (each) => String(/^[1t]/i.test(each))),
  toInt: ([text]) => convert(text, /^[+-]?\d+$/, (each) => String(BigInt(each.replace('+', '')))),
  toFloat: ([text]) =>
    convert(text, /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i, (each) => String(Number(each))),
  indent: ([spaces, text]) =>
    String(text).replaceAll('\n', `\n${' '.repeat(Math.min(Number(spaces) || 0, 1000))}`),
}

/** A file with more is not worth reading on. */
const MAX_FAULTS = 100

const TOKEN =
  /\s*(?:"((?:[^"\\\n]|\\.)*)"|\\"([^"\\\n]*)\\"|`([^`]*)`|(\d+)\b|([A-Za-z_]\w*)|([|()]|-?\}\}))/

/** Replaces every `${{ … }}` of `source`, but for those on comment lines. */
export function renderTemplate(source: string, env: Env): Rendered {
  const parts: string[] = []
  const rendered: number[] = []
  const sources: number[] = []
  const unset = new Map<string, number>()
  const faults: { message: string; offset: number }[] = []
  let length = 0
  let end = 0
  const copy = (text: string, from: number) => {
    rendered.push(length)
    sources.push(from)
    parts.push(text)
    length += text.length
  }
  const comments = commentLines(source)
  for (
    let at = source.indexOf('${{');
    at >= 0 && faults.length < MAX_FAULTS;
    at = source.indexOf('${{', Math.max(end, at + 3))
  ) {
    if (comments(at)) continue
    try {
      const action = readAction(source, at, env)
      const before = source.slice(end, at)
      copy(action.trimsBefore ? before.trimEnd() : before, end)
      copy(String(action.value), at)
      end = action.end
    } catch (error) {
      if (error instanceof UnsetVariable) {
        if (!unset.has(error.message)) unset.set(error.message, at)
      } else if (error instanceof SyntaxError) faults.push({ message: error.message, offset: at })
      else throw error
    }
  }
  copy(source.slice(end), end)
  return {
    text: parts.join(''),
    sourceOffset(offset) {
      const part = findFloor(rendered, offset)
      return sources[part]! + offset - rendered[part]!
    },
    unset: [...unset].map(([name, offset]) => ({ name, offset })),
    faults,
  }
}

/** A file without templates. */
export function asItIs(text: string): Rendered {
  return { text, sourceOffset: (offset) => offset, unset: [], faults: [] }
}

/** Tells of offsets that only grow whether they are on a line that is a comment. */
function commentLines(source: string): (at: number) => boolean {
  let isComment = false
  let end = -1
  return (at) => {
    while (end < at) {
      isComment = startsComment(source, end + 1)
      const next = source.indexOf('\n', end + 1)
      end = next < 0 ? source.length : next
    }
    return isComment
  }
}

function startsComment(source: string, at: number): boolean {
  const blank = /[^\S\n]*#/y
  blank.lastIndex = at
  return blank.test(source)
}

/** Reads and runs one `${{ … }}`; a dash and a blank inside its braces drop the white space outside of them, as in Go. */
function readAction(source: string, at: number, env: Env) {
  const trimsBefore = /^-\s/.test(source.slice(at + 3, at + 5))
  const tokens = new Tokens(source, at + (trimsBefore ? 4 : 3))
  const value = readPipeline(tokens, env)
  const close = tokens.next()
  if (!close.text.endsWith('}}')) throw new SyntaxError(`unexpected "${close.text}" in a template`)
  const rest = close.text.startsWith('-') ? /^\s*/.exec(source.slice(tokens.at))![0].length : 0
  return { value, end: tokens.at + rest, trimsBefore }
}

function readPipeline(tokens: Tokens, env: Env): Value {
  let value = readCommand(tokens, env, [])
  while (tokens.peek().text === '|') {
    tokens.next()
    value = readCommand(tokens, env, [value])
  }
  return value
}

function readCommand(tokens: Tokens, env: Env, piped: readonly Value[]): Value {
  const first = tokens.next()
  if (first.kind === 'literal') return first.value
  if (first.text === '(') return readGroup(tokens, env)
  const call =
    first.kind === 'name' && Object.hasOwn(FUNCTIONS, first.text)
      ? FUNCTIONS[first.text]
      : undefined
  if (!call) {
    throw new SyntaxError(
      `unexpected "${first.text}" in a template; it knows ${Object.keys(FUNCTIONS).join(', ')}`,
    )
  }
  const args: Value[] = []
  for (
    let next = tokens.peek();
    next.kind === 'literal' || next.text === '(';
    next = tokens.peek()
  ) {
    tokens.next()
    args.push(next.kind === 'literal' ? next.value : readGroup(tokens, env))
  }
  args.push(...piped)
  const wanted = first.text === 'indent' ? 2 : 1
  if (args.length !== wanted) throw new SyntaxError(`${first.text}: wrong number of arguments`)
  return call(args, env)
}

function readGroup(tokens: Tokens, env: Env): Value {
  const value = readPipeline(tokens, env)
  if (tokens.next().text !== ')') throw new SyntaxError('a parenthesis of a template is not closed')
  return value
}

type Token = { readonly end: number; readonly text: string } & (
  { readonly kind: 'literal'; readonly value: Value } | { readonly kind: 'name' | 'mark' }
)

class Tokens {
  at: number
  readonly #source: string

  constructor(source: string, at: number) {
    this.#source = source
    this.at = at
  }

  next(): Token {
    const token = this.peek()
    this.at = token.end
    return token
  }

  peek(): Token {
    const pattern = new RegExp(TOKEN, 'y')
    pattern.lastIndex = this.at
    const match = pattern.exec(this.#source)
    if (!match)
      throw new SyntaxError('a template that opens with ${{ is not closed by }} or cannot be read')
    const end = pattern.lastIndex
    const [text, quoted, escaped, raw, digits, name, mark] = match
    if (name !== undefined) return { kind: 'name', text: name, end }
    if (mark !== undefined) return { kind: 'mark', text: mark, end }
    if (digits !== undefined) return { kind: 'literal', value: Number(digits), text, end }
    return {
      kind: 'literal',
      value: quoted?.replace(/\\(.)/g, '$1') ?? escaped ?? raw ?? '',
      text,
      end,
    }
  }
}

/** Thrown for a variable that is not set; the message is its name. */
class UnsetVariable extends Error {}

function readVariable(name: string, env: Env): string {
  // decK's rule: a file cannot read what was not meant for it.
  if (!name.startsWith('DECK_'))
    throw new SyntaxError(`the name of the variable "${name}" must begin with DECK_`)
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value === undefined) throw new UnsetVariable(name)
  return value
}

function convert(value: Value | undefined, form: RegExp, to: (text: string) => string): string {
  const text = String(value)
  if (!form.test(text))
    throw new SyntaxError('a template converts a variable that has not the form for it')
  return to(text)
}
