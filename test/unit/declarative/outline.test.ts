import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml'
import { type OutlineNode, readOutline } from '../../../src/declarative/outline.ts'

const TRICKY = `
# a comment with: a colon
plain: several words # and a comment
"quoted key" : 'it''s "here"'
url: http://example.com:80/a#b
dashes: a - b -c
empty:
list:
- a
-   b: 1
    c:
    - - x
      - y
- "z: not a key"
-
  d: 2
folded: >-
  not: a key
    - nor an item

  # nor a comment
literal: |2
    two
after: { a: [1, {b: c}, "}"], 'd': "e\\"f", g }
several: first
  second line
  third
anchor: &anchor
  x: !!str 1
alias: *anchor
merged: { <<: *anchor, y: "multi
  line" }
last: [
  a,  # comment
  b
]
`

interface Place {
  readonly path: string
  readonly at: number
  readonly valueAt: number | undefined
}

/** Where a full parser sees the keys, the items and their values. */
function placesByParser(text: string): Place[] {
  const places: Place[] = []
  const walk = (node: unknown, path: string): void => {
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        if (!isScalar(key)) throw new TypeError('the cases have plain keys')
        const below = `${path}/${key.source ?? String(key.value)}`
        places.push({ path: below, at: key.range![0], valueAt: startOf(value) })
        walk(value, below)
      }
    } else if (isSeq(node)) {
      for (const [i, item] of node.items.entries()) {
        places.push({ path: `${path}/${i}`, at: NaN, valueAt: startOf(item) })
        walk(item, `${path}/${i}`)
      }
    }
  }
  walk(parseDocument(text, { merge: true }).contents, '')
  return places
}

/** Unknown for what is empty or begins with an anchor, a tag or an alias. */
function startOf(value: unknown): number | undefined {
  const node = value as Node | null
  if (!node?.range || isAlias(node) || node.range[0] === node.range[1]) return undefined
  return node.tag !== undefined || ('anchor' in node && node.anchor) ? undefined : node.range[0]
}

function pathOf(node: OutlineNode): string {
  return `${node.parent ? pathOf(node.parent) : ''}/${node.key}`
}

const folder = `${import.meta.dir}/../../config`
const texts = readdirSync(folder)
  .filter(
    (name) =>
      name.endsWith('.txt') &&
      !/^(?:bad_|two_|templates|key_given|keys_that|alias|unset)/.test(name),
  )
  .map(
    (name) => [name, readFileSync(`${folder}/${name}`, 'utf8').split('----------\n')[0]!] as const,
  )

test.each([['what is tricky', TRICKY], ...texts])(
  '%s: all stands where a full parser sees it',
  (_, text) => {
    const outline = readOutline(text)
    expect(outline.broken).toBeUndefined()
    const seen = new Map(outline.nodes.map((node) => [pathOf(node), node]))
    const places = placesByParser(text)
    expect([...seen.keys()]).toEqual(places.map(({ path }) => path))
    for (const { path, at, valueAt } of places) {
      const node = seen.get(path)!
      if (!Number.isNaN(at)) expect([path, node.at]).toEqual([path, at])
      if (valueAt !== undefined) expect([path, node.valueAt]).toEqual([path, valueAt])
    }
  },
)

// prettier-ignore
test.each([
  ['a block',                'a: 1\nb: 2\na: 3',          ['/a']],
  ['an item',                '- a: 1\n  a: 2\n- a: 3',     ['/0/a']],
  ['brackets',               '{a: 1, "a": 2, b: {a: 3}}',  ['/a']],
  ['another spelling',       '"\\u0061": 1\na: 2',         ['/a']],
  ['nothing: other levels',  'a:\n  a:\n    a: 1\nb:\n  a: 2', []],
  ['nothing: a text',        'a: |\n  b: 1\n  b: 2\n',     []],
  ['merged maps',            'x: &x {}\ny:\n  <<: *x\n  <<: *x', ['/y/<<']],
])('a key that comes twice in %s', (_, text, paths) => {
  expect(readOutline(text).duplicates.map(pathOf)).toEqual(paths)
})

test('a tab between tokens, inside brackets and in a text does no harm', () => {
  const text = 'a:\t1\nb: [\n\t2,\n\t\n]\nc: |\n  x\n  \ty\nd: 4\t# e\n'
  expect(readOutline(text).broken).toBeUndefined()
})

test("YAML 1.1's booleans are plain words, not quoted ones, keys or parts of texts", () => {
  const text =
    'a: on\nb: "on"\nc: !!str on\non: x\nd: [yes, no way, Off]\ne: on\n  and on\nf: NO # on'
  expect(readOutline(text).booleans.map(({ word }) => word)).toEqual(['on', 'yes', 'Off', 'NO'])
})

// prettier-ignore
test.each([
  ['depth',       '['.repeat(200),            101],
  ['depth',       'a: '.repeat(1) + '{a: '.repeat(200), 400],
  ['tab',         'a: 1\n \t\nb: 2',          6],
  ['tab',         'a: |\n  b\n\t\nc: 1',     9],
  ['indentation', 'a:\n  - b: 1\n   c: 2',    15],
  ['quote',       "a: 'b\nc: 1",              3],
  ['bracket',     'a: [1, 2\nb: 3',           3],
  ['alias',       'a: *b',                    3],
  ['form',        '? [a]\n: b',               2],
])('%s is told where it is', (why, text, at) => {
  const { broken } = readOutline(text)
  expect(broken?.why).toBe(why as 'form')
  if (why !== 'depth') expect(broken?.at).toBe(at)
})

test('what is no YAML is read in no time, whatever it is', () => {
  const started = performance.now()
  for (const text of [
    '['.repeat(2e5),
    '"'.repeat(2e5),
    'a: '.repeat(1e5),
    ' \n'.repeat(2e5),
    '- '.repeat(2e5),
    '#'.repeat(2e5),
    `a${' '.repeat(2e5)}b`,
    '{a: '.repeat(1e5),
    "'".repeat(2e5),
  ])
    readOutline(text)
  expect(performance.now() - started).toBeLessThan(3000)
})

test('a quoted scalar of megabytes, as of a certificate or a picture, is followed', () => {
  for (const quote of ['"', "'"]) {
    for (const part of ['x', 'ab ', quote === '"' ? '\\"' : "''", quote === '"' ? '\\\\' : '\\']) {
      const long = `${quote}${part.repeat(4_000_000)}${quote}`
      for (const text of [`a: ${long}\nb: 1`, `? ${long}\n: 1\nb: 1`, `{ a: ${long}, b: 1 }`]) {
        const { nodes, broken } = readOutline(text)
        expect(broken).toBeUndefined()
        expect(nodes.at(-1)).toMatchObject({
          key: 'b',
          at: text.length - (text[0] === '{' ? 6 : 4),
        })
      }
    }
  }
})

// prettier-ignore
test.each([
  [`'a''`,         0],
  [`a: 'a''`,      3],
  ['a: "a\\"',     3],
  ['a: "a\\\\\\"', 3],
  [`[ 'a'' ]`,     2],
])('%j is a quote that is not closed', (text, at) => {
  expect(readOutline(text).broken).toEqual({ why: 'quote', at })
})
