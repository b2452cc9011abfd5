import { check } from './commands/check.ts'
import { health } from './commands/health.ts'
import { help } from './commands/help.ts'
import { start } from './commands/start.ts'
import { Usage } from './commands/usage.ts'
import { version } from './commands/version.ts'
import { nearest } from './schema/nearest.ts'

/** The executable's verbs. Each takes the words after it and gives the exit status. */
const COMMANDS: Readonly<Record<string, (args: string[]) => number | Promise<number>>> = {
  start,
  quickstart: async (args) => (await import('./commands/quickstart.ts')).quickstartCommand(args),
  check,
  explain: async (args) => (await import('./commands/explain.ts')).explain(args),
  health,
  version,
  help,
  '--help': help,
  '-h': help,
  '--version': version,
  '-v': version,
}

async function main([name = '--help', ...args]: string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  // Behind `--` stand the words of another program.
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (command) return command(own.includes('--help') || own.includes('-h') ? ['--help'] : args)
  const near = nearest(
    name,
    Object.keys(COMMANDS).filter((each) => !each.startsWith('-')),
  )
  throw new Usage(`unknown command "${name}"${near ? `; did you mean "${near}"?` : ''}`)
}

// What a command has to say cannot be said. A reader that has left, as `head` does, needs no word about it.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') process.stderr.write(`gatehouse: the output cannot be written (${code})\n`)
  process.exit(1)
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Usage)) throw error
  process.stderr.write(`gatehouse: ${error.message}\nSee: gatehouse --help\n`)
  process.exitCode = 2
}
