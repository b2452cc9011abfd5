import type { HeaderList } from '../headers.ts'
import type { ClientRequest } from '../pdk.ts'
import { isRecord } from '../schema/check.ts'
import { Members } from './members.ts'

/** What a name stands for among a request's arguments: one text, nothing, or what cannot be one text. */
export type Argument = string | typeof AMBIGUOUS | undefined

/** The argument was sent twice, or as a list: whoever reads it next might take another value than we do. */
export const AMBIGUOUS = Symbol('ambiguous')

/** Finds an argument in a raw query string by its decoded name. One without `=` has no value, as in Kong. */
export function findArgument(text: string, name: string): Argument {
  if (text === '') return undefined
  const [value, ...more] = findArguments(text, name)
  if (more.length > 0) return AMBIGUOUS
  return value === true ? undefined : value
}

/** All values of an argument in a raw query string, by its decoded name; of one without `=` it is `true`, as in Kong. */
export function findArguments(text: string, name: string): (string | true)[] {
  const values: (string | true)[] = []
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=')
    if (decode(equals < 0 ? pair : pair.substring(0, equals)) !== name) continue
    values.push(equals < 0 ? true : decode(pair.substring(equals + 1)))
  }
  return values
}

/** Finds a header in any spelling; `name` as `spelling` gives it. */
export function findHeader(headers: HeaderList, name: string): Argument {
  let found: string | undefined
  for (const { spelling, value } of headers.fields) {
    if (spelling !== name) continue
    if (found !== undefined) return AMBIGUOUS
    found = value
  }
  return found
}

/** Drops arguments from a raw query string or form; the others stay as they were written. */
export function removeArguments(text: string, names: readonly string[]): string {
  return text
    .split('&')
    .filter((pair) => !names.includes(decode(pair.split('=', 1)[0]!)))
    .join('&')
}

/**
 * Bytes. A longer body is not read in search of a credential: Kong looks into far shorter ones
 * (`client_body_buffer_size`), and whoever sends it has not been let in yet.
 */
const BODY_LIMIT = 256 * 1024

/** Arguments in a request's body. */
export interface BodyArguments {
  get(name: string): Argument
  /** The same, but a number or `true` of JSON is a text too: for what is no credential. */
  getScalar(name: string): Argument
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

export const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'

/** The media type of a request's body, in lower case and without parameters. */
export function mediaType(request: ClientRequest): string {
  return (request.headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

function formArguments(text: string): BodyArguments {
  // One pass for all names. It never throws, which would cost more than all else in a form of broken escapes.
  const form = new URLSearchParams(`&${text}`) // A question mark at the front would be dropped.
  const get = (name: string): Argument => {
    const [value, ...more] = form.getAll(name)
    if (more.length > 0) return AMBIGUOUS
    // As in a query, one without `=` has no value.
    return value === '' && `&${text}&`.includes(`&${name}&`) ? undefined : value
  }
  return {
    get,
    getScalar: get,
    without: (names) => Buffer.from(removeArguments(text, names)),
  }
}

function jsonArguments(text: string): BodyArguments {
  const value = parseJson(text)
  const get = (name: string): Argument => {
    if (!Object.hasOwn(value, name)) return undefined
    const argument = value[name]
    // Of two members of one name JavaScript takes the last; the service may take the first (RFC 8259 §4).
    if (typeof argument === 'string') return isRepeated(text, name) ? AMBIGUOUS : argument
    return typeof argument === 'object' && argument !== null ? AMBIGUOUS : undefined
  }
  return {
    get,
    getScalar(name) {
      const argument = Object.hasOwn(value, name) ? value[name] : undefined
      if (typeof argument !== 'number' && argument !== true) return get(name)
      return isRepeated(text, name) ? AMBIGUOUS : String(argument)
    },
    without(names) {
      // Parsed anew, since only a body that is sent on is worth the time that each of its numbers takes.
      const kept = Members.parseJson(text) ?? new Members()
      for (const name of names) kept.remove(name)
      return Buffer.from(kept.toJson())
    },
  }
}

/** Whether the object that a text is the JSON of has two members of that name: once it is parsed nobody can tell. */
function isRepeated(text: string, name: string): boolean {
  let depth = 0
  let start = 0
  let end = 0
  let count = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        start = i + 1
        for (i = start; text.charCodeAt(i) !== QUOTE; i++) if (text.charCodeAt(i) === BACKSLASH) i++
        end = i
        break
      case COLON:
        if (depth === 1 && nameAt(text, start, end) === name) count++
        break
      case BRACE:
      case BRACKET:
        depth++
        break
      case BRACE + 2:
      case BRACKET + 2:
        depth--
        break
    }
  }
  return count > 1
}

const QUOTE = 0x22
const COLON = 0x3a
const BRACKET = 0x5b
const BACKSLASH = 0x5c
const BRACE = 0x7b

function nameAt(text: string, start: number, end: number): unknown {
  const name = text.slice(start, end)
  return name.includes('\\') ? JSON.parse(`"${name}"`) : name
}

/** The members of a JSON object; none for any other JSON, or text that is none. */
function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value)) return value
  } catch {}
  return {}
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
