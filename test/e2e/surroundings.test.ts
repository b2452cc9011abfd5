import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { request } from './client.ts'
import { gatewayOf } from './entities.ts'
import { Folder } from './folder.ts'
import { Gatehouse, run } from './gatehouse.ts'
import { asNobody } from './nobody.ts'
import { Service } from './service.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const isRoot = process.getuid?.() === 0
/** What would make Bun run a stranger's file, or talk. */
const HOSTILE: Readonly<Record<string, string>> = {
  '.env': 'KONG_PROXY_LISTEN=nonsense\nDECK_ISSUER=http://evil.test\nNODE_ENV=production\n',
  '.env.local': 'KONG_LOG_LEVEL=nonsense\n',
  'bunfig.toml': 'preload = ["./evil.js"]\n[run]\nbun = true\n',
  'evil.js': 'console.log("evil ran"); process.exit(66)\n',
  'tsconfig.json': '{ "compilerOptions": { "paths": { "*": ["./evil.js"] } } ',
  'package.json': '{ "imports": { "#x": "./evil.js" }, "type": "nonsense" ',
  'node_modules/jose/index.js': 'console.log("evil ran"); process.exit(66)\n',
  'node_modules/jose/package.json': '{ "name": "jose", "main": "index.js" }\n',
}

describe('the executable is its own master', () => {
  test('an empty environment and the root folder are enough', async () => {
    const { code, stdout } = await run(['version'], { cwd: '/', env: {} })
    expect([code, stdout.startsWith('gatehouse ')]).toEqual([0, true])
  })

  test('files around it change nothing', async () => {
    using service = new Service()
    using folder = new Folder(HOSTILE)
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    for (const [name, text] of Object.entries(HOSTILE)) gatehouse.folder.write(name, text)
    await gatehouse.reload(gatewayOf(service.url))
    expect((await request(gatehouse.port)).status).toBe(200)

    folder.write('kong.conf', 'proxy_listen = 127.0.0.1:0\nstatus_listen = off\n')
    folder.write('kong.yaml', JSON.stringify(gatewayOf(service.url)))
    const words = ['check', '-c', 'kong.conf', '-c', 'kong.yaml']
    const ended = await run(words, { cwd: folder.path })
    expect(ended).toEqual({ code: 0, stdout: 'kong.yaml: valid\n', stderr: '' })
  })

  test('in a folder that was deleted it says so, and ends', async () => {
    using folder = new Folder({ 'gone/.keep': '' })
    const through = ['/bin/sh', '-c', 'rm -r "$PWD" && exec "$0" "$@"']
    const ended = await run(['version'], { cwd: `${folder.path}/gone`, through })
    expect([ended.code, ended.stdout]).toEqual([1, ''])
    expect(ended.stderr).toMatch(/^error: The current working directory was deleted.*\n$/)
  })

  test('a template does not read .env', async () => {
    using folder = new Folder({
      ...HOSTILE,
      'kong.yaml':
        '_format_version: "3.0"\nservices:\n- name: a\n  url: ${{ env "DECK_ISSUER" }}\n',
    })
    const ended = await run(['check', '-c', 'kong.yaml'], { cwd: folder.path })
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('DECK_ISSUER is not set')
  })

  test.each([
    { BUN_OPTIONS: '--preload ./evil.js' },
    { BUN_OPTIONS: '--version' },
    { BUN_OPTIONS: '-e 1' },
    { BUN_BE_BUN: '1' },
    { BUN_INSPECT: 'ws://127.0.0.1:1/x' },
    { BUN_CONFIG_PRELOAD: './evil.js', BUN_PRELOAD: './evil.js' },
    { NODE_OPTIONS: '--require ./evil.js', NODE_ENV: 'nonsense', NODE_PATH: '.' },
    { LANG: 'xx_XX', LC_ALL: 'nonsense', TZ: 'Nowhere/Land', HOME: '/nonexistent', PATH: '' },
    { FORCE_COLOR: '3', DEBUG: '*', BUN_DEBUG_QUIET_LOGS: '0' },
  ])('%j changes nothing', async (env) => {
    using folder = new Folder(HOSTILE)
    const plain = await run(['version'])
    const given = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, `${value}`]))
    expect(await run(['version'], { cwd: folder.path, env: given })).toEqual(plain)
    expect(await run(['strat'], { cwd: folder.path, env: given })).toEqual(await run(['strat']))
  })

  test('a proxy for the internet that the environment names is not used', async () => {
    using service = new Service()
    using elsewhere = new Service()
    const url = `http://127.0.0.1:${elsewhere.port}`
    const env = { HTTP_PROXY: url, http_proxy: url, HTTPS_PROXY: url, ALL_PROXY: url }
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url), env })
    expect((await request(gatehouse.port)).status).toBe(200)
    expect([service.requests.length, elsewhere.requests.length]).toEqual([1, 0])
  })

  test.skipIf(!isRoot)('it serves as nobody, from a folder where nobody may write', async () => {
    using service = new Service()
    using folder = new Folder()
    const config = gatewayOf(service.url)
    await using gatehouse = await Gatehouse.start({ config, ...asNobody(folder) })
    const status = await Bun.file(`/proc/${gatehouse.pid}/status`).text()
    expect(/^Uid:\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1)).toEqual(['65534', '65534'])
    expect((await request(gatehouse.port)).status).toBe(200)
  })
  if (!isRoot) console.log('skipped: "it serves as nobody": these tests do not run as root')
})
