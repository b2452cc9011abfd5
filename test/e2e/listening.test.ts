import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Folder } from './folder.ts'
import { Gatehouse, run, type Ended } from './gatehouse.ts'
import { hasNetworks, networkOf, ownNetwork } from './network.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

/** A gateway that needs no service: it answers 418 by itself. */
const CONFIG = JSON.stringify({
  _format_version: '3.0',
  routes: [{ name: 'example-route', paths: ['/anything'] }],
  plugins: [{ name: 'request-termination', route: 'example-route', config: { status_code: 418 } }],
})

describe.skipIf(!hasNetworks)('with an empty environment', () => {
  test('it listens on port 8000, where localhost may lead, and nowhere else but 8007', async () => {
    await using gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: null,
      through: ownNetwork(),
    })
    for (const host of ['127.0.0.1', '[::1]', 'localhost'])
      expect(await curl(gatehouse, `http://${host}:8000/anything`)).toBe('418')
    expect(await curl(gatehouse, 'http://127.0.0.1:8007/status/ready')).toBe('200')
    expect(await listeners(gatehouse)).toEqual(['0.0.0.0:8000', '127.0.0.1:8007', '[::]:8000'])
    const health = await run(['health'], { through: networkOf(gatehouse.pid) })
    expect(health).toEqual({ code: 0, stdout: 'Gatehouse is healthy\n', stderr: '' })
  })

  test('a second one is told that port 8000 is in use, and the first one goes on', async () => {
    await using gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: null,
      through: ownNetwork(),
    })
    const before = await listeners(gatehouse)
    expect(await startBeside(gatehouse)).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: port 8000 is in use; set KONG_PROXY_LISTEN\n',
    })
    expect(await startBeside(gatehouse, { KONG_PROXY_LISTEN: '127.0.0.1:8001' })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: port 8007 is in use; set KONG_STATUS_LISTEN\n',
    })
    expect(await listeners(gatehouse)).toEqual(before)
    expect(await curl(gatehouse, 'http://127.0.0.1:8000/anything')).toBe('418')
  })

  test('half a port is no port: where ::1 is taken, it does not start', async () => {
    await using gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: ['proxy_listen = [::1]:8000'],
      through: ownNetwork(),
    })
    expect(await startBeside(gatehouse)).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: port 8000 is in use; set KONG_PROXY_LISTEN\n',
    })
    expect(await listeners(gatehouse)).toEqual(['[::1]:8000'])
  })

  test('a machine without IPv6 is no reason not to start', async () => {
    const off = 'sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1'
    await using gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: null,
      through: ownNetwork(off),
    })
    expect(await curl(gatehouse, 'http://localhost:8000/anything')).toBe('418')
  })

  test('a port that needs more rights is named', async () => {
    using folder = new Folder({ 'kong.yaml': CONFIG })
    const ended = await run(['start', '-c', 'kong.yaml'], {
      cwd: folder.path,
      env: { KONG_PROXY_LISTEN: '127.0.0.1:80' },
      through: [...ownNetwork(), 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
    })
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr: 'gatehouse: port 80 needs more rights than this user has; set KONG_PROXY_LISTEN\n',
    })
  })
})

test('an address of another machine is named', async () => {
  using folder = new Folder({ 'kong.yaml': CONFIG })
  const env = { KONG_PROXY_LISTEN: '192.0.2.1:8000', KONG_STATUS_LISTEN: 'off' }
  expect(await run(['start', '-c', 'kong.yaml'], { cwd: folder.path, env })).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'gatehouse: cannot listen on 192.0.2.1 port 8000 (EADDRNOTAVAIL); set KONG_PROXY_LISTEN\n',
  })
})

test('every address of proxy_listen is served', async () => {
  await using gatehouse = await Gatehouse.start({
    config: CONFIG,
    settings: ['proxy_listen = 127.0.0.1:0, [::1]:0 reuseport backlog=16384, 127.0.0.2:0'],
  })
  const [first, second, third] = gatehouse.ports
  for (const address of [`127.0.0.1:${first}`, `[::1]:${second}`, `127.0.0.2:${third}`])
    expect((await fetch(`http://${address}/anything`)).status).toBe(418)
})

test('a listener with TLS shows the certificate of the settings, in either form', async () => {
  using folder = new Folder({})
  const openssl = Bun.spawnSync(
    ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
      .concat(['-subj', '/CN=a.test', '-addext', 'subjectAltName=DNS:a.test'])
      .concat(['-keyout', 'a.key', '-out', 'a.pem', '-days', '2']),
    { cwd: folder.path },
  )
  expect(openssl.exitCode).toBe(0)
  const [cert, key] = ['a.pem', 'a.key'].map((name) => join(folder.path, name)) as [string, string]
  const base64 = (path: string) => readFileSync(path).toString('base64')
  for (const [shown, its] of [
    [cert, key],
    [base64(cert), base64(key)],
  ]) {
    await using gatehouse = await Gatehouse.start({
      config: CONFIG,
      settings: [
        'proxy_listen = 127.0.0.1:0, 127.0.0.1:0 ssl http2 deferred',
        `ssl_cert = ${shown}`,
        `ssl_cert_key = ${its}`,
      ],
    })
    const [, port] = gatehouse.ports
    const words = ['--cacert', cert, '--connect-to', `a.test:443:127.0.0.1:${port}`]
    expect(await curl(gatehouse, 'https://a.test/anything', words)).toBe('418')
    expect(gatehouse.log).toContain('without effect here: deferred')
  }
})

