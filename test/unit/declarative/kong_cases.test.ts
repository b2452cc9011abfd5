import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { printPath } from '../../../src/declarative/faults.ts'
import type { Kind } from '../../../src/declarative/kinds.ts'
import { type Loaded, loadDeclarative } from '../../../src/declarative/load.ts'
import { hashPassword } from '../../../src/entities/password.ts'
import type { Plugin } from '../../../src/pdk.ts'
import { plugins as all } from '../../../src/plugins/index.ts'
import { isRecord } from '../../../src/schema/check.ts'
import { any } from '../../../src/schema/field.ts'
import { isUuid } from '../../../src/uuid.ts'

const PATH = `${import.meta.dir}/../../../../shared/data/config-cases.jsonl`

interface Case {
  readonly id: string
  readonly test: string
  readonly op: 'validate' | 'flatten'
  readonly input: Record<string, unknown>
  readonly ok: boolean
  readonly errors?: unknown
  readonly entities?: KongsEntities
}

/** What the cases have of plugins that are not there yet: what is in their `config` is not what these cases are about. */
const standIns = [
  'tcp-log',
  'basic-auth',
  'correlation-id',
  'http-log',
  'rate-limiting',
  'request-transformer',
]
  .filter((name) => !all.has(name))
  .map((name): [string, Plugin] => [
    name,
    { name, priority: 0, schema: any('Anything.'), create: () => ({}) },
  ])
const plugins = new Map([...all, ...standIns])

const SECOND_PASS =
  "a second pass of Kong's over what the first has made: a nested entity has its parent's id and another one's name at once"
/** What does not come out as Kong's, and why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  d0051: 'routes for tls are not served, and are refused in a sentence',
  d0072: SECOND_PASS,
  d0076: SECOND_PASS,
}

const cases: Case[] = existsSync(PATH)
  ? readFileSync(PATH, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Case)
  : []
if (cases.length === 0) console.log("skipped: Kong's configurations, which are not in ../shared")
else {
  const others = Object.entries(OTHERWISE).map(([id, why]) => `${id}: ${why}`)
  console.log(
    `${cases.length - others.length} of Kong's ${cases.length} configurations; not\n${others.join('\n')}`,
  )
}

describe.skipIf(cases.length === 0)("Kong's own configurations", () => {
  test.each(cases.map((each) => [`${each.id} ${each.test}`, each] as const))('%s', (_, each) => {
    const loaded = loadDeclarative([{ name: 'kong.yaml', text: JSON.stringify(each.input) }], {
      env: {},
      plugins,
      compat: '3.10',
    })
    const expected = expect(outcome(loaded, each))
    if (Object.hasOwn(OTHERWISE, each.id)) expected.not.toEqual(wanted(each))
    else expected.toEqual(wanted(each))
  })
})

function outcome(loaded: Loaded, each: Case): unknown {
  const { op } = each
  // Kong's `validate` does not follow references.
  const faults = loaded.faults?.filter(
    ({ message }) => op === 'flatten' || !message.startsWith('invalid reference'),
  )
  if (faults && faults.length > 0)
    return faults.map(({ path, message }) => line(path, message)).sort()
  if (op === 'validate' || loaded.faults) return 'ok'
  return comparable(
    Object.entries(loaded.entities).map(([kind, list]) => [kind as Kind, [...list]]),
    each.entities ?? {},
  )
}

function wanted({ op, ok, errors, entities = {} }: Case): unknown {
  if (!ok) return [...flatErrors(errors, [])].sort()
  if (op === 'validate') return 'ok'
  return comparable(
    Object.entries(entities).map(([kind, byId]) => [
      kind as Kind,
      Object.values(byId).map((entity) => {
        // Kong hashes what is typed after the step that the cases are about.
        const { password, consumer } = entity as { password?: string; consumer: { id: string } }
        return password === undefined
          ? entity
          : { ...entity, password: hashPassword(password, consumer.id) }
      }),
    ]),
    entities,
  )
}

type KongsEntities = Readonly<Record<string, Readonly<Record<string, Record<string, unknown>>>>>

/**
 * Without what is unset, what is drawn, the times of loading, the settings of plugins that are not there yet, and the
 * fields that Kong Enterprise has beyond 3.10's.
 */
function comparable(kinds: readonly [Kind, readonly object[]][], kongs: KongsEntities): unknown {
  // Kong draws an id, of version 4, for what has no name.
  const ids = new Set(
    Object.values(kongs)
      .flatMap((byId) => Object.keys(byId))
      .filter((id) => id[14] === '5'),
  )
  const isDrawn = (value: unknown) =>
    typeof value === 'string' && (isUuid(value) ? !ids.has(value) : /^\w{32}$/.test(value))
  const shown = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shown).sort()
    if (!isRecord(value)) return value
    const kept = Object.entries(value).filter(
      ([key, each]) =>
        each !== null &&
        each !== undefined &&
        !['created_at', 'updated_at', 'failover'].includes(key) &&
        !isDrawn(each),
    )
    return Object.fromEntries(
      kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, shown(each)]),
    )
  }
  return Object.fromEntries(
    kinds
      .filter(([, list]) => list.length > 0)
      .map(([kind, list]): [string, unknown] => [
        kind,
        list
          .map((each) => (kind === 'plugins' ? withKongsConfig(each, kongs) : each))
          .map((each) => JSON.stringify(shown(each)))
          .sort(),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** A plugin with what of its settings Kong 3.10 has as well. */
function withKongsConfig(plugin: object, kongs: KongsEntities): object {
  const { name, config } = plugin as { name: string; config: unknown }
  if (standIns.some(([each]) => each === name)) return { ...plugin, config: undefined }
  const theirs = Object.values(kongs.plugins ?? {}).find((each) => each.name === name)
  return { ...plugin, config: common(config, theirs?.config) }
}

function common(ours: unknown, theirs: unknown): unknown {
  if (!isRecord(ours) || !isRecord(theirs)) return ours
  const names = Object.keys(ours).filter((key) => Object.hasOwn(theirs, key))
  return Object.fromEntries(names.map((key) => [key, common(ours[key], theirs[key])]))
}

/** Kong tells a broken reference by the entity's name, not by its place; and of one that needs an id, by that field. */
function line(path: string, message: string): string {
  if (message === 'missing primary key') return `${path.replace(/\.id$/, '')}: ${message}`
  return message.startsWith('invalid reference') ? message : `${path}: ${message}`
}

/** Kong's tree of errors as lines; lists count from 1 where they are sparse. */
function* flatErrors(errors: unknown, path: (string | number)[]): Iterable<string> {
  if (typeof errors === 'string') yield line(printPath(path), errors)
  else if (Array.isArray(errors)) {
    const isMessages = path.at(-1) === '@entity'
    for (const [i, each] of errors.entries()) {
      if (isMessages) yield line(printPath(path.slice(0, -1)), String(each))
      else yield* flatErrors(each, [...path, i])
    }
  } else if (errors !== null && typeof errors === 'object') {
    for (const [key, each] of Object.entries(errors)) {
      yield* flatErrors(each, [...path, /^\d+$/.test(key) ? Number(key) - 1 : key])
    }
  }
}
