import { createHmac } from 'node:crypto'
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Answer, basic, Connection, request } from './client.ts'
import { gatewayOf, openidConnect } from './entities.ts'
import { Gatehouse } from './gatehouse.ts'
import {
  answer,
  cut,
  hang,
  json,
  jwk,
  Provider,
  type Reply,
  reset,
  sign,
  stranger,
  trickle,
} from './provider.ts'
import { Service, valuesOf } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

/** How long the plugin waits for the provider; milliseconds. */
const TIMEOUT = 400
const user = (name = 'alex') => ({ fields: [basic(name, 'doe')] })
const bearer = (token: string) => ({ fields: [`Authorization: Bearer ${token}`] })
const HUGE = JSON.stringify({ issuer: 'x'.repeat(3_000_000) })
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'

function gatewayFor(
  provider: Provider,
  service: Service,
  changes: object = {},
): Promise<Gatehouse> {
  const config = {
    timeout: TIMEOUT,
    auth_methods: ['bearer', 'refresh_token', 'password'],
    ...changes,
  }
  return Gatehouse.start({ config: gatewayOf(service.url, openidConnect(provider.issuer, config)) })
}

/** A 401 in time, whose one line names the code; the service saw nothing, and the gateway lives. */
async function expectRefused(
  gatehouse: Gatehouse,
  service: Service,
  sent: Parameters<typeof request>[1],
  code: RegExp,
): Promise<void> {
  const before = performance.now()
  const seen = service.requests.length
  const refused: Answer = await request(gatehouse.port, sent)
  expect([refused.status, refused.body]).toEqual([401, '{"message":"Unauthorized"}'])
  expect(performance.now() - before).toBeLessThan(TIMEOUT + 1_000)
  expect(service.requests.length).toBe(seen)
  const line = await gatehouse.logged(
    new RegExp(`request_id=${refused.headers['x-kong-request-id']} `),
  )
  expect(/code=(\w+)/.exec(line)?.[1]).toMatch(code)
  expect(line.length).toBeLessThan(1_000)
  expect(gatehouse.isRunning).toBe(true)
}

/** Answers that are none, at whichever endpoint. */
// prettier-ignore
const BROKEN: readonly (readonly [string, Reply])[] = [
  ['500',                          json({ error: 'oh' }, 500)],
  ['503 with a page',              answer(503, 'text/html', '<h1>later</h1>')],
  ['404',                          answer(404, 'text/plain', 'not here')],
  ['204',                          'HTTP/1.1 204 No Content\r\n\r\n'],
  ['a page',                       answer(200, 'text/html', '<!doctype html><title>Sign in</title>')],
  ['nothing',                      answer(200, 'application/json', '')],
  ['JSON null',                    json(null)],
  ['a JSON list',                  json([])],
  ['a JSON text',                  json('x')],
  ['half of JSON',                 answer(200, 'application/json', '{"issuer": "http')],
  ['an empty object',              json({})],
  ['three megabytes',              answer(200, 'application/json', HUGE)],
  ['three megabytes, chunked',     `${OK}Transfer-Encoding: chunked\r\n\r\n${HUGE.length.toString(16)}\r\n${HUGE}\r\n0\r\n\r\n`],
  ['a huge header',                `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(2_000_000)}\r\n\r\n{}`],
  ['bytes that are no HTTP',       '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n'],
  ['two lengths',                  `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`],
  ['a redirect',                   'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/stolen\r\nContent-Length: 0\r\n\r\n'],
  ['a permanent redirect',         'HTTP/1.1 308 x\r\nLocation: http://127.0.0.1:9/stolen\r\nContent-Length: 0\r\n\r\n'],
  ['nothing, ever',                hang],
  ['a byte now and then',          trickle],
  ['a closed connection',          cut()],
  ['a reset connection',           reset],
  ['half a head',                  cut('HTTP/1.1 200 OK\r\nContent-Ty')],
  ['half a body',                  cut(`${OK}Content-Length: 100\r\n\r\n{"a":`)],
  ['chunks without an end',        cut(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)],
  ['informational answers only',   'HTTP/1.1 103 x\r\n\r\n'.repeat(50)],
]

