import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfiguration } from '../../../src/commands/configuration.ts'
import { readSources } from '../../../src/commands/sources.ts'

const canLimit = Bun.which('prlimit') !== null
if (!canLimit)
  console.log('skipped: a file without an end, since there is no prlimit to bound its reader')

const LIMIT = 64 * 1024 * 1024

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sources-'))))
afterEach(() => rmSync(folder, { recursive: true }))

test('a text of several chunks is read as a whole, also where a character is on two', () => {
  const name = join(folder, 'kong.yaml')
  const text = `# ${'ä'.repeat(300_000)}\n`
  writeFileSync(name, text)
  expect(readSources([name])).toEqual([{ name, text }])
})

test('a file that is named on its own and by its folder is read once', () => {
  const [a, b] = [join(folder, 'a.yaml'), join(folder, 'b.yaml')]
  for (const name of [a, b]) writeFileSync(name, name)
  const named = [folder, a, join(folder, '.', 'b.yaml'), a]
  expect(readSources(named).map(({ name }) => name)).toEqual([a, b])
})

test('a file that each of two words names is read once, and no settings are read as a declaration', () => {
  const [file, link, conf] = ['kong.yaml', 'link.yaml', 'kong.conf'].map((name) =>
    join(folder, name),
  )
  writeFileSync(file!, '_format_version: "3.0"')
  symlinkSync(file!, link!)
  writeFileSync(conf!, 'log_level = warn')
  const words = [conf, file, conf, folder, link].map((name) => name!.replace(folder, `${folder}/.`))
  const read = readConfiguration([conf!, file!, ...words], {})
  expect(read).toMatchObject({ files: [{ name: file }], names: [file, `${folder}/.`] })
})

test('a file of more than 64 MiB is refused, and one of 64 MiB is not', () => {
  const name = join(folder, 'kong.yaml')
  writeFileSync(name, '')
  truncateSync(name, LIMIT)
  expect(readSources([name])[0]?.text.length).toBe(LIMIT)
  truncateSync(name, LIMIT + 1)
  expect(() => readSources([name])).toThrow(`${name}: the file is larger than 64 MiB`)
})

test.skipIf(!canLimit)('what has no end is refused after 64 MiB', () => {
  const script = `
    import { readConfiguration } from '../../../src/commands/configuration.ts'
import { readSources } from ${JSON.stringify(join(import.meta.dir, '../../../src/commands/sources.ts'))}
    try { readSources(['/dev/zero']) } catch (error) { console.log(error.message) }`
  // With as much memory as is needed, so that reading on is an error and not the end of the machine.
  const { stdout } = Bun.spawnSync(
    ['prlimit', '--data=1500000000', process.execPath, '-e', script],
    {
      timeout: 10_000,
    },
  )
  expect(stdout.toString()).toBe('/dev/zero: the file is larger than 64 MiB\n')
})
