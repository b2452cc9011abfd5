import { randomBytes } from 'node:crypto'
import { Aliases } from './aliases.ts'
import type { EntityCheck, Field, Infer, Shorthand } from './field.ts'
import { nearest } from './nearest.ts'

/** A fault in a configuration: where it is written, Kong's message, and a guess at what was meant. */
export interface Fault {
  readonly path: Path
  readonly message: string
  readonly hint?: string
}

/** Either the value with its defaults filled in, or every fault of the input at once. */
export type Checked<T> =
  | {
      readonly value: T
      /** Where the value at a path was written: where a shorthand has filled a field, under the shorthand's name. */
      written(path: Path): readonly Path[]
      readonly faults?: never
    }
  | { readonly value?: never; readonly written?: never; readonly faults: readonly Fault[] }

/**
 * Checks `input` against `field` as Kong does: a missing field gets its default, an explicit null stays unset. A text at
 * one of the paths `emptied` may be empty.
 */
export function check<F extends Field>(
  field: F,
  input: unknown,
  emptied: readonly Path[] = [],
): Checked<Infer<F>> {
  const notes: Notes = {
    faults: [],
    aliases: new Aliases(input),
    emptied: new Set(emptied.map((path) => JSON.stringify(path))),
  }
  const value = read(field, input, [], notes)
  const { faults, aliases } = notes
  if (faults.length > 0) return { faults: faults.map((fault) => asWritten(fault, aliases)) }
  return { value: value as Infer<F>, written: (path) => aliases.written(path) }
}

type Path = readonly (string | number)[]

/** What is found on the way through an input. */
interface Notes {
  readonly faults: Fault[]
  readonly aliases: Aliases
  readonly emptied: ReadonlySet<string>
}

/** The fault of a field as the fault of what has filled it. */
function asWritten(fault: Fault, aliases: Aliases): Fault {
  const part = aliases.partName(fault.path)
  const message = part === undefined ? fault.message : `${part}: ${fault.message}`
  const [path = fault.path] = aliases.written(fault.path)
  return { ...fault, path, message }
}

function read(field: Field, input: unknown, path: Path, notes: Notes): unknown {
  const { rules } = field
  if (input === undefined) input = rules.default
  if ((input === undefined || input === null) && rules.auto) input = drawText()
  if (input === undefined && field.type === 'record' && rules.required) input = {}
  if (input === undefined || input === null) {
    if (rules.required) notes.faults.push({ path, message: 'required field missing' })
    return undefined
  }
  const before = notes.faults.length
  const value = readType(field, input, path, notes)
  if (notes.faults.length === before) {
    const isEmptied = notes.emptied.size > 0 && notes.emptied.has(JSON.stringify(path))
    const message = isEmptied ? rules.custom?.(value as never) : brokenRule(field, value)
    if (message) notes.faults.push({ path, message, ...hintFor(field, value) })
  }
  return value
}

function readType(field: Field, given: unknown, path: Path, notes: Notes): unknown {
  const input = isEmpty(given) ? emptyAs(field, given) : given
  const wrong = (message: string) => void notes.faults.push({ path, message })
  switch (field.type) {
    case 'string':
      return typeof input === 'string' ? input : wrong('expected a string')
    case 'boolean':
      return typeof input === 'boolean' ? input : wrong('expected a boolean')
    case 'number':
      return Number.isFinite(input) ? input : wrong('expected a number')
    case 'integer':
      return Number.isInteger(input) ? input : wrong('expected an integer')
    case 'array':
    case 'set': {
      if (!Array.isArray(input))
        return wrong(field.type === 'set' ? 'expected a set' : 'expected an array')
      const element = elementOf(field)
      return input.map((each, i) => read(element, each, [...path, i], notes))
    }
    case 'map': {
      if (!isRecord(input)) return wrong('expected a map')
      for (const key of Object.keys(input)) {
        const message = field.rules.keys?.(key)
        if (message !== undefined) wrong(message)
      }
      return mapValues(input, (each, key) => read(elementOf(field), each, [...path, key], notes))
    }
    case 'record':
      return isRecord(input) ? readRecord(field, input, path, notes) : wrong('expected a record')
    case 'foreign':
      return isRecord(input) && typeof input.id === 'string'
        ? { id: input.id }
        : wrong('expected a foreign key')
    case 'any':
      return input
  }
}

/** 32 letters and digits that nobody can guess. */
function drawText(): string {
  const text = randomBytes(64)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, '')
  return text.length < 32 ? drawText() : text.slice(0, 32)
}

// Kong's language does not tell an empty list from an empty map, so its exports have either for either.
function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.length === 0
  for (const _ in value) return false
  return true
}

function emptyAs({ type }: Field, value: unknown): unknown {
  if (type === 'array' || type === 'set') return []
  return type === 'record' || type === 'map' ? {} : value
}