describe.each(['discovery', 'keys', 'token'] as const)(
  'a provider that answers at %s with',
  (endpoint) => {
    test.each(BROKEN)('%s: refused in time', async (_, reply) => {
      using provider = new Provider({ [endpoint]: typeof reply === 'string' ? reply : () => reply })
      using service = new Service()
      await using gatehouse = await gatewayFor(provider, service)
      const code = /^(?:provider_\w+)$/
      await expectRefused(gatehouse, service, user(), code)
      // Whatever it was, a refresh token or a password is never sent twice for one request.
      expect(provider.tokens.length).toBeLessThanOrEqual(1)
      if (endpoint !== 'token') expect(provider.tokens.length).toBe(0)
      // It recovers by itself: at once where tokens are asked for, after Kong's five seconds elsewhere.
      delete provider.replies[endpoint]
      if (endpoint === 'token') expect((await request(gatehouse.port, user())).status).toBe(200)
    })
  },
)

describe('a discovery document', () => {
  // prettier-ignore
  test.each<[string, object]>([
    ['without an issuer',                  { issuer: undefined }],
    ['whose issuer is no text',            { issuer: 1 }],
    ['whose issuer is no URL',             { issuer: 'realm' }],
    ['without a token endpoint',           { token_endpoint: undefined }],
    ['whose token endpoint is a file',     { token_endpoint: 'file:///etc/passwd' }],
    ['whose token endpoint is a script',   { token_endpoint: 'javascript:alert(1)' }],
    ['whose token endpoint is no URL',     { token_endpoint: '/realm/token' }],
    ['whose token endpoint is a list',     { token_endpoint: ['http://127.0.0.1:9/'] }],
    ['whose keys are in a file',           { jwks_uri: 'file:///etc/passwd' }],
    ['without keys',                       { jwks_uri: undefined }],
  ])('%s: refused', async (_, changes) => {
    using provider = new Provider()
    provider.replies.discovery = () => json(provider.document(changes))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, user(), /^(?:provider_\w+|invalid_signature)$/)
    if (!('jwks_uri' in changes)) expect(provider.tokens).toEqual([])
  })

  test('of another issuer: its name counts for the tokens, and one line warns', async () => {
    using provider = new Provider()
    const other = 'http://other.test/realm'
    provider.replies.discovery = () => json(provider.document({ issuer: other }))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, bearer(sign(provider.claims())), /^invalid_issuer$/)
    const token = sign(provider.claims({ iss: other }))
    expect((await request(gatehouse.port, bearer(token))).status).toBe(200)
    const warnings = gatehouse.log.split('\n').filter((line) => line.includes('[warn]'))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(other)
  })
})

