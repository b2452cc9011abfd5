import { VERSION } from '../version.ts'
import { help } from './help.ts'
import { readOptions } from './usage.ts'

/** `gatehouse version` */
export function version(args: string[]): number {
  if (readOptions(args, { help: { type: 'boolean' } }).help) return help()
  process.stdout.write(`gatehouse ${VERSION}\n`)
  return 0
}
