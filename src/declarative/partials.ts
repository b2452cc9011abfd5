import { isRecord } from '../schema/check.ts'
import { mergeDeep } from './merge.ts'
import type { Origin } from './origin.ts'
import type { ParsedFile, Path } from './parse.ts'

/** Where a plugin's configuration takes a partial's unless `path` tells. */
const USUAL = 'config.redis'

interface Found {
  readonly file: ParsedFile
  readonly path: Path
  readonly config: Readonly<Record<string, unknown>>
}

/** The partials of all files, by id and by name. */
export class Partials {
  readonly #found = new Map<string, Found>()

  constructor(files: readonly ParsedFile[]) {
    for (const file of files) {
      const { partials } = file.content
      if (!Array.isArray(partials)) continue
      for (const [i, each] of (partials as unknown[]).entries()) {
        if (!isRecord(each) || !isRecord(each.config)) continue
        const found = { file, path: ['partials', i, 'config'], config: each.config }
        for (const key of [each.id, each.name])
          if (typeof key === 'string') this.#found.set(key, found)
      }
    }
  }

  /**
   * Lays a plugin's configuration on the partials that it names: what it has itself stays. Calls `refuse` with the path
   * within the plugin of what is wrong.
   */
  apply(
    config: unknown,
    partials: unknown,
    refuse: (path: Path, message: string) => void,
  ): { readonly config: unknown; readonly origins: readonly Origin[] } {
    const origins: Origin[] = []
    if (!Array.isArray(partials)) {
      refuse(['partials'], 'expected an array')
      return { config, origins }
    }
    for (const [i, each] of (partials as unknown[]).entries()) {
      const { id, name, path = USUAL } = isRecord(each) ? each : {}
      const found = this.#found.get(String(id ?? name))
      const [first, ...steps] = String(path).split('.')
      if (!found)
        refuse(
          ['partials', i],
          `invalid reference 'partials: ${id ?? name}' (no such entry in 'partials')`,
        )
      else if (first !== 'config' || steps.length === 0)
        refuse(['partials', i, 'path'], `expected a place in the configuration, such as ${USUAL}`)
      else if (isRecord(config ?? {})) {
        const base = steps.reduceRight<Readonly<Record<string, unknown>>>(
          (inner, step) => ({ [step]: inner }),
          found.config,
        )
        config = mergeDeep(base, (config ?? {}) as Readonly<Record<string, unknown>>)
        origins.push({ file: found.file, path: found.path, field: ['config', ...steps] })
      }
    }
    return { config, origins }
  }
}
