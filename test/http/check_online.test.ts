import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { printFaults } from '../../src/declarative/faults.ts'
import { loadDeclarative } from '../../src/declarative/load.ts'
import { DEFAULT_SETTINGS } from '../../src/gateway.ts'
import { createLog } from '../../src/log.ts'
import { checkOnline } from '../../src/online.ts'
import { plugins } from '../../src/plugins/index.ts'
import type { Certificate } from './authority.ts'
import { Pki } from './pki.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(30_000)

const SECRET = 'geheim-geheim'
const MAIN = join(import.meta.dir, '..', '..', 'src', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'check-online-'))
afterAll(() => rmSync(folder, { recursive: true }))

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const KEY = { ...publicKey.export({ format: 'jwk' }), kid: 'good', use: 'sig', alg: 'ES256' }

interface Provider extends Disposable {
  readonly issuer: string
  /** Everything that it was asked, as `METHOD path`. */
  readonly requests: readonly string[]
}

/** A provider on a free port, whose document has `more` laid over it. */
function provider(more: object = {}, tls?: Certificate): Provider {
  const requests: string[] = []
  let issuer = ''
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    ...(tls && { tls }),
    fetch({ method, url }): Response {
      const { pathname } = new URL(url)
      requests.push(`${method} ${pathname}`)
      if (pathname === '/keys') return Response.json({ keys: [KEY] })
      if (!pathname.startsWith('/.well-known/')) return new Response('', { status: 404 })
      return Response.json({
        issuer,
        token_endpoint: `${issuer}/token`,
        authorization_endpoint: `${issuer}/auth`,
        jwks_uri: `${issuer}/keys`,
        grant_types_supported: ['authorization_code', 'client_credentials'],
        ...more,
      })
    },
  })
  issuer = `${tls ? 'https' : 'http'}://localhost:${server.port}`
  return { issuer, requests, [Symbol.dispose]: () => void server.stop(true) }
}

