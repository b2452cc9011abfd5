import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findSecrets } from '../../src/kept_secret.ts'
import type { Log } from '../../src/pdk.ts'

let prefix = ''
let lines: string[] = []
const write = (message: string) => void lines.push(message)
const log: Log = { debug: write, info: write, notice: write, warn: write, error: write }
const find = () => findSecrets('session', { prefix, log })
const file = () => join(prefix, '.gatehouse-session-secret')

beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), 'secret-'))
  lines = []
})
afterEach(() => rmSync(prefix, { recursive: true, force: true }))

test('a secret is made once, and only its owner can read it', () => {
  const [secret, ...others] = find()
  expect(Buffer.from(secret!, 'base64url')).toHaveLength(32)
  expect(others).toEqual([])
  expect(find()).toEqual([secret!])
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  expect(readdirSync(prefix)).toEqual(['.gatehouse-session-secret'])
  expect(lines).toEqual(['a secret was made: session'])
})

test('a line that is put before it takes its place, and the old one still opens', () => {
  const [old] = find()
  const fresh = 'f'.repeat(43)
  writeFileSync(file(), `# since this morning\n${fresh}\n${old}\n`)
  expect(find()).toEqual([fresh, old!])
})

test('processes that start at once have the same one', async () => {
  const script = `import { findSecrets } from ${JSON.stringify(join(import.meta.dir, '../../src/kept_secret.ts'))}
    const write = () => {}
    const log = { debug: write, info: write, notice: write, warn: write, error: write }
    console.log(findSecrets('session', { prefix: ${JSON.stringify(prefix)}, log }).join())`
  const all = Array.from({ length: 4 }, () =>
    Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' }),
  )
  const texts = await Promise.all(all.map(({ stdout }) => new Response(stdout).text()))
  expect(new Set(texts.map((text) => text.trim()))).toEqual(
    new Set([readFileSync(file(), 'utf8').trim()]),
  )
})

test('who else may read it is said', () => {
  find()
  chmodSync(file(), 0o644)
  find()
  expect(lines.at(-1)).toBe('a secret can be read by others: session')
})

test('where nothing can be kept there is one for this process, and the log says so', () => {
  prefix = join(prefix, 'not there')
  const [first] = find()
  expect(first).toHaveLength(43)
  expect(find()).not.toEqual([first!])
  expect(lines[0]).toBe('a secret cannot be kept, and is another one after each start: session')
  expect(findSecrets('session', { log })).toHaveLength(1)
})

test('a file without a secret is not taken for one', () => {
  writeFileSync(file(), 'short\n')
  expect(find()[0]).toHaveLength(43)
  expect(lines[0]).toContain('cannot be kept')
})
