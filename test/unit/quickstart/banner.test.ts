import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { banner } from '../../../src/quickstart/banner.ts'

const FACTS = {
  version: '0.1.0',
  proxyUrl: 'http://localhost:8000',
  readyMs: 142.6,
  issuer: 'http://localhost:8080/realms/master',
  user: 'alex',
  password: 'doe',
}
const LONGEST = {
  ...FACTS,
  version: '10.10.10',
  proxyUrl: 'http://localhost:65535',
  readyMs: 10_000,
  issuer: 'http://localhost:65534/realms/master',
}

test('the banner is the golden file', async () => {
  const golden = await Bun.file(join(import.meta.dir, 'banner.golden.txt')).text()
  expect(banner(FACTS)).toBe(golden)
})

test('the banner fits 12 lines of 80 columns, with the longest ports too', () => {
  const lines = banner(LONGEST).trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(12)
  expect(lines.filter((line) => line.length > 80)).toEqual([])
})

test('the lines to paste are three commands that a shell can read', () => {
  const commands = pasted(banner(FACTS))
  expect(commands.split('\n').filter((line) => line.startsWith('curl'))).toHaveLength(3)
  for (const shell of ['bash', 'sh']) {
    const { exitCode, stderr } = Bun.spawnSync([shell, '-n'], { stdin: Buffer.from(commands) })
    expect({ shell, exitCode, stderr: stderr.toString() }).toEqual({
      shell,
      exitCode: 0,
      stderr: '',
    })
  }
})

function pasted(text: string): string {
  return text
    .split('\n')
    .filter((line) => /^curl|^ {2}\|/.test(line))
    .join('\n')
}
