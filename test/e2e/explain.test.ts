import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { signExplain } from '../../src/explain_key.ts'
import { decodeTrace } from '../../src/trace_record.ts'
import { basic, request } from './client.ts'
import { CLIENT } from './entities.ts'
import { Folder } from './folder.ts'
import { type Ended, Gatehouse, run } from './gatehouse.ts'
import { json, Provider, sign } from './provider.ts'
import { Service } from './service.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(30_000)

const golden = join(import.meta.dir, 'explain.golden.txt')
const KEY = 'a key for explain that is long enough for anybody'
const SCOPES = 'orders:read'
const PASSWORD = 'correct horse battery'

let provider: Provider
let service: Service
beforeAll(() => {
  provider = new Provider()
  service = new Service()
})
afterAll(() => {
  provider[Symbol.dispose]()
  service[Symbol.dispose]()
})

/** A file as people write it, so that each field has a line of its own; `fields` of the plugin, and more plugins. */
function fileOf(fields = '', plugins = '', issuer = provider.issuer): string {
  return `_format_version: "3.0"
services:
  - name: orders
    url: ${service.url}
    routes:
      - name: orders-route
        paths: [/orders]
        hosts: [shop.test]
      - name: stock-route
        paths: [/stock]
        methods: [GET]
consumers:
  - username: alex
  - username: guest
plugins:
  - name: openid-connect
    service: orders
    config:
      issuer: ${issuer}
      client_id: [${CLIENT.client_id[0]}]
      client_secret: [${CLIENT.client_secret[0]}]
      auth_methods: [bearer, password]
${fields}${plugins}`
}

const field = (name: string, value: string) => `      ${name}: ${value}\n`
const RATE = `  - name: rate-limiting
    service: orders
    config:
      minute: 1
`
const bearer = (claims: object = {}) => `Authorization: Bearer ${sign(provider.claims(claims))}`
const ORDERS = 'http://shop.test:8000/orders/7?color=red'

/** What the user types behind `--`, and the configuration. */
interface Case {
  readonly title: string
  readonly code: 0 | 1
  readonly words: () => readonly string[]
  readonly file?: () => string
}

// prettier-ignore
const CASES: readonly Case[] = [
  { title: 'no route', code: 1, words: () => ['curl', 'http://localhost:8000/order'] },
  { title: 'wrong host', code: 1, words: () => ['curl', 'http://localhost:8000/orders'] },
  { title: 'an expired token', code: 1, words: () => ['curl', '-H', bearer({ iat: 1_700_000_000, exp: 1_700_000_300 }), ORDERS] },
  { title: 'a token of another issuer', code: 1, words: () => ['curl', '-H', bearer({ iss: 'https://other.test/realm' }), ORDERS] },
  { title: 'a missing scope', code: 1, words: () => ['curl', '-H', bearer(), ORDERS], file: () => fileOf(field('scopes_required', `[${SCOPES}]`)) },
  { title: 'a misspelled header', code: 1, words: () => ['curl', '-H', bearer().replace('Auth', 'Aut'), ORDERS] },
  { title: 'another scheme', code: 1, words: () => ['curl', '-H', bearer().replace('Bearer', 'Token'), ORDERS] },
  { title: 'a wrong password', code: 1, words: () => ['curl', '-u', 'alex:wrong horse battery', ORDERS] },
  { title: 'a provider that is down', code: 1, words: () => ['curl', '-u', `alex:${PASSWORD}`, ORDERS], file: () => fileOf('', '', 'http://localhost:9/realm') },
  { title: 'a consumer that is not there', code: 1, words: () => ['curl', '-H', bearer({ sub: 'sam' }), ORDERS], file: () => fileOf(field('consumer_claim', '[sub]')) },
  { title: 'anonymous', code: 0, words: () => ['curl', ORDERS], file: () => fileOf(field('anonymous', 'guest')) },
  { title: 'a skipped plugin', code: 0, words: () => ['curl', '-H', bearer(), ORDERS], file: () => fileOf('', `${RATE}    condition: 'http.method == "POST"'\n`) },
  { title: 'all good, with a password', code: 0, words: () => ['curl', '-u', `alex:${PASSWORD}`, '--json', '{"a":1}', '-b', 'theme=dark; sid=5b1f6f3c2d', ORDERS], file: () => fileOf(field('consumer_claim', '[sub]'), RATE) },
]

