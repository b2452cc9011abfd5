import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGES } from '../../scripts/runtime.ts'
import { blocksOf } from './block.ts'
import { follow } from './document.ts'

const text = readFileSync(join(import.meta.dir, '..', '..', 'README.md'), 'utf8')
const lines = text.split('\n')
const first = lines
  .slice(
    0,
    lines.findIndex((line) => line.startsWith('## ')),
  )
  .join('\n')

describe('the first screen of README.md', () => {
  test('has at most 40 lines before the first heading', () => {
    expect(first.split('\n').length).toBeLessThanOrEqual(40)
  })

  // prettier-ignore
  const WHAT: [what: string, sign: RegExp][] = [
    ['one sentence',        /^Gatehouse [^.]+(\.yaml[^.]+)?\.$/m],
    ['the download',        /^curl .*\/releases\/latest\/download\/gatehouse-linux-x64$/m],
    ['the quickstart',      /gatehouse quickstart/],
    ['npm',                 /npm install && npm start/],
    ['the first request',   /^\$ curl -i --user alex:doe http:\/\/localhost:8000\/anything$/m],
    ['its answer',          /^HTTP\/1\.1 200 OK/m],
    ['what the service saw', /"Authorization": "Bearer eyJ[^]*"Refresh-Token": "eyJ/],
    ['a kong.yaml',         /^```yaml kong\.yaml$/m],
    ['docker run',          /^docker run /m],
    ['a picture',           /^```text\nclient .*▶/m],
  ]
  test.each(WHAT)('shows %s', (_, sign) => expect(first).toMatch(sign))
})

test('README.md names every file of a release', () => {
  for (const target of Object.keys(PACKAGES)) expect(text).toContain(`\`gatehouse-${target}\``)
})

test('README.md has blocks', () => expect(blocksOf('README.md', text).length).toBeGreaterThan(5))

follow('README.md')
