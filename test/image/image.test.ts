import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '../../package.json'
import { type Echo, startEcho } from '../../src/quickstart/echo.ts'
import {
  CLIENT,
  type DevelopmentProvider,
  startProvider,
  USER,
} from '../../src/quickstart/provider.ts'
import { buildImage, type Container, type Image } from './container.ts'
import { startIssuer } from './issuer.ts'

setDefaultTimeout(60_000)

let image: Image
let folder: string
let echo: Echo
let provider: DevelopmentProvider
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-test-'))
  image = await buildImage()
  echo = await startEcho()
  provider = await startProvider({ port: 0, rotate: false })
}, 600_000)
afterAll(async () => {
  await Promise.all([
    image?.remove(),
    echo?.stop(),
    provider?.stop(),
    rm(folder, { recursive: true }),
  ])
})

let running: Container | undefined
afterEach(async () => {
  running?.signal('SIGTERM')
  await running?.exited
  running = undefined
})

test('it holds the executable, what that links to, and certificates: nothing else', async () => {
  const files = [...new Bun.Glob('**').scanSync({ cwd: image.rootfs, dot: true })].sort()
  const machine = process.arch === 'x64' ? 'x86_64' : 'aarch64'
  const loader = process.arch === 'x64' ? 'lib64/ld-linux-x86-64.so.2' : 'lib/ld-linux-aarch64.so.1'
  const libraries = ['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0']
  expect(files).toEqual(
    [
      'etc/ssl/certs/ca-certificates.crt',
      'gatehouse',
      loader,
      ...libraries.map((name) => `lib/${machine}-linux-gnu/${name}`),
    ].sort(),
  )
})

test('it runs as nobody, on port 8000, starts /kong.yaml and knows how it does', () => {
  expect(image.config).toMatchObject({
    User: '65532:65532',
    ExposedPorts: { '8000/tcp': {} },
    Entrypoint: ['/gatehouse'],
    Cmd: ['start', '-c', '/kong.yaml'],
    Healthcheck: { Test: ['CMD', '/gatehouse', 'health'] },
    Labels: { 'org.opencontainers.image.licenses': 'Apache-2.0' },
  })
  expect(image.config.Env).toContain('SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt')
})

test('the how-to passes through it: the password, then the refresh token', async () => {
  const { url, container } = await start(
    await Bun.file(join(import.meta.dir, '../../kong.yaml')).text(),
    {
      DECK_ISSUER: provider.issuer,
      DECK_CLIENT_ID: CLIENT.id,
      DECK_CLIENT_SECRET: CLIENT.secret,
    },
  )
  expect(await container.exec('/gatehouse', 'health')).toMatchObject({ code: 0 })

  const first = await fetch(url, { headers: { authorization: basic(USER.name, USER.password) } })
  expect(first.status).toBe(200)
  const upstream = echoed(await first.json())
  expect(upstream['Authorization']).toMatch(/^Bearer ey/)
  expect(upstream['Refresh-Token']).toBeString()

  const second = await fetch(url, { headers: { 'refresh-token': upstream['Refresh-Token']! } })
  expect(second.status).toBe(200)
  expect(echoed(await second.json())['Authorization']).toMatch(/^Bearer ey/)

  const wrong = await fetch(url, { headers: { authorization: basic(USER.name, 'wrong') } })
  expect(wrong.status).toBe(401)
  expect((await fetch(url)).status).toBe(401)
})

test('it says which release it is, and TERM ends it with 0', async () => {
  const { container } = await start(plain())
  const { code, out } = await container.exec('/gatehouse', 'version')
  expect([code, out]).toEqual([0, `gatehouse ${version}\n`])
  container.signal('SIGTERM')
  expect(await container.exited).toBe(0)
})

test('it runs as 65532 without a capability, and cannot write to its root', async () => {
  const { container } = await start(plain())
  const status = await container.proc('status')
  expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m)
  expect(status).toMatch(/^CapEff:\t0+$/m)
  expect(await container.proc('mounts')).toMatch(/^\S+ \/ \S+ ro,/m)
})

test('an issuer is trusted if SSL_CERT_FILE names its authority', async () => {
  const issuer = await startIssuer(folder)
  try {
    const { url } = await start(
      behind(issuer.url),
      { SSL_CERT_FILE: '/authority.pem' },
      { '/authority.pem': issuer.authority },
    )
    const answer = await fetch(url, { headers: { authorization: basic('alex', 'doe') } })
    expect(answer.status).toBe(200)
    expect(echoed(await answer.json())['Authorization']).toMatch(/^Bearer ey/)
    expect(issuer.tokens()).toBe(1)
  } finally {
    await issuer.stop()
  }
})

test('an issuer is not trusted without it, and is told no password', async () => {
  const issuer = await startIssuer(folder)
  try {
    const { url } = await start(behind(issuer.url))
    const answer = await fetch(url, { headers: { authorization: basic('alex', 'doe') } })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(issuer.tokens()).toBe(0)
  } finally {
    await issuer.stop()
  }
})

/** Starts the image's own command with a configuration in place of /kong.yaml, and waits until it serves. */
async function start(
  configuration: string,
  env: Record<string, string> = {},
  mounts: Record<string, string> = {},
): Promise<{ url: string; container: Container }> {
  const file = join(folder, 'kong.yaml')
  await Bun.write(
    file,
    configuration.replaceAll('http://httpbin.konghq.com', `http://127.0.0.1:${echo.port}`),
  )
  const [proxy, status] = [freePort(), freePort()]
  const container = await image.start({
    env: {
      KONG_PROXY_LISTEN: `127.0.0.1:${proxy}`,
      KONG_STATUS_LISTEN: `127.0.0.1:${status}`,
      ...env,
    },
    mounts: { '/kong.yaml': file, '/etc/hosts': '/etc/hosts', ...mounts },
  })
  running = container
  const url = `http://127.0.0.1:${proxy}/anything`
  let hasEnded = false
  container.exited.then(() => (hasEnded = true))
  for (const end = Date.now() + 20_000; ; await Bun.sleep(20)) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer) return { url, container }
    if (hasEnded || Date.now() > end) throw new Error(`it does not serve: ${container.output()}`)
  }
}

const plain = () => `
_format_version: "3.0"
services: [{ name: echo, url: "http://httpbin.konghq.com/anything", routes: [{ paths: [/anything] }] }]
`

const behind = (issuer: string) => `${plain()}
plugins:
  - name: openid-connect
    config:
      issuer: ${issuer}/.well-known/openid-configuration
      client_id: [kong]
      client_secret: [secret]
      auth_methods: [password]
      ssl_verify: true
`

function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  listener.stop(true)
  return listener.port
}

function basic(name: string, password: string): string {
  return `Basic ${btoa(`${name}:${password}`)}`
}

/** The headers that the echo saw. */
function echoed(body: unknown): Record<string, string> {
  return (body as { headers: Record<string, string> }).headers
}
