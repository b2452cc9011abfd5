/** A header field, by the name under which its values are asked for, and the values of which a rule needs one. */
export interface HeaderKey {
  readonly name: string
  /** In lower case. */
  readonly values: readonly string[]
}

/** The values, in lower case, that a request has in a header field. */
export type ValuesOf = (name: string) => readonly string[]

/** Rules in their order, which need not all be tried: those that ask for an exact value in a header are found by it. */
export class HeaderLists<R> {
  readonly #others: R[] = []
  /** Most lists have none. */
  #byName: Map<string, Map<string, R[]>> | undefined
  #length = 0

  /** A rule comes once for each place that it has, one after the other. */
  add(rule: R, key: HeaderKey | undefined): void {
    this.#length++
    if (!key) return append(this.#others, rule)
    this.#byName ??= new Map()
    let lists = this.#byName.get(key.name)
    if (!lists) this.#byName.set(key.name, (lists = new Map<string, R[]>()))
    for (const value of key.values) {
      const list = lists.get(value)
      if (list) append(list, rule)
      else lists.set(value, [rule])
    }
  }

  /** How many rules there are, whatever they ask for. */
  get length(): number {
    return this.#length
  }

  /** Adds the lists of the rules that a request may fit. */
  collect(valuesOf: ValuesOf, into: (readonly R[])[]): void {
    if (this.#others.length > 0) into.push(this.#others)
    if (!this.#byName) return
    for (const [name, lists] of this.#byName) {
      for (const value of valuesOf(name)) {
        const list = lists.get(value)
        if (list) into.push(list)
      }
    }
  }
}

function append<R>(list: R[], rule: R): void {
  if (list.at(-1) !== rule) list.push(rule)
}

/** Makes what chooses, of the keys that a rule could be found by, the one that the fewest of all rules share. */
export function rarestOf(
  all: Iterable<readonly HeaderKey[]>,
): (keys: readonly HeaderKey[]) => HeaderKey | undefined {
  const counts = new Map<string, number>()
  const count = (name: string, value: string) => counts.get(`${name} ${value}`) ?? 0
  for (const keys of all)
    for (const { name, values } of keys)
      for (const value of values) counts.set(`${name} ${value}`, count(name, value) + 1)
  const shares = ({ name, values }: HeaderKey) =>
    values.reduce((sum, value) => sum + count(name, value), 0)
  return (keys) =>
    keys.reduce<HeaderKey | undefined>(
      (best, each) => (best && shares(best) <= shares(each) ? best : each),
      undefined,
    )
}
