import type { EntityCheck } from '../schema/field.ts'

type Entity = Readonly<Record<string, unknown>>

/** Kong's `conditional`: where `when` holds for `field`, `then` says what is wrong with the value of `other`. */
export function conditional(
  field: string,
  when: (value: unknown) => boolean,
  other: string,
  then: (value: unknown) => string | undefined,
): EntityCheck {
  return (entity) => {
    const message = when(entity[field]) ? then(entity[other]) : undefined
    return (
      message && [
        { field: other, message },
        `failed conditional validation given value of field '${field}'`,
      ]
    )
  }
}

/** For `conditional`: the value must be there, or must not. */
export function required(value: unknown): string | undefined {
  return value === undefined ? 'required field missing' : undefined
}
export function absent(value: unknown): string | undefined {
  return value === undefined ? undefined : 'value must be null'
}

export function oneOf(...allowed: readonly unknown[]) {
  return (value: unknown): string | undefined =>
    allowed.includes(value) ? undefined : `expected one of: ${allowed.join(', ')}`
}

export function is(...values: readonly unknown[]) {
  return (value: unknown): boolean => values.includes(value)
}

export function atLeastOneOf(...fields: readonly string[]): EntityCheck {
  return (entity) =>
    given(entity, fields).length > 0
      ? undefined
      : `at least one of these fields must be non-empty: ${quoted(fields)}`
}

export function allOrNoneOf(...fields: readonly string[]): EntityCheck {
  return (entity) =>
    [0, fields.length].includes(given(entity, fields).length)
      ? undefined
      : `all or none of these fields must be set: ${quoted(fields)}`
}

export function atMostOneOf(...fields: readonly string[]): EntityCheck {
  return (entity) =>
    given(entity, fields).length <= 1
      ? undefined
      : `only one or none of these fields must be set: ${quoted(given(entity, fields))}`
}

export function distinct(...fields: readonly string[]): EntityCheck {
  return (entity) => {
    const values = given(entity, fields).map((field) => entity[field])
    return new Set(values).size === values.length
      ? undefined
      : `values of these fields must be distinct: ${quoted(fields)}`
  }
}

function given(entity: Entity, fields: readonly string[]): string[] {
  return fields.filter((field) => entity[field] !== undefined)
}

function quoted(fields: readonly string[]): string {
  return fields.map((field) => `'${field}'`).join(', ')
}
