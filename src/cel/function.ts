import { Pattern, PatternError } from '../pattern/pattern.ts'
import { CelError, type Node } from './node.ts'
import { charge, type Frame, isA, type Part } from './part.ts'
import { BOOL, INT, NAMES } from './type.ts'
import { EvaluationError, isList, isMap, typeName, type Value } from './value.ts'

type Call = Extract<Node, { is: 'call' }>

/** What Kong documents, `matches()` apart, which is prepared. */
const TESTS: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  contains: (text, part) => text.includes(part),
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
}

/** A function that stands by itself. Throws a `CelError` for one that there is not. */
export function callFunction(node: Call, args: readonly Part[]): Part {
  if (node.name === 'size') return size(node, args)
  if (node.name === 'default')
    throw new CelError('default() stands around the whole expression and nowhere else', node.at)
  throw new CelError(`unknown function ${node.name}()`, node.at)
}

/** A function behind a dot, for what stands before it. Throws a `CelError` for one that there is not. */
export function callMethod(node: Call, on: Part, args: readonly Part[]): Part {
  const { name, at } = node
  if (name === 'size' && args.length === 0) return size(node, [on])
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined
  if (!test && name !== 'matches') throw new CelError(`unknown function ${name}()`, at)
  if (!isA(on.type, 'string'))
    throw new CelError(`${name}() is for texts, and this is ${NAMES[on.type.is]}`, at)
  const [part] = args
  if (!part || args.length > 1 || !isA(part.type, 'string'))
    throw new CelError(`${name}() takes one text`, at)
  if (!test) return matches(node, on)
  return {
    type: BOOL,
    run(frame) {
      const text = textOf(frame, on.run(frame), name)
      return test(text, textOf(frame, part.run(frame), name))
    },
  }
}

/** The pattern is one of the file, never of a request: so that it is known to be one, and is made once. */
function matches({ args, at, name }: Call, on: Part): Part {
  const [source] = args
  if (source?.is !== 'literal' || typeof source.value !== 'string')
    throw new CelError('matches() takes a regex in quotes', at)
  const pattern = patternOf(source.value, source.at)
  return {
    type: BOOL,
    run(frame) {
      const text = textOf(frame, on.run(frame), name)
      charge(frame, text.length / 4)
      return pattern.test(text)
    },
  }
}

function patternOf(source: string, at: number): Pattern {
  try {
    return new Pattern(source)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    throw new CelError(`invalid regex: '${source}' (${error.message})`, at)
  }
}

function size({ at }: Call, args: readonly Part[]): Part {
  const [of] = args
  if (!of || args.length > 1) throw new CelError('size() takes one text or one list', at)
  if (!['string', 'list', 'map', 'any'].includes(of.type.is))
    throw new CelError(`size() is for texts and lists, and this is ${NAMES[of.type.is]}`, at)
  return { type: INT, run: (frame) => sizeOf(frame, of.run(frame)) }
}

function sizeOf(frame: Frame, value: Value): number {
  if (isList(value)) return value.length
  if (isMap(value)) return value.size
  let characters = 0
  for (const _ of textOf(frame, value, 'size')) characters++
  return characters
}

function textOf(frame: Frame, value: Value, user: string): string {
  if (typeof value !== 'string')
    throw new EvaluationError(`${user}() expects a text and got ${typeName(value)}`)
  charge(frame, 1 + value.length / 32)
  return value
}
