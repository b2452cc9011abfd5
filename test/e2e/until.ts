/** Asks until there is an answer, and gives it; throws after `limit` milliseconds, naming what never came. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  limit = 5_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + limit
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false) return answer
    if (performance.now() > end) throw new Error(`not within ${limit} ms: ${what}`)
    await Bun.sleep(5)
  }
}
