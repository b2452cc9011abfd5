import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logWriter } from '../../../src/commands/log_writer.ts'
import { until } from '../../e2e/until.ts'

let folder: string
let pipe: string
let reader: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'))
  pipe = join(folder, 'pipe')
  Bun.spawnSync(['mkfifo', pipe])
  // For both directions, so that opening it does not wait for a writer.
  reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
})
afterEach(() => {
  closeSync(reader)
  rmSync(folder, { recursive: true })
})

/** What stands in the pipe now. */
function read(): string {
  const bytes = Buffer.alloc(1024 * 1024)
  try {
    return bytes.toString('utf8', 0, readSync(reader, bytes))
  } catch {
    return ''
  }
}

/** Writes past a limit of 1024 bytes, makes room, and writes again. */
const FILLER = `
import { truncateSync } from 'node:fs'
import { logWriter } from '${join(import.meta.dir, '../../../src/commands/log_writer.ts')}'
const path = process.argv.at(-1)
const { write } = logWriter(path, 'KONG_PROXY_ACCESS_LOG')
for (const letter of 'abc') write(letter.repeat(599) + '\\n')
truncateSync(path, 602)
write('last\\n')
`

/** Writes four megabytes in numbered lines, says so, and then waits to be told to end. */
const WRITER = `
import { logWriter } from '${join(import.meta.dir, '../../../src/commands/log_writer.ts')}'
const { write } = logWriter(process.argv.at(-1), 'KONG_PROXY_ACCESS_LOG')
for (let i = 0; i < 4000; i++) write(\`\${i} \${'x'.repeat(1000)}\\n\`)
process.stderr.write('written')
process.stdin.on('data', () => { write('last\\n'); process.exit(0) })
`

test.each(['/dev/stdout', 'a path'])(
  'a reader of %s that stalls stops nobody, and learns what it missed',
  async (place) => {
    await using writer = Bun.spawn(
      [process.execPath, '-e', WRITER, place === 'a path' ? pipe : place],
      { stdin: 'pipe', stdout: openSync(pipe, 'w'), stderr: 'pipe' },
    )
    const said = await Promise.race([
      new Response(writer.stderr).body!.getReader().read(),
      Bun.sleep(4000),
    ])
    expect(said && Buffer.from(said.value ?? []).toString()).toBe('written')
    let text = ''
    await until('the note of what is missing', () => (text += read()).includes('missing here'))
    const lines = text.split('\n').slice(0, -1)
    const [note = '', ...whole] = [lines.pop(), ...lines]
    expect(whole.every((line, i) => line === `${i} ${'x'.repeat(1000)}`)).toBe(true)
    expect(note).toBe(`${4000 - whole.length} lines are missing here: nobody read the log`)
    expect(whole.length).toBeGreaterThan(1000)
    writer.stdin.write('end')
    writer.stdin.flush()
    await writer.exited
    expect(read()).toBe('last\n')
  },
)

test('a log that was moved away goes on in a new file; where there can be none, in the old one', () => {
  const [path, moved] = [join(folder, 'access.log'), join(folder, 'access.log.1')]
  const log = logWriter(path, 'KONG_PROXY_ACCESS_LOG')!
  log.write('first\n')
  renameSync(path, moved)
  log.write('second\n')
  log.reopen()
  log.write('third\n')
  expect([moved, path].map((each) => readFileSync(each, 'utf8'))).toEqual([
    'first\nsecond\n',
    'third\n',
  ])
  rmSync(moved)
  renameSync(path, moved)
  mkdirSync(path)
  expect(() => log.reopen()).toThrow(`${path}: the log cannot be written (EISDIR)`)
  log.write('fourth\n')
  expect(readFileSync(moved, 'utf8')).toBe('third\nfourth\n')
})

test('standard output stays what it is', () => {
  expect(() => logWriter('/dev/stdout', 'KONG_PROXY_ACCESS_LOG')!.reopen()).not.toThrow()
})

test('lines that a full disk took away are counted where they are missing', () => {
  const path = join(folder, 'access.log')
  symlinkSync('/dev/full', path)
  const log = logWriter(path, 'KONG_PROXY_ACCESS_LOG')!
  log.write('first\nsecond\n')
  log.write('third\n')
  rmSync(path)
  log.reopen()
  log.write('fourth\n')
  log.write('fifth\n')
  expect(readFileSync(path, 'utf8')).toBe(
    '3 lines are missing here: the log could not be written\nfourth\nfifth\n',
  )
})

test('a line that a full disk cut does not run into the next', async () => {
  const path = join(folder, 'access.log')
  const script = `trap '' XFSZ; ulimit -f 1; exec "$@"`
  const words = ['bash', '-c', script, 'bash', process.execPath, '-e', FILLER, path]
  expect(Bun.spawnSync(words).exitCode).toBe(0)
  expect(readFileSync(path, 'utf8')).toBe(
    `${'a'.repeat(599)}\nbb\n2 lines are missing here: the log could not be written\nlast\n`,
  )
})