describe('what becomes of a request', () => {
  const seen = new Map<string, string>()
  beforeAll(() => {
    provider.replies.token = ({ form }) =>
      form.get('password') === PASSWORD
        ? json(provider.tokenSet())
        : json({ error: 'invalid_grant', error_description: 'Invalid user credentials' }, 401)
  })

  test.each(CASES.map((each) => [each.title, each] as const))('%s', async (title, each) => {
    const before = service.requests.length
    const words = each.words()
    const ended = await explain(['--', ...words], each.file?.())
    expect([ended.stderr, ended.code]).toEqual(['', each.code])
    expect(service.requests.length).toBe(before)
    expectNoSecrets(ended, words)
    seen.set(title, plain(ended.stdout))
  })

  test('in the words of explain.golden.txt', async () => {
    const text = CASES.map(({ title }) => `# ${title}\n${seen.get(title)}`).join('\n')
    if (process.env.GOLDEN === 'write') await Bun.write(golden, text)
    expect(text).toBe(await Bun.file(golden).text())
  })

  test('nor a token in a header of any name, there and back', async () => {
    provider.replies.token = () => json(provider.tokenSet({ access_token: 'opaque-1a2b3c' }))
    const fields =
      field('upstream_access_token_header', 'x-one') + field('bearer_token_header_name', 'x-two')
    const words = [
      'curl',
      '-u',
      `alex:${PASSWORD}`,
      '-H',
      'X-Two;',
      '-H',
      'X-One: opaque-of-mine',
      ORDERS,
    ]
    const { code, stdout } = await explain(['--', ...words], fileOf(fields))
    expect(code).toBe(0)
    expect(stdout).toMatch(/X-One: +\[masked\]|x-one: +\[masked\]/)
    expect(stdout).not.toContain('opaque')
  })

  test('as one text, as it was pasted', async () => {
    const line = `curl -sk -X PUT \\\n  'http://shop.test:8000/orders' -H "Authorization: Bearer $TOKEN" -d a=b&`
    const env = { TOKEN: sign(provider.claims()) }
    const { code, stdout } = await explain([line], undefined, env)
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
      /^PASSES: the service orders would be asked PUT http/,
    )
    expect(stdout).not.toContain('eyJ')
  })

  test('by the rules of the node: without Lua a template is a fault, as at the start', async () => {
    const plugin = `  - name: request-transformer\n    config: { add: { headers: ["x-host:$(headers.host)"] } }\n`
    const env = { KONG_UNTRUSTED_LUA: 'off' }
    const { code, stdout, stderr } = await explain(['curl', ORDERS], fileOf('', plugin), env)
    expect(code).not.toBe(0)
    expect(stdout + stderr).toContain("since 'untrusted_lua' is set to 'off'")
  })

  test('with --send the service is asked', async () => {
    const { code, stdout } = await explain(['--send', '--', 'curl', '-H', bearer(), ORDERS])
    expect(code).toBe(0)
    expect(service.last.target).toBe('/anything/orders/7?color=red'.replace('/orders', ''))
    expect(stdout).toContain('and answered 200.')
  })

  test('for machines', async () => {
    const { code, stdout } = await explain(['--json', '--', 'GET', ORDERS])
    expect(code).toBe(1)
    const record = JSON.parse(stdout)
    expect(record).toMatchObject({ passes: false, status: 401 })
    expect(record.steps.map(({ step }: { step: string }) => step)).toEqual([
      'request',
      'route',
      'plugin',
      'credential',
      'refused',
    ])
    expect(record.steps.at(-1).facts).toMatchObject({
      code: 'no_credentials',
      plugin: 'openid-connect',
    })
  })

  // prettier-ignore
  test.each([
    ['no request',           [],                                        'no address is given'],
    ['an unknown option',    ['--frobnicate'],                          'unknown option --frobnicate'],
    ['an unset variable',    ['curl http://a.test/$NOT_SET'],           'the variable NOT_SET is not set'],
    ['a command in it',      ['curl -H "Authorization: $(token)" http://a.test'], 'are not run'],
    ['two addresses',        ['--', 'curl', 'http://a.test', 'http://b.test'], 'one request at a time'],
    ['an open quote',        [`curl 'http://a.test `],                  'is not closed'],
    ['no configuration',     ['-c', 'missing.yaml', 'http://a.test'],   'no such file'],
  ])('%s is status 2', async (_, words, said) => {
    const { code, stdout, stderr } = await explain(words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })

  test('a configuration with faults is status 2', async () => {
    const { code, stderr } = await explain(['http://a.test'], fileOf(field('issuers', 'x')))
    expect(code).toBe(2)
    expect(stderr).toContain('kong.yaml:23')
  })
})

