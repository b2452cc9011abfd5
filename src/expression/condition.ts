import type { Pattern } from '../pattern/pattern.ts'
import type { Cidr, Ip } from './ip.ts'

/** The operators of Kong's expressions, as they are written there. */
export type Operator =
  '==' | '!=' | '~' | '^=' | '=^' | '>' | '>=' | '<' | '<=' | 'in' | 'not in' | 'contains'

export type Value =
  | { readonly type: 'String'; readonly text: string }
  | { readonly type: 'Int'; readonly number: number }
  | { readonly type: 'IpAddr'; readonly ip: Ip }
  | { readonly type: 'IpCidr'; readonly network: Cidr }
  | { readonly type: 'Regex'; readonly pattern: Pattern }

/** One comparison of a field of the request. A field that the request does not have fails every one. */
export interface Predicate {
  readonly is: 'predicate'
  /** Kong's name, such as `http.path`. */
  readonly field: string
  /** Whether the field's value is compared in lower case. */
  readonly lower: boolean
  /** Whether one value that fits is enough where a field has several. */
  readonly any: boolean
  readonly operator: Operator
  readonly value: Value
}

/** What a route asks of a request, in Kong's expressions or made of its other fields. */
export type Condition =
  | Predicate
  | { readonly is: 'all'; readonly parts: readonly Condition[] }
  | { readonly is: 'some'; readonly parts: readonly Condition[] }
  | { readonly is: 'not'; readonly part: Condition }

/** The values of `field` of which a request that fits has one at its front, at its end, or as a whole. */
export interface Keys {
  readonly whole: readonly string[]
  readonly fronts: readonly string[]
  readonly ends: readonly string[]
}

/**
 * What a request must have in `field`, which is a text, for the condition to hold: what an index can find it by. Nothing
 * where the condition can hold without. With `inLowerCase` the keys are those of the field's value in lower case.
 */
export function keysOf(condition: Condition, field: string, inLowerCase = false): Keys | undefined {
  switch (condition.is) {
    case 'predicate':
      if (condition.field !== field || (condition.lower && !inLowerCase)) return undefined
      return predicateKeys(condition, inLowerCase && !condition.lower)
    case 'not':
      return undefined
    case 'all': {
      // Whichever says more: one value rather than many.
      const known = condition.parts.flatMap((part) => keysOf(part, field, inLowerCase) ?? [])
      return known.reduce<Keys | undefined>(
        (best, each) => (best && shortest(best) >= shortest(each) ? best : each),
        undefined,
      )
    }
    case 'some': {
      const known = condition.parts.map((part) => keysOf(part, field, inLowerCase))
      if (known.length === 0 || known.includes(undefined)) return undefined
      const all = known as Keys[]
      return {
        whole: all.flatMap(({ whole }) => whole),
        fronts: all.flatMap(({ fronts }) => fronts),
        ends: all.flatMap(({ ends }) => ends),
      }
    }
  }
}

function predicateKeys({ operator, value }: Predicate, lowered: boolean): Keys | undefined {
  if (value.type === 'Regex') {
    const { anchored, literalPrefix } = value.pattern
    return anchored && literalPrefix !== ''
      ? { whole: [], fronts: [literalPrefix], ends: [] }
      : undefined
  }
  if (value.type !== 'String') return undefined
  const text = lowered ? value.text.toLowerCase() : value.text
  if (operator === '==') return { whole: [text], fronts: [], ends: [] }
  if (operator === '^=') return { whole: [], fronts: [text], ends: [] }
  if (operator === '=^') return { whole: [], fronts: [], ends: [text] }
  return undefined
}

function shortest({ whole, fronts, ends }: Keys): number {
  return [...whole, ...fronts, ...ends].reduce(
    (least, { length }) => Math.min(least, length),
    Infinity,
  )
}

/** The fields that a condition reads. */
export function fieldsOf(condition: Condition): string[] {
  switch (condition.is) {
    case 'predicate':
      return [condition.field]
    case 'not':
      return fieldsOf(condition.part)
    default:
      return condition.parts.flatMap(fieldsOf)
  }
}
