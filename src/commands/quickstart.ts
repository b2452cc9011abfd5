import { quickstart } from '../quickstart/index.ts'
import { help } from './help.ts'
import { readOptions } from './usage.ts'

/** `gatehouse quickstart` */
export async function quickstartCommand(args: string[]): Promise<number> {
  const { help: wantsHelp, ...options } = readOptions(args, {
    verify: { type: 'boolean', default: false },
    rotate: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  })
  return wantsHelp ? help() : quickstart(options, process.stdout)
}
