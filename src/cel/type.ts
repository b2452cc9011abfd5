/** What is known of a value before there is a request. Each may also be null, which only a request shows. */
export type Type =
  | { readonly is: 'bool' | 'int' | 'string' | 'null' | 'map' | 'any' }
  | { readonly is: 'list'; readonly of: Type }

export const BOOL: Type = { is: 'bool' }
export const INT: Type = { is: 'int' }
export const STRING: Type = { is: 'string' }
export const NULL: Type = { is: 'null' }
export const MAP: Type = { is: 'map' }
export const ANY: Type = { is: 'any' }
export const STRINGS: Type = listOf(STRING)

export function listOf(of: Type): Type {
  return { is: 'list', of }
}

/** As messages call it. */
export const NAMES: Readonly<Record<Type['is'], string>> = {
  bool: 'true or false',
  int: 'a number',
  string: 'a text',
  null: 'null',
  map: 'a map',
  any: 'anything',
  list: 'a list',
}

/** The type of what may be of either; nothing if they have nothing in common. */
export function common(a: Type, b: Type): Type | undefined {
  if (a.is === 'null' || b.is === 'any') return b
  if (b.is === 'null' || a.is === 'any') return a
  if (a.is === 'list' && b.is === 'list') {
    const of = common(a.of, b.of)
    return of && listOf(of)
  }
  return a.is === b.is ? a : undefined
}
