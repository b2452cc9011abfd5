/** The name that `name` was probably meant to be: at most two edits away (one for short names), or nothing. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const limit = name.length <= 4 ? 1 : name.length <= 12 ? 2 : 3
  let best: string | undefined
  let least = limit + 1
  for (const each of names) {
    if (Math.abs(each.length - name.length) >= least) continue
    const edits = distance(name, each)
    if (edits < least) [best, least] = [each, edits]
  }
  return best
}

/** Levenshtein's distance, in which two letters that changed places are one edit (optimal string alignment). */
function distance(a: string, b: string): number {
  let above: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const [twoAbove, last] = [above, row]
    above = last
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      row[j] = same ? last[j - 1]! : 1 + Math.min(last[j - 1]!, last[j]!, row[j - 1]!)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, twoAbove[j - 2]! + 1)
    }
  }
  return row[b.length]!
}