function readRecord(field: Field, input: Record<string, unknown>, path: Path, notes: Notes) {
  const { fields = {}, shorthands = {}, checks = [] } = field
  const { faults } = notes
  const given: Record<string, unknown> = {}
  const expanded: Record<string, unknown> = {}
  const before = faults.length
  // A shorthand that is at fault gives none of its fields: that they are missing is no fault of its own.
  let filled = true
  // Nor is it what a rule misses, if it is there under a misspelled name.
  let isKnown = true
  for (const [key, value] of Object.entries(input)) {
    const shorthand = Object.hasOwn(shorthands, key) ? shorthands[key] : undefined
    if (Object.hasOwn(fields, key)) given[key] = value
    else if (shorthand) {
      const found = faults.length
      merge(expanded, expand(shorthand, value, path, key, notes))
      filled &&= faults.length === found
    } else {
      isKnown = false
      faults.push({
        path: [...path, key],
        message: 'unknown field',
        ...guess(key, Object.keys({ ...fields, ...shorthands })),
      })
    }
  }
  merge(given, expanded)
  const amended = field.amend?.(given) ?? given
  const value = mapValues(fields, (each, key) => {
    const input = amended[key]
    const isUnset = input === undefined && (!filled || staysUnset(each))
    return isUnset ? undefined : read(each, input, [...path, key], notes)
  })
  if (!filled || !isKnown) return value
  const readable =
    faults.length === before ? value : withoutFaulty(value, faults.slice(before), path)
  for (const broken of checks) {
    const found = judge(broken, readable)
    if (found === undefined) continue
    for (const fault of [found].flat()) {
      if (typeof fault === 'string') faults.push({ path, message: fault })
      else faults.push({ path: [...path, ...fault.field.split('.')], message: fault.message })
    }
  }
  return value
}

/** Most fields of most records: they are not looked at one by one. */
function staysUnset({ rules }: Field): boolean {
  return rules.default === undefined && !rules.auto && !rules.required
}

/** Thrown where a rule reads a field that is at fault itself: what it would say is no fault of its own. */
class FaultyField extends Error {}

function judge(check: EntityCheck, value: Readonly<Record<string, unknown>>) {
  try {
    return check(value)
  } catch (error) {
    if (error instanceof FaultyField) return undefined
    throw error
  }
}

/** The record with fields that cannot be read where they are at fault. */
function withoutFaulty(
  value: Readonly<Record<string, unknown>>,
  faults: readonly Fault[],
  { length }: Path,
): Readonly<Record<string, unknown>> {
  const readable = { ...value }
  for (const name of new Set(faults.map(({ path }) => path[length]))) {
    if (name === undefined) continue
    Object.defineProperty(readable, name, {
      get() {
        throw new FaultyField()
      },
    })
  }
  return readable
}

function expand(
  shorthand: Shorthand,
  input: unknown,
  path: Path,
  name: string,
  notes: Notes,
): Record<string, unknown> {
  const before = notes.faults.length
  const value = read(shorthand.field, input, [...path, name], notes)
  if (notes.faults.length > before || value === undefined) return {}
  const filled = shorthand.expand(value as never)
  notes.aliases.add([...path, name], value, filled, path)
  return filled
}

/** A shorthand may reach into a nested record (`session_redis_host` is `redis.host`): records are merged, not replaced. */
function merge(into: Record<string, unknown>, from: Record<string, unknown>) {
  for (const [key, value] of Object.entries(from)) {
    const there = into[key]
    if (isRecord(there) && isRecord(value)) into[key] = { ...there, ...value }
    else into[key] = value
  }
}

function brokenRule(field: Field, value: unknown): string | undefined {
  const { one_of, between, gt, len_min, len_max, match, custom } = field.rules
  if (one_of && !one_of.includes(value)) return `expected one of: ${one_of.join(', ')}`
  if (typeof value === 'number') {
    if (between && (value < between[0] || value > between[1]))
      return `value should be between ${between[0]} and ${between[1]}`
    if (gt !== undefined && value <= gt) return `value must be greater than ${gt}`
  }
  const length = lengthOf(value)
  // Kong: a string is never empty unless its field says that it may be (len_min = 0).
  const least = len_min ?? (field.type === 'string' ? 1 : 0)
  if (length !== undefined && length < least) return `length must be at least ${least}`
  if (length !== undefined && len_max !== undefined && length > len_max)
    return `length must be at most ${len_max}`
  if (match && typeof value === 'string' && !match[0].test(value)) return match[1]
  return custom?.(value as never)
}

function lengthOf(value: unknown): number | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return isRecord(value) ? Object.keys(value).length : undefined
}

function hintFor(field: Field, value: unknown) {
  const { one_of } = field.rules
  return one_of && typeof value === 'string' && !one_of.includes(value)
    ? guess(
        value,
        one_of.filter((each) => typeof each === 'string'),
      )
    : {}
}

function guess(name: string, names: readonly string[]): { hint?: string } {
  const near = nearest(name, names)
  return near === undefined ? {} : { hint: `did you mean "${near}"?` }
}

const ELEMENTS = new WeakMap<Field, Field>()

/** The element of a list or a map, which is never absent; made once for each field. */
function elementOf(field: Field): Field {
  const made = ELEMENTS.get(field)
  if (made) return made
  if (!field.element) throw new TypeError(`a field of type ${field.type} has no element`)
  const element = { ...field.element, rules: { ...field.element.rules, required: true } }
  ELEMENTS.set(field, element)
  return element
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapValues<T>(record: Readonly<Record<string, T>>, to: (value: T, key: string) => unknown) {
  const mapped: Record<string, unknown> = {}
  for (const key of Object.keys(record)) {
    const value = to(record[key]!, key)
    // To assign a member of that name would change what the record inherits from.
    if (key === '__proto__') Object.defineProperty(mapped, key, { value, enumerable: true })
    else mapped[key] = value
  }
  return mapped
}
