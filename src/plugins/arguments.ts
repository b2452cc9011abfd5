import { type HeaderList, spelling } from '../headers.ts'
import type { ClientRequest } from '../pdk.ts'

/** What a name stands for among a request's arguments: one text, nothing, or what cannot be one text. */
export type Argument = string | typeof AMBIGUOUS | undefined

/** The argument was sent twice, or as a list: whoever reads it next might take another value than we do. */
export const AMBIGUOUS = Symbol('ambiguous')

/** Finds an argument in a raw query string or form by its decoded name. */
export function findArgument(text: string, name: string): Argument {
  let found: Argument
  if (text === '') return found
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=')
    if (decode(equals < 0 ? pair : pair.substring(0, equals)) !== name) continue
    if (found !== undefined) return AMBIGUOUS
    found = equals < 0 ? '' : decode(pair.substring(equals + 1))
  }
  return found
}

/** Finds a header in any spelling; `name` as `spelling` gives it. */
export function findHeader(headers: HeaderList, name: string): Argument {
  const value = headers.getSpelling(name)
  if (value === undefined) return undefined
  const same = headers.names.filter(
    (each) => each.length === name.length && spelling(each) === name,
  )
  return same.length === 1 ? value : AMBIGUOUS
}

/** Drops arguments from a raw query string or form; the others stay as they were written. */
export function removeArguments(text: string, names: readonly string[]): string {
  return text
    .split('&')
    .filter((pair) => !names.includes(decode(pair.split('=', 1)[0]!)))
    .join('&')
}

/** A credential is never longer than this: a longer body is not read in search of one. */
const BODY_LIMIT = 1024 * 1024

/** Arguments in a request's body. */
export interface BodyArguments {
  get(name: string): Argument
  /** The body without these arguments. */
  without(names: readonly string[]): Uint8Array
}

/** Whether a request's body is a form or JSON, and short enough to look into. */
export function hasBodyArguments(request: ClientRequest): boolean {
  if (!request.hasBody) return false
  const type = mediaType(request)
  if (type !== FORM && type !== JSON_TYPE) return false
  return !(Number(request.headers.get('content-length')) > BODY_LIMIT)
}

/** Reads the arguments of a body for which `hasBodyArguments` holds. Throws `BodyTooLarge` if it was longer than it said. */
export async function readBodyArguments(request: ClientRequest): Promise<BodyArguments> {
  const text = new TextDecoder().decode(await request.body(BODY_LIMIT))
  return mediaType(request) === FORM ? formArguments(text) : jsonArguments(text)
}

const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'

/** The media type of a request's body, in lower case and without parameters. */
export function mediaType(request: ClientRequest): string {
  return (request.headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

function formArguments(text: string): BodyArguments {
  return {
    get: (name) => findArgument(text, name),
    without: (names) => Buffer.from(removeArguments(text, names)),
  }
}

function jsonArguments(text: string): BodyArguments {
  const value = parseJson(text)
  return {
    get(name) {
      if (!Object.hasOwn(value, name)) return undefined
      const argument = value[name]
      if (typeof argument === 'string') return argument
      const isList = typeof argument === 'object' && argument !== null && !isRawJson(argument)
      return isList ? AMBIGUOUS : undefined
    },
    without(names) {
      const kept = Object.entries(value).filter(([name]) => !names.includes(name))
      return Buffer.from(JSON.stringify(Object.fromEntries(kept)))
    },
  }
}

/** The members of a JSON object; none for any other JSON, or text that is none. */
function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text, keepNumber)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {}
  return {}
}

/** Keeps a number as it was written: a body that is sent on must not lose digits that JavaScript cannot hold. */
function keepNumber(_name: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return rawJson(context.source)
}

// TypeScript does not know these two of ECMAScript 2026 yet.
const { rawJSON: rawJson, isRawJSON: isRawJson } = JSON as unknown as {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): boolean
}

/** Decodes a part of a form; what is not well escaped stays as it is. */
function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
