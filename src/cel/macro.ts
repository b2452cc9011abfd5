import { CelError, type Node } from './node.ts'
import { asFailure, charge, type Frame, isA, type Part, truth } from './part.ts'
import { ANY, BOOL, listOf, NAMES, type Type } from './type.ts'
import { EvaluationError, isList, typeName, type Value } from './value.ts'

type Call = Extract<Node, { is: 'call' }>

const MACROS = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])

export function isMacro(name: string): boolean {
  return MACROS.has(name)
}

/**
 * A macro over a list. `compile` compiles what is evaluated for each element, in which the element has a name and, in the
 * frame, the place `slot`. Throws a `CelError`.
 */
export function callMacro(
  { name, args, at }: Call,
  on: Part,
  slot: number,
  compile: (body: Node, element: string, type: Type) => Part,
): Part {
  if (!isA(on.type, 'list'))
    throw new CelError(`${name}() is for lists, and this is ${NAMES[on.type.is]}`, at)
  const [element, first, second] = args
  const most = name === 'map' ? 3 : 2
  if (element?.is !== 'name' || !first || args.length > most)
    throw new CelError(`${name}() takes a name for the elements, and an expression`, at)
  const type = on.type.is === 'list' ? on.type.of : ANY
  const isTest = name !== 'map' || second !== undefined
  const body = compile(first, element.name, type)
  if (isTest && !isA(body.type, 'bool'))
    throw new CelError(`${name}() expects true or false and got ${NAMES[body.type.is]}`, first.at)
  const each = new Elements(name, on, slot, body)
  switch (name) {
    case 'all':
      return { type: BOOL, run: (frame) => each.decide(frame, false) }
    case 'exists':
      return { type: BOOL, run: (frame) => each.decide(frame, true) }
    case 'exists_one':
      return { type: BOOL, run: (frame) => each.filter(frame).length === 1 }
    case 'filter':
      return { type: listOf(type), run: (frame) => each.filter(frame) }
    default: {
      if (!second) return { type: listOf(body.type), run: (frame) => each.map(frame) }
      const made = new Elements(
        name,
        { type: on.type, run: (frame) => each.filter(frame) },
        slot,
        compile(second, element.name, type),
      )
      return { type: listOf(made.body.type), run: (frame) => made.map(frame) }
    }
  }
}

class Elements {
  readonly body: Part
  readonly #name: string
  readonly #list: Part
  readonly #slot: number

  constructor(name: string, list: Part, slot: number, body: Part) {
    this.#name = name
    this.#list = list
    this.#slot = slot
    this.body = body
  }

  /** Whether the body is `deciding` for one element. As in `||`, one that it means nothing for does not count then. */
  decide(frame: Frame, deciding: boolean): boolean {
    let failure: EvaluationError | undefined
    for (const element of this.#elements(frame)) {
      try {
        if (truth(this.#bodyFor(frame, element), this.#name) === deciding) return deciding
      } catch (error) {
        failure ??= asFailure(error)
      }
    }
    if (failure) throw failure
    return !deciding
  }

  filter(frame: Frame): readonly Value[] {
    return this.#elements(frame).filter((each) => truth(this.#bodyFor(frame, each), this.#name))
  }

  map(frame: Frame): readonly Value[] {
    return this.#elements(frame).map((each) => this.#bodyFor(frame, each))
  }

  #bodyFor(frame: Frame, element: Value): Value {
    charge(frame, 1)
    frame.elements[this.#slot] = element
    return this.body.run(frame)
  }

  #elements(frame: Frame): readonly Value[] {
    const list = this.#list.run(frame)
    if (isList(list)) return list
    throw new EvaluationError(`${this.#name}() expects a list and got ${typeName(list)}`)
  }
}
