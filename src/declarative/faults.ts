import type { Fault } from '../schema/check.ts'

/** A file of a configuration: its name, as the user knows it, and what it holds. */
export interface SourceFile {
  readonly name: string
  readonly text: string
}

/** A fault and the file that has it; line and column count from 1 and are absent where there is no one place. */
export interface LocatedFault {
  readonly file: string
  readonly line?: number | undefined
  readonly column?: number | undefined
  /** As in `services[0].plugins[0].config.client_id`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  /** What to do. Lines after the first are shown below the fault. */
  readonly hint?: string | undefined
}

/** Nobody reads more; a file of another kind would have as many as it has lines. */
const MAX_PRINTED = 1000
const MAX_LENGTH = 400

/** All faults as text for people, one a line: where, what, what to do. */
export function printFaults(faults: readonly LocatedFault[]): string {
  const lines = faults.slice(0, MAX_PRINTED).map(printFault)
  if (faults.length > MAX_PRINTED) lines.push(`… and ${faults.length - MAX_PRINTED} more faults`)
  return lines.join('\n')
}

/** One fault as text: a line, and below it what to type. */
function printFault({ file, line, column, path, message, hint }: LocatedFault): string {
  const place = [file, line, column].filter((each) => each !== undefined).join(':')
  const [advice, ...below] = (hint ?? '').split('\n')
  const what = `${path === '' ? '' : ` ${path}`}: ${message}${advice ? `; ${advice}` : ''}`
  const first = printable(place + what)
  return [first, ...below.map((each) => `  ${printable(each)}`)].join('\n')
}

/** A path as one writes it in JavaScript, which is how people read it. */
export function printPath(path: Fault['path']): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    if (/^[\w-]+$/.test(key)) return text === '' ? key : `${text}.${key}`
    return `${text}[${JSON.stringify(key)}]`
  }, '')
}

// What stands in a file may hold escape sequences of a terminal, or be long.
function printable(text: string): string {
  const clean = text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    '�',
  )
  return clean.length > MAX_LENGTH ? `${clean.slice(0, MAX_LENGTH)}…` : clean
}
