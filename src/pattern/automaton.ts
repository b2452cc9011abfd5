import type { Program, Step } from './program.ts'

/** Where all ways through a program stand after some text; what follows it depends on nothing else. */
interface State {
  /** In the order of preference; steps that read a character, or that wait for the end of the text. */
  readonly steps: readonly number[]
  /** Whether a match ends here. What would be preferred less is not in `steps`. */
  readonly matches: boolean
  /** The same if the text ends here. */
  readonly matchesAtEnd: boolean
  /** The state after each character of ASCII, as far as it is known. */
  readonly next: (State | undefined)[]
}

/** How much is kept, in steps and characters of all states: some patterns have as many states as there are texts. */
const MOST_KEPT = 100_000

/**
 * Finds where the match ends, without its groups, by states that are made when a text first leads to them and then kept.
 * For text of printable ASCII only, so that a line has no end but the text's, and programs that do not ask for words.
 */
export class Automaton {
  readonly #program: Program
  readonly #states = new Map<string, State>()
  readonly #seen: Int32Array
  readonly #start: State
  #round = 0
  #kept = 0

  constructor(program: Program) {
    this.#program = program
    this.#seen = new Int32Array(program.steps.length)
    this.#start = this.#state([0], true)
  }

  /**
   * The end of the leftmost match, the one that Perl would find; -1 if there is none. Nothing if the text leads to more
   * states than are kept: a state costs more to make than all ways do that it stands for.
   */
  findEnd(text: string): number | undefined {
    let state = this.#start
    let end = state.matches ? 0 : -1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      state = state.next[code] ?? this.#step(state, code)
      if (this.#kept > MOST_KEPT) return this.#forget()
      if (state === DEAD) return end
      if (state.matches) end = i + 1
    }
    return state.matchesAtEnd ? text.length : end
  }

  #forget(): undefined {
    this.#states.clear()
    this.#start.next.fill(undefined)
    this.#kept = 0
  }

  #step(state: State, code: number): State {
    const { steps } = this.#program
    const targets: number[] = []
    for (const number of state.steps) {
      const step = steps[number]!
      if (step.is === 'char' && step.set.ascii[code] === 1) targets.push(step.next)
    }
    const next = targets.length === 0 ? DEAD : this.#state(targets, false)
    state.next[code] = next
    return next
  }

  #state(targets: readonly number[], atStart: boolean): State {
    const { steps, matches } = this.#follow(targets, atStart, false)
    const waits = steps.some((number) => isAssertion(this.#program.steps[number]!))
    const key = `${matches} ${steps.join()}`
    const known = atStart ? undefined : this.#states.get(key)
    if (known) return known
    if (steps.length === 0 && !matches) return DEAD
    const state: State = {
      steps,
      matches,
      matchesAtEnd: matches || (waits && this.#follow(steps, atStart, true).matches),
      next: new Array<State | undefined>(128),
    }
    this.#kept += steps.length + state.next.length
    if (!atStart) this.#states.set(key, state)
    return state
  }

  /** Does all that reads no character, in the order of preference, up to a match. */
  #follow(
    targets: readonly number[],
    atStart: boolean,
    atEnd: boolean,
  ): { steps: number[]; matches: boolean } {
    const round = ++this.#round
    const steps: number[] = []
    const waiting = targets.toReversed()
    for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
      if (this.#seen[number] === round) continue
      this.#seen[number] = round
      const step = this.#program.steps[number]!
      if (step.is === 'match') return { steps, matches: true }
      if (step.is === 'fork') waiting.push(step.second, step.first)
      else if (step.is === 'save') waiting.push(step.next)
      else if (step.is === 'char') steps.push(number)
      else if (step.assertion === 'textStart' || step.assertion === 'lineStart') {
        if (atStart) waiting.push(step.next)
      } else if (atEnd) waiting.push(step.next)
      else steps.push(number)
    }
    return { steps, matches: false }
  }
}

function isAssertion(step: Step): boolean {
  return step.is === 'assertion'
}

const DEAD: State = { steps: [], matches: false, matchesAtEnd: false, next: [] }
