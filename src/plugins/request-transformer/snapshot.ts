import type { HeaderList } from '../../headers.ts'
import type { AccessContext } from '../../pdk.ts'
import type { Members } from '../members.ts'
import { readArguments } from '../argument_list.ts'
import type { RequestValues, Value } from './expression.ts'

/** A request as it was when the plugin's turn came: with what the plugins before it have done, and nothing of its own. */
export class Snapshot implements RequestValues {
  readonly #headers: HeaderList
  readonly #host: string
  readonly #query: string
  readonly #captures: Readonly<Record<string, string>> | undefined
  #arguments: Members | undefined

  constructor({ request, upstream, uri_captures }: AccessContext) {
    this.#headers = upstream.headers.copy()
    this.#host = upstream.host ?? request.host
    this.#query = upstream.query
    this.#captures = uri_captures
  }

  /** A header in any case, with `_` for `-` if one likes. */
  headers(name: string): Value {
    const lower = name.toLowerCase()
    if (lower === 'host') return this.#host
    const values = this.#headers.all(lower)
    const found = values.length > 0 ? values : this.#headers.all(lower.replaceAll('_', '-'))
    return found.length > 1 ? found : found[0]
  }

  query_params(name: string): Value {
    this.#arguments ??= readArguments(this.#query)
    return this.#arguments.get(name) as Value
  }

  uri_captures(name: string): Value {
    const captures = this.#captures
    if (!captures || !Object.hasOwn(captures, name)) return undefined
    // The router matches characters, and here all text is bytes.
    return Buffer.from(captures[name]!).toString('latin1')
  }
}
