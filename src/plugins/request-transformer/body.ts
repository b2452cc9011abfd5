import type { UpstreamRequest } from '../../pdk.ts'
import { Members } from '../members.ts'
import { boundaryOf, makePart, type Part, readParts, writeParts } from '../multipart.ts'
import { textOf } from '../pair.ts'
import { readArguments, writeArguments } from '../argument_list.ts'
import type { RequestValues } from './expression.ts'
import { createOperations, type Operations, transform } from './operations.ts'
import type { Config } from './schema.ts'

export type Format = 'json' | 'multipart' | 'form'

/** What a body is by its `Content-Type`; the words are looked for anywhere in it, as in Kong. */
export function formatOf({ headers }: UpstreamRequest): Format | undefined {
  const type = headers.get('content-type')?.toLowerCase()
  if (type === undefined) return undefined
  if (type.includes('application/json')) return 'json'
  if (type.includes('multipart/form-data')) return 'multipart'
  return type.includes('application/x-www-form-urlencoded') ? 'form' : undefined
}

/** Undefined if bodies stay as they are. */
export function createBodyTransformer(config: Config) {
  const operations = createOperations(config, 'body')
  if (!operations) return undefined
  return (
    upstream: UpstreamRequest,
    body: Uint8Array,
    format: Format,
    values: RequestValues,
  ): void => {
    const type = upstream.headers.get('content-type') ?? ''
    const changed =
      format === 'multipart'
        ? transformMultipart(body, type, operations, values)
        : transformMembers(body, format, operations, values)
    if (changed) upstream.setBody(changed)
  }
}

/** A body that is no JSON object stays as it is. */
function transformMembers(
  body: Uint8Array,
  format: 'json' | 'form',
  operations: Operations,
  values: RequestValues,
): Uint8Array | undefined {
  const isJson = format === 'json'
  const members = isJson ? readJson(body) : readArguments(Buffer.from(body).toString('latin1'))
  if (!members) return undefined
  transform(members, operations, values, isJson ? textOf : undefined)
  // Written anew even if nothing was found to remove: a service that reads more loosely finds no more than we did.
  if (!members.isChanged && (body.length === 0 || operations.remove.length === 0)) return undefined
  return Buffer.from(isJson ? members.toJson() : writeArguments(members, 'as they are'))
}

/** Without a body there is an object without members. */
function readJson(body: Uint8Array): Members | undefined {
  return body.length === 0 ? new Members() : Members.parseJson(new TextDecoder().decode(body))
}

/** In Kong's order, which is another one here, and without appending. */
function transformMultipart(
  body: Uint8Array,
  contentType: string,
  { rename, remove, replace, add }: Operations,
  values: RequestValues,
): Uint8Array | undefined {
  const boundary = boundaryOf(contentType)
  if (boundary === undefined) return undefined
  let parts = readParts(body, boundary)
  const find = (name: string) => parts.find((part) => part.name === name)
  const without = (...names: string[]) =>
    parts.filter(({ name }) => name === undefined || !names.includes(name))
  const set = (name: string, value: string): void => {
    parts = [...without(name), makePart(name, value)]
  }
  for (const { name, to } of rename) {
    const found: Part | undefined = find(name)
    const onto = to(values)
    if (!found || name === onto) continue
    parts = without(name)
    set(onto, found.value)
  }
  parts = without(...remove)
  for (const { name, to } of replace) if (find(name)) set(name, to(values))
  for (const { name, to } of add) if (!find(name)) set(name, to(values))
  if (body.length === 0 && parts.length === 0) return undefined
  return writeParts(parts, boundary)
}
