import { badUse, fieldBelow, FIELDS, type FieldUse, findField, guessField } from './field.ts'
import { callFunction, callMethod } from './function.ts'
import { callMacro, isMacro } from './macro.ts'
import { CelError, type Node } from './node.ts'
import { parse } from './parse.ts'
import {
  asFailure,
  charge,
  type FieldReader,
  type Frame,
  isA,
  type Part,
  type Scope,
  truth,
} from './part.ts'
import { ANY, BOOL, common, INT, listOf, NAMES, NULL, STRING, type Type } from './type.ts'
import { EvaluationError, isEqual, isList, isMap, typeName, type Value } from './value.ts'

/**
 * How much one evaluation may do, counted in elements and pieces of text: some milliseconds. Macros within each other
 * over a list that a client has made long would not end otherwise.
 */
const MOST_WORK = 100_000

/** A condition, ready for requests. Throws an `EvaluationError` for one that it means nothing for. */
export type Condition<S> = (subject: S) => boolean

/** Makes a function of Kong's expression. Throws a `CelError` for one that is not true or false for some request. */
export function compileCondition<S>(source: string, reader: FieldReader<S>): Condition<S> {
  const whole = parse(source)
  const fallback = fallbackOf(whole)
  const node = fallback ? fallback.of : whole
  const part = compile(node, { reader: reader as FieldReader<never>, elements: [] })
  if (!isA(part.type, 'bool'))
    throw new CelError(`expected true or false and got ${NAMES[part.type.is]}`, node.at)
  const run = (subject: S) =>
    truth(part.run({ subject, elements: [], work: MOST_WORK }), 'a condition')
  if (!fallback) return run
  return (subject) => {
    try {
      return run(subject)
    } catch (error) {
      asFailure(error)
      return fallback.value
    }
  }
}

/** Says what is wrong with a condition, if anything. */
export function checkCondition(source: string): string | undefined {
  try {
    compileCondition(source, () => () => null)
    return undefined
  } catch (error) {
    if (error instanceof CelError) return error.message
    throw error
  }
}

/** What `default()` around the whole expression says. */
function fallbackOf(node: Node): { readonly of: Node; readonly value: boolean } | undefined {
  if (node.is !== 'call' || node.on || node.name !== 'default') return undefined
  const [of, fallback] = node.args
  if (!of || fallback?.is !== 'literal' || node.args.length > 2)
    throw new CelError('default() takes an expression, and true or false', node.at)
  if (typeof fallback.value !== 'boolean')
    throw new CelError('default() falls back to true or false alone', fallback.at)
  return { of, value: fallback.value }
}

/** Compiles a part. Throws a `CelError` where its types cannot fit. */
function compile(node: Node, scope: Scope): Part {
  switch (node.is) {
    case 'literal': {
      const { value } = node
      return { type: literalType(value), run: () => value }
    }
    case 'name':
    case 'member':
    case 'index':
      return compileChain(node, scope)
    case 'call':
      return compileCall(node, scope)
    case 'list':
      return compileList(node, scope)
    case 'not': {
      const of = compileA('bool', node.of, scope, '!')
      return { type: BOOL, run: (frame) => !truth(of.run(frame), '!') }
    }
    case 'both':
      return compileLogic(node, scope, false)
    case 'either':
      return compileLogic(node, scope, true)
    case 'binary':
      return compileBinary(node, scope)
    case 'choice': {
      const test = compileA('bool', node.test, scope, '?')
      const yes = compile(node.yes, scope)
      const no = compile(node.no, scope)
      const type = common(yes.type, no.type)
      if (!type) throw new CelError('both sides of the : must be of one type', node.at)
      return { type, run: (frame) => (truth(test.run(frame), '?') ? yes : no).run(frame) }
    }
  }
}

/** Compiles a part that can only be of one type, for `user`, which messages name. */
function compileA(is: Type['is'], node: Node, scope: Scope, user: string): Part {
  const part = compile(node, scope)
  if (isA(part.type, is)) return part
  throw new CelError(`${user} expects ${NAMES[is]} and got ${NAMES[part.type.is]}`, node.at)
}

function literalType(value: string | number | boolean | null): Type {
  if (value === null) return NULL
  if (typeof value === 'string') return STRING
  return typeof value === 'number' ? INT : BOOL
}

