import { VERSION } from '../version.ts'

/** `gatehouse version` */
export function version(): number {
  process.stdout.write(`gatehouse ${VERSION}\n`)
  return 0
}
