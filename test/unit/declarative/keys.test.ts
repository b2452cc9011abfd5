import { expect, test } from 'bun:test'
import { type Document, isAlias, isMap, isScalar, isSeq, type Pair, parseDocument } from 'yaml'
import { readOutline } from '../../../src/declarative/outline.ts'
import { readYaml } from '../../../src/declarative/yaml.ts'
import { random } from '../random.ts'

// prettier-ignore
const NAMES = ['name', 'plugins', '"name"', "'name'", '"na\\x6de"', '"plu\\u0067ins"', '"na\\\n  me"', '1', '0x1', '"1"', '1.0', 'null', '~', 'true', 'True', 'a b', 'host', 'url', 'c', 'd', 'e', 'f']
// prettier-ignore
const ODD = ['&more plugins', '!!str name', '! host', '!<tag:yaml.org,2002:str> name', '&q "name"', '*p ', '&a !!str c']

/** Maps in all forms, nested and with anchors, whose keys often come twice in some spelling. */
function makeDocument(next: (below: number) => number): string {
  const isPlain = next(3) > 0
  const key = () => {
    const names = isPlain || next(3) > 0 ? NAMES : ODD
    return names[next(names.length)]!
  }
  const flow = (depth: number): string => {
    if (depth === 0 || next(3) === 0) return ['x', '"y: {"', '1', "'#'", '*v'][next(5)]!
    const count = next(4)
    if (next(4) === 0) return `[${Array.from({ length: count }, () => flow(depth - 1)).join(', ')}]`
    const pairs = Array.from({ length: count }, () => {
      const explicit = !isPlain && next(8) === 0 ? '? ' : ''
      return `${explicit}${key()}${next(9) === 0 ? ' ' : ''}: ${flow(depth - 1)}`
    })
    return `{${pairs.join(next(2) === 0 ? ', ' : ',\n        ')}}`
  }
  const block = (depth: number, indent: string): string => {
    const lines = Array.from({ length: 1 + next(4) }, () => {
      const isExplicit = !isPlain && next(8) === 0
      const name = isExplicit ? `? ${key()}\n${indent}` : key()
      const kind = depth === 0 ? 0 : next(5)
      if (kind < 2) return `${indent}${name}: ${flow(2)}${next(5) === 0 ? ' # a: b' : ''}`
      if (kind === 2) return `${indent}${name}: |\n${indent}  name: 1\n${indent}  name: 2`
      if (kind === 3) return `${indent}${name}:\n${block(depth - 1, `${indent}  `)}`
      const item = block(depth - 1, `${indent}    `).slice(indent.length + 4)
      return `${indent}${name}:\n${indent}  - ${item}\n${indent}  - x`
    })
    return lines.join('\n')
  }
  return `anchors: [&p name, &v w]\n${block(2, '')}\n`
}

interface Keys {
  /** Where the keys stand that come again in their map. */
  readonly twice: number[]
  odd: boolean
}

/** What a parser with a document model knows of the keys of all maps. */
function keysOf(document: Document, text: string): Keys {
  const keys: Keys = { twice: [], odd: false }
  const nameOf = ({ key }: Pair): string => {
    const scalar = isAlias(key) ? key.resolve(document) : key
    if (!isScalar(scalar)) throw new TypeError('all keys are scalars')
    keys.odd ||= isAlias(key) || scalar.anchor !== undefined || scalar.tag !== undefined
    return String(scalar.value)
  }
  const walk = (node: unknown): void => {
    if (isSeq(node)) node.items.forEach(walk)
    if (!isMap(node)) return
    const seen = new Set<string>()
    for (const pair of node.items) {
      const name = nameOf(pair)
      const [at] = (pair.key as { range: [number, number, number] }).range
      keys.odd ||= /\?\s+$/.test(text.slice(0, at))
      if (seen.has(name)) keys.twice.push(at)
      seen.add(name)
      walk(pair.value)
    }
  }
  walk(document.contents)
  return keys
}

test('no key comes twice, however it is written, without a fault at its place', () => {
  const next = random(4)
  const seen = { sound: 0, twice: 0, odd: 0 }
  for (let count = 0; count < 5000;) {
    const text = makeDocument(next)
    const document = parseDocument(text, { uniqueKeys: false })
    if (document.errors.length > 0) continue
    count++
    const { twice, odd } = keysOf(document, text)
    const outline = readOutline(text)
    const { content, faults } = readYaml(text, outline)
    if (odd) {
      seen.odd++
      expect([text, faults.length > 0]).toEqual([text, true])
      continue
    }
    seen[twice.length > 0 ? 'twice' : 'sound']++
    const places = faults.flatMap(({ offset = -1 }) => offset).sort((a, b) => a - b)
    expect([text, places]).toEqual([text, twice.sort((a, b) => a - b)])
    // A key of null is called otherwise there.
    const isSame = twice.length === 0 && !/(?:null|~) ?:/.test(text)
    if (isSame) expect([text, content]).toEqual([text, document.toJS()])
  }
  expect(Math.min(seen.sound, seen.twice, seen.odd)).toBeGreaterThan(700)
}, 30_000)

// prettier-ignore
test.each([
  ['a tag',            'plugins: [a]\n!!str plugins: []',                    '2:plugins'],
  ['a long tag',       'plugins: [a]\n!<tag:yaml.org,2002:str> plugins: []', '2:,2002:str> plugins'],
  ['an anchor',        'plugins: [a]\n&more plugins:',                       '2:plugins'],
  ['an anchor first',  '&more plugins: [a]\nb: 1',                           '1:plugins'],
  ['an alias',         'a: &p plugins\nplugins: [b]\n*p : []',               '3:*p'],
  ['a question mark',  'plugins: [a]\n? plugins\n: []',                      '2:plugins'],
  ['brackets',         'a: [{&x name: k, *x : l}, {? name : m}]',            '1:a,0,name 1:a,0,*x 1:a,1,name'],
  ['an entity',        'a:\n- { name: i, !!str name: j }\n- &q name: k\n',   '2:a,0,name 3:a,1,name'],
])('a key with what hides its name, %s, is refused', (_, text, expected) => {
  const { faults } = readYaml(text, readOutline(text))
  const places = faults.map(({ offset = 0, path }) => [text.slice(0, offset).split('\n').length, ...(path ? [path.join()] : [])].join(':'))
  expect(places.join(' ')).toBe(expected)
})

test('anchors of values stay what they are', () => {
  const text =
    '&all\na: &x\n  b: 1\nc: &z d\ne: [&w {f: *z}, *x]\ng: !!map\n  h: 1\ni:\n- &j\n  k: 1\n'
  expect(readYaml(text, readOutline(text)).faults).toEqual([])
})

test('what the outline cannot follow is refused, however long the file is', () => {
  const text = `a: {[b]: 1, c: 2, c: 3}\nd: ${'x'.repeat(2 ** 20)}\n`
  expect(readYaml(text, readOutline(text)).faults).toHaveLength(1)
})
