import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { printPath } from '../../../src/declarative/faults.ts'
import { isKind, UNSUPPORTED_ENTITIES } from '../../../src/declarative/kinds.ts'
import { type Loaded, loadDeclarative } from '../../../src/declarative/load.ts'
import type { Plugin } from '../../../src/pdk.ts'
import { plugins } from '../../../src/plugins/index.ts'
import { any } from '../../../src/schema/field.ts'

const PATH = `${import.meta.dir}/../../../../shared/data/config-cases.jsonl`

interface Case {
  readonly id: string
  readonly test: string
  readonly op: 'validate' | 'flatten'
  readonly input: Record<string, unknown>
  readonly ok: boolean
  readonly errors?: unknown
  readonly entities?: Record<string, Record<string, Record<string, unknown>>>
}

/** Stand-ins for plugins that come later: what is in their `config` is not what these cases are about. */
const standIns = ['basic-auth', 'correlation-id', 'http-log', 'rate-limiting', 'tcp-log'].map(
  (name): [string, Plugin] => [
    name,
    { name, priority: 0, schema: any('Anything.'), create: () => ({}) },
  ],
)

const cases: Case[] = existsSync(PATH)
  ? readFileSync(PATH, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Case)
  : []
const inReach = cases.filter(({ input }) => laterKinds(input).length === 0)

if (cases.length === 0) console.log("skipped: Kong's configurations, which are not in ../shared")
else {
  const later = [...new Set(cases.flatMap(({ input }) => laterKinds(input)))].sort().join(', ')
  console.log(
    `${inReach.length} of Kong's ${cases.length} configurations are in reach; later: ${later}`,
  )
}

describe.skipIf(cases.length === 0)("Kong's own configurations", () => {
  test.each(inReach.map((each) => [`${each.id} ${each.test}`, each] as const))('%s', (_, each) => {
    const loaded = loadDeclarative([{ name: 'kong.yaml', text: JSON.stringify(each.input) }], {
      env: {},
      plugins: new Map([...plugins, ...standIns]),
    })
    expect(outcome(loaded, each)).toEqual(wanted(each))
  })
})

/** What a configuration has of what is refused until a later release: lists, fields and plugins. */
function laterKinds(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => {
    if (key === 'name' && each === 'request-transformer') return [each]
    const empty = each === null || (typeof each === 'object' && Object.keys(each).length === 0)
    return [...(UNSUPPORTED_ENTITIES.has(key) && !empty ? [key] : []), ...laterKinds(each)]
  })
}

function outcome(loaded: Loaded, { op }: Case): unknown {
  // Kong's `validate` does not follow references.
  const faults = loaded.faults?.filter(
    ({ message }) => op === 'flatten' || !message.startsWith('invalid reference'),
  )
  if (faults && faults.length > 0)
    return faults.map(({ path, message }) => line(path, message)).sort()
  if (op === 'validate' || loaded.faults) return 'ok'
  return Object.fromEntries(
    Object.entries(loaded.entities)
      .filter(([, list]) => list.length > 0)
      .map(([kind, list]) => [kind, list.map(comparable).sort()]),
  )
}

function wanted({ op, ok, errors, entities = {} }: Case): unknown {
  if (!ok) return [...flatErrors(errors, [])].sort()
  if (op === 'validate') return 'ok'
  return Object.fromEntries(
    Object.entries(entities)
      .filter(([kind]) => isKind(kind))
      .map(([kind, byId]) => [kind, Object.values(byId).map(comparable).sort()]),
  )
}

/** Without what is unset, the times of loading, and the settings of plugins, whose defaults have moved since. */
function comparable(entity: object): string {
  const { created_at, updated_at, config, ...rest } = entity as Record<string, unknown>
  // Kong draws an id for what has no name.
  if (rest.name === null || rest.name === undefined) delete rest.id
  const set = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined)
  return JSON.stringify(
    Object.fromEntries(
      set
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => [key, Array.isArray(value) ? value.toSorted() : value]),
    ),
  )
}

/** Kong tells a broken reference by the entity's name, not by its place. */
function line(path: string, message: string): string {
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
