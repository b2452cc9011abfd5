import { isWritten } from '../schema/aliases.ts'
import type { ParsedFile, Path } from './parse.ts'

/** A part of a file that gives entities some of their fields: `_plugin_configs`, or the defaults of `_info`. */
export interface Origin {
  readonly file: ParsedFile
  /** Where it stands in the file. */
  readonly path: Path
  /** What of the entity it gives. */
  readonly field: Path
}

/** An entity as it stands in a file, with what else it is made of. */
interface Entity {
  readonly file: ParsedFile
  readonly path: Path
  readonly origins: readonly Origin[]
}

/** The parts at `path` of all files that have one, as what gives `field`. */
export function originsIn(files: readonly ParsedFile[], field: Path, path: Path): Origin[] {
  return files
    .filter(({ content }) => isWritten(content, path))
    .map((file) => ({ file, path, field }))
}

/**
 * Where a field of an entity, or the nearest that holds it, is written: in the entity itself, which goes first, or in an
 * origin. Gives the file, and the path in it.
 */
export function findWritten(
  { file, path, origins }: Entity,
  field: Path,
): { file: ParsedFile; path: Path } {
  const own = [...path, ...field]
  for (let length = field.length; length > 0; length--) {
    const part = field.slice(0, length)
    if (isWritten(file.content, [...path, ...part])) break
    for (const origin of origins) {
      // What lacks in a part that is shared lacks where it is used.
      if (length <= origin.field.length) continue
      if (!origin.field.every((key, i) => field[i] === key)) continue
      const { length: above } = origin.field
      if (isWritten(origin.file.content, [...origin.path, ...part.slice(above)]))
        return { file: origin.file, path: [...origin.path, ...field.slice(above)] }
    }
  }
  return { file, path: own }
}
