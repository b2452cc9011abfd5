import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'bun:test'
import { blocksOf } from '../docs/block.ts'
import { follow } from '../docs/document.ts'
import { keycloak } from './keycloak.ts'
import { SECRET } from './realm.ts'

const folder = join(import.meta.dir, '..', '..', 'docs', 'openid-connect')
const pages = readdirSync(folder).sort()

/** What `README.md` has its readers do before they begin. */
const script = blocksOf('README.md', readFileSync(join(folder, 'README.md'), 'utf8'))
  .map(({ text }) => text)
  .join('')
  .replace('<the secret of the client kong>', SECRET)

describe.skipIf(!keycloak)("the methods' pages", () => {
  const provider = Number(new URL(keycloak?.url ?? 'http://localhost:1').port)
  for (const page of pages.filter((each) => each !== 'README.md'))
    follow(`docs/openid-connect/${page}`, { provider, script })
})

test('README.md names each of them', async () => {
  const text = await Bun.file(join(folder, 'README.md')).text()
  const named = [...text.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name!)
  expect([...new Set(named)].sort()).toEqual(pages.filter((each) => each !== 'README.md'))
})
