/** Numbers below a bound, the same at each run for one seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    // The generator of Numerical Recipes; its high bits are the good ones.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
