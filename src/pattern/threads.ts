import { isIn } from './charset.ts'
import type { Program, Step } from './program.ts'
import type { Assertion } from './tree.ts'

/** Where the match and its groups begin and end, two places each; -1 for a group that took no part. */
export type Places = readonly number[]

/** The steps where the threads stand, in the order of preference, and what each has noted. */
interface Threads {
  readonly steps: Int32Array
  readonly places: Places[]
  count: number
}

/**
 * Looks for a match, all ways at once, in the order of preference: a step is tried once for each character at most, so
 * the time is the length of the text times that of the program, whatever both are. Only the first `slots` places are
 * noted: 2 are the match itself, and with 0 there is nothing to copy.
 */
export class ThreadRunner {
  readonly #steps: readonly Step[]
  readonly #seen: Int32Array
  /** Where `#follow` is still to go. */
  readonly #waiting: Threads
  #slots = 0
  #now: Threads
  #next: Threads

  constructor({ steps }: Program) {
    this.#steps = steps
    this.#seen = new Int32Array(steps.length)
    this.#waiting = threadsFor(steps.length)
    this.#now = threadsFor(steps.length)
    this.#next = threadsFor(steps.length)
  }

  find(text: string, slots: number): Places | undefined {
    let found: Places | undefined
    this.#slots = slots
    this.#seen.fill(-1)
    this.#now.count = 0
    this.#follow(text, 0, 0, new Array<number>(slots).fill(-1), this.#now)
    for (let at = 0; this.#now.count > 0;) {
      const now = this.#now
      const next = this.#next
      next.count = 0
      const code = text.codePointAt(at)
      const width = code !== undefined && code > 0xffff ? 2 : 1
      for (let i = 0; i < now.count; i++) {
        const step = this.#steps[now.steps[i]!]!
        if (step.is === 'match') {
          found = now.places[i]
          // What is left of the list is preferred less.
          break
        }
        if (step.is === 'char' && code !== undefined && isIn(step.set, code))
          this.#follow(text, at + width, step.next, now.places[i]!, next)
      }
      this.#now = next
      this.#next = now
      at += width
    }
    return found
  }

  /** Adds to `threads` where a thread stands at the place `at` once it has done all that reads no character. */
  #follow(text: string, at: number, start: number, places: Places, threads: Threads): void {
    const waiting = this.#waiting
    waiting.count = 0
    add(waiting, start, places)
    while (waiting.count > 0) {
      waiting.count--
      let number = waiting.steps[waiting.count]!
      let noted = waiting.places[waiting.count]!
      while (this.#seen[number] !== at) {
        this.#seen[number] = at
        const step = this.#steps[number]!
        if (step.is === 'fork') {
          add(waiting, step.second, noted)
          number = step.first
        } else if (step.is === 'save') {
          if (step.slot < this.#slots) noted = noted.with(step.slot, at)
          number = step.next
        } else if (step.is === 'assertion') {
          if (!holds(step.assertion, text, at)) break
          number = step.next
        } else {
          add(threads, number, noted)
          break
        }
      }
    }
  }
}

function threadsFor(steps: number): Threads {
  return { steps: new Int32Array(steps), places: [], count: 0 }
}

function add(threads: Threads, step: number, places: Places): void {
  threads.steps[threads.count] = step
  threads.places[threads.count] = places
  threads.count++
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