test('a listener with TLS needs no settings but its flag', async () => {
  await using gatehouse = await Gatehouse.start({
    config: CONFIG,
    settings: ['proxy_listen = 127.0.0.1:0 ssl'],
  })
  const url = `https://127.0.0.1:${gatehouse.port}/anything`
  expect(await curl(gatehouse, url, ['-k'])).toBe('418')
  expect(await curl(gatehouse, url)).toBe('000')
})

test.each([
  [['ssl_cert = /nowhere.pem', 'ssl_cert_key = /nowhere.pem'], 'no file that can be read (ENOENT)'],
  [['ssl_cert = /nowhere.pem'], 'no file that can be read (ENOENT)'],
  [['ssl_cert_key = /nowhere.pem'], 'no file that can be read (ENOENT)'],
  [['ssl_cipher_suite = custom', 'ssl_ciphers = NONE-OF-THESE'], 'none of these is known'],
])('%j is refused at the start', async (settings, sentence) => {
  using folder = new Folder({
    'kong.yaml': CONFIG,
    'kong.conf': `proxy_listen = 127.0.0.1:0 ssl\nstatus_listen = off\n${settings.join('\n')}\n`,
  })
  const ended = await run(['start', '-c', 'kong.conf', '-c', 'kong.yaml'], { cwd: folder.path })
  expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining(sentence)])
  expect(ended.stderr).toMatch(/^Set KONG_SSL_/m)
})

test('a Unix socket is served, and named where it cannot be', async () => {
  await using gatehouse = await Gatehouse.start({
    config: CONFIG,
    settings: ['proxy_listen = 127.0.0.1:0, unix:/proc/self/cwd/gatehouse.sock'],
  })
  const path = join(gatehouse.folder.path, 'gatehouse.sock')
  const words = ['--unix-socket', path]
  expect(await curl(gatehouse, 'http://a.test/anything', words)).toBe('418')
  const env = { KONG_PROXY_LISTEN: `unix:${path}`, KONG_STATUS_LISTEN: 'off' }
  const second = await run(['start', '-c', 'kong.yaml'], { cwd: gatehouse.folder.path, env })
  expect(second).toEqual({
    code: 1,
    stdout: '',
    stderr: `gatehouse: ${path} is in use; set KONG_PROXY_LISTEN\n`,
  })
})

test('every address of status_listen is served', async () => {
  const free = () => {
    const taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    taken.stop(true)
    return taken.port
  }
  const [first, second] = [free(), free()]
  const listen = `status_listen = 127.0.0.1:${first}, 127.0.0.2:${second}`
  await using gatehouse = await Gatehouse.start({ config: CONFIG, settings: [listen] })
  for (const place of [`127.0.0.1:${first}`, `127.0.0.2:${second}`])
    expect(await curl(gatehouse, `http://${place}/status/ready`)).toBe('200')
})

test('USR1 opens the logs again', async () => {
  await using gatehouse = await Gatehouse.start({
    config: CONFIG,
    settings: ['proxy_access_log = access.log'],
  })
  const path = join(gatehouse.folder.path, 'access.log')
  const url = `http://127.0.0.1:${gatehouse.port}/anything`
  const lines = (name: string) => readFileSync(name, 'utf8').split('\n').length - 1
  await curl(gatehouse, url)
  await until('the line of the first request', () => lines(path) === 1)
  renameSync(path, `${path}.1`)
  gatehouse.signal('SIGUSR1')
  await gatehouse.logged(/the logs were opened again/)
  await curl(gatehouse, url)
  await until('the line of the second request', () => lines(path) === 1)
  expect(lines(`${path}.1`)).toBe(1)
})

test('a log that cannot be opened again after USR1 is not said to be', async () => {
  await using gatehouse = await Gatehouse.start({
    config: CONFIG,
    settings: ['proxy_access_log = access.log'],
  })
  const path = join(gatehouse.folder.path, 'access.log')
  rmSync(path)
  mkdirSync(path)
  gatehouse.signal('SIGUSR1')
  await gatehouse.logged(/code=log_not_reopened/)
  rmdirSync(path)
  gatehouse.signal('SIGUSR1')
  await gatehouse.logged(/the logs were opened again/)
  expect(gatehouse.log.match(/the logs were opened again/g)).toHaveLength(1)
})

function startBeside({ pid, folder }: Gatehouse, env = {}): Promise<Ended> {
  const around = { cwd: folder.path, env, through: networkOf(pid) }
  return run(['start', '-c', 'kong.yaml'], around)
}

/** The status of an answer, asked for in the network of a gateway. */
async function curl({ pid }: Gatehouse, url: string, options: string[] = []): Promise<string> {
  const words = ['curl', ...options, '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', url]
  return Bun.spawn([...networkOf(pid), ...words]).stdout.text()
}

/** The addresses on which anybody listens in the network of a gateway. */
async function listeners({ pid }: Gatehouse): Promise<string[]> {
  const table = await Bun.spawn([...networkOf(pid), 'ss', '-Hltn']).stdout.text()
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/\s+/)[3]!)
    .sort()
}
