import type { HeaderList } from '../../headers.ts'
import type { Warning } from '../../pdk.ts'
import { readPair } from '../pair.ts'
import type { Config } from './schema.ts'

/** What says how the answer stands on its connection: a configuration that sets it would break the connection. */
const FRAMING = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

interface Header {
  readonly name: string
  readonly lower: string
  /** The value, or the new name. */
  readonly to: string
}

/** Undefined if headers stay as they are. */
export function createHeaderTransformer(
  config: Config,
): ((headers: HeaderList) => void) | undefined {
  const remove = (config.remove?.headers ?? []).map(readHeader)
  const rename = headersOf(config.rename?.headers).filter(({ to }) => !isFraming(to))
  const replace = headersOf(config.replace?.headers)
  const add = headersOf(config.add?.headers)
  const append = headersOf(config.append?.headers)
  if ([remove, rename, replace, add, append].every(({ length }) => length === 0)) return undefined
  return (headers) => {
    // Kong asks its copy of the answer as it came: what was removed here is not added again.
    const before = headers.copy()
    for (const { lower } of remove) headers.delete(lower)
    for (const { lower, to } of rename) {
      const values = before.all(lower)
      if (values.length === 0) continue
      headers.delete(to.toLowerCase())
      for (const value of values) headers.append(to, value)
      headers.delete(lower)
    }
    for (const { name, lower, to } of replace) if (before.has(lower)) headers.set(name, to)
    for (const { name, lower, to } of add) if (!before.has(lower)) headers.set(name, to)
    for (const { name, to } of append) headers.append(name, to)
  }
}

/** What is said of headers that are the gateway's own. */
export function warnings(config: Config): Warning[] {
  const parts = ['rename', 'replace', 'add', 'append'] as const
  const fields = parts.filter((part) =>
    config[part]?.headers
      .map(readHeader)
      .some(({ lower, to }) => isFraming(lower) || isFraming(to)),
  )
  if (fields.length === 0) return []
  const message = `no effect on ${[...FRAMING].join(', ')}: they belong to the connection, not to the answer`
  return [{ fields: fields.map((part) => `${part}.headers`), message }]
}

function headersOf(entries: readonly string[] = []): Header[] {
  return entries.map(readHeader).filter(({ lower, to }) => to !== '' && !isFraming(lower))
}

/** nginx takes `_` for `-` in the names of an answer. */
function readHeader(entry: string): Header {
  const pair = readPair(entry)
  const name = pair.name.replaceAll('_', '-')
  return { name, lower: name.toLowerCase(), to: pair.value }
}

function isFraming(name: string): boolean {
  return FRAMING.has(name.toLowerCase().replaceAll('_', '-'))
}
