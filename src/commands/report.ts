import { type LocatedFault, printFaults } from '../declarative/faults.ts'

/** Says every fault on standard error; gives the exit status. */
export function reportFaults(faults: readonly LocatedFault[]): number {
  process.stderr.write(`${printFaults(faults)}\n`)
  return 1
}

/** Says on standard error why nothing could be done, and what to do; gives the exit status. */
export function reportError(message: string): number {
  process.stderr.write(`gatehouse: ${message}\n`)
  return 1
}
