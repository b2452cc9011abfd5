import type { Members } from '../members.ts'
import { readPair } from '../pair.ts'
import type { RequestValues } from './expression.ts'
import { compileTemplate, type Template } from './template.ts'

/** The lists of one part of a request, as the configuration has them. */
export interface Lists {
  readonly remove: readonly string[] | undefined
  readonly rename: readonly string[] | undefined
  readonly replace: readonly string[] | undefined
  readonly add: readonly string[] | undefined
  readonly append: readonly string[] | undefined
}

/** The same, ready to be done. All text is bytes, one character each. */
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

/** Undefined if there is nothing to do. */
export function createOperations(lists: Lists): Operations | undefined {
  if (Object.values(lists).every((list?: readonly string[]) => !list?.length)) return undefined
  return {
    remove: (lists.remove ?? []).map((entry) => readPair(entry).name),
    rename: changesOf(lists.rename),
    replace: changesOf(lists.replace),
    add: changesOf(lists.add),
    append: changesOf(lists.append),
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