/** Runs `gatehouse check` on a file of these lines. */
async function check(
  yaml: string,
  words: readonly string[] = [],
  env: Record<string, string> = {},
) {
  writeFileSync(join(folder, 'kong.yaml'), `_format_version: "3.0"\n${yaml}`)
  const child = Bun.spawn([process.execPath, MAIN, 'check', '--online', ...words, 'kong.yaml'], {
    cwd: folder,
    env: { ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()])
  expect(stdout + stderr).not.toContain(SECRET)
  const lines = stdout.trimEnd().split('\n')
  // What a load says too is tested elsewhere.
  const found = lines.filter((line) => !/^note: kong\.yaml:\d+ /.test(line))
  return { code: await child.exited, stdout, stderr, found }
}

/** One route with the plugin; `config` are further lines of it. */
function guarded(path: string, issuer: string, ...config: readonly string[]): string {
  const lines = [
    `- name: s${path.slice(1)}`,
    '  url: http://127.0.0.1:9',
    '  routes:',
    `  - name: r${path.slice(1)}`,
    `    paths: [${path}]`,
    '  plugins:',
    '  - name: openid-connect',
    '    config:',
    `      issuer: ${issuer}`,
    ...config.map((line) => `      ${line}`),
  ]
  return `${lines.join('\n')}\n`
}

describe('gatehouse check --online', () => {
  test('says that there is nothing to mend', async () => {
    using at = provider()
    const { code, found, stderr } = await check(
      `services:\n${guarded('/a', at.issuer, 'auth_methods: [bearer]')}`,
    )
    expect({ code, found, stderr }).toEqual({
      code: 0,
      found: ['kong.yaml: valid; online: nothing to mend'],
      stderr: '',
    })
  })

  test('says so of a file whose plugins have nobody to ask', async () => {
    const { code, found } = await check('services: [{ name: a, url: "http://127.0.0.1:9" }]')
    expect({ code, found }).toEqual({
      code: 0,
      found: ['kong.yaml: valid; online: nobody to ask'],
    })
  })

  test('names line and field, and what several plugins have in common once', async () => {
    using at = provider()
    const config = [
      `client_id: [kong]`,
      `client_secret: [${SECRET}]`,
      'auth_methods:',
      '- bearer',
      '- password',
    ]
    const yaml = `services:\n${guarded('/a', at.issuer, ...config)}${guarded('/b', at.issuer, ...config)}`
    const { code, found } = await check(yaml)
    expect(code).toBe(1)
    expect(found).toEqual([
      'error: kong.yaml:16:9 services[0].plugins[0].config.auth_methods[1]: password: the provider does not offer this grant (grant_types_supported: authorization_code, client_credentials); also at kong.yaml:30 (grant_not_supported)',
      'kong.yaml: valid; online: 1 error',
    ])
    expect(at.requests).toEqual(['GET /.well-known/openid-configuration', 'GET /keys'])
  })

  test('follows a redirect URI by the routes of the file', async () => {
    using at = provider()
    const login = (...uris: readonly string[]) => [
      `client_id: [${uris.map((_, i) => `c${i}`).join(', ')}]`,
      `client_secret: [${SECRET}]`,
      'auth_methods: [authorization_code]',
      `redirect_uri: [${uris.join(', ')}]`,
    ]
    const uris = ['/a/back', '/b', '/c', '/d'].map((path) => `https://gateway.test${path}`)
    const yaml = [
      'services:',
      guarded('/a', at.issuer, ...login(...uris)).trimEnd(),
      guarded('/b', at.issuer, 'auth_methods: [bearer]').trimEnd(),
      '- { name: sc, url: "http://127.0.0.1:9", routes: [{ name: rc, paths: [/c] }] }',
    ].join('\n')
    const { stdout } = await check(yaml, ['--json'])
    const { findings } = JSON.parse(stdout) as { findings: { code: string; path?: string }[] }
    const callbacks = findings.filter(({ code }) => code.startsWith('callback_'))
    // In one line the worst is first.
    expect(callbacks.map(({ code, path }) => [code, path])).toEqual([
      ['callback_unguarded', 'services[0].plugins[0].config.redirect_uri[2]'],
      ['callback_elsewhere', 'services[0].plugins[0].config.redirect_uri[1]'],
      ['callback_not_routed', 'services[0].plugins[0].config.redirect_uri[3]'],
    ])
  })

  test('writes JSON for programs, of a file with faults too', async () => {
    const good = await check(
      `services:\n${guarded('/a', 'http://127.0.0.1:1', 'auth_methods: [bearer]')}`,
      ['--json'],
    )
    expect(good.code).toBe(1)
    expect(JSON.parse(good.stdout)).toMatchObject({
      valid: true,
      findings: expect.arrayContaining([
        expect.objectContaining({
          level: 'error',
          code: 'provider_unreachable',
          file: 'kong.yaml',
          line: 11,
          column: 15,
          path: 'services[0].plugins[0].config.issuer',
        }),
      ]),
    })
    const bad = await check('servces: []', ['--json'])
    expect(bad.code).toBe(1)
    expect(JSON.parse(bad.stdout)).toMatchObject({
      valid: false,
      findings: [{ level: 'error', code: 'configuration', file: 'kong.yaml', line: 2 }],
    })
  })

  test('ends in time, whatever the timeout of a plugin and however many do not answer', async () => {
    using silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    const config = ['auth_methods: [bearer]', 'timeout: 60000']
    const issuers = [1, 2, 3].map((i) => `http://127.0.0.1:${silent.port}/${i}`)
    const yaml = issuers.map((issuer, i) => guarded(`/${'abc'[i]}`, issuer, ...config)).join('')
    const text = `_format_version: "3.0"\nservices:\n${yaml}`
    const loaded = loadDeclarative([{ name: 'kong.yaml', text }], { env: {}, plugins })
    if (loaded.faults) throw new Error(printFaults(loaded.faults))
    const log = createLog('error', () => {})
    const begun = performance.now()
    const found = await checkOnline(loaded, {
      settings: DEFAULT_SETTINGS,
      plugins,
      log,
      triesClients: false,
      limit: 400,
    })
    expect(found!.map(({ code }) => code)).toEqual(Array(3).fill('provider_timeout'))
    expect(performance.now() - begun).toBeLessThan(3_000)
  })

  test('leaves out a plugin that is not enabled', async () => {
    const yaml = `services:\n${guarded('/a', 'http://127.0.0.1:1', 'auth_methods: [bearer]')}`
    const { found } = await check(yaml.replace('    config:', '    enabled: false\n    config:'))
    expect(found).toEqual(['kong.yaml: valid; online: nobody to ask'])
  })
})

const hasOpenssl = Bun.which('openssl') !== null
if (!hasOpenssl) console.log('skipped: certificates of providers: there is no openssl')

describe.skipIf(!hasOpenssl)('the certificate of a provider', () => {
  const LOCAL = ['subjectAltName=DNS:localhost']
  // prettier-ignore
  const CASES: readonly (readonly [what: string, wanted: { days?: number; extensions?: readonly string[] }, isTrusted: boolean, config: string, code: number, expected: RegExp])[] = [
    ['that is good',               { days: 60, extensions: LOCAL },                   true,  'ssl_verify: true',  0, /^$/],
    ['that soon runs out',         { days: 5, extensions: LOCAL },                    true,  'ssl_verify: true',  0, /^warning: kong\.yaml:11:15 .*config\.issuer: the certificate of localhost:\d+ runs out on \d{4}-\d\d-\d\d, in [45] days \(certificate_ends_soon\)$/m],
    ['that has run out',           { days: -1, extensions: LOCAL },                   true,  'ssl_verify: true',  1, /^error: kong\.yaml:11:15 .*config\.issuer: the certificate of localhost:\d+ has run out \(\d{4}-\d\d-\d\d\); have it renewed \(certificate_expired\)$/m],
    ['for another name',           { extensions: ['subjectAltName=DNS:other.test'] }, true,  'ssl_verify: true',  1, /\(certificate_name\)$/m],
    ['of an unknown authority',    { days: 60, extensions: LOCAL },                   false, 'ssl_verify: true',  1, /\(certificate_trust\)$/m],
    ['that nobody looks at',       { days: 60, extensions: LOCAL },                   false, 'ssl_verify: false', 0, /^warning: kong\.yaml:12:19 .*config\.ssl_verify: .* ssl_verify is off, so that anybody may show it \(certificate_trust\)$/m],
  ]

  test.each(CASES)('%s', async (_, wanted, isTrusted, config, code, expected) => {
    using pki = new Pki()
    const ca = pki.issue(undefined)
    using at = provider({}, pki.issue(ca, wanted))
    writeFileSync(join(folder, 'ca.pem'), ca.cert)
    const env: Record<string, string> = isTrusted
      ? { KONG_LUA_SSL_TRUSTED_CERTIFICATE: join(folder, 'ca.pem') }
      : {}
    const yaml = `services:\n${guarded('/a', at.issuer, config, 'auth_methods: [bearer]')}`
    const ended = await check(yaml, [], { KONG_TLS_CERTIFICATE_VERIFY: 'off', ...env })
    expect(ended.found.slice(0, -1).join('\n')).toMatch(expected)
    expect(ended.code).toBe(code)
  })
})
