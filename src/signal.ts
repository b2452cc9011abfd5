/** Waits for the first of these signals and gives its name. The next one, whichever it is, ends the process again. */
export function firstSignal(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const heard = (signal: NodeJS.Signals) => {
      for (const each of signals) process.off(each, heard)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, heard)
  })
}