describe('keys', () => {
  const pad = [null, 1, 'x', [], {}, { kty: 'RSA' }, { kty: 'EC', crv: 'P-999', x: '', y: '' }]
  const { privateKey } = stranger

  test('with garbage among them: the good one counts', async () => {
    using provider = new Provider({
      keys: json({ keys: [...pad, jwk(), { kty: 'nonsense', kid: 'k1' }] }),
    })
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    expect((await request(gatehouse.port, user())).status).toBe(200)
  })

  test('of nothing but garbage: refused', async () => {
    using provider = new Provider({ keys: json({ keys: pad }) })
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, user(), /^invalid_signature$/)
  })

  test('a symmetric key among them signs nothing', async () => {
    const k = Buffer.from('a secret that everybody can read').toString('base64url')
    using provider = new Provider({
      keys: json({ keys: [{ kty: 'oct', kid: 'k1', alg: 'HS256', k }] }),
    })
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    const [, payload] = sign(provider.claims()).split('.')
    const head = Buffer.from('{"alg":"HS256","kid":"k1"}').toString('base64url')
    const mac = createHmac('sha256', Buffer.from(k, 'base64url')).update(`${head}.${payload}`)
    const token = `${head}.${payload}.${mac.digest('base64url')}`
    await expectRefused(gatehouse, service, bearer(token), /^invalid_(?:signature|token)$/)
  })

  test('for encryption only sign nothing', async () => {
    using provider = new Provider({ keys: json({ keys: [jwk(undefined, { use: 'enc' })] }) })
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, bearer(sign(provider.claims())), /^invalid_signature$/)
  })

  test('that changed: the tokens that were kept are fetched anew', async () => {
    using provider = new Provider()
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service, { rediscovery_lifetime: 0.5 })
    expect((await request(gatehouse.port, user())).status).toBe(200)
    const old = sign(provider.claims())
    expect((await request(gatehouse.port, bearer(old))).status).toBe(200)
    const fresh = { kid: 'k2' }
    provider.replies.keys = () => json({ keys: [jwk(stranger.publicKey, fresh)] })
    provider.replies.token = () => {
      const token = sign(provider.claims(), fresh, privateKey)
      return json(provider.tokenSet({ access_token: token, id_token: token }))
    }
    const token = sign(provider.claims(), fresh, privateKey)
    await until(
      'the new keys',
      async () => (await request(gatehouse.port, bearer(token))).status === 200,
    )
    // The old key is gone, and with it what it had proved.
    expect((await request(gatehouse.port, bearer(old))).status).toBe(401)
    expect((await request(gatehouse.port, user())).status).toBe(200)
    const header = valuesOf(service.last, 'authorization')[0]!
      .split('.')[0]!
      .slice('Bearer '.length)
    expect(Buffer.from(header, 'base64url').toString()).toContain('"k2"')
  })
})

