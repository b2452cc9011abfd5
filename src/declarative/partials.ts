import type { Plugin } from '../pdk.ts'
import { isRecord } from '../schema/check.ts'
import type { Field } from '../schema/field.ts'
import { mergeDeep } from './merge.ts'
import type { Origin } from './origin.ts'
import type { ParsedFile, Path } from './parse.ts'

/** The plugins that take a partial of each type, with the one place in their configuration that takes it: Kong 3.15's. */
// prettier-ignore
const TAKERS = new Map([
  ['redis-ce', new Map([
    ['acme',                            'config.storage_config.redis'],
    ['basic-auth',                      'config.brute_force_protection.redis'],
    ['rate-limiting',                   'config.redis'],
    ['response-ratelimiting',           'config.redis'],
  ])],
  ['redis-ee', new Map([
    ['ace',                             'config.rate_limiting.redis'],
    ['ai-rate-limiting-advanced',       'config.redis'],
    ['datakit',                         'config.resources.cache.redis'],
    ['graphql-proxy-cache-advanced',    'config.redis'],
    ['graphql-rate-limiting-advanced',  'config.redis'],
    ['openid-connect',                  'config.redis'],
    ['proxy-cache-advanced',            'config.redis'],
    ['rate-limiting-advanced',          'config.redis'],
    ['saml',                            'config.redis'],
    ['service-protection',              'config.redis'],
    ['upstream-oauth',                  'config.cache.redis'],
  ])],
])

/** A field of a plugin with all that a partial of the type may have, and nothing else. */
const LIKENESSES = new Map([
  ['redis-ce', { plugin: 'rate-limiting', field: 'redis' }],
  ['redis-ee', { plugin: 'openid-connect', field: 'cluster_cache_redis' }],
])

/** What the configuration of a partial is checked against; nothing where no plugin is there that takes one. */
export function partialSchema(
  type: unknown,
  plugins: ReadonlyMap<string, Plugin>,
): Field | undefined {
  const likeness = LIKENESSES.get(String(type))
  const schema = likeness && (plugins.get(likeness.plugin)?.schema as Field | undefined)
  return likeness && schema?.fields?.[likeness.field]
}

interface Found {
  readonly type: unknown
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
        const { type, config } = each
        const found = { type, file, path: ['partials', i, 'config'], config }
        for (const key of [each.id, each.name])
          if (typeof key === 'string') this.#found.set(key, found)
      }
    }
  }

  /**
   * Lays the configuration of the plugin of that name on the partials that it names: what it has itself stays. Calls `refuse` with the path
   * within the plugin of what is wrong.
   */
  apply(
    plugin: string,
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
      if (!isRecord(each) || (each.id ?? each.name) === undefined) {
        refuse(['partials', i], 'expected a record with the id or the name of a partial')
        continue
      }
      const { id, name, path } = each
      const found = this.#found.get(String(id ?? name))
      const takers = TAKERS.get(String(found?.type))
      const place = takers?.get(plugin)
      if (!found)
        refuse(
          ['partials', i],
          `invalid reference 'partials: ${id ?? name}' (no such entry in 'partials')`,
        )
      // A type that is not there is the partial's own fault.
      else if (!takers) continue
      else if (place === undefined)
        refuse(['partials', i], `${plugin} takes no partials of the type ${String(found.type)}`)
      else if (path !== undefined && path !== place)
        refuse(['partials', i, 'path'], `expected ${place}`)
      else if (isRecord(config ?? {})) {
        const steps = place.split('.').slice(1)
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