/** A field, an element of a macro, or a member of either. */
function compileChain(
  node: Extract<Node, { is: 'name' | 'member' | 'index' }>,
  scope: Scope,
): Part {
  const names = namesOf(node)
  const slot = scope.elements.findLastIndex(({ name }) => name === names?.[0])
  if (node.is === 'name' && slot >= 0)
    return { type: scope.elements[slot]!.type, run: ({ elements }) => elements[slot]! }
  if (names && slot < 0) {
    const field = findField(names)
    if (!field) throw unknownField(names, node)
    const broken = badUse(field, names)
    if (broken !== undefined) throw new CelError(broken, node.at)
    if (field.length === names.length) return compileField(field, scope)
  }
  if (node.is === 'name') throw unknownField([node.name], node)
  const of = compile(node.of, scope)
  if (node.is === 'index') return compileIndex(of, compile(node.key, scope), node)
  if (!isA(of.type, 'map')) throw new CelError(`${NAMES[of.type.is]} has no members`, node.at)
  const { name } = node
  return { type: ANY, run: (frame) => memberOf(of.run(frame), name) }
}

function compileIndex(of: Part, key: Part, { at }: Node): Part {
  const fits =
    (isA(of.type, 'map') && isA(key.type, 'string')) ||
    (isA(of.type, 'list') && isA(key.type, 'int'))
  if (!fits)
    throw new CelError(`[] does not read ${NAMES[key.type.is]} of ${NAMES[of.type.is]}`, at)
  const type = of.type.is === 'list' ? of.type.of : ANY
  return { type, run: (frame) => memberOf(of.run(frame), key.run(frame)) }
}

function memberOf(of: Value, key: Value): Value {
  if (isMap(of) && typeof key === 'string') {
    const value = of.get(key)
    // Kong's words.
    if (value === undefined) throw new EvaluationError(`No such key: ${key}`)
    return value
  }
  if (isList(of) && typeof key === 'number') {
    const value = of[key]
    if (value === undefined) throw new EvaluationError(`No such element: ${key}`)
    return value
  }
  throw new EvaluationError(`[] does not read ${typeName(key)} of ${typeName(of)}`)
}

function compileField(field: FieldUse, { reader }: Scope): Part {
  const read = reader(field) as (subject: unknown) => Value
  return { type: FIELDS[field.name], run: ({ subject }) => read(subject) }
}

/** The names that a chain is made of, where it is made of names alone. */
function namesOf(node: Node): readonly string[] | undefined {
  if (node.is === 'name') return [node.name]
  if (node.is !== 'member' && node.is !== 'index') return undefined
  const key = keyOf(node)
  if (key === undefined) return undefined
  const before = namesOf(node.of)
  return before && [...before, key]
}

/** The name of a member, also if it stands in brackets and quotes. */
function keyOf(node: Node): string | undefined {
  if (node.is === 'member') return node.name
  const isText = node.is === 'index' && node.key.is === 'literal'
  return isText && typeof node.key.value === 'string' ? node.key.value : undefined
}

function unknownField(names: readonly string[], { at }: Node): CelError {
  const path = names.join('.')
  const below = fieldBelow(names)
  if (below !== undefined)
    return new CelError(`${path} is no value by itself; name one of its fields, as in ${below}`, at)
  const guess = guessField(path)
  return new CelError(`unknown field ${path}${guess ? ` (did you mean ${guess}?)` : ''}`, at)
}

function compileCall(node: Extract<Node, { is: 'call' }>, scope: Scope): Part {
  const { on, name, args } = node
  const compileArgs = () => args.map((each) => compile(each, scope))
  if (!on) return name === 'has' ? compileHas(node, scope) : callFunction(node, compileArgs())
  const part = compile(on, scope)
  if (!isMacro(name)) return callMethod(node, part, compileArgs())
  const { elements } = scope
  return callMacro(node, part, elements.length, (body, element, type) =>
    compile(body, { ...scope, elements: [...elements, { name: element, type }] }),
  )
}

/** Whether a map has a key. A map that is null, as that of somebody unknown, has none. */
function compileHas({ args, at }: Extract<Node, { is: 'call' }>, scope: Scope): Part {
  const [member] = args
  const key = member && keyOf(member)
  if (key === undefined || args.length > 1 || (member?.is !== 'member' && member?.is !== 'index'))
    throw new CelError('has() takes a member of a map, as in has(kong.ctx.shared.name)', at)
  const names = namesOf(member)
  const isElement = scope.elements.some(({ name }) => name === names?.[0])
  const field = names && !isElement ? findField(names) : undefined
  if (names && field) {
    const broken = badUse(field, names)
    if (broken !== undefined) throw new CelError(broken, at)
    if (field.length === names.length)
      throw new CelError(
        `has() is for the members of maps; a field is compared with null: ${names.join('.')} != null`,
        at,
      )
  }
  const of = compileA('map', member.of, scope, 'has()')
  return {
    type: BOOL,
    run(frame) {
      const map = of.run(frame)
      return isMap(map) && map.has(key)
    },
  }
}

