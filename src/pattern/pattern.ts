import { Automaton } from './automaton.ts'
import { type Dialect, parsePattern } from './parse.ts'
import { type Program, programOf } from './program.ts'
import { type Places, ThreadRunner } from './threads.ts'
import { isAnchored, literalPrefix, type Tree } from './tree.ts'

export { type Dialect, PatternError } from './parse.ts'

/** What the groups of a regex matched: by number, 0 being the whole, and by name. Those that took no part are left out. */
export type Captures = Readonly<Record<string, string>>

const START: Tree = { is: 'assertion', assertion: 'textStart' }

const PRINTABLE = /^[\x20-\x7e]*$/

/** A regular expression that takes time by the length of the text and no more, whatever the text. */
export class Pattern {
  /** Whether a match can only begin where the text does. */
  readonly anchored: boolean
  /** The characters that every match begins with. */
  readonly literalPrefix: string
  readonly #names: readonly (string | undefined)[]
  readonly #program: Program
  #automaton: Automaton | undefined
  #runner: ThreadRunner | undefined

  /**
   * Throws a `PatternError` for what cannot be read, or not with Kong's meaning. `bound` says that it is the beginning of
   * a text that is to match, whatever the regex asks for.
   */
  constructor(source: string, dialect: Dialect = 'rust', bound = false) {
    const { tree: written, groups } = parsePattern(source, dialect)
    const tree: Tree = bound ? { is: 'sequence', parts: [START, written] } : written
    this.anchored = isAnchored(tree)
    this.literalPrefix = literalPrefix(tree)
    this.#names = groups
    this.#program = programOf(tree, groups.length, dialect)
  }

  /** How many groups it has. */
  get groups(): number {
    return this.#names.length
  }

  test(text: string): boolean {
    const end = this.#findEnd(text)
    return end === undefined ? this.#findPlaces(text, 0) !== undefined : end >= 0
  }

  /** What the leftmost match matched. */
  match(text: string): string | undefined {
    const found = this.#findEnd(text)
    if (found !== undefined && found < 0) return undefined
    if (found !== undefined && this.anchored) return text.slice(0, found)
    const [start, end] = this.#findPlaces(text, 2) ?? []
    return start === undefined ? undefined : text.slice(start, end)
  }

  captures(text: string): Captures | undefined {
    const places = this.#findPlaces(text, this.#program.slots)
    return places && this.#capturesAt(text, places)
  }

  #capturesAt(text: string, places: Places): Captures {
    const captures: Record<string, string> = {}
    for (let i = 0; 2 * i < places.length; i++) {
      const start = places[2 * i]!
      const end = places[2 * i + 1]!
      if (start < 0 || end < 0) continue
      const captured = text.slice(start, end)
      captures[i] = captured
      const name = this.#names[i - 1]
      if (name !== undefined) captures[name] = captured
    }
    return captures
  }

  /** Where the match ends, -1 if there is none, and nothing where only the threads can tell. */
  #findEnd(text: string): number | undefined {
    if (this.#program.hasWords || !PRINTABLE.test(text)) return undefined
    this.#automaton ??= new Automaton(this.#program)
    return this.#automaton.findEnd(text)
  }

  #findPlaces(text: string, slots: number): Places | undefined {
    this.#runner ??= new ThreadRunner(this.#program)
    return this.#runner.find(text, slots)
  }
}
