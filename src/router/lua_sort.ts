/**
 * Sorts as Lua's `table.sort` does. It is not stable, but always leaves equals in the same order: which route Kong takes
 * of several that are equal in all depends on it.
 */
export function luaSort<E>(list: readonly E[], isLess: (a: E, b: E) => boolean): E[] {
  const sorted = list.slice()
  sortPart(sorted, isLess, 0, sorted.length - 1)
  return sorted
}

/** Quicksort with the median of three as its pivot, and recursion for the smaller part only. */
function sortPart<E>(list: E[], isLess: (a: E, b: E) => boolean, from: number, to: number): void {
  let low = from
  let high = to
  const less = (a: number, b: number) => isLess(list[a]!, list[b]!)
  while (low < high) {
    if (less(high, low)) swap(list, low, high)
    if (high - low === 1) return
    // Lua counts from 1: the middle of an even number is the lower one there.
    const middle = Math.floor((low + high + 2) / 2) - 1
    if (less(middle, low)) swap(list, middle, low)
    else if (less(high, middle)) swap(list, middle, high)
    if (high - low === 2) return
    const pivot = list[middle]!
    swap(list, middle, high - 1)
    let up = low
    let down = high - 1
    for (;;) {
      do up++
      while (isLess(list[up]!, pivot))
      do down--
      while (isLess(pivot, list[down]!))
      if (down < up) break
      swap(list, up, down)
    }
    swap(list, high - 1, up)
    if (up - low < high - up) {
      sortPart(list, isLess, low, up - 1)
      low = up + 1
    } else {
      sortPart(list, isLess, up + 1, high)
      high = up - 1
    }
  }
}

function swap<E>(list: E[], a: number, b: number): void {
  const kept = list[a]!
  list[a] = list[b]!
  list[b] = kept
}
