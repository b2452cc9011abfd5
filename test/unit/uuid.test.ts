import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { entityId } from '../../src/declarative/expand.ts'
import { isKind, type Kind } from '../../src/declarative/kinds.ts'
import { isUuid, uuidV5 } from '../../src/uuid.ts'

const VECTORS = `${import.meta.dir}/../../../shared/data/core-vectors.jsonl`

test('a UUID of version 5 is that of RFC 9562, appendix A.4', () => {
  expect(uuidV5('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8')).toBe(
    '2ed6657d-e927-568b-95e1-2665a8aea6a2',
  )
})

test('an entity has the id that Kong gives it', () => {
  expect(entityId('services', 'svc')).toBe('b9f04b04-ab65-5e2a-b4c4-f82b7d5b781c')
})

if (!existsSync(VECTORS)) console.log("skipped: all of Kong's ids, which are not in ../shared")
test.skipIf(!existsSync(VECTORS))("all of Kong's ids are ours", () => {
  const vectors = readFileSync(VECTORS, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>)
  const ids = vectors.filter(({ kind, schema }) => kind === 'uuid' && isKind(schema!))
  expect(ids.length).toBeGreaterThan(0)
  for (const { schema, key, id } of ids) expect(entityId(schema as Kind, key!)).toBe(id!)
})

// prettier-ignore
test.each([
  ['2ed6657d-e927-568b-95e1-2665a8aea6a2',  true],
  ['2ED6657D-E927-568B-95E1-2665A8AEA6A2',  true],
  ['2ed6657de927568b95e12665a8aea6a2',      false],
  ['2ed6657d-e927-568b-95e1-2665a8aea6a2 ', false],
  ['zed6657d-e927-568b-95e1-2665a8aea6a2',  false],
])('%p is a UUID: %p', (text, is) => {
  expect(isUuid(text)).toBe(is)
})
