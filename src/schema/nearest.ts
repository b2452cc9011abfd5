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

/** Levenshtein's distance, in one row. */
function distance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    let corner = row[0]!
    row[0] = i
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!
      row[j] = a[i - 1] === b[j - 1] ? corner : 1 + Math.min(corner, above, row[j - 1]!)
      corner = above
    }
  }
  return row[b.length]!
}
