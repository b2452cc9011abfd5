import type { HeaderList } from '../../headers.ts'
import type { AccessContext } from '../../pdk.ts'
import type { RequestValues } from './expression.ts'
import { createOperations, type Operations } from './operations.ts'
import type { Config } from './schema.ts'
import { compileTemplate } from './template.ts'

/** Prepares the changes of the path, the method and the headers. */
export function createHeadTransformer(config: Config) {
  const { http_method, replace } = config
  const uri =
    replace?.uri === undefined
      ? undefined
      : compileTemplate(Buffer.from(replace.uri).toString('latin1'))
  const operations = createOperations(config, 'headers')
  return ({ upstream }: AccessContext, values: RequestValues): void => {
    if (uri) upstream.path = checkedPath(uri(values))
    if (http_method !== undefined) upstream.method = http_method
    if (!operations) return
    for (const { name, to } of operations.replace)
      if (name.toLowerCase() === 'host') upstream.host = to(values)
    transformHeaders(upstream.headers, operations, values)
  }
}

/** Throws for what would be no path; Kong fails there too. */
function checkedPath(path: string): string {
  if (path.startsWith('/')) return path
  throw new Error('the path that replace.uri gives must start with /')
}

/** `Host` is none of these headers: it can only be replaced. */
function transformHeaders(
  headers: HeaderList,
  { remove, rename, replace, add, append }: Operations,
  values: RequestValues,
): void {
  for (const name of remove) if (!isHost(name)) headers.delete(name.toLowerCase())
  for (const { name, to } of rename) if (!isHost(name)) renameHeader(headers, name, to(values))
  for (const { name, to } of replace) {
    const there = headers.fields.find(({ lower }) => lower === name.toLowerCase())
    if (there && !isHost(name)) headers.set(there.name, to(values))
  }
  for (const { name, to } of add)
    if (!isHost(name) && !headers.has(name.toLowerCase())) headers.append(name, to(values))
  for (const { name, to } of append) headers.append(name, to(values))
}

/** The new name is in lower case, as Kong writes it, unless the case is all that changes. */
function renameHeader(headers: HeaderList, from: string, to: string): void {
  const lower = from.toLowerCase()
  const found = headers.all(lower)
  if (from === to || found.length === 0) return
  const name = to.toLowerCase() === lower ? to : to.toLowerCase()
  headers.delete(lower)
  headers.delete(name.toLowerCase())
  for (const value of found) headers.append(name, value)
}

function isHost(name: string): boolean {
  return name.toLowerCase() === 'host'
}
