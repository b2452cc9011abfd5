import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createPages } from '../../scripts/docs.ts'
import { loadConf, variableOf } from '../../src/conf.ts'
import { FINDINGS } from '../../src/plugins/openid-connect/online/found.ts'
import { type Code, REASONS, Refusal } from '../../src/plugins/openid-connect/refusal.ts'
import { SESSION_FAULTS } from '../../src/plugins/openid-connect/session/index.ts'
import { blocksOf } from './block.ts'
import { codesIn, rowsOf } from './table.ts'

const root = join(import.meta.dir, '..', '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  // What a check finds is no line of the log.
  .filter((path) => !/(?:^|\/)(?:check_)?online[./]|commands\/check\.ts$/.test(path))
  .map((path) => read(join('src', path)))
const documents = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]

test("the plugins' pages are what their schemas make", async () => {
  const pages = await createPages()
  const present = readdirSync(join(root, 'docs/plugins')).map((name) => `docs/plugins/${name}`)
  expect(present.sort()).toEqual([...pages.keys()].sort())
  for (const [path, text] of pages)
    expect(read(path), `${path} is old: run npm run docs`).toBe(text)
})

const NAMED = /^KONG_[A-Z_]+$/

test('every setting that works is in docs/settings.md, and no other, each with its default', () => {
  const { conf } = loadConf({ env: {} }) as { conf: Record<string, unknown> }
  const rows = rowsOf('docs/settings.md', /^# /)
  const names = rows.flatMap(([name = '']) => codesIn(name))
  expect(names.sort()).toEqual(Object.keys(conf).map(variableOf).sort())
  for (const [name = '', byDefault = ''] of rows) {
    const [variable = ''] = codesIn(name)
    const env = { [variable]: codesIn(byDefault)[0] ?? '' }
    expect(loadConf({ env }), `the default of ${variable}`).toEqual(loadConf({ env: {} }))
  }
})

test('every setting with one value is in docs/settings.md, and takes no other', () => {
  const fixed = /^const FIXED[^]*?^}/m.exec(read('src/conf.ts'))![0]
  const rows = rowsOf('docs/settings.md', /one value/)
  const names = rows.flatMap(([name = '']) => codesIn(name))
  expect(names.sort()).toEqual(
    [...fixed.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => `KONG_${name!.toUpperCase()}`).sort(),
  )
  for (const [name = '', value = ''] of rows) {
    const [variable = ''] = codesIn(name)
    expect(
      loadConf({ env: { [variable]: codesIn(value)[0] ?? '' } }).faults,
      variable,
    ).toBeUndefined()
    expect(loadConf({ env: { [variable]: 'another value' } }).faults, variable).toHaveLength(1)
  }
})

test('every KONG_ variable that a document names is a setting', () => {
  for (const document of documents) {
    for (const variable of codesIn(read(document)).filter((code) => NAMED.test(code))) {
      const { warnings = [], faults = [] } = loadConf({ env: { [variable]: '1' } }) as {
        warnings?: string[]
        faults?: unknown[]
      }
      const isKnown =
        faults.length > 0 || !warnings.some((each) => /unknown|without effect/.test(each))
      expect(isKnown, `${document}: ${variable}`).toBe(true)
    }
  }
})

test('every code of the log is in docs/operations.md, and no other', () => {
  const upstream = /type UpstreamFault =[^]*?(?=\n\n)/.exec(read('src/upstream/errors.ts'))![0]
  const codes = new Set([
    ...Object.keys(REASONS),
    ...Object.keys(SESSION_FAULTS),
    ...[...upstream.matchAll(/'(\w+)'/g)].map(([, code]) => code!),
    ...sources.flatMap((text) =>
      [...text.matchAll(/\bcode: '([a-z_]+)'/g)].map(([, code]) => code!),
    ),
  ])
  const documented = rowsOf(
    'docs/operations.md',
    /plugin refused|did not answer|The gateway/,
  ).flatMap(([code = '']) => codesIn(code))
  expect(documented.sort()).toEqual([...codes].sort())
})

test('every code of gatehouse check --online is in docs/check-online.md, with what it means, and no other', () => {
  const rows = rowsOf('docs/check-online.md', /What is found/)
  expect(rows.map(([code = '', what = '']) => [codesIn(code)[0], what])).toEqual([
    ...Object.entries(FINDINGS),
    ['check_too_slow', 'Not everybody answered in time.'],
  ])
})

test('docs/operations.md tells the status that each refusal of openid-connect is answered with', () => {
  const rows = rowsOf('docs/operations.md', /plugin refused/)
  const statuses = new Map(rows.map(([code = '', status]) => [codesIn(code)[0], status]))
  for (const code of Object.keys(REASONS) as Code[])
    expect(statuses.get(code), code).toBe(String(new Refusal(code).status))
})

/** The documents that have a test of their own. */
const FOLLOWED = new Set(['README.md', 'docs/how-to-refresh-token.md', 'docs/deploying.md'])

test('only the documents that are followed have blocks to follow', () => {
  for (const document of documents) {
    if (FOLLOWED.has(document) || document.startsWith('docs/openid-connect/')) continue
    for (const { place, language } of blocksOf(document, read(document)))
      expect(language, `${place}: nobody runs this block`).toBe('text')
  }
})

test('every link within the documents leads somewhere', () => {
  for (const document of documents) {
    for (const [, target] of read(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target!.split('#')
      const file = path === '' ? document : join(dirname(document), path)
      expect(
        statSync(join(root, file), { throwIfNoEntry: false }),
        `${document}: ${target}`,
      ).toBeDefined()
      if (anchor !== undefined)
        expect(anchorsOf(read(file)), `${document}: ${target}`).toContain(anchor)
    }
  }
})

test("CHANGELOG.md has the package's version on top", () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  expect(/^## (\S+)/m.exec(read('CHANGELOG.md'))?.[1]).toBe(version)
})

/** The anchors of a document's headings, as the forges make them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
