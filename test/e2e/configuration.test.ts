import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { request } from './client.ts'
import { executable } from './executable.ts'
import { Folder } from './folder.ts'
import { Gatehouse, run } from './gatehouse.ts'
import { Service } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const EMPTY = '_format_version: "3.0"\n'
const ROUTES = `_format_version: "3.0"
routes:
- name: example-route
  paths: [/anything]
  service: {name: example-service}
`
const CONSUMERS = `_format_version: "3.0"
consumers:
- username: alex
  keyauth_credentials: [{key: k-alex}]
`
const PLUGINS = `_format_version: "3.0"
plugins:
- name: key-auth
  service: example-service
`
const services = ({ url }: Service) =>
  `_format_version: "3.0"\nservices:\n- name: example-service\n  url: ${url}\n`
const key = { fields: ['apikey: k-alex'] }

describe('several -c are one configuration', () => {
  test('files, whatever part of it each holds', async () => {
    using service = new Service()
    using folder = new Folder({ 'r.yaml': ROUTES, 'c.yaml': CONSUMERS, 'p.json.yaml': PLUGINS })
    const more = ['r.yaml', 'c.yaml', 'p.json.yaml'].flatMap((name) => [
      '-c',
      join(folder.path, name),
    ])
    await using gatehouse = await Gatehouse.start({ config: services(service), words: more })
    expect((await request(gatehouse.port)).status).toBe(401)
    expect((await request(gatehouse.port, key)).status).toBe(200)
    expect(service.requests).toHaveLength(1)
  })

  test('a folder and the folders in it', async () => {
    using service = new Service()
    using folder = new Folder({
      'a/services.yml': services(service),
      'b/c/routes.yaml': ROUTES,
      'plugins.json': JSON.stringify(Bun.YAML.parse(PLUGINS)),
      'consumers.yaml': CONSUMERS,
      'README.md': 'not: [yaml',
      '.git/config.yaml': 'not: [yaml',
    })
    await using gatehouse = await Gatehouse.start({ config: EMPTY, words: ['-c', folder.path] })
    expect((await request(gatehouse.port, key)).status).toBe(200)
  })

  test('a folder as Kubernetes mounts it: every file there twice, once behind a link', async () => {
    using service = new Service()
    using folder = new Folder({
      '..2026_01_31/kong.yaml': services(service) + ROUTES.slice(EMPTY.length),
    })
    symlinkSync('..2026_01_31', join(folder.path, '..data'))
    symlinkSync('..data/kong.yaml', join(folder.path, 'kong.yaml'))
    await using gatehouse = await Gatehouse.start({ config: EMPTY, words: ['-c', folder.path] })
    expect((await request(gatehouse.port)).status).toBe(200)
  })

  test('what two files declare differently is refused, with both places', async () => {
    using folder = new Folder({
      'a.yaml': `${EMPTY}services: [{name: s, url: "http://a.test"}]\n`,
      'b.yaml': `${EMPTY}services: [{name: s, url: "http://b.test"}]\n`,
    })
    const ended = await run(['check', '-c', 'a.yaml', '-c', 'b.yaml'], { cwd: folder.path })
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain("uniqueness violation: 'services' entity with name set to 's'")
    expect(ended.stderr).toStartWith('b.yaml:2:')
  })

  test("decK's templates read the environment of the process", async () => {
    using service = new Service()
    const config = services(service).replace(service.url, '${{ env "DECK_URL" }}')
    await using gatehouse = await Gatehouse.start({
      config: config + ROUTES.slice(EMPTY.length),
      env: { DECK_URL: service.url },
    })
    expect((await request(gatehouse.port)).status).toBe(200)
  })
})

test("the repository's kong.yaml needs three variables and nothing else", async () => {
  const cwd = join(import.meta.dir, '..', '..')
  const env = {
    DECK_ISSUER: 'http://localhost:8080/realms/master',
    DECK_CLIENT_ID: 'kong',
    DECK_CLIENT_SECRET: 'secret',
  }
  const ended = await run(['check', '-c', 'kong.yaml'], { cwd, env })
  const note =
    'note: kong.yaml:15 plugins[0].config: hide_credentials, session_memcached_ssl_verify, ssl_verify are true by default; before 3.14 Kong had false\n'
  expect(ended).toEqual({ code: 0, stdout: `${note}kong.yaml: valid\n`, stderr: '' })
  const older = await run(['check', '-c', 'kong.yaml'], {
    cwd,
    env: { ...env, GATEHOUSE_COMPAT: '3.13' },
  })
  expect(older).toEqual({ code: 0, stdout: 'kong.yaml: valid\n', stderr: '' })
})