describe('tokens', () => {
  const now = () => Math.floor(Date.now() / 1000)

  // prettier-ignore
  const BAD_TOKENS: readonly (readonly [string, (provider: Provider) => string, RegExp])[] = [
    ['signed by a stranger',     (p) => sign(p.claims(), {}, stranger.privateKey),                /^invalid_signature$/],
    ['signed by nobody',         (p) => `${sign(p.claims(), { alg: 'none' }).split('.').slice(0, 2).join('.')}.`, /^invalid_token$/],
    ['that says alg none',       (p) => sign(p.claims(), { alg: 'none' }),                        /^invalid_\w+$/],
    ['that says another alg',    (p) => sign(p.claims(), { alg: 'RS512' }),                       /^invalid_\w+$/],
    ['with an unknown crit',     (p) => sign(p.claims(), { crit: ['x'], x: 1 }),                  /^invalid_token$/],
    ['with b64 false',           (p) => sign(p.claims(), { crit: ['b64'], b64: false }),          /^invalid_token$/],
    ['that brings its own key',  (p) => sign(p.claims(), { kid: undefined, jwk: jwk(stranger.publicKey) }, stranger.privateKey), /^invalid_\w+$/],
    ['of another issuer',        (p) => sign(p.claims({ iss: 'http://other.test' })),             /^invalid_issuer$/],
    ['whose issuer is a list',   (p) => sign(p.claims({ iss: [p.issuer] })),                      /^invalid_\w+$/],
    ['that has expired',         (p) => sign(p.claims({ exp: now() - 10 })),                      /^token_expired$/],
    ['that expired as a text',   (p) => sign(p.claims({ exp: String(now() - 10) })),              /^token_expired$/],
    ['that is for later',        (p) => sign(p.claims({ nbf: now() + 100 })),                     /^token_not_yet_valid$/],
    ['whose exp is nonsense',    (p) => sign(p.claims({ exp: 'tomorrow' })),                      /^invalid_token$/],
    ['whose exp is an object',   (p) => sign(p.claims({ exp: {} })),                              /^invalid_token$/],
    ['whose claims are a list',  () => sign([]),                                                  /^invalid_token$/],
  ]

  test.each(BAD_TOKENS)('as bearer, one %s: refused', async (_, make, code) => {
    using provider = new Provider()
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, bearer(make(provider)), code)
    expect((await request(gatehouse.port, bearer(sign(provider.claims())))).status).toBe(200)
  })

  test.each(BAD_TOKENS)('as access token of the answer, one %s: refused', async (_, make, code) => {
    using provider = new Provider()
    provider.replies.token = () => json(provider.tokenSet({ access_token: make(provider) }))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, user(), code)
    await expectRefused(gatehouse, service, user(), code)
    expect(provider.tokens.length).toBeGreaterThanOrEqual(2)
  })

  // prettier-ignore
  test.each<[string, (provider: Provider) => unknown]>([
    ...BAD_TOKENS.map(([name, make]): [string, (provider: Provider) => unknown] => [name, make]),
    ['for another client',       (p) => sign(p.claims({ aud: 'other' }))],
    ['for nobody',               (p) => sign(p.claims({ aud: undefined }))],
    ['for others of whom none is authorized', (p) => sign(p.claims({ aud: ['kong', 'other'], azp: 'other' }))],
    ['without an end',           (p) => sign(p.claims({ exp: undefined }))],
    ['that is no JWT',           () => 'opaque'],
    ['that is no text',          () => 5],
    ['that is an object',        () => ({})],
  ])('as ID token of the answer, one %s: refused', async (_, make) => {
    using provider = new Provider()
    provider.replies.token = () => json(provider.tokenSet({ id_token: make(provider) }))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, user(), /^(?:invalid|token|provider)_\w+$/)
  })

  // prettier-ignore
  test.each<[string, object]>([
    ['no access token',            { access_token: undefined }],
    ['an empty access token',      { access_token: '' }],
    ['a number as access token',   { access_token: 5 }],
    ['a list as access token',     { access_token: ['a'] }],
    ['a line break in it',         { access_token: 'a\r\nX-Evil: 1' }],
    ['a NUL in it',                { access_token: 'a\0b' }],
    ['another alphabet in it',     { access_token: 'tökén' }],
    ['a blank in it',              { access_token: 'a b' }],
    ['a line break in the refresh token', { refresh_token: 'a\nX-Evil: 1' }],
    ['a list as refresh token',    { refresh_token: ['a'] }],
    ['no token type',              { token_type: undefined }],
    ['a number as token type',     { token_type: 1 }],
    ['the token type mac',         { token_type: 'mac' }],
    ['the token type DPoP',        { token_type: 'DPoP' }],
    ['an error beside a 200',      { access_token: undefined, error: 'invalid_grant' }],
  ])('%s: refused', async (_, changes) => {
    using provider = new Provider()
    provider.replies.token = () => json(provider.tokenSet(changes))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, user(), /^provider_\w+$/)
    expect(provider.tokens).toHaveLength(1)
  })

  // prettier-ignore
  test.each<[string, object]>([
    ['the token type bearer',      { token_type: 'bearer' }],
    ['the token type BEARER',      { token_type: 'BEARER' }],
    ['an opaque access token',     { access_token: 'opaque-token' }],
    ['no ID token',                { id_token: undefined }],
    ['no refresh token',           { refresh_token: undefined }],
    ['members nobody knows',       { session_state: 'x', not_before_policy: 0, nested: { a: [null] } }],
  ])('%s: passes', async (_, changes) => {
    using provider = new Provider()
    provider.replies.token = () => json(provider.tokenSet(changes))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    expect((await request(gatehouse.port, user())).status).toBe(200)
    expect((await request(gatehouse.port, user())).status).toBe(200)
    expect(provider.tokens).toHaveLength(1)
  })

  // prettier-ignore
  test.each<[unknown, number]>([
    [300,        1],
    ['3600',     1],
    [undefined,  1],
    [null,       1],
    ['soon',     1],
    [1e300,      1],
    [0,          2],
    [-1,         2],
    ['0',        2],
    ['-5',       2],
  ])('expires_in %j: the request passes, two of them are %i calls', async (expires_in, times) => {
    using provider = new Provider()
    provider.replies.token = () => json(provider.tokenSet({ expires_in }))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    for (const _ of [1, 2]) expect((await request(gatehouse.port, user())).status).toBe(200)
    expect(provider.tokens.map(({ form }) => form.get('grant_type'))).toEqual(Array(times).fill('password'))
  })
})

