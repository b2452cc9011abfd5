/**
 * Kong's schema language. One definition of a field gives its check, its default, its type in TypeScript, its JSON
 * Schema and its page in the docs, so the description is an argument that cannot be left out.
 */
export type FieldType =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'array'
  | 'set'
  | 'map'
  | 'record'
  | 'foreign'
  | 'any'

/** What a field demands, by Kong's names. Numbers in `between` are inclusive. */
export interface Rules {
  readonly required?: boolean
  readonly default?: unknown
  readonly one_of?: readonly unknown[]
  readonly between?: readonly [number, number]
  readonly gt?: number
  readonly len_min?: number
  readonly len_max?: number
  /** Kong draws a text of 32 letters and digits where the field is absent. */
  readonly auto?: true
  /** A test with Kong's message for what fails it. */
  readonly match?: readonly [RegExp, string]
  /** The value may be a `{vault://…}` reference. */
  readonly referenceable?: boolean
  /** Kong stores it encrypted: it is a secret, never to be shown. */
  readonly encrypted?: boolean
  /** Of a map: gives Kong's message for a bad key. */
  readonly keys?: (key: string) => string | undefined
  /** A check that no other rule can say; gives Kong's message for a bad value. */
  readonly custom?: (value: never) => string | undefined
}

/** A rule over several fields of one record, in Kong's words. If it is broken, gives the message, or several, each with the field, or its path with dots, if it is the fault of one. */
export type EntityCheck = (
  value: Readonly<Record<string, unknown>>,
) => Broken | readonly Broken[] | undefined

type Broken = string | { readonly field: string; readonly message: string }

export interface Field<T = unknown> {
  readonly type: FieldType
  readonly description: string
  readonly rules: Rules
  /** The element of an array, a set or a map. */
  readonly element?: Field
  /** The fields of a record. */
  readonly fields?: Fields
  /** Old or short names of a record: each turns its value into real fields, which it overrides. */
  readonly shorthands?: Readonly<Record<string, Shorthand>>
  /** Changes what is given for a record before its fields are read, where Kong lets one field decide on another. */
  readonly amend?: (given: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
  readonly checks?: readonly EntityCheck[]
  /** The entity that a foreign key names. */
  readonly reference?: string
  /** Holds the type for `Infer`; there is no value. */
  readonly infer?: T
}

export interface Shorthand {
  readonly field: Field
  expand(value: never): Record<string, unknown>
}

export type Fields = Readonly<Record<string, Field>>
export type Infer<F> = F extends Field<infer T> ? T : never
/** The values of a set of fields: what a module that declares `fields` is given. */
export type Config<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> }

type Given<T, R> = R extends { required: true } | { default: {} } | { auto: true }
  ? T
  : T | undefined
type Choice<T, R> = R extends { one_of: readonly (infer O)[] } ? O : T

function field<T>(
  type: FieldType,
  description: string,
  rules: Rules = {},
  rest: Partial<Field> = {},
) {
  return { type, description, rules, ...rest } as Field<T>
}

export function string<const R extends Rules>(description: string, rules?: R) {
  return field<Given<Choice<string, R>, R>>('string', description, rules)
}
export function integer<const R extends Rules>(description: string, rules?: R) {
  return field<Given<number, R>>('integer', description, rules)
}
export function number<const R extends Rules>(description: string, rules?: R) {
  return field<Given<Choice<number, R>, R>>('number', description, rules)
}
export function boolean<const R extends Rules>(description: string, rules?: R) {
  return field<Given<boolean, R>>('boolean', description, rules)
}
export function any<const R extends Rules>(description: string, rules?: R) {
  return field<unknown>('any', description, rules)
}
export function array<E extends Field, const R extends Rules>(
  description: string,
  element: E,
  rules?: R,
) {
  return field<Given<readonly NonNullable<Infer<E>>[], R>>('array', description, rules, { element })
}
/** An array without order: Kong compares it sorted, and refuses no duplicates. */
export function set<E extends Field, const R extends Rules>(
  description: string,
  element: E,
  rules?: R,
) {
  return field<Given<readonly NonNullable<Infer<E>>[], R>>('set', description, rules, { element })
}
export function map<E extends Field, const R extends Rules>(
  description: string,
  element: E,
  rules?: R,
) {
  return field<Given<Readonly<Record<string, NonNullable<Infer<E>>>>, R>>(
    'map',
    description,
    rules,
    { element },
  )
}
/** A record that is `required` is filled with its fields' defaults where it is absent, as in Kong. */
export function record<F extends Fields, const R extends Rules>(
  description: string,
  fields: F,
  rules?: R,
  rest: Pick<Field, 'shorthands' | 'amend' | 'checks'> = {},
) {
  return field<Given<Config<F>, R>>('record', description, rules, { fields, ...rest })
}
/** A reference to another entity, by id or by name. */
export function foreign<const R extends Rules>(description: string, reference: string, rules?: R) {
  return field<Given<{ readonly id: string }, R>>('foreign', description, rules, { reference })
}
