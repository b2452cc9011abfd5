import { check, isRecord } from '../schema/check.ts'
import { any, array, boolean, type Infer, map, record, string } from '../schema/field.ts'
import { type Dialect, isIn } from './dialect.ts'
import type { LocatedFault } from './faults.ts'
import type { Kind } from './kinds.ts'
import type { ParsedFile } from './parse.ts'

const lookUps = any('For the service side of decK; without effect in a file that is run.')

/** What a file says about itself: Kong's names and decK's. */
export const META = {
  _format_version: string('The version of the format.', {
    required: true,
    one_of: ['1.1', '2.1', '3.0'],
  }),
  _transform: boolean('Whether secrets stand here as they are typed.', {
    required: true,
    default: true,
  }),
  _comment: string('A remark.'),
  _ignore: array('Anything that is to be left alone.', any('Anything.')),
  _workspace: string('The workspace that decK would fill; there is one.'),
  _konnect: any('The control plane that decK would fill; there is none.'),
  _info: record('What goes for all entities.', {
    select_tags: array('Tags for every entity.', string('A tag.')),
    defaults: record('Values for the fields that an entity leaves out.', {
      service: map("A service's.", any('A value.')),
      route: map("A route's.", any('A value.')),
      upstream: map("An upstream's.", any('A value.')),
      target: map("A target's.", any('A value.')),
    }),
    default_lookup_tags: lookUps,
    consumer_group_policy_overrides: lookUps,
    skip_hash_for_basic_auth: lookUps,
    include_plugin_definitions: lookUps,
  }),
  licenses: array('Licences of Kong Enterprise; none is needed.', any('A licence.')),
  _plugin_configs: map(
    'Settings that plugins share by the name in their `_config`.',
    map('Settings.', any('A value.')),
  ),
}

const meta = record('What a file says about itself.', META, { required: true })

/** What several files say about themselves, as one. */
export interface Meta {
  readonly format_version: '1.1' | '2.1' | '3.0'
  readonly select_tags: readonly string[]
  readonly defaults: Partial<Readonly<Record<Kind, Values>>>
  readonly plugin_configs: Readonly<Record<string, Values>>
}

type Values = Readonly<Record<string, unknown>>

/**
 * Merges what the files say about themselves, as decK does: lists are appended, of two values the first stays. Gives no
 * `meta` where something is at fault without which the rest would seem so too.
 */
export function mergeMeta(
  files: readonly ParsedFile[],
  dialect: Dialect,
): { readonly meta: Meta | undefined; readonly faults: readonly LocatedFault[] } {
  const faults: LocatedFault[] = []
  const metas: Infer<typeof meta>[] = []
  let isVital = false
  for (const file of files) {
    const given = Object.fromEntries(
      Object.entries(file.content).filter(
        ([name]) => Object.hasOwn(META, name) && isIn(dialect, name),
      ),
    )
    const checked = check(meta, given)
    if (checked.faults) {
      const broken = new Set(checked.faults.map(({ path }) => path[0]))
      const sound = Object.entries(given).filter(([name]) => !broken.has(name))
      const rest = check(meta, { _format_version: '3.0', ...Object.fromEntries(sound) })
      // Both give entities fields that would seem to lack; without a version it may be any file.
      isVital ||= broken.has('_plugin_configs') || broken.has('_info')
      isVital ||= given._format_version === undefined
      if (!rest.faults) metas.push(rest.value)
      faults.push(
        ...checked.faults.map(({ path, message, hint }) =>
          file.fault(path, message, hint ?? advice(path, given)),
        ),
      )
    } else metas.push(checked.value)
  }
  const versions = new Set(metas.map((each) => each._format_version))
  if (versions.size > 1) {
    faults.push(
      files
        .at(-1)!
        .fault(
          ['_format_version'],
          `the files have different versions: ${[...versions].join(', ')}`,
        ),
    )
  }
  const [first] = metas
  if (isVital || !first) return { meta: undefined, faults }
  const merged: Meta = {
    format_version: first._format_version as Meta['format_version'],
    select_tags: metas.flatMap((each) => each._info?.select_tags ?? []),
    defaults: {
      services: mergeValues(metas.map((each) => each._info?.defaults?.service)),
      routes: mergeValues(metas.map((each) => each._info?.defaults?.route)),
      upstreams: mergeValues(metas.map((each) => each._info?.defaults?.upstream)),
      targets: mergeValues(metas.map((each) => each._info?.defaults?.target)),
    },
    plugin_configs: mergeValues(
      metas.map((each) => each._plugin_configs),
    ) as Meta['plugin_configs'],
  }
  return { meta: merged, faults }
}

function advice(
  path: LocatedFault['path'] | readonly (string | number)[],
  given: Values,
): string | undefined {
  if (path[0] !== '_format_version') return undefined
  const version = given._format_version
  return version === undefined || typeof version === 'number'
    ? 'write _format_version: "3.0"'
    : undefined
}

function mergeValues(values: readonly (Values | undefined)[]): Values {
  return values.reduceRight<Values>((merged, each) => mergeDeep(merged, each ?? {}), {})
}

/** Lays `over` on `base`, records within records too. */
export function mergeDeep(base: Values, over: Values): Values {
  const merged = new Map(Object.entries(base))
  for (const [key, value] of Object.entries(over)) {
    const below = merged.get(key)
    merged.set(key, isRecord(below) && isRecord(value) ? mergeDeep(below, value) : value)
  }
  return Object.fromEntries(merged)
}
