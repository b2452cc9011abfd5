import type { Members } from '../members.ts'
import { readPair } from '../pair.ts'
import type { RequestValues } from './expression.ts'
import type { Config } from './schema.ts'
import { compileTemplate, type Template } from './template.ts'

/** What is done to one part of a request. All text is bytes, one character each. */
export interface Operations {
  readonly remove: readonly string[]
  readonly rename: readonly Change[]
  readonly replace: readonly Change[]
  readonly add: readonly Change[]
  readonly append: readonly Change[]
}

/** A name, and what it gets: a value, or another name. */
export interface Change {
  readonly name: string
  readonly to: Template
}

/** Prepares what a configuration says of one part of requests; undefined if there is nothing to do. */
export function createOperations(
  { remove, rename, replace, add, append }: Config,
  part: 'body' | 'headers' | 'querystring',
): Operations | undefined {
  const lists = [remove, rename, replace, add, append].map((each) => each?.[part] ?? [])
  if (lists.every(({ length }) => length === 0)) return undefined
  return {
    remove: (remove?.[part] ?? []).map((entry) => readPair(entry).name),
    rename: changesOf(rename?.[part]),
    replace: changesOf(replace?.[part]),
    add: changesOf(add?.[part]),
    append: changesOf(append?.[part]),
  }
}

/** A header without a value, which Kong takes, changes nothing. */
function changesOf(entries: readonly string[] = []): Change[] {
  return entries
    .map(readPair)
    .filter(({ value }) => value !== '')
    .map(({ name, value }) => ({ name, to: compileTemplate(value) }))
}

/** Does all of it. `text` turns bytes into what the members are made of. */
export function transform(
  members: Members,
  { remove, rename, replace, add, append }: Operations,
  values: RequestValues,
  text: (bytes: string) => string = (bytes) => bytes,
): void {
  for (const name of remove) members.remove(text(name))
  for (const { name, to } of rename) {
    const [from, onto] = [text(name), text(to(values))]
    if (from !== onto && members.has(from)) members.rename(from, onto)
  }
  for (const { name, to } of replace) members.replace(text(name), text(to(values)))
  for (const { name, to } of add) members.add(text(name), text(to(values)))
  for (const { name, to } of append) members.append(text(name), text(to(values)))
}