function compileList({ items }: Extract<Node, { is: 'list' }>, scope: Scope): Part {
  const parts = items.map((item) => compile(item, scope))
  const type = parts.reduce<Type>((before, part, i) => {
    const both = common(before, part.type)
    if (!both) throw new CelError('the elements of a list are of one type', items[i]!.at)
    return both
  }, NULL)
  const run = (frame: Frame) => parts.map((part) => part.run(frame))
  if (!items.every(({ is }) => is === 'literal')) return { type: listOf(type), run }
  const constant = run({ subject: undefined, elements: [], work: 0 })
  return { type: listOf(type), run: () => constant }
}

/**
 * `&&` and `||`: as CEL has them, a side that means nothing does not count where the other decides. `deciding` is the
 * value that does.
 */
function compileLogic(
  node: Extract<Node, { is: 'both' | 'either' }>,
  scope: Scope,
  deciding: boolean,
): Part {
  const user = deciding ? '||' : '&&'
  const left = compileA('bool', node.left, scope, user)
  const right = compileA('bool', node.right, scope, user)
  return {
    type: BOOL,
    run(frame) {
      let failure: EvaluationError | undefined
      try {
        if (truth(left.run(frame), user) === deciding) return deciding
      } catch (error) {
        failure = asFailure(error)
      }
      const second = truth(right.run(frame), user)
      if (failure && second !== deciding) throw failure
      return second
    },
  }
}

function compileBinary(node: Extract<Node, { is: 'binary' }>, scope: Scope): Part {
  const { operator, at } = node
  const left = compile(node.left, scope)
  const right = compile(node.right, scope)
  const misfit = () =>
    new CelError(`${operator} does not take ${NAMES[left.type.is]} and ${NAMES[right.type.is]}`, at)
  const both = common(left.type, right.type)
  switch (operator) {
    case '==':
    case '!=': {
      if (!both) throw misfit()
      const wanted = operator === '=='
      return {
        type: BOOL,
        run: (frame) => isEqual(left.run(frame), right.run(frame)) === wanted,
      }
    }
    case 'in': {
      const isIn =
        right.type.is === 'list'
          ? common(left.type, right.type.of) !== undefined
          : isA(right.type, 'map') && isA(left.type, 'string')
      if (!isIn && right.type.is !== 'any') throw misfit()
      return { type: BOOL, run: (frame) => isWithin(frame, left.run(frame), right.run(frame)) }
    }
    case '+': {
      if (!both || !isA(both, 'string')) throw misfit()
      return { type: STRING, run: (frame) => joined(frame, left.run(frame), right.run(frame)) }
    }
    default: {
      if (!both || !(isA(both, 'int') || isA(both, 'string'))) throw misfit()
      const test = ORDERS[operator]
      return {
        type: BOOL,
        run: (frame) => test(order(operator, left.run(frame), right.run(frame))),
      }
    }
  }
}

function isWithin(frame: Frame, value: Value, whole: Value): boolean {
  if (isMap(whole) && typeof value === 'string') return whole.has(value)
  if (!isList(whole))
    throw new EvaluationError(`in does not take ${typeName(value)} and ${typeName(whole)}`)
  charge(frame, whole.length)
  return whole.some((each) => isEqual(each, value))
}

function joined(frame: Frame, left: Value, right: Value): string {
  if (typeof left !== 'string' || typeof right !== 'string')
    throw new EvaluationError(`+ does not take ${typeName(left)} and ${typeName(right)}`)
  charge(frame, 1 + (left.length + right.length) / 32)
  return left + right
}

const ORDERS = {
  '<': (order: number) => order < 0,
  '<=': (order: number) => order <= 0,
  '>': (order: number) => order > 0,
  '>=': (order: number) => order >= 0,
} as const

/** Below 0, 0 or above 0, as the left comes before the right, is equal, or comes behind. */
function order(operator: string, left: Value, right: Value): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string')
    // By characters, which the bytes of UTF-8 are in the order of, and UTF-16 is not.
    return Buffer.compare(Buffer.from(left), Buffer.from(right))
  throw new EvaluationError(`${operator} does not take ${typeName(left)} and ${typeName(right)}`)
}