describe('settings', () => {
  test('a kong.conf is known by what stands in it, whatever its name', async () => {
    using folder = new Folder({
      'settings.yaml': '# our node\nlog_level = warn\nheaders = off\n',
      'kong.txt': EMPTY,
    })
    const words = ['check', '-c', 'kong.txt', '-c', 'settings.yaml']
    expect(await run(words, { cwd: folder.path })).toEqual({
      code: 0,
      stdout: 'kong.txt: valid\n',
      stderr: '',
    })
  })

  test('the environment goes before the file', async () => {
    await using gatehouse = await Gatehouse.start({
      config: EMPTY,
      settings: ['headers = off', 'proxy_listen = 127.0.0.2:0'],
      env: { KONG_HEADERS: 'X-Kong-Request-Id', KONG_PROXY_LISTEN: '127.0.0.1:0' },
    })
    const { headers } = await request(gatehouse.port)
    expect(headers['x-kong-request-id']).toMatch(/^[0-9a-f]{32}$/)
    expect(headers.server).toBeUndefined()
    expect(headers['x-kong-response-latency']).toBeUndefined()
  })

  test('declarative_config names the file, in the environment or in kong.conf', async () => {
    using folder = new Folder({
      'elsewhere.yaml': EMPTY,
      'kong.conf': 'declarative_config = elsewhere.yaml\n',
    })
    const valid = { code: 0, stdout: 'elsewhere.yaml: valid\n', stderr: '' }
    expect(await run(['check', '-c', 'kong.conf'], { cwd: folder.path })).toEqual(valid)
    const env = { KONG_DECLARATIVE_CONFIG: 'elsewhere.yaml' }
    expect(await run(['check'], { cwd: folder.path, env })).toEqual(valid)
  })

  test('declarative_config_string is the configuration itself, and survives HUP', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: 'status_listen = off\n',
      settings: null,
      env: {
        KONG_PROXY_LISTEN: '127.0.0.1:0',
        KONG_DECLARATIVE_CONFIG_STRING: services(service) + ROUTES.slice(EMPTY.length),
      },
    })
    expect((await request(gatehouse.port)).status).toBe(200)
    gatehouse.signal('SIGHUP')
    await gatehouse.logged(/loaded again/)
    expect((await request(gatehouse.port)).status).toBe(200)
  })

  test('each log goes where its setting says', async () => {
    using folder = new Folder()
    const access = join(folder.path, 'access.log')
    const error = join(folder.path, 'error.log')
    await using gatehouse = await Gatehouse.start({
      config: `${PLUGINS}services: [{name: example-service, url: "http://127.0.0.1:9"}]\n${ROUTES.slice(EMPTY.length)}`,
      settings: [`proxy_access_log = ${access}`, 'log_level = notice'],
    })
    const { status } = await request(gatehouse.port)
    expect(status).toBe(401)
    expect(await gatehouse.stop()).toBe(0)
    expect(gatehouse.accessLog).toBe('')
    expect(await Bun.file(access).text()).toMatch(/"GET \/anything HTTP\/1\.1" 401 /)

    folder.write('kong.yaml', EMPTY)
    const child = Bun.spawn([executable, 'start', '-c', 'kong.yaml'], {
      cwd: folder.path,
      env: {
        KONG_PROXY_LISTEN: '127.0.0.1:0',
        KONG_STATUS_LISTEN: 'off',
        KONG_PREFIX: folder.path,
        KONG_PROXY_ERROR_LOG: 'error.log',
      },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    await until('a line in the log', async () => / is ready /.test(await textOf(error)))
    child.kill()
    const said = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    expect(said).toEqual(['', '', 0])
  })

  test.each([
    ['KONG_PROXY_LISTEN', '0.0.0.0:8443 quic', 'HTTP/3 is not spoken here; remove quic'],
    [
      'KONG_ADMIN_LISTEN',
      '0.0.0.0:8001',
      'the Admin API is not supported yet; remove it, or set it to off',
    ],
    [
      'KONG_DATABASE',
      'postgres',
      'there is no database; the configuration is a file; remove it, or set it to off',
    ],
    [
      'KONG_TRUSTED_IPS',
      'anybody',
      '"anybody" is no address and no block of addresses, such as 10.0.0.0/8',
    ],
    [
      'KONG_LOG_LEVEL',
      'warm',
      'expected one of: debug, info, notice, warn, error; did you mean "warn"?',
    ],
  ])('%s=%s is refused', async (name, value, sentence) => {
    using folder = new Folder({ 'kong.yaml': EMPTY })
    const ended = await run(['start', '-c', 'kong.yaml'], {
      cwd: folder.path,
      env: { [name]: value },
    })
    expect(ended).toEqual({ code: 1, stdout: '', stderr: `${name}: ${sentence}\n` })
  })
})

/** What a file holds; nothing if it is not there. */
async function textOf(path: string): Promise<string> {
  return (await Bun.file(path).exists()) ? Bun.file(path).text() : ''
}
