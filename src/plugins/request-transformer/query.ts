import type { UpstreamRequest } from '../../pdk.ts'
import { readArguments, writeArguments } from '../argument_list.ts'
import type { RequestValues } from './expression.ts'
import { createOperations, transform } from './operations.ts'
import type { Config } from './schema.ts'

/** Undefined if the query stays as it is. What comes out is sorted by name, as Kong writes it. */
export function createQueryTransformer(config: Config) {
  const operations = createOperations(config, 'querystring')
  if (!operations) return undefined
  return (upstream: UpstreamRequest, values: RequestValues): void => {
    const members = readArguments(upstream.query)
    transform(members, operations, values)
    upstream.query = writeArguments(members, 'sorted')
  }
}

/** Puts the arguments of a form behind those of the query. */
export function mergeForm(upstream: UpstreamRequest, body: Uint8Array): void {
  const form = readArguments(Buffer.from(body).toString('latin1'))
  const members = readArguments(upstream.query)
  let isEmpty = true
  for (const [name, value] of form.entries()) {
    isEmpty = false
    members.set(name, members.has(name) ? [members.get(name), value].flat() : value)
  }
  if (!isEmpty) upstream.query = writeArguments(members, 'sorted')
}
