import type { CharSet } from './charset.ts'
import { type Dialect, PatternError } from './parse.ts'
import { type Assertion, canBeEmpty, isAnchored, type Tree } from './tree.ts'

/** A step of a program; `next` is the number of the step behind it. */
export type Step =
  | { readonly is: 'char'; readonly set: CharSet; next: number }
  /** Two ways; the first is preferred. */
  | { readonly is: 'fork'; first: number; second: number }
  | { readonly is: 'save'; readonly slot: number; next: number }
  | { readonly is: 'assertion'; readonly assertion: Assertion; next: number }
  | { readonly is: 'match' }

/** A regex as the steps that look for it, the first at 0. */
export interface Program {
  readonly steps: readonly Step[]
  /** Places of the text that a match remembers: two for itself, two for each group. */
  readonly slots: number
  readonly anchored: boolean
  /** Whether it asks for the ends of words. */
  readonly hasWords: boolean
}

/**
 * How large a program may be, in steps: a character costs the time of as many, some hundredths of a microsecond each,
 * and `{1000}` in `{1000}` has no end otherwise. Of bytes there are more than of characters, and no regex is refused for
 * them alone.
 */
const MOST_STEPS: Readonly<Record<Dialect, number>> = { rust: 2500, pcre: 12_500 }

/** A group's place is noted by a copy of all places, as many of which take the time of a step. */
const PLACES_IN_A_STEP = 16

/** Writes the program of a regex, which finds its leftmost match (of those, the one that Perl would). */
export function programOf(tree: Tree, groups: number, dialect: Dialect): Program {
  const slots = 2 * (groups + 1)
  const writer = new Writer(slots, MOST_STEPS[dialect])
  const anchored = isAnchored(tree)
  if (!anchored) writer.skipText()
  writer.write({ is: 'group', part: tree, number: 0, name: undefined })
  writer.add({ is: 'match' })
  return {
    steps: writer.steps,
    slots,
    anchored,
    hasWords: writer.steps.some(
      (step) =>
        step.is === 'assertion' && (step.assertion === 'word' || step.assertion === 'noWord'),
    ),
  }
}

class Writer {
  readonly steps: Step[] = []
  readonly #saveSize: number
  #room: number

  /** Throws a `PatternError` when what is written has more than `most` steps. */
  constructor(slots: number, most: number) {
    this.#saveSize = 1 + slots / PLACES_IN_A_STEP
    this.#room = most
  }

  get #end(): number {
    return this.steps.length
  }

  add<S extends Step>(step: S): S {
    this.#room -= step.is === 'save' ? this.#saveSize : 1
    if (this.#room < 0) throw new PatternError('the pattern is too large')
    this.steps.push(step)
    return step
  }

  /** Any text in front of the match, the least possible. */
  skipText(): void {
    this.add({ is: 'fork', first: 2, second: 1 })
    this.add({ is: 'char', set: ANY, next: 0 })
  }

  write(tree: Tree): void {
    switch (tree.is) {
      case 'set':
        this.add({ is: 'char', set: tree.set, next: this.#end + 1 })
        return
      case 'assertion':
        this.add({ is: 'assertion', assertion: tree.assertion, next: this.#end + 1 })
        return
      case 'sequence':
        for (const part of tree.parts) this.write(part)
        return
      case 'choice':
        return this.#choice(tree.parts)
      case 'repeat':
        return this.#repeat(tree)
      case 'group':
        this.add({ is: 'save', slot: 2 * tree.number, next: this.#end + 1 })
        this.write(tree.part)
        this.add({ is: 'save', slot: 2 * tree.number + 1, next: this.#end + 1 })
    }
  }

  #choice(parts: readonly Tree[]): void {
    // A fork that leads to one place both ways is how a step jumps.
    const jumps: { first: number; second: number }[] = []
    for (const [i, part] of parts.entries()) {
      if (i === parts.length - 1) {
        this.write(part)
        break
      }
      const fork = this.add({ is: 'fork', first: this.#end + 1, second: 0 })
      this.write(part)
      jumps.push(this.add({ is: 'fork', first: 0, second: 0 }))
      fork.second = this.#end
    }
    for (const jump of jumps) jump.first = jump.second = this.#end
  }

  #repeat({ part, min, max, greedy }: Extract<Tree, { is: 'repeat' }>): void {
    for (let i = 0; i < min; i++) this.write(part)
    if (max === Infinity)
      return min > 0 && !canBeEmpty(part) ? this.#more(part, greedy) : this.#any(part, greedy)
    const forks = []
    for (let i = min; i < max; i++) {
      forks.push(this.#fork(greedy))
      this.write(part)
    }
    for (const leave of forks) leave(this.#end)
  }

  /** `x*`. Where `x` may be empty it is `(x+)?`, as in Rust: a round that reads nothing ends the loop, and counts. */
  #any(part: Tree, greedy: boolean): void {
    if (!canBeEmpty(part)) return this.#more(part, greedy)
    const leave = this.#fork(greedy)
    const start = this.#end
    this.write(part)
    const leaveLoop = this.#fork(greedy, start)
    leaveLoop(this.#end)
    leave(this.#end)
  }

  #more(part: Tree, greedy: boolean): void {
    const start = this.#end
    const leave = this.#fork(greedy)
    this.write(part)
    this.add({ is: 'fork', first: start, second: start })
    leave(this.#end)
  }

  /** A fork that goes on, to the next step or to `start`, or leaves; gives the function that says where to. */
  #fork(greedy: boolean, start = this.#end + 1): (target: number) => void {
    const fork = this.add({ is: 'fork', first: start, second: start })
    return (target) => {
      if (greedy) fork.second = target
      else fork.first = target
    }
  }
}

const ANY: CharSet = {
  ascii: new Uint8Array(128).fill(1),
  hasOther: () => true,
  single: undefined,
}
