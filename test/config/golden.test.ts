import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { printFaults } from '../../src/declarative/faults.ts'
import { KINDS } from '../../src/declarative/kinds.ts'
import { type Loaded, loadDeclarative, type SourceFile } from '../../src/declarative/load.ts'
import { plugins as all } from '../../src/plugins/index.ts'
import type { Field } from '../../src/schema/field.ts'

// Each case is a file: a configuration, a line of dashes, then its entities without their defaults, or its faults.
// A line `=== name` begins another file of the configuration. GOLDEN=write writes what is, to be read before a commit.
const SEPARATOR = '----------\n'

/** What the files of the cases may ask for; everything else is not set. */
const env = { DECK_TOKEN: 'abc', DECK_PORT: '+08080', DECK_FLAG: 'T', DECK_LINES: 'one\ntwo' }

/** Few, so that another plugin changes no case. */
const NAMES = ['key-auth', 'openid-connect', 'request-termination']
const plugins = new Map(NAMES.map((name) => [name, all.get(name)!]))

const cases = readdirSync(import.meta.dir).filter((name) => name.endsWith('.txt'))

test('there are cases', () => expect(cases.length).toBeGreaterThan(15))

test.each(cases)('%s', (name) => {
  const path = `${import.meta.dir}/${name}`
  const [input = '', expected] = readFileSync(path, 'utf8').split(SEPARATOR)
  const printed = `${print(loadDeclarative(filesOf(input), { env, plugins }))}\n`
  if (process.env.GOLDEN === 'write') writeFileSync(path, input + SEPARATOR + printed)
  else expect(printed).toBe(expected!)
})

function filesOf(input: string): SourceFile[] {
  const [first = '', ...more] = input.split(/^=== /m)
  const files = more.map((each) => {
    const end = each.indexOf('\n')
    return { name: each.slice(0, end), text: each.slice(end + 1) }
  })
  return first === '' ? files : [{ name: 'kong.yaml', text: first }, ...files]
}

function print(loaded: Loaded): string {
  if (loaded.faults) return printFaults(loaded.faults)
  const lines = Object.entries(KINDS).flatMap(([kind, { schema }]) =>
    loaded.entities[kind as keyof typeof KINDS].map((entity) => {
      const config =
        'config' in entity && 'protocols' in entity
          ? { config: shorten(pluginSchema(entity.name), entity.config) }
          : {}
      return `${loaded.place(entity)} ${kind} ${written({ ...shorten(schema, entity), ...config })}`
    }),
  )
  return [...lines, ...loaded.warnings.map((warning) => `warning: ${warning}`)].join('\n')
}

function pluginSchema(name: string): Field {
  return plugins.get(name)!.schema as Field
}

/** Leaves out what the schema would fill in, so that a case shows what it is about. */
function shorten(schema: Field, value: unknown): Record<string, unknown> {
  const kept = Object.entries(value as Record<string, unknown>).filter(([key, each]) => {
    return each !== undefined && !Bun.deepEquals(each, schema.fields?.[key]?.rules.default)
  })
  return Object.fromEntries(kept)
}

function written(entity: Record<string, unknown>): string {
  const { id, ...rest } = entity
  return `${id} ${JSON.stringify(rest)}`
}
