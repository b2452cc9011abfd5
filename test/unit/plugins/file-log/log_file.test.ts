import { expect, test } from 'bun:test'
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LogFile } from '../../../../src/plugins/file-log/log_file.ts'
import { Folder } from '../../../e2e/folder.ts'
import { testGateway } from '../context.ts'

/** A log in a folder of its own; what it says of itself is in `lines`. */
function create(name = 'a.log') {
  const folder = new Folder()
  const { log, lines } = testGateway()
  const path = join(folder.path, name)
  return {
    path,
    lines,
    file: new LogFile(path, log),
    folder,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

test('lines are added to what is there, and the rest is written when it is closed', () => {
  using made = create()
  made.folder.write('a.log', 'before\n')
  made.file.add('one\n', false)
  made.file.add('two\n', false)
  made.file[Symbol.dispose]()
  expect(readFileSync(made.path, 'utf8')).toBe('before\none\ntwo\n')
})

test('a new file can be read by all and written by its owner', () => {
  using made = create()
  made.file.add('one\n', false)
  made.file[Symbol.dispose]()
  expect(statSync(made.path).mode & 0o777).toBe(0o644 & ~process.umask())
})

test.each([
  [true, 1, 1],
  [false, 2, undefined],
])('with reopen %p, a file that is moved away has %i lines', (reopen, moved, anew) => {
  using made = create()
  // Long enough to be written at once.
  const line = `${'x'.repeat(40_000)}\n`
  made.file.add(line, reopen)
  renameSync(made.path, `${made.path}.1`)
  made.file.add(line, reopen)
  made.file[Symbol.dispose]()
  const countIn = (path: string) => readFileSync(path, 'utf8').split('\n').length - 1
  expect(countIn(`${made.path}.1`)).toBe(moved)
  expect(existsSync(made.path) ? countIn(made.path) : undefined).toBe(anew)
})

test('a file that cannot be written is told once, and loses lines instead of requests', () => {
  using made = create('folder/that/is/not/there.log')
  for (let i = 0; i < 3; i++) made.file.add(`${'x'.repeat(40_000)}\n`, false)
  made.file[Symbol.dispose]()
  expect(made.lines).toEqual(['lines of file-log are lost'])
})

test('a pipe that nobody reads is not waited for', () => {
  using made = create('pipe')
  expect(Bun.spawnSync(['mkfifo', made.path]).exitCode).toBe(0)
  made.file.add('one\n', false)
  made.file[Symbol.dispose]()
  expect(made.lines).toEqual(['lines of file-log are lost'])
})
