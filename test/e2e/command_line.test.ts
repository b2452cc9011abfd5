import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { Connection } from './client.ts'
import { Folder } from './folder.ts'
import { Gatehouse, run } from './gatehouse.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const HELP = await run(['--help'])
const CONFIG = `_format_version: "3.0"
services:
- name: example-service
  url: http://127.0.0.1:9/anything
  routes:
  - name: example-route
    paths: [/anything]
`
const SEE = 'See: gatehouse --help\n'

describe('an output that cannot be written', () => {
  test.each([
    ['a full disk', '/dev/full', 1, 'gatehouse: the output cannot be written (ENOSPC)\n'],
    ['a reader that has left', '| true', 0, ''],
  ])('%s is told in a line, or not at all', async (_, where, code, stderr) => {
    const redirected = where.startsWith('|') ? `"$0" --help ${where}` : `"$0" --help > ${where}`
    const through = ['/bin/sh', '-c', redirected]
    expect(await run([], { through })).toEqual({ code, stdout: '', stderr })
  })
})

describe('the words of the command line', () => {
  test('--help names every command, on standard output', () => {
    expect(HELP.code).toBe(0)
    expect(HELP.stderr).toBe('')
    for (const command of ['start', 'quickstart', 'check', 'health', 'version'])
      expect(HELP.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    for (const line of HELP.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test.each([
    [[]],
    [['-h']],
    [['help']],
    [['start', '--help']],
    [['check', '-h']],
    [['health', '--help']],
    [['quickstart', '--help']],
    [['version', '--help']],
  ])('%j is help too', async (words) => {
    expect(await run(words)).toEqual(HELP)
  })

  test.each([[['version']], [['--version']], [['-v']]])('%j is the version', async (words) => {
    const { version } = await Bun.file(`${import.meta.dir}/../../package.json`).json()
    expect(await run(words)).toEqual({ code: 0, stdout: `gatehouse ${version}\n`, stderr: '' })
  })

  // prettier-ignore
  test.each([
    [['strat'],                    'unknown command "strat"; did you mean "start"?'],
    [['serve'],                    'unknown command "serve"'],
    [['constructor'],              'unknown command "constructor"'],
    [['-c', 'kong.yaml'],          'unknown command "-c"'],
    [['start', '--wacht'],         "Unknown option '--wacht'"],
    [['start', '--watch=yes'],     "Option '--watch' does not take an argument"],
    [['start', '-c'],              "Option '-c, --conf <value>' argument missing"],
    [['start', 'kong.yaml'],       "Unexpected argument 'kong.yaml'"],
    [['check', '--strict'],        "Unknown option '--strict'"],
    [['health', '-x'],             "Unknown option '-x'"],
    [['version', '--all'],         "Unknown option '--all'"],
    [['quickstart', '--verfiy'],   "Unknown option '--verfiy'"],
  ])('%j is refused with 2 and one sentence', async (words, sentence) => {
    expect(await run(words)).toEqual({ code: 2, stdout: '', stderr: `gatehouse: ${sentence}\n${SEE}` })
  })
})

describe('check', () => {
  test('says of a good file that it is valid', async () => {
    using folder = new Folder({ 'kong.yaml': CONFIG })
    const ended = await run(['check', '-c', 'kong.yaml'], { cwd: folder.path })
    expect(ended).toEqual({ code: 0, stdout: 'kong.yaml: valid\n', stderr: '' })
  })

  test('reads standard input for -', async () => {
    const ended = await run(['check', '-c', '-'], { stdin: CONFIG })
    expect(ended).toEqual({ code: 0, stdout: 'stdin: valid\n', stderr: '' })
  })

  test('tells what to know of a good file, and of the settings', async () => {
    using folder = new Folder({ 'kong.yaml': CONFIG.replace('/anything]', '/any.+]') })
    const env = {
      KONG_LOG_LEVLE: 'debug',
      KONG_MEM_CACHE_SIZE: '128m',
      KONG_PLUGINS: 'bundled,mine',
    }
    const ended = await run(['check', '-c', 'kong.yaml'], { cwd: folder.path, env })
    expect(ended).toEqual({
      code: 0,
      stdout:
        'note: unknown setting log_levle; did you mean log_level?\n' +
        'note: settings without effect here: mem_cache_size\n' +
        'note: plugins: enabled but not installed: mine\n' +
        'note: kong.yaml:7 services[0].routes[0].paths[0]: is a plain prefix; if it is meant as a regular expression, write ~ before it\n' +
        'kong.yaml: valid\n',
      stderr: '',
    })
  })

  test('lists every fault of every file, on standard error', async () => {
    using folder = new Folder({
      'a.yaml': CONFIG.replace('paths:', 'pahts:'),
      'b.yaml': '_format_version: "3.0"\nplugins:\n- name: openid-conect\n',
    })
    const ended = await run(['check', '-c', 'a.yaml', '-c', 'b.yaml'], { cwd: folder.path })
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toContain(
      'a.yaml:7:5 services[0].routes[0].pahts: unknown field; did you mean "paths"?',
    )
    expect(ended.stderr).toContain('did you mean "openid-connect"?')
  })
})

describe('health', () => {
  test('says so where a gateway is ready, and that it drains', async () => {
    const port = freePort()
    const env = { KONG_STATUS_LISTEN: `127.0.0.1:${port}` }
    await using _gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: [`status_listen = 127.0.0.1:${port}`],
    })
    expect(await run(['health'], { env })).toEqual({
      code: 0,
      stdout: 'Gatehouse is healthy\n',
      stderr: '',
    })
    const answer = await fetch(`http://127.0.0.1:${port}/status/ready`)
    expect([answer.status, await answer.json()]).toEqual([200, { message: 'ready' }])
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
  })

  test('the status port answers probes of every kind', async () => {
    const port = freePort()
    await using _gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: [`status_listen = 127.0.0.1:${port}`],
    })
    for (const [text, status] of [
      ['GET /status/ready HTTP/1.0\r\n\r\n', 200],
      ['GET /status/ready HTTP/1.1\r\nHost: a/b c\r\n\r\n', 200],
      ['GET /status/ready?x=1 HTTP/1.1\r\nHost: a\r\n\r\n', 200],
      ['GET //status/ready HTTP/1.0\r\n\r\n', 404],
    ] as const) {
      using connection = await Connection.open(port)
      connection.write(text)
      const answer = await connection.answer()
      expect([text, answer.status]).toEqual([text, status])
    }
  })

  test('asks on loopback where the gateway tells on every address', async () => {
    const port = freePort()
    const env = { KONG_STATUS_LISTEN: `0.0.0.0:${port}` }
    await using _gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: [`status_listen = 0.0.0.0:${port}`],
    })
    expect((await run(['health'], { env })).code).toBe(0)
  })

  test.each([
    ['by TLS', (free: number) => `127.0.0.1:${free} ssl http2`],
    ['by a Unix socket', (free: number) => `unix:${tmpdir()}/gatehouse-${free}.sock`],
    ['by TLS over one', (free: number) => `unix:${tmpdir()}/gatehouse-${free}.sock ssl`],
  ])('asks %s where the gateway tells so', async (_, at) => {
    const listen = at(freePort())
    await using _gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: [`status_listen = ${listen}`],
    })
    expect(await run(['health'], { env: { KONG_STATUS_LISTEN: listen } })).toEqual({
      code: 0,
      stdout: 'Gatehouse is healthy\n',
      stderr: '',
    })
  })

  test('says that nothing answers, and where it asked', async () => {
    const port = freePort()
    const ended = await run(['health'], { env: { KONG_STATUS_LISTEN: `127.0.0.1:${port}` } })
    const sentence = `nothing answers at http://127.0.0.1:${port}/status/ready; is it running, with this KONG_STATUS_LISTEN?`
    expect(ended).toEqual({ code: 1, stdout: '', stderr: `gatehouse: ${sentence}\n` })
  })

  test('gives up on what takes the connection and never answers', async () => {
    using server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    const before = performance.now()
    const ended = await run(['health'], {
      env: { KONG_STATUS_LISTEN: `127.0.0.1:${server.port}` },
    })
    expect(ended.code).toBe(1)
    expect(performance.now() - before).toBeLessThan(5_000)
  })

  test('cannot tell where status_listen is off', async () => {
    const ended = await run(['health'], { env: { KONG_STATUS_LISTEN: 'off' } })
    const sentence = 'status_listen is off, so nobody can tell; set KONG_STATUS_LISTEN'
    expect(ended).toEqual({ code: 1, stdout: '', stderr: `gatehouse: ${sentence}\n` })
  })
})

