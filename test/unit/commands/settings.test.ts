import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enabledPlugins, missingPlugins, settingsOf } from '../../../src/commands/settings.ts'
import { loadConf } from '../../../src/conf.ts'
import { check } from '../../../src/schema/check.ts'

const hasOpenssl = Bun.which('openssl') !== null
if (!hasOpenssl) console.log('skipped: ssl_cert, since there is no openssl to make them')

test.skipIf(!hasOpenssl).each([
  ['secp256k1', 'the key of this certificate cannot be used: expected RSA, ECDSA'],
  ['secp224r1', 'this key cannot be served: expected RSA, ECDSA'],
])('ssl_cert with a key on %s is refused with a sentence', (curve, sentence) => {
  const folder = mkdtempSync(join(tmpdir(), 'pair-'))
  try {
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
    const made = `req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:${curve} -subj /CN=a.test -keyout ${key} -out ${cert}`
    Bun.spawnSync(['openssl', ...made.split(' ')])
    expect(readFileSync(cert, 'utf8')).toContain('BEGIN CERTIFICATE')
    const loaded = loadConf({ env: { KONG_SSL_CERT: cert, KONG_SSL_CERT_KEY: key } })
    if (loaded.faults) throw new Error(loaded.faults[0]?.message)
    expect(() => settingsOf(loaded.conf, {})).toThrow(`ssl_cert and ssl_cert_key: ${sentence}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('templates of errors are read from their files, with two marks at most', () => {
  const folder = mkdtempSync(join(tmpdir(), 'templates-'))
  const path = join(folder, 'error.html')
  const read = () => {
    const loaded = loadConf({ env: { KONG_ERROR_TEMPLATE_HTML: path } })
    if (loaded.faults) throw new Error(loaded.faults[0]?.message)
    return settingsOf(loaded.conf, {}).error_templates
  }
  try {
    expect(read).toThrow(`error_template_html: cannot read ${path} (ENOENT)`)
    writeFileSync(path, '<p>%s %s %s</p>')
    expect(read).toThrow(`error_template_html: ${path} has more than two %s`)
    writeFileSync(path, '<p>%s 100%% %%s %s</p>')
    expect(read()).toEqual({ html: '<p>%s 100%% %%s %s</p>' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.each([
  [['bundled'], []],
  [['off'], []],
  [['cors', 'jwt'], []],
  [['bundled', 'mine', 'ai-proxy'], ['plugins: enabled but not installed: mine, ai-proxy']],
])('the setting plugins with %j is warned of: %j', (names, warnings) => {
  expect(missingPlugins(names)).toEqual(warnings)
})

// prettier-ignore
test.each([
  [{ add: { headers: ['a:1', 'b:$(headers.host)'] } },  'add.headers'],
  [{ replace: { uri: '/$(uri_captures.a)' } },          'replace.uri'],
  [{ rename: { body: ['a:$(headers.host)'] } },         'rename.body'],
  [{ append: { querystring: ['a:$(headers["x"])'] } },  'append.querystring'],
])('with untrusted_lua off the template in %j is a fault', (config, at) => {
  const faultsWith = (untrusted_lua?: 'off' | 'on') =>
    check(enabledPlugins(['bundled'], untrusted_lua).get('request-transformer')!.schema, config).faults
  expect(faultsWith('on')).toBeUndefined()
  expect(faultsWith()).toBeUndefined()
  expect(faultsWith('off')).toMatchObject([{ path: at.split('.'), message: "templates are not allowed, since 'untrusted_lua' is set to 'off'" }])
})

test('with untrusted_lua off there is all else, and request-transformer without templates', () => {
  const plugins = enabledPlugins(['bundled'], 'off')
  expect([...plugins.keys()]).toEqual([...enabledPlugins(['bundled']).keys()])
  const { schema } = plugins.get('request-transformer')!
  expect(check(schema, { add: { headers: ['a:$b', 'c:$('] } }).faults).toBeUndefined()
})
