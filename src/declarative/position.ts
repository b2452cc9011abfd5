/** A place in a file, for people: both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** The lines of a text, to tell where an offset is. */
export class Lines {
  readonly #starts: readonly number[]

  constructor(text: string) {
    const starts = [0]
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    this.#starts = starts
  }

  positionOf(offset: number): Position {
    const line = findFloor(this.#starts, offset)
    return { line: line + 1, column: offset - this.#starts[line]! + 1 }
  }
}

/** The index of the last number that is not above `value`, in `sorted`, whose first is not. */
export function findFloor(sorted: readonly number[], value: number): number {
  let low = 0
  for (let high = sorted.length; high - low > 1;) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle
    else high = middle
  }
  return low
}