describe('start refuses with 1 and one sentence', () => {
  test('a folder that cannot be read', async () => {
    using folder = new Folder()
    const ended = await run(['start', '-c', '/proc/1/task'], { cwd: folder.path })
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3)
    expect(ended.stderr).toStartWith('gatehouse: /proc/1/task: ')
  })

  test('a folder without files', async () => {
    using folder = new Folder({ 'conf/readme.txt': 'none' })
    expect(await run(['start', '-c', 'conf'], { cwd: folder.path })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: conf: the folder holds no .yaml, .yml or .json file\n',
    })
  })

  test('two files of settings', async () => {
    using folder = new Folder({ 'a.conf': 'log_level = warn\n', 'b.conf': 'log_level = info\n' })
    const ended = await run(['start', '-c', 'a.conf', '-c', 'b.conf'], { cwd: folder.path })
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: b.conf: one kong.conf is enough\n',
    })
  })

  test('a log that cannot be written', async () => {
    using folder = new Folder({ 'kong.yaml': CONFIG })
    const env = { KONG_PROXY_ACCESS_LOG: 'logs/access.log', KONG_PROXY_LISTEN: '127.0.0.1:0' }
    const ended = await run(['start', '-c', 'kong.yaml'], { cwd: folder.path, env })
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'gatehouse: logs/access.log: the log cannot be written (ENOENT)\n' +
        'Make its folder, or set KONG_PROXY_ACCESS_LOG\n',
    })
  })

  test('certificates to trust that are not there', async () => {
    using folder = new Folder({ 'kong.yaml': CONFIG })
    const ended = await run(['start', '-c', 'kong.yaml'], {
      cwd: folder.path,
      env: { SSL_CERT_FILE: 'no.pem', KONG_PROXY_LISTEN: '127.0.0.1:0' },
    })
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: no.pem: the certificates to trust cannot be read (ENOENT)\n',
    })
  })
})

// prettier-ignore
test.each([
  [{ KONG_ERROR_TEMPLATE_JSON: 'no.json' },   'error_template_json: cannot read no.json (ENOENT)'],
  [{ KONG_ERROR_TEMPLATE_JSON: 'three.json' }, 'error_template_json: three.json has more than two %s'],
  [{ KONG_STATUS_LISTEN: '127.0.0.1:0 ssl', KONG_STATUS_SSL_CERT: 'no.pem', KONG_STATUS_SSL_CERT_KEY: 'no.key' },
    'status_ssl_cert_key: no PEM, no PEM in Base64, and no file that can be read (ENOENT)'],
])('check refuses what start refuses: %j', async (env, sentence) => {
  using folder = new Folder({ 'kong.yaml': CONFIG, 'three.json': '%s %s %s' })
  for (const command of ['check', 'start']) {
    const ended = await run([command, '-c', 'kong.yaml'], { cwd: folder.path, env })
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toStartWith(`gatehouse: ${sentence}\nSet KONG_`)
  }
})

/** A port that nobody had a moment ago. */
function freePort(): number {
  using server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  return server.port
}
