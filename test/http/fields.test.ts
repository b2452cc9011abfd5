import { expect, test } from 'bun:test'
import { DEFAULT_SETTINGS } from '../../src/gateway.ts'
import { VERSION } from '../../src/version.ts'
import { gateway, proxied, type TestGatewayOptions } from './gateway.ts'
import { answering, echo, ok, service } from './service.ts'
import { ask, field, statusOf } from './wire.ts'

/** One request through a gateway: what the service got and what the client got, line by line. */
async function exchanged(
  request: readonly string[],
  {
    answer = [],
    options = {},
    plugins = '',
    ...yaml
  }: {
    answer?: readonly string[]
    service?: string
    route?: string
    plugins?: string
    options?: TestGatewayOptions
  } = {},
) {
  const reply = `HTTP/1.1 200 OK\r\n${answer.map((line) => `${line}\r\n`).join('')}\r\n`
  using upstream = await service(answering(answer.length > 0 ? reply : ok()))
  await using running = await gateway(
    proxied(upstream.port, yaml.service, yaml.route) + plugins,
    options,
  )
  const received = await ask(running.port, `${request.join('\r\n')}\r\n\r\n`)
  const sent = upstream.requests[0]
  const known = (text = '') =>
    text
      .replaceAll(String(upstream.port), '{service port}')
      .replaceAll(String(running.port), '{gateway port}')
      .replaceAll(VERSION, '{version}')
      .replace(/(X-Kong-Request-Id: )[0-9a-f]{32}/, '$1{id}')
      .replace(/(Latency: )\d+/g, '$1{ms}')
      .replace(/(Date: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/, '$1{date}')
      .split('\r\n')
  return {
    sent: known(sent?.head),
    received: known(received?.head),
    message: sent,
    answer: received,
  }
}

const GET_ONE = ['GET /one HTTP/1.1', 'Host: a.test']
/** How the service is asked for it. */
const ONE_UPSTREAM = ['GET /one HTTP/1.1', 'Host: 127.0.0.1:{service port}']
// What the gateway adds to a request from 127.0.0.1, in its order.
const ADDED = [
  'Connection: keep-alive',
  'X-Forwarded-For: 127.0.0.1',
  'X-Forwarded-Proto: http',
  'X-Forwarded-Port: {gateway port}',
  'X-Real-IP: 127.0.0.1',
  'X-Forwarded-Host: a.test',
  'X-Forwarded-Path: /one',
  'X-Kong-Request-Id: {id}',
  'Via: 1.1 gatehouse/{version}',
]

test('a request reaches the service in order and spelling, repeated fields apart, with what the gateway adds', async () => {
  const fields = [
    'accept: */*',
    'X-lower-UPPER: 1',
    'Cookie: a=1',
    'X-A: first',
    'x-a:second',
    'X-a:\t third ',
    'X-Empty:',
    'X-Latin: caf\xe9',
  ]
  const { sent } = await exchanged([...GET_ONE, ...fields])
  expect(sent).toEqual([
    ...ONE_UPSTREAM,
    'accept: */*',
    'X-lower-UPPER: 1',
    'Cookie: a=1',
    'X-A: first',
    'x-a: second',
    'X-a: third',
    'X-Empty: ',
    'X-Latin: caf\xe9',
    ...ADDED,
  ])
})

test('an answer reaches the client in order and spelling, repeated fields apart, with what the gateway adds', async () => {
  const { received } = await exchanged(GET_ONE, {
    answer: [
      'x-lower-UPPER: 1',
      'Set-Cookie: a=1; Path=/',
      'X-A:  b',
      'set-cookie: b=2',
      'Set-Cookie: c=3',
      'X-Latin: caf\xe9',
      'Content-Length: 0',
      'Server: mine',
    ],
  })
  expect(received).toEqual([
    'HTTP/1.1 200 OK',
    'x-lower-UPPER: 1',
    'Set-Cookie: a=1; Path=/',
    'X-A: b',
    'set-cookie: b=2',
    'Set-Cookie: c=3',
    'X-Latin: caf\xe9',
    'Server: mine',
    'Content-Length: 0',
    'Date: {date}',
    'Via: 1.1 gatehouse/{version}',
    'X-Kong-Upstream-Latency: {ms}',
    'X-Kong-Proxy-Latency: {ms}',
    'X-Kong-Request-Id: {id}',
    'Connection: keep-alive',
  ])
})

test("an answer of the gateway's own says so", async () => {
  const { received, sent } = await exchanged(GET_ONE, {
    plugins: 'plugins: [{ name: request-termination }]\n',
  })
  expect(sent).toEqual([''])
  expect(received).toEqual([
    'HTTP/1.1 503 Service Unavailable',
    'Date: {date}',
    'Content-Type: application/json; charset=utf-8',
    'Server: gatehouse/{version}',
    'X-Kong-Response-Latency: {ms}',
    'X-Kong-Request-Id: {id}',
    'Content-Length: 33',
    'Connection: keep-alive',
  ])
})

test('what belongs to one connection ends at the gateway, on the way there', async () => {
  const { sent } = await exchanged([
    ...GET_ONE,
    'Connection: X-Listed, keep-alive',
    'connection: x-too',
    'X-Listed: 1',
    'X-TOO: 2',
    'X-Kept: 3',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Proxy: http://evil.test',
    'Trailer: X-T',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
    'Expect: 100-continue',
    'TE: gzip, trailers;q=0.5',
  ])
  expect(sent).toEqual([...ONE_UPSTREAM, 'X-Kept: 3', 'HTTP2-Settings: AAMAAABkAAQAAP__', ...ADDED])
})

test('fields that a second Connection names end here too, both ways', async () => {
  const hops = ['Connection: keep-alive', 'Connection: X-Hop', 'X-Hop: 1']
  const { sent, received } = await exchanged([...GET_ONE, ...hops], {
    answer: [...hops, 'Content-Length: 0'],
  })
  expect(sent).toEqual([...ONE_UPSTREAM, ...ADDED])
  expect(received.join()).not.toContain('X-Hop')
})

// prettier-ignore
test.each([
  ['GET',  '/users/x%0d%0aX-Consumer-Username:%20admin'],
  ['POST', '/users/x%0d%0aTransfer-Encoding:chunked%0d%0aX:'],
  ['GET',  '/users/x%00%09%20%7f'],
])('nothing of a matched path can begin a line: %s %s', async (method, path) => {
  const request = [`${method} ${path}/rest HTTP/1.1`, 'Host: a.test', 'Content-Length: 0']
  const { sent } = await exchanged(request, { route: 'paths: ["~/users/[^/]+"]' })
  const isRefused = path.includes('%00')
  expect(sent.length > 1).toBe(!isRefused)
  expect(sent.filter((line) => /^(X-Consumer|Transfer-Encoding|X:)/i.test(line))).toEqual([])
  if (!isRefused) expect(sent).toContain(`X-Forwarded-Prefix: ${path.replace(/%0[ad]/gi, (hex) => hex.toUpperCase())}`)
})

test('and on the way back', async () => {
  const { received } = await exchanged(GET_ONE, {
    answer: [
      'Connection: keep-alive, X-Listed',
      'X-Listed: 1',
      'X-Kept: 2',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: close',
      'Upgrade: h2c',
      'Trailer: X-T',
      'Content-Length: 0',
    ],
  })
  expect(received.filter((line) => !/^(X-Kong|Via|Server|Date)/.test(line))).toEqual([
    'HTTP/1.1 200 OK',
    'X-Kept: 2',
    'Content-Length: 0',
    'Connection: keep-alive',
  ])
})

test.each(['trailers', 'TRAILERS', 'gzip, trailers'])('TE: %s asks for trailers', async (te) => {
  const { sent } = await exchanged([...GET_ONE, `TE: ${te}`])
  expect(sent.filter((line) => line.startsWith('TE'))).toEqual(['TE: trailers'])
})

// ---- who the client is, and how it came here

const FORWARDED = [
  'X-Forwarded-For: 10.0.0.9',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Port: 443',
  'X-Real-IP: 10.0.0.8',
  'X-Forwarded-Host: evil.test',
  'X-Forwarded-Path: /admin',
  'X-Forwarded-Prefix: /evil',
  'X-Kong-Request-Id: 1',
]
const TRUSTING = { settings: { trusted_ips: ['127.0.0.0/8'] } }

test('what a stranger says of itself is not believed, but its chain is kept', async () => {
  const { sent } = await exchanged([
    'GET /one?x=1 HTTP/1.1',
    'Host: A.test:8000',
    ...FORWARDED,
    'Via: 1.0 other',
  ])
  expect(sent).toEqual([
    'GET /one?x=1 HTTP/1.1',
    'Host: 127.0.0.1:{service port}',
    'Connection: keep-alive',
    'X-Forwarded-For: 10.0.0.9, 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Port: {gateway port}',
    'X-Real-IP: 127.0.0.1',
    'X-Forwarded-Host: A.test',
    'X-Forwarded-Path: /one',
    'X-Kong-Request-Id: {id}',
    'Via: 1.0 other, 1.1 gatehouse/{version}',
  ])
})

test('nor is it in another spelling that a service may read as the same', async () => {
  const disguised = FORWARDED.map((line) => line.replace(/-(?=[^:]*:)/g, '_'))
  const dotted = FORWARDED.map((line) => line.toLowerCase().replace(/-(?=[^:]*:)/g, '.'))
  const { sent } = await exchanged([...GET_ONE, ...disguised, ...dotted, 'X_Mine: 1'])
  expect(sent).toEqual([...ONE_UPSTREAM, 'X_Mine: 1', ...ADDED])
})

test('what a trusted proxy says is passed on', async () => {
  const { sent } = await exchanged([...GET_ONE, ...FORWARDED], {
    options: TRUSTING,
  })
  expect(sent).toEqual([
    ...ONE_UPSTREAM,
    'Connection: keep-alive',
    'X-Forwarded-For: 10.0.0.9, 127.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
    'X-Real-IP: 10.0.0.8',
    'X-Forwarded-Host: evil.test',
    'X-Forwarded-Path: /admin',
    'X-Forwarded-Prefix: /evil',
    'X-Kong-Request-Id: {id}',
    'Via: 1.1 gatehouse/{version}',
  ])
})

// prettier-ignore
test.each([
  ['x-real-ip',        false, ['X-Real-IP: 10.0.0.8'],                                           '10.0.0.8'],
  ['x-real-ip',        false, ['X-Real-IP: nonsense'],                                           '127.0.0.1'],
  ['x-real-ip',        false, [],                                                                '127.0.0.1'],
  ['x-forwarded-for',  false, ['X-Forwarded-For: 1.1.1.1, 2.2.2.2'],                             '2.2.2.2'],
  ['x-forwarded-for',  true,  ['X-Forwarded-For: 1.1.1.1, 2.2.2.2, 127.0.0.3'],                  '2.2.2.2'],
  ['x-forwarded-for',  true,  ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2, 127.0.0.3'], '2.2.2.2'],
  ['x-forwarded-for',  true,  ['X-Forwarded-For: 127.0.0.2, 127.0.0.3'],                         '127.0.0.2'],
  ['x-forwarded-for',  true,  ['X-Forwarded-For: 2001:db8::1'],                                  '2001:db8::1'],
])('%s, recursive: %p, of %j is the client %s', async (real_ip_header, real_ip_recursive, fields, ip) => {
  const settings = { ...TRUSTING.settings, real_ip_header, real_ip_recursive }
  const { message } = await exchanged(['GET / HTTP/1.1', 'Host: a.test', ...fields], { options: { settings } })
  expect(field(message, 'x-real-ip')).toBe(ip)
})

// prettier-ignore
test.each([
  ['the client begins the chain, if its proxy sent none',     ['X-Real-IP: 10.0.0.8'],                              '10.0.0.8'],
  ['the proxy goes on with it, if it did',                    ['X-Real-IP: 10.0.0.8', 'X-Forwarded-For: 10.0.0.9'], '10.0.0.9, 127.0.0.1'],
])('a trusted proxy and X-Forwarded-For: %s', async (_, fields, chain) => {
  const { message } = await exchanged([...GET_ONE, ...fields], { options: TRUSTING })
  expect(field(message, 'x-forwarded-for')).toBe(chain)
})

test('the stripped prefix is told, and the path before it', async () => {
  const { sent } = await exchanged(
    ['GET /api/v1/one%2Ftwo//x?q#'.slice(0, -1) + ' HTTP/1.1', 'Host: a.test'],
    {
      route: 'paths: ["/api"], strip_path: true',
    },
  )
  expect(sent[0]).toBe('GET /v1/one%2Ftwo/x?q HTTP/1.1')
  expect(sent).toContain('X-Forwarded-Path: /api/v1/one%2Ftwo//x')
  expect(sent).toContain('X-Forwarded-Prefix: /api')
})

// prettier-ignore
test.each([
  ['/a/../admin',            '/admin'],
  ['//admin',                '/admin'],
  ['/%2e%2e/admin',          '/admin'],
  ['/x/%2e%2E/%61dmin',      '/admin'],
  ['/admin%2F..',            '/admin%2F..'],
  ['/a%20b%C3%A4',           '/a%20b%C3%A4'],
  ['/a?',                    '/a?'],
  ['/a?b=/../c#'.slice(0, -1), '/a?b=/../c'],
  ['http://b.test//x/./y',   '/x/y'],
  ['http://b.test?q',        '/?q'],
  ['/\\..\\admin',           '/%5C..%5Cadmin'],
])('the service is asked for the path that was matched: %s is %s', async (target, path) => {
  const { sent } = await exchanged([`GET ${target} HTTP/1.1`, 'Host: a.test'])
  expect(sent[0]).toBe(`GET ${path} HTTP/1.1`)
})

test('//admin is a path, not a host', async () => {
  const { sent } = await exchanged(['GET //evil.test/admin HTTP/1.1', 'Host: a.test'])
  expect(sent.slice(0, 2)).toEqual([
    'GET /evil.test/admin HTTP/1.1',
    'Host: 127.0.0.1:{service port}',
  ])
})

// prettier-ignore
test.each([
  ['false', 'Host: a.test:8000', 'GET / HTTP/1.1',              '127.0.0.1:{service port}'],
  ['true',  'Host: A.test:8000', 'GET / HTTP/1.1',              'A.test:8000'],
  ['true',  'Host: a.test',      'GET http://b.test/ HTTP/1.1', 'b.test'],
  ['true',  'X-No: host',        'GET / HTTP/1.0',              '127.0.0.1:{service port}'],
])('preserve_host: %s with %s, %s asks for the host %s', async (preserve, host, line, expected) => {
  const { sent } = await exchanged([line, host], { route: `paths: ["/"], preserve_host: ${preserve}` })
  expect(sent.filter((each) => /^host:/i.test(each))).toEqual([`Host: ${expected}`])
})

test('HTTP/1.0 is told in Via', async () => {
  const { message } = await exchanged(['GET / HTTP/1.0'])
  expect(field(message, 'via')).toBe(`1.0 gatehouse/${VERSION}`)
})

// ---- bodies

// prettier-ignore
test.each([
  ['no body',                    'POST', [],                                           undefined],
  ['a body of no bytes',         'POST', ['Content-Length: 0'],                        '0'],
  ['a body of no bytes, GET',    'GET',  ['Content-Length: 0'],                        '0'],
])('%s is passed on as that', async (_, method, fields, length) => {
  const { message } = await exchanged([`${method} / HTTP/1.1`, 'Host: a.test', ...fields])
  expect(field(message, 'content-length')).toBe(length)
  expect(field(message, 'transfer-encoding')).toBeUndefined()
})

// ---- settings

test('each field of the gateway can be left out, and then the one of the service passes', async () => {
  const fields = { ...DEFAULT_SETTINGS.fields }
  for (const name of Object.keys(fields) as (keyof typeof fields)[])
    Object.assign(fields, { [name]: false })
  const { sent, received } = await exchanged(GET_ONE, {
    answer: ['Content-Length: 0', 'Date: Thu, 01 Jan 2026 00:00:00 GMT', 'Via: 1.1 service'],
    options: { settings: { fields } },
  })
  expect(sent).not.toContain('X-Kong-Request-Id: {id}')
  expect(received).toEqual([
    'HTTP/1.1 200 OK',
    'Date: {date}',
    'Content-Length: 0',
    'Via: 1.1 service',
    'Connection: keep-alive',
  ])
})

test("another gateway's latencies and id behind this one are not told as this one's", async () => {
  const { received } = await exchanged(GET_ONE, {
    answer: [
      'Content-Length: 0',
      'X-Kong-Upstream-Latency: 70',
      'X-Kong-Proxy-Latency: 80',
      'X-Kong-Request-Id: other',
      'Via: 1.1 kong/3.10.0',
    ],
  })
  expect(received.filter((line) => /kong/i.test(line))).toEqual([
    'Via: 1.1 kong/3.10.0, 1.1 gatehouse/{version}',
    'X-Kong-Upstream-Latency: {ms}',
    'X-Kong-Proxy-Latency: {ms}',
    'X-Kong-Request-Id: {id}',
  ])
})

// ---- who the caller is, on routes where a plugin says so

const KEY_AUTH = `plugins: [{ name: key-auth, config: { anonymous: nobody, key_names: [apikey] } }]
consumers: [{ username: nobody }, { username: alex, custom_id: "42", keyauth_credentials: [{ key: secret }] }]
`
const IDENTITY = [
  'X-Consumer-ID',
  'X-Consumer-Username',
  'X-Consumer-Custom-ID',
  'X-Credential-Identifier',
  'X-Anonymous-Consumer',
  'X-Consumer-Groups',
  'X-Authenticated-Groups',
  'X-Authenticated-Scope',
  'X-Authenticated-Userid',
]
const spoofs = IDENTITY.flatMap((name) => [
  name,
  name.toLowerCase(),
  name.replaceAll('-', '_'),
  name.replaceAll('-', '.'),
  name.replace('-', '_'),
])

test.each(['GET', 'OPTIONS', 'POST'])(
  '%s: nobody can say of itself who it is, in any spelling',
  async (method) => {
    const { sent } = await exchanged(
      [`${method} / HTTP/1.1`, 'Host: a.test', ...spoofs.map((name) => `${name}: spoof`)],
      {
        plugins: KEY_AUTH,
      },
    )
    expect(sent.filter((line) => line.includes('spoof'))).toEqual([])
    expect(sent).toContain('X-Consumer-Username: nobody')
    expect(sent).toContain('X-Anonymous-Consumer: true')
  },
)

test('nor have the gateway drop what it says, by naming it in Connection', async () => {
  const { message } = await exchanged(
    [
      'GET / HTTP/1.1',
      'Host: a.test',
      'apikey: secret',
      `Connection: close, ${IDENTITY.join(', ')}, X-Forwarded-For, X-Real-IP, X-Kong-Request-Id, Via, Host`,
    ],
    { plugins: KEY_AUTH },
  )
  const values = [
    'x-consumer-username',
    'x-consumer-custom-id',
    'x-forwarded-for',
    'x-real-ip',
  ].map((name) => field(message, name))
  expect(values).toEqual(['alex', '42', '127.0.0.1', '127.0.0.1'])
  for (const name of [
    'x-consumer-id',
    'x-credential-identifier',
    'x-kong-request-id',
    'via',
    'host',
  ]) {
    expect(field(message, name)).toBeDefined()
  }
})

test('without such a plugin these fields are any others', async () => {
  const { message } = await exchanged(['GET / HTTP/1.1', 'Host: a.test', 'X-Consumer-Username: me'])
  expect(field(message, 'x-consumer-username')).toBe('me')
})

// ---- routes for HTTPS alone

const HTTPS_ONLY = 'paths: ["/"], protocols: [https]'

test('plain HTTP to a route for HTTPS is 426 in the words of Kong', async () => {
  const { answer, sent, received } = await exchanged(
    ['GET / HTTP/1.1', 'Host: a.test', 'Accept: */*'],
    { route: HTTPS_ONLY },
  )
  expect([statusOf(answer), field(answer, 'upgrade')]).toEqual([426, 'TLS/1.2, HTTP/1.1'])
  expect(received).toContain('Connection: Upgrade')
  expect(answer?.body.toString()).toBe(
    `{\n  "message":"Please use HTTPS protocol",\n  "request_id":"${field(answer, 'x-kong-request-id')}"\n}`,
  )
  expect(sent).toEqual([''])
})

test('or a redirect to the same place, on the port of HTTPS', async () => {
  const route = `${HTTPS_ONLY}, https_redirect_status_code: 308`
  const { answer } = await exchanged(['GET /a?b=c HTTP/1.1', 'Host: a.test:8000'], { route })
  expect([statusOf(answer), field(answer, 'location')]).toEqual([308, 'https://a.test/a?b=c'])
})

test('unless a trusted proxy took it by HTTPS; a stranger cannot say so', async () => {
  const request = ['GET / HTTP/1.1', 'Host: a.test', 'X-Forwarded-Proto: https']
  const statuses = [TRUSTING, {}].map(async (options) =>
    statusOf((await exchanged(request, { route: HTTPS_ONLY, options })).answer),
  )
  expect(await Promise.all(statuses)).toEqual([200, 426])
})

// prettier-ignore
test.each([
  ['http://[::1]',      '[::1]'],
  ['http://[::1]:8080', '[::1]:8080'],
])('%s is asked by the host %s', async (url, host) => {
  using upstream = await service(echo)
  const at = { host: '127.0.0.1', port: upstream.port }
  const connectTo = new Map(['::1:80', '::1:8080'].map((each) => [each, at]))
  await using running = await gateway(
    `services: [{ name: s, url: "${url}", routes: [{ name: r, paths: ["/"] }] }]`,
    { connectTo },
  )
  const answer = await ask(running.port, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  expect(String(answer?.body)).toContain(`Host: ${host}\r\n`)
})