describe('a single-use refresh token', () => {
  // What was sent may have been used, so it must not go out again by itself.
  // prettier-ignore
  test.each<[string, Reply]>([
    ['closed',                  cut()],
    ['reset',                   reset],
    ['cut in the middle',       cut(`${OK}Content-Length: 100\r\n\r\n{"a":`)],
    ['hung',                    hang],
  ])('is not sent twice where the connection is %s', async (_, reply) => {
    using provider = new Provider({ token: () => reply })
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    await expectRefused(gatehouse, service, { fields: ['Refresh-Token: once-only'] }, /^provider_\w+$/)
    expect(provider.tokens).toHaveLength(1)
  })

  test('is not sent twice on a connection that was kept and is closed when it is used again', async () => {
    let first = true
    using provider = new Provider()
    provider.replies.token = () => {
      if (first) return ((first = false), json(provider.tokenSet()))
      return reset
    }
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    expect((await request(gatehouse.port, user())).status).toBe(200)
    await expectRefused(
      gatehouse,
      service,
      { fields: ['Refresh-Token: once-only'] },
      /^provider_\w+$/,
    )
    expect(
      provider.tokens.filter(({ form }) => form.get('refresh_token') === 'once-only'),
    ).toHaveLength(1)
  })

  test('is sent on a new connection where the provider has closed the kept one before', async () => {
    using provider = new Provider()
    const closing =
      (reply: string): Reply =>
      (socket) => {
        socket.write(reply)
        socket.end()
      }
    provider.replies.token = () => closing(json(provider.tokenSet()))
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      expect((await request(gatehouse.port, user(name))).status).toBe(200)
    expect(provider.tokens).toHaveLength(5)
  })
})

describe('on one connection', () => {
  test('each request is judged by what it carries itself', async () => {
    using provider = new Provider()
    provider.replies.token = ({ form }) =>
      form.get('password') === 'doe' || form.get('refresh_token') === 'good'
        ? json(provider.tokenSet())
        : json({ error: 'invalid_grant' }, 400)
    using service = new Service()
    await using gatehouse = await gatewayFor(provider, service)
    const token = sign(provider.claims())
    const good = [basic('alex', 'doe'), `Authorization: Bearer ${token}`, 'Refresh-Token: good']
    const bad = [
      basic('alex', 'dou'),
      basic('alex', 'doe').replace('Basic', 'Bearer'),
      `Authorization: Basic ${token}`,
      `Authorization: ${token}`,
      `Refresh-Token: ${token}`,
      'Authorization: Bearer good',
      'Refresh-Token: goo',
      'X-Nothing: at all',
    ]
    using connection = await Connection.open(gatehouse.port)
    const statusOf = async (field: string) => (await connection.request({ fields: [field] })).status
    for (const _ of [1, 2, 3])
      for (const one of good)
        for (const other of [...bad, ...good]) {
          expect([one, await statusOf(one)]).toEqual([one, 200])
          expect([other, await statusOf(other)]).toEqual([other, good.includes(other) ? 200 : 401])
        }
  })

  test('each route has its own rules', async () => {
    using provider = new Provider()
    using other = new Provider()
    using service = new Service()
    const plugin = (route: string, { issuer }: Provider, changes: object = {}) => ({
      ...openidConnect(issuer, { auth_methods: ['bearer'], ...changes }),
      route,
    })
    const configOf = (scopes_required: string[]) => ({
      _format_version: '3.0',
      services: [{ name: 's', url: service.url }],
      routes: ['one', 'two', 'three'].map((name) => ({ name, paths: [`/${name}`], service: 's' })),
      plugins: [
        plugin('one', provider),
        plugin('two', provider, { scopes_required }),
        plugin('three', other),
      ],
    })
    await using gatehouse = await Gatehouse.start({ config: configOf(['admin']) })
    const sent = bearer(sign(provider.claims()))
    using connection = await Connection.open(gatehouse.port)
    const statusOf = async (path: string) => (await connection.request({ path, ...sent })).status
    for (const _ of [1, 2, 3]) {
      expect(await statusOf('/one')).toBe(200)
      expect(await statusOf('/two')).toBe(403)
      expect(await statusOf('/three')).toBe(401)
    }
    await gatehouse.reload(configOf(['openid']))
    expect(await statusOf('/two')).toBe(200)
    await gatehouse.reload(configOf(['admin']))
    for (const _ of [1, 2]) expect(await statusOf('/two')).toBe(403)
  })
})

