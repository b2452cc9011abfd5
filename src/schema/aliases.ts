type Path = readonly (string | number)[]

interface Alias {
  /** The field that a shorthand has filled. */
  readonly field: Path
  readonly shorthand: Path
  /** Whether the shorthand's value is the field's, or is in it, or was taken apart. */
  readonly holds: 'same' | 'within' | 'part'
}

/** Where values were written: a field that a shorthand has filled stands in the file under another name. */
export class Aliases {
  readonly #input: unknown
  readonly #byField = new Map<string, Alias>()

  /** `input` is the whole that all paths begin at. */
  constructor(input: unknown) {
    this.#input = input
  }

  /** Notes that `value`, written at `shorthand`, has filled what `filled` holds of the record at `path`. */
  add(shorthand: Path, value: unknown, filled: object, path: Path): void {
    for (const [key, each] of Object.entries(filled)) {
      const field = [...path, Array.isArray(filled) ? Number(key) : key]
      if (each === value) this.#set({ field, shorthand, holds: 'same' })
      else if (Array.isArray(each)) {
        this.#set({ field, shorthand, holds: each.includes(value) ? 'within' : 'part' })
        this.add(shorthand, value, each, field)
      } else if (typeof each === 'object' && each !== null) this.add(shorthand, value, each, field)
      else this.#set({ field, shorthand, holds: 'part' })
    }
  }

  /** Where the value at `path` was written: at one place, unless several shorthands have filled a record. */
  written(path: Path): readonly Path[] {
    const alias = this.#find(path)
    if (alias) return [shorthandPath(alias, path)]
    if (isWritten(this.#input, path)) return [path]
    const within = [...this.#byField.values()].filter(({ field }) => startsWith(field, path))
    const names = new Map(within.map(({ shorthand }) => [JSON.stringify(shorthand), shorthand]))
    return names.size > 0 ? [...names.values()] : [path]
  }

  /** The name of the field at `path` if it was filled with a part of a shorthand only, so that the place does not tell it. */
  partName(path: Path): string | undefined {
    const alias = this.#find(path)
    return alias?.holds === 'part' ? String(alias.field.at(-1)) : undefined
  }

  #set(alias: Alias): void {
    this.#byField.set(JSON.stringify(alias.field), alias)
  }

  /** What filled the value at `path`, or the nearest that holds it. */
  #find(path: Path): Alias | undefined {
    for (let length = path.length; length > 0; length--) {
      const alias = this.#byField.get(JSON.stringify(path.slice(0, length)))
      if (alias) return alias
    }
    return undefined
  }
}

/** Whether something stands at `path` of what a file holds. */
export function isWritten(content: unknown, path: Path): boolean {
  let value = content
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return true
}

function shorthandPath({ field, shorthand, holds }: Alias, path: Path): Path {
  return holds === 'same' ? [...shorthand, ...path.slice(field.length)] : shorthand
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, i) => path[i] === key)
}
