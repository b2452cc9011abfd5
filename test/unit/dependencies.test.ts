import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { dependencies, devDependencies } from '../../package.json'
import { codesIn, rowsOf } from '../docs/table.ts'

const root = join(import.meta.dir, '..', '..')
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, imports: importsOf(readFileSync(join(root, 'src', path), 'utf8')) }))

test('package.json has the dependencies that docs/decisions gives reasons for, and at most eight', () => {
  const rows = rowsOf('docs/decisions/2026-11-dependencies.md')
  expect(Object.keys(dependencies).sort()).toEqual(
    rows.flatMap(([name = '']) => codesIn(name)).sort(),
  )
  expect(rows.every(([, reason = '']) => reason.length > 20)).toBe(true)
  expect(rows.length).toBeLessThanOrEqual(8)
  expect(Object.keys(devDependencies).sort()).toEqual(['bun', 'bun-types'])
})

test('all versions are pinned', () => {
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
})

test('each package is imported where docs/decisions says, and nowhere else', () => {
  const allowed = new Map(
    rowsOf('docs/decisions/2026-11-dependencies.md').map(
      ([name = '', , where = '']) => [codesIn(name)[0]!, codesIn(where)] as const,
    ),
  )
  const seen = new Set<string>()
  for (const { path, imports } of files) {
    for (const name of imports.filter((each) => !/^(?:\.|node:|bun$)/.test(each))) {
      const packageName = name.split('/')[0]!
      seen.add(packageName)
      const places = allowed.get(packageName) ?? []
      expect(
        places.some((place) => path.startsWith(place)),
        `${path} imports ${name}`,
      ).toBe(true)
    }
  }
  expect([...seen].sort()).toEqual([...allowed.keys()].sort())
})

test('who may know whom is as docs/life-of-a-request.md has it', () => {
  const rules = new Map(
    rowsOf('docs/life-of-a-request.md', /Who may know whom/).map(
      ([part = '', others = '']) => [codesIn(part)[0]!, codesIn(others)] as const,
    ),
  )
  const known = new Map([...rules.keys()].map((part) => [part, new Set<string>()]))
  for (const { path, imports } of files) {
    const part = partOf(path)
    expect([...rules.keys()], path).toContain(part)
    for (const target of imports.filter((each) => each.startsWith('.'))) {
      const to = partOf(normalize(join(dirname(path), target)))
      if (to === part || to.startsWith('..')) continue
      expect(rules.get(part), `${path} imports ${target}`).toContain(to)
      known.get(part)!.add(to)
    }
  }
  // A row that allows more than there is would go unnoticed.
  for (const [part, others] of rules)
    expect([...known.get(part)!].sort(), part).toEqual(others.toSorted())
})

test('plugins do not know each other', () => {
  for (const { path, imports } of files.filter((file) => /^plugins\/.+\//.test(file.path))) {
    const [, plugin] = path.split('/')
    for (const target of imports.filter((each) => each.startsWith('.'))) {
      const [, other, ...rest] = relative('.', join(dirname(path), target)).split('/')
      if (rest.length > 0 && partOf(join(dirname(path), target)) === 'plugins/')
        expect(other, `${path} imports ${target}`).toBe(plugin)
    }
  }
})

/** The folder of `src` that a file is in, with a slash behind it, or the file itself. */
function partOf(path: string): string {
  const [first = '', ...rest] = path.split('/')
  return rest.length > 0 ? `${first}/` : first
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*['"]([^'"\n]+)['"]/gm)].map(
    ([, name]) => name!,
  )
}
