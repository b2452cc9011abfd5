import { isIn } from './charset.ts'
import type { Program } from './program.ts'
import type { Assertion } from './tree.ts'

/** Where the match and its groups begin and end, two places each; -1 for a group that took no part. */
export type Places = readonly number[]

interface Thread {
  readonly step: number
  readonly places: Places
}

/**
 * Looks for a match, all ways at once, in the order of preference: a step is tried once for each character at most, so
 * the time is the length of the text times that of the program, whatever both are.
 */
export function findPlaces(program: Program, text: string): Places | undefined {
  const { steps } = program
  const seen = new Int32Array(steps.length).fill(-1)
  const nowhere: Places = new Array<number>(program.slots).fill(-1)
  let found: Places | undefined
  let threads: Thread[] = []
  follow(program, text, 0, { step: 0, places: nowhere }, seen, threads)
  for (let at = 0; threads.length > 0;) {
    const code = text.codePointAt(at)
    const width = code !== undefined && code > 0xffff ? 2 : 1
    const next: Thread[] = []
    for (const { step: number, places } of threads) {
      const step = steps[number]!
      if (step.is === 'match') {
        found = places
        // What is left of the list is preferred less.
        break
      }
      if (step.is === 'char' && code !== undefined && isIn(step.set, code))
        follow(program, text, at + width, { step: step.next, places }, seen, next)
    }
    threads = next
    at += width
  }
  return found
}

/** Adds to `threads` where a thread stands at the place `at` once it has done all that reads no character. */
function follow(
  { steps }: Program,
  text: string,
  at: number,
  thread: Thread,
  seen: Int32Array,
  threads: Thread[],
): void {
  const waiting = [thread]
  for (let current = waiting.pop(); current; current = waiting.pop()) {
    const { step: number, places } = current
    if (seen[number] === at) continue
    seen[number] = at
    const step = steps[number]!
    if (step.is === 'fork') {
      waiting.push({ step: step.second, places }, { step: step.first, places })
    } else if (step.is === 'save') {
      const saved = places.slice()
      saved[step.slot] = at
      waiting.push({ step: step.next, places: saved })
    } else if (step.is === 'assertion') {
      if (holds(step.assertion, text, at)) waiting.push({ step: step.next, places })
    } else threads.push(current)
  }
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  switch (assertion) {
    case 'textStart':
      return at === 0
    case 'textEnd':
      return at === text.length
    case 'textEndOrBreak':
      return at === text.length || (at === text.length - 1 && text[at] === '\n')
    case 'lineStart':
      return at === 0 || text[at - 1] === '\n'
    case 'lineEnd':
      return at === text.length || text[at] === '\n'
    case 'word':
      return isWord(text, at - 1) !== isWord(text, at)
    case 'noWord':
      return isWord(text, at - 1) === isWord(text, at)
  }
}

const WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/v

/** Whether the character that the place is in, or begins, is part of a word. */
function isWord(text: string, at: number): boolean {
  const low = text.charCodeAt(at)
  const start = low >= 0xdc00 && low <= 0xdfff ? at - 1 : at
  return (
    start >= 0 && start < text.length && WORD.test(String.fromCodePoint(text.codePointAt(start)!))
  )
}
