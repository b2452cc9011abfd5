/** Waits for the first of these signals, which then no longer ends the process by itself, and gives its name. */
export function firstSignal(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal))
  })
}
