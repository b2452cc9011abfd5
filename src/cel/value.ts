/** What an expression works with. Numbers are whole. */
export type Value = string | number | boolean | null | readonly Value[] | ReadonlyMap<string, Value>

/** An expression that means nothing for this request, such as the beginning of a header that it does not have. */
export class EvaluationError extends Error {
  override readonly name: string = 'EvaluationError'
}

/** One that `default()` must not answer for, or a client could choose the answer: too much work, or text that is none. */
export class Unanswerable extends EvaluationError {
  override readonly name = 'Unanswerable'
}

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** What is of different types is not equal. */
export function isEqual(a: Value, b: Value): boolean {
  if (a === b) return true
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((each, i) => isEqual(each, b[i]!))
  if (isMap(a) && isMap(b))
    return a.size === b.size && [...a].every(([key, each]) => isEqualIn(b, key, each))
  return false
}

function isEqualIn(map: ReadonlyMap<string, Value>, key: string, value: Value): boolean {
  const other = map.get(key)
  return other !== undefined && isEqual(other, value)
}

/** The name of a value's type, for messages that must not show the value. */
export function typeName(value: Value): string {
  if (value === null) return 'null'
  if (isList(value)) return 'a list'
  if (isMap(value)) return 'a map'
  return { string: 'a text', number: 'a number', boolean: 'true or false' }[
    typeof value as 'string' | 'number' | 'boolean'
  ]
}
