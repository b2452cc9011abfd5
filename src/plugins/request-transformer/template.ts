import {
  type Expression,
  parseExpression,
  type RequestValues,
  TemplateError,
  type Value,
} from './expression.ts'

export type { RequestValues } from './expression.ts'

/** A text with `$(…)` in it, ready to be filled in for a request. All text is bytes, one character each. */
export type Template = (request: RequestValues) => string

/** Reads a template. Throws a `TemplateError` for what is no template, or is Lua that nobody runs here. */
export function compileTemplate(source: string): Template {
  const pieces: (string | Expression)[] = []
  let from = 0
  for (let at = source.indexOf('$('); at >= 0; at = source.indexOf('$(', from)) {
    const end = closing(source, at + 1)
    // As in Kong, what is never closed is text.
    if (end < 0) break
    pieces.push(source.slice(from, at), parseExpression(source.slice(at + 2, end)))
    from = end + 1
  }
  if (pieces.length === 0) return () => source
  pieces.push(source.slice(from))
  return (request) => {
    let text = ''
    for (const piece of pieces) text += typeof piece === 'string' ? piece : write(piece(request))
    return text
  }
}

/** The message if a template cannot be read. It does not show the value, which may be a secret. */
export function badTemplate(value: string): string | undefined {
  try {
    compileTemplate(value)
    return undefined
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    return `value is not in supported format, error: ${error.message}`
  }
}

/** Where the parenthesis at `at` is closed. Those within quotes count too, as in Kong. */
function closing(source: string, at: number): number {
  let depth = 0
  for (let i = at; i < source.length; i++) {
    if (source[i] === '(') depth++
    else if (source[i] === ')' && --depth === 0) return i
  }
  return -1
}

/** What is false or nil for Lua is nothing. A header or an argument that came several times is a list. */
function write(value: Value): string {
  if (value === undefined || value === false) return ''
  return Array.isArray(value) ? value.map(write).join(', ') : String(value)
}