describe('a running gateway', () => {
  const env = { GATEHOUSE_EXPLAIN_KEY: KEY }
  const start = (around: object = {}) =>
    Gatehouse.start({ config: fileOf('', RATE), env, secrets: [PASSWORD], ...around })
  const at = (gatehouse: Gatehouse, words: readonly string[], key = KEY) =>
    run(['explain', '--at', `http://127.0.0.1:${gatehouse.port}`, ...words], {
      env: { GATEHOUSE_EXPLAIN_KEY: key },
    })

  test('tells who has the key, and the limit that was reached', async () => {
    await using gatehouse = await start()
    const words = ['--', 'curl', '-H', bearer(), ORDERS]
    const first = await at(gatehouse, words)
    expect([first.stderr, first.code]).toEqual(['', 0])
    expect(
      service.requests.every(({ raw }) => !/gatehouse/i.test(raw.replaceAll(/via:.*/gi, ''))),
    ).toBe(true)
    const second = await at(gatehouse, words)
    expect(second.code).toBe(1)
    expect(second.stdout).toContain('this credential was proved before at ')
    expect(second.stdout.trimEnd().split('\n').at(-1)).toMatch(
      /^REFUSED with 429 by rate-limiting \(kong\.yaml:\d+\): wait, .*Look at kong\.yaml:\d+, config\.minute\.$/,
    )
    expectNoSecrets(second, words)
  })

  test('tells nobody else', async () => {
    await using gatehouse = await start()
    const { code, stderr } = await at(
      gatehouse,
      [ORDERS],
      'another key that is long enough for anybody',
    )
    expect(code).toBe(2)
    expect(stderr).toContain('tells nothing')
    const now = Date.now()
    const asked = { method: 'GET', target: '/stock', host: 'gateway.test' }
    const good = signExplain(KEY, 'send', asked, now)
    const fields = [basic('alex', PASSWORD)]
    const ask = (...more: string[]) =>
      request(gatehouse.port, { path: '/stock', fields: [...fields, ...more] })
    for (const [value, isTold] of [
      [good, true],
      [good, false],
      [signExplain(KEY, 'send', asked, now - 61_000), false],
      [signExplain(KEY, 'send', { ...asked, target: '/orders' }, now + 1), false],
      [signExplain(KEY, 'send', asked, now + 2).replace('send', 'rehearse'), false],
      ['send', false],
    ] as const) {
      const { headers } = await ask(`Gatehouse-Explain: ${value}`)
      expect(headers['gatehouse-trace'] !== undefined, value).toBe(isTold)
      if (isTold) expect(decodeTrace(headers['gatehouse-trace']!)?.passes).toBe(true)
    }
    expect(service.requests.some(({ raw }) => /gatehouse-explain/i.test(raw))).toBe(false)
  })

  test('tells its debug log, by the id of the request', async () => {
    await using gatehouse = await start({
      env: { KONG_LOG_LEVEL: 'debug' },
      secrets: [PASSWORD, '5b1f6f3c2d'],
    })
    const { headers, status } = await request(gatehouse.port, {
      path: '/stock',
      fields: [basic('alex', PASSWORD)],
    })
    expect(status).toBe(200)
    expect(headers['gatehouse-trace']).toBeUndefined()
    const id = headers['x-kong-request-id']
    // What the log holds is searched for tokens when the gateway is stopped.
    const path = '/stock?access_token=eyJhbGciOiJub25lIn0.e30.'
    await request(gatehouse.port, { path, fields: [bearer(), 'Cookie: session=5b1f6f3c2d'] })
    const line = await gatehouse.logged(new RegExp(`trace: PASSES.*request_id=${id}`))
    expect(line).toContain('[debug]')
    await gatehouse.logged(new RegExp(`trace: provider +POST .*/token → 200.*request_id=${id}`))
  })
})

/** Runs it with `kong.yaml` in a folder of its own. */
async function explain(
  words: readonly string[],
  file = fileOf(),
  env: Record<string, string> = {},
): Promise<Ended> {
  using folder = new Folder({ 'kong.yaml': file })
  return await run(['explain', ...(words[0] === '-c' ? [] : ['-c', 'kong.yaml']), ...words], {
    cwd: folder.path,
    env,
  })
}

/** No token, no password, no client secret and no cookie, in any form. */
function expectNoSecrets({ stdout, stderr }: Ended, words: readonly string[]): void {
  const text = stdout + stderr
  const [, sent = 'eyJ'] = /(?:Bearer|Token) (.*)/.exec(words.join('\n')) ?? []
  const pair = words[words.indexOf('-u') + 1] ?? ''
  const secrets = [
    ...[sent, 'eyJ', CLIENT.client_secret[0], PASSWORD, 'wrong horse', '5b1f6f3c2d', 'dark'],
    ...['renewal-', Buffer.from(pair).toString('base64')],
  ]
  for (const secret of secrets.filter((each) => each !== '')) expect(text).not.toContain(secret)
}

/** Without what is different each time. */
function plain(text: string): string {
  return text
    .replaceAll(/\(\d+ ms\)/g, '(<n> ms)')
    .replaceAll(/(?<=127\.0\.0\.1:)\d{4,5}/g, '<port>')
    .replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, '<id>')
    .replaceAll(/(?<=X-Kong-Request-Id: )\w+/g, '<id>')
    .replaceAll(/(?<=exp )20[\d-]+ [\d:]+ UTC \([^)]*\)/g, '<time>')
    .replaceAll(/(?<="(?:iat|exp)":)\d+/g, '<time>')
    .replaceAll(/(?<=expired )\d+ \w+ ago/g, '<time> ago')
}
