import { Members } from '../members.ts'
import { readPair, textOf } from '../pair.ts'
import type { Config } from './schema.ts'

type JsonType = 'boolean' | 'number' | 'string'

interface Change {
  readonly name: string
  readonly value: string | number | boolean
}

/** Changes the text of a JSON object; gives undefined for any other text. */
export type JsonTransformer = (text: string) => string | undefined

/** Undefined if bodies stay as they are. */
export function createJsonTransformer(config: Config): JsonTransformer | undefined {
  const remove = (config.remove?.json ?? []).map((entry) => textOf(readPair(entry).name))
  const rename = (config.rename?.json ?? [])
    .map(readPair)
    .filter(({ value }) => value !== '')
    .map(({ name, value }) => ({ name: textOf(name), to: textOf(value) }))
  const replace = changesOf(config.replace)
  const add = changesOf(config.add)
  const append = changesOf(config.append)
  if ([remove, rename, replace, add, append].every(({ length }) => length === 0)) return undefined
  return (text) => {
    const members = Members.parseJson(text)
    if (!members) return undefined
    for (const name of remove) members.remove(name)
    for (const { name, to } of rename) members.rename(name, to)
    for (const { name, value } of replace) members.replace(name, value)
    for (const { name, value } of add) members.add(name, value)
    for (const { name, value } of append) members.append(name, value)
    return members.toJson()
  }
}

interface Typed {
  readonly json: readonly string[]
  readonly json_types: readonly JsonType[]
}

function changesOf({ json, json_types }: Typed = { json: [], json_types: [] }): Change[] {
  return json.flatMap((entry, i) => {
    const { name, value } = readPair(entry)
    // Kong makes the word `null` of what is not there.
    const typed = valueOf(value === '' ? 'null' : textOf(value), json_types[i])
    return typed === undefined ? [] : [{ name: textOf(name), value: typed }]
  })
}

/** Undefined for a number that is none, which Kong leaves out. */
function valueOf(text: string, type: JsonType | undefined): string | number | boolean | undefined {
  if (type === 'boolean') return text === 'true'
  if (type !== 'number') return text
  const number = Number(text)
  return text.trim() === '' || !Number.isFinite(number) ? undefined : number
}

/** Whether one of the media types that a `Content-Type` names is JSON. */
export function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return false
  return contentType
    .split(',')
    .some((each) => each.split(';', 1)[0]!.trim().toLowerCase() === 'application/json')
}
