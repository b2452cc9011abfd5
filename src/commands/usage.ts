import { parseArgs, type ParseArgsConfig } from 'node:util'

/** Thrown for words on the command line that make no sense: one sentence for the user, exit status 2. */
export class Usage extends Error {
  override readonly name = 'Usage'
}

/** The options of a command, as `parseArgs` of Node describes them. Throws `Usage`. */
export function readOptions<const T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new Usage((error as Error).message.split('. ')[0]!)
  }
}

/** The same for a command that takes words beside its options. Throws `Usage`. */
export function readWords<const T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true })
  } catch (error) {
    throw new Usage((error as Error).message.split('. ')[0]!)
  }
}
