import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plugins } from '../../../src/plugins/index.ts'
import type { Field } from '../../../src/schema/field.ts'

const PUBLISHED = join(import.meta.dir, '../../../../shared/data/plugin-schemas')

/** A field as Kong publishes it: JSON Schema with `x-referenceable` and `x-encrypted`. */
interface Published {
  type?: string
  default?: unknown
  enum?: unknown[]
  minimum?: number
  maximum?: number
  minLength?: number
  items?: Published
  additionalProperties?: Published
  properties?: Record<string, Published>
  required?: string[]
  'x-referenceable'?: true
  'x-encrypted'?: true
}

const TYPES: Readonly<Record<string, string>> = { set: 'array', record: 'object', map: 'object' }

/** One line for each fact of a field, and of those within it. `required` is published only where there is no default. */
function* ours(path: string, field: Field): Iterable<string> {
  const { rules } = field
  yield `${path} type ${TYPES[field.type] ?? field.type}`
  if (rules.default !== undefined) yield `${path} default ${sorted(rules.default)}`
  if (rules.one_of) yield `${path} enum ${sorted(rules.one_of)}`
  if (rules.between) yield `${path} between ${rules.between}`
  // That a text may be empty is not always published.
  if (rules.len_min) yield `${path} minLength ${rules.len_min}`
  if (rules.referenceable) yield `${path} referenceable`
  if (rules.encrypted) yield `${path} encrypted`
  if (field.element) yield* ours(`${path}[]`, field.element)
  for (const [name, each] of Object.entries(field.fields ?? {})) {
    yield* ours(`${path}.${name}`, each)
    // A record is filled in where it is absent, so nobody has to give it.
    if (each.rules.required && each.rules.default === undefined && each.type !== 'record')
      yield `${path}.${name} required`
  }
}

function* theirs(path: string, field: Published): Iterable<string> {
  yield `${path} type ${field.type}`
  if (field.default !== undefined) yield `${path} default ${sorted(field.default)}`
  if (field.enum) yield `${path} enum ${sorted(field.enum)}`
  if (field.minimum !== undefined) yield `${path} between ${field.minimum},${field.maximum}`
  if (field.minLength) yield `${path} minLength ${field.minLength}`
  if (field['x-referenceable']) yield `${path} referenceable`
  if (field['x-encrypted']) yield `${path} encrypted`
  const element = field.items ?? field.additionalProperties
  if (element) yield* theirs(`${path}[]`, element)
  for (const [name, each] of Object.entries(field.properties ?? {})) {
    yield* theirs(`${path}.${name}`, each)
    if (field.required?.includes(name)) yield `${path}.${name} required`
  }
}

/** Lists without order: Kong publishes them sorted. */
function sorted(value: unknown): string {
  return JSON.stringify(Array.isArray(value) ? value.toSorted() : value)
}

for (const plugin of plugins.values()) {
  const file = join(PUBLISHED, `${plugin.name}.json`)
  const isThere = existsSync(file)
  const name = `${plugin.name} has the fields, defaults and bounds of Kong 3.15`
  const missing = existsSync(PUBLISHED) ? 'it is not published there' : '../shared is not there'
  test.skipIf(!isThere)(isThere ? name : `${name} (skipped: ${missing})`, () => {
    const document = JSON.parse(readFileSync(file, 'utf8')) as { properties: { config: Published } }
    const published = new Set(theirs('config', document.properties.config))
    const declared = new Set(ours('config', plugin.schema))
    expect([...declared.difference(published)].toSorted()).toEqual([])
    expect([...published.difference(declared)].toSorted()).toEqual([])
  })
}

test('every field is described in a sentence', () => {
  const bare: string[] = []
  const walk = (path: string, field: Field) => {
    if (!/^[A-Z`].{2,}[.`]$/s.test(field.description)) bare.push(`${path}: ${field.description}`)
    if (field.element) walk(`${path}[]`, field.element)
    for (const [name, each] of Object.entries(field.fields ?? {})) walk(`${path}.${name}`, each)
  }
  for (const { name, schema } of plugins.values()) walk(name, schema)
  expect(bare).toEqual([])
})
