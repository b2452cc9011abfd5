// A new user's first commands, from a clean clone and under the npm settings that break the package `bun`.
// A decoy stands on PATH and in the folder above, where a plain `bun` in an npm script would be found.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dir, '..', '..')

// prettier-ignore
const settings: [string, Record<string, string>][] = [
  ['the default settings',                  {}],
  ['ignore-scripts',                        { npm_config_ignore_scripts: 'true' }],
  ['strict-allow-scripts',                  { npm_config_strict_allow_scripts: 'true' }],
  ['omit=optional',                         { npm_config_omit: 'optional' }],
  ['ignore-scripts and omit=optional',      { npm_config_omit: 'optional', npm_config_ignore_scripts: 'true' }],
]

setDefaultTimeout(180_000)

let above: string
let path: string
beforeAll(async () => {
  above = await mkdtemp(join(tmpdir(), 'gatehouse-npm-'))
  const bin = join(above, 'node_modules', '.bin')
  await mkdir(bin, { recursive: true })
  await Bun.write(join(bin, 'bun'), '#!/bin/sh\necho DECOY\nexit 66\n')
  await chmod(join(bin, 'bun'), 0o755)
  const others = (process.env['PATH'] ?? '').split(delimiter)
  path = [bin, ...others.filter((folder) => !folder.includes('node_modules'))].join(delimiter)
})
afterAll(() => rm(above, { recursive: true, force: true }))

describe.each(settings)('under %s', (name, setting) => {
  let clone: string
  beforeAll(async () => {
    clone = join(above, name.replaceAll(/\W/g, '-'))
    expect(await run(['git', 'clone', '--quiet', root, clone], above)).toMatchObject({ code: 0 })
  })
  afterAll(() => rm(clone, { recursive: true, force: true }))

  test('npm install leaves the clone as it was', async () => {
    expect(await run(['npm', 'install'], clone, setting)).toMatchObject({ code: 0 })
    expect(await run(['git', 'status', '--porcelain'], clone)).toEqual({ code: 0, out: '' })
  })

  test('npm start -- --verify does the how-to', async () => {
    const { code, out } = await run(['npm', 'start', '--', '--verify'], clone, setting)
    expect(out).not.toContain('DECOY')
    expect(out).toContain('✓')
    expect(out).not.toContain('✗')
    expect(code).toBe(0)
  })

  // The same program runs the tests under each: once is enough for the minutes that they take.
  if (name !== 'the default settings') return

  test('npm test passes', async () => {
    const { code, out } = await run(['npm', 'test'], clone, setting)
    expect(out).not.toContain('DECOY')
    expect(out).toMatch(/^ *0 fail$/m)
    expect(code).toBe(0)
  })

  test('Ctrl-C ends npm start and all that it started', async () => {
    let said = ''
    const started = Bun.spawn(['npm', 'start'], {
      cwd: clone,
      env: environment(setting),
      terminal: { data: (_, data) => void (said += data.toString()) },
    })
    await until(() => said.includes('curl'))
    const [url = ''] = /http:\/\/localhost:\d+/.exec(said) ?? []
    expect((await fetch(`${url}/anything`)).status).toBe(401)
    started.terminal?.write('\x03')
    await started.exited
    expect(isRunning(-started.pid)).toBe(false)
    await expect(fetch(`${url}/anything`)).rejects.toThrow()
    expect(await run(['git', 'status', '--porcelain'], clone)).toEqual({ code: 0, out: '' })
  })

  test('TERM ends npm start and all that it started', async () => {
    const started = Bun.spawn(['npm', 'start'], {
      cwd: clone,
      env: environment(setting),
      stdin: 'ignore',
      stdout: 'pipe',
      detached: true,
    })
    let said = ''
    for await (const chunk of started.stdout)
      if ((said += Buffer.from(chunk)).includes('curl')) break
    started.kill('SIGTERM')
    await started.exited
    await until(() => !isRunning(-started.pid))
  })
})

/** Whether a process lives, or one of a group, which is named by a negative number. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !holds(); await Bun.sleep(20)) {
    if (Date.now() > end) throw new Error('it did not come about in 30 seconds')
  }
}

/** The environment without what the npm that runs this test has put there for its own children. */
function environment(setting: Record<string, string>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name))
  return { ...(Object.fromEntries(inherited) as Record<string, string>), ...setting, PATH: path }
}

async function run(
  command: string[],
  cwd: string,
  setting: Record<string, string> = {},
): Promise<{ code: number; out: string }> {
  const child = Bun.spawn(command, {
    cwd,
    env: environment(setting),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, errors] = await Promise.all([child.stdout.text(), child.stderr.text()])
  const code = await child.exited
  return { code, out: command[0] === 'git' ? out : out + errors }
}