describe('loading again', () => {
  test.each<[string, (config: { services: object[] }) => object]>([
    ['the same file', (config) => config],
    [
      'a file with more lines above',
      ({ services, ...rest }) => ({
        ...rest,
        services: [{ name: 'more', host: 'more.test' }, ...services],
      }),
    ],
  ])('%s does not make the gateway forget which refresh tokens were used', async (_, change) => {
    using provider = new Provider()
    using service = new Service()
    const config = gatewayOf(service.url, openidConnect(provider.issuer)) as { services: object[] }
    await using gatehouse = await Gatehouse.start({ config })
    const fields = ['Refresh-Token: once-only']
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    await gatehouse.reload(change(config))
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expect(provider.tokens).toHaveLength(1)
  })

  test('in the middle of a call neither loses nor repeats it', async () => {
    using provider = new Provider()
    const waiting: (() => void)[] = []
    provider.replies.token = () => (socket) =>
      void waiting.push(() => socket.write(json(provider.tokenSet())))
    using service = new Service()
    const config = gatewayOf(service.url, openidConnect(provider.issuer))
    await using gatehouse = await Gatehouse.start({ config })
    const fields = ['Refresh-Token: once-only']
    const before = Array.from({ length: 10 }, () => request(gatehouse.port, { fields }))
    await until('the call', () => waiting.length === 1)
    await gatehouse.reload(config)
    const after = Array.from({ length: 10 }, () => request(gatehouse.port, { fields }))
    // Whoever came before this one has been read when it is answered.
    expect((await request(gatehouse.port, { path: '/nothing' })).status).toBe(404)
    expect(waiting).toHaveLength(1)
    waiting.forEach((answer) => answer())
    const answers = await Promise.all([...before, ...after])
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(provider.tokens).toHaveLength(1)
  })
})

describe('one provider that hangs', () => {
  test('does not delay another, nor what is already known', async () => {
    using bad = new Provider()
    using good = new Provider()
    using service = new Service()
    const plugin = (provider: Provider, route: string) => ({
      ...openidConnect(provider.issuer, { timeout: 3_000 }),
      route,
    })
    await using gatehouse = await Gatehouse.start({
      config: {
        _format_version: '3.0',
        services: [{ name: 's', url: service.url }],
        routes: ['bad', 'good'].map((name) => ({ name, paths: [`/${name}`], service: 's' })),
        plugins: [plugin(bad, 'bad'), plugin(good, 'good')],
      },
      settings: ['proxy_access_log = off'],
    })
    expect((await request(gatehouse.port, { path: '/bad', ...user() })).status).toBe(200)
    bad.replies.token = () => hang
    const hung = Array.from({ length: 300 }, (_, i) =>
      request(gatehouse.port, { path: '/bad', ...user(`user-${i}`) }, 20_000),
    )
    await until('calls that hang', () => bad.tokens.length > 100)
    for (let i = 0; i < 20; i++) {
      const before = performance.now()
      expect((await request(gatehouse.port, { path: '/good', ...user(`u${i}`) })).status).toBe(200)
      expect((await request(gatehouse.port, { path: '/bad', ...user() })).status).toBe(200)
      expect(performance.now() - before).toBeLessThan(500)
    }
    const statuses = new Set((await Promise.all(hung)).map(({ status }) => status))
    expect([...statuses]).toEqual([401])
  }, 25_000)
})
