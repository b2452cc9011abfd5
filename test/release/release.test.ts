// What `npm run release` left in dist/: run it first.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dependencies, version } from '../../package.json'
import { createExecutable } from '../../scripts/executable.ts'
import { countWrongPages } from '../../scripts/macho.ts'
import { PACKAGES } from '../../scripts/runtime.ts'

const dist = join(import.meta.dir, '..', '..', 'dist')
const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64'
if (!isLinuxX64) console.log('skipped: gatehouse-linux-x64 cannot run on this machine')

setDefaultTimeout(120_000)

let folder: string
beforeAll(async () => {
  if (!(await Bun.file(join(dist, 'SHA256SUMS')).exists())) {
    throw new Error('there is no dist/SHA256SUMS: run "npm run release" first')
  }
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-release-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.skipIf(!isLinuxX64)('gatehouse-linux-x64, downloaded', () => {
  beforeAll(async () => {
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: ({ url }) => new Response(Bun.file(join(dist, new URL(url).pathname))),
    })
    for (const name of ['gatehouse-linux-x64', 'SHA256SUMS']) {
      await Bun.write(join(folder, name), await fetch(new URL(name, server.url)))
    }
    await server.stop(true)
  })

  test('is what SHA256SUMS says', async () => {
    const { code, out } = await run(['sha256sum', '--check', '--ignore-missing', 'SHA256SUMS'])
    expect({ code, out }).toEqual({ code: 0, out: 'gatehouse-linux-x64: OK\n' })
  })

  test('tells its version in an empty environment', async () => {
    await chmod(join(folder, 'gatehouse-linux-x64'), 0o755)
    const { code, out } = await run([join(folder, 'gatehouse-linux-x64'), 'version'])
    expect({ code, out }).toEqual({ code: 0, out: `gatehouse ${version}\n` })
  })

  test('does the whole how-to in an empty environment', async () => {
    const { code, out } = await run([join(folder, 'gatehouse-linux-x64'), 'quickstart', '--verify'])
    expect(out).toContain('✓')
    expect(out).not.toContain('✗')
    expect(code).toBe(0)
  })

  const hostile: [string, Record<string, string>][] = [
    ['BUN_OPTIONS with a script to preload', { BUN_OPTIONS: '--preload ./hostile.js' }],
    ['BUN_OPTIONS with a flag of Bun', { BUN_OPTIONS: '--revision' }],
    ['BUN_BE_BUN', { BUN_BE_BUN: '1' }],
    ['a debugger asked for', { BUN_INSPECT: '1', BUN_INSPECT_PRELOAD: './hostile.js' }],
    ['the options of Node', { NODE_OPTIONS: '--require ./hostile.js' }],
    ['only the files around it', {}],
  ]
  test.each(hostile)('is not changed by %s', async (_, env) => {
    const here = join(folder, 'hostile')
    await mkdir(here, { recursive: true })
    await Bun.write(join(here, 'hostile.js'), 'console.log("HOSTILE"); process.exit(66)\n')
    await Bun.write(join(here, 'bunfig.toml'), 'preload = ["./hostile.js"]\n')
    await Bun.write(join(here, '.env'), 'BUN_OPTIONS="--preload ./hostile.js"\nKONG_LOG_LEVEL=no\n')
    await Bun.write(
      join(here, 'tsconfig.json'),
      '{"compilerOptions":{"paths":{"*":["./hostile.js"]}}}',
    )
    await Bun.write(join(here, 'package.json'), '{"imports":{"*":"./hostile.js"}}')
    const { code, out } = await run([join(folder, 'gatehouse-linux-x64'), 'version'], {
      cwd: here,
      env,
    })
    expect({ code, out }).toEqual({ code: 0, out: `gatehouse ${version}\n` })
  })

  test('is what these sources make, byte for byte', async () => {
    const again = join(folder, 'again')
    await createExecutable(again, 'linux-x64')
    expect(await run(['cmp', again, join(folder, 'gatehouse-linux-x64')])).toEqual({
      code: 0,
      out: '',
    })
  })
})

describe('the other executables', () => {
  const ELF = '7f454c46020101'
  // prettier-ignore
  const heads: [string, number, string][] = [
    ['linux-x64',       0, ELF], ['linux-x64',      18, '3e00'],     // EM_X86_64
    ['linux-arm64',     0, ELF], ['linux-arm64',    18, 'b700'],     // EM_AARCH64
    ['linux-x64-musl',  0, ELF], ['linux-x64-musl', 18, '3e00'],
    ['darwin-arm64',    0, 'cffaedfe0c000001'],                      // CPU_TYPE_ARM64
    ['darwin-x64',      0, 'cffaedfe07000001'],                      // CPU_TYPE_X86_64
  ]
  test.each(heads)('gatehouse-%s is for its system: %d', async (target, offset, head) => {
    const start = Bun.file(join(dist, `gatehouse-${target}`)).slice(
      offset,
      offset + head.length / 2,
    )
    expect(Buffer.from(await start.bytes()).toString('hex')).toBe(head)
  })

  test.each(['darwin-arm64', 'darwin-x64'])('gatehouse-%s is signed as it is', async (target) => {
    expect(countWrongPages(await Bun.file(join(dist, `gatehouse-${target}`)).bytes())).toBe(0)
  })

  test('SHA256SUMS names each, and each is as it says', async () => {
    const { code, out } = await run(['sha256sum', '--check', 'SHA256SUMS'], { cwd: dist })
    expect(code).toBe(0)
    const names = [
      ...Object.keys(PACKAGES).map((target) => `gatehouse-${target}`),
      'gatehouse.cdx.json',
    ]
    expect(out.trimEnd().split('\n')).toEqual(names.map((name) => `${name}: OK`))
  })
})

describe('the bill of materials', () => {
  let bill: {
    bomFormat: string
    metadata: { component: { name: string; version: string } }
    components: { 'bom-ref': string; purl: string; hashes?: unknown[] }[]
    dependencies: { ref: string; dependsOn: string[] }[]
  }
  let text: string
  beforeAll(async () => {
    text = await Bun.file(join(dist, 'gatehouse.cdx.json')).text()
    bill = JSON.parse(text)
  })

  test('is of this version', () => {
    expect(bill.bomFormat).toBe('CycloneDX')
    expect(bill.metadata.component).toMatchObject({ name: 'gatehouse', version })
  })

  test('names every dependency and every runtime, each with its hash', () => {
    const purls = new Set(bill.components.map(({ purl }) => purl))
    for (const [name, of] of Object.entries(dependencies))
      expect(purls).toContain(`pkg:npm/${name}@${of}`)
    for (const name of Object.values(PACKAGES)) {
      expect(
        [...purls].some((purl) => purl.startsWith(`pkg:npm/${name.replace('@', '%40')}@`)),
      ).toBe(true)
    }
    expect(bill.components.filter(({ hashes }) => !hashes?.length)).toEqual([])
  })

  test('refers to nothing that it does not name', () => {
    const named = new Set([
      `gatehouse@${version}`,
      ...bill.components.map((component) => component['bom-ref']),
    ])
    const referred = bill.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn])
    expect(referred.filter((ref) => !named.has(ref))).toEqual([])
  })

  test('says neither when nor where it was made', () => {
    expect(text).not.toMatch(/timestamp|serialNumber|resolved|registry|"\//)
  })
})

/** Runs a command in the test's folder with exactly the given environment. */
async function run(
  command: string[],
  { cwd = folder, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; out: string }> {
  const child = Bun.spawn(command, { cwd, env, stdout: 'pipe', stderr: 'inherit' })
  const out = await child.stdout.text()
  return { code: await child.exited, out }
}
