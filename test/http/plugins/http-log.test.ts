import { X509Certificate } from 'node:crypto'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'bun:test'
import { ConfigurationError } from '../../../src/gateway.ts'
import { createAuthority, type Certificate } from '../authority.ts'
import { gateway, proxied, type TestGateway } from '../gateway.ts'
import { answering, ok, type Service, service } from '../service.ts'
import { eventually, Wire } from '../wire.ts'

const authority = createAuthority()
if (!authority) console.log('skipped: log servers with TLS, because there is no openssl here')
afterAll(() => authority?.[Symbol.dispose]())

/** A gateway that logs to `collector`; `config` are further fields in YAML's flow style. */
function logging(
  target: Service,
  collector: Service,
  config = '',
  user = '',
): Promise<TestGateway> {
  const endpoint = `http://${user}127.0.0.1:${collector.port}/logs?source=a`
  const more = config && `, ${config}`
  return gateway(
    `${proxied(target.port)}plugins: [{ name: http-log, config: { http_endpoint: "${endpoint}"${more} } }]\n`,
  )
}

async function received(collector: Service, count: number) {
  const until = performance.now() + 3_000
  while (collector.requests.length < count) {
    if (performance.now() > until) throw new Error(`only ${collector.requests.length} came`)
    await Bun.sleep(5)
  }
  return collector.requests.map(({ line, fields, body }) => ({
    line,
    field: (name: string) => fields.find(([each]) => each.toLowerCase() === name)?.[1],
    json: JSON.parse(body.toString()) as { request: { uri: string }; response: { status: number } },
  }))
}

const get = ({ port }: TestGateway, path: string) => fetch(`http://127.0.0.1:${port}${path}`)

test('each request is told to the server, by itself', async () => {
  using target = await service(answering(ok()))
  using collector = await service(answering('HTTP/1.1 204 No Content\r\n\r\n'))
  await using running = await logging(target, collector, 'headers: { X-Key: k }')
  await get(running, '/one')
  await get(running, '/two')
  const [one, two] = await received(collector, 2)
  expect(one?.line).toBe('POST /logs?source=a HTTP/1.1')
  expect(one?.field('content-type')).toBe('application/json')
  expect(one?.field('x-key')).toBe('k')
  expect(one?.json).toMatchObject({ request: { uri: '/one' }, response: { status: 200 } })
  expect(two?.json.request.uri).toBe('/two')
})

test('in batches it is a list; the method, the type and the user can be chosen', async () => {
  using target = await service(answering(ok()))
  using collector = await service(answering(ok()))
  const config =
    'method: PUT, content_type: "application/json; charset=utf-8", queue: { max_batch_size: 3, max_coalescing_delay: 60 }'
  await using running = await logging(target, collector, config, 'alex:s3cret@')
  for (const path of ['/1', '/2', '/3']) await get(running, path)
  const [batch] = await received(collector, 1)
  expect(batch?.line).toBe('PUT /logs?source=a HTTP/1.1')
  expect(batch?.field('content-type')).toBe('application/json; charset=utf-8')
  expect(batch?.field('authorization')).toBe(`Basic ${btoa('alex:s3cret')}`)
  expect(batch?.json).toMatchObject([
    { request: { uri: '/1' } },
    { request: { uri: '/2' } },
    { request: { uri: '/3' } },
  ])
})

test('a server that fails is asked again, and clients do not notice', async () => {
  using target = await service(answering(ok()))
  let failures = 2
  using collector = await service(
    answering(() => (failures-- > 0 ? 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n' : ok())),
  )
  await using running = await logging(target, collector, '', 'alex:s3cret@')
  expect((await get(running, '/one')).status).toBe(200)
  const tries = await received(collector, 3)
  expect(tries.map(({ json }) => json.request.uri)).toEqual(['/one', '/one', '/one'])
  const lines = running.log.filter((line) => line.includes('entries were not taken'))
  expect(lines.length).toBe(2)
  expect(lines[0]).toContain(`127.0.0.1:${collector.port} answered 503`)
  expect(running.log.join('')).not.toContain('s3cret')
})

test('what waits is sent when the gateway stops', async () => {
  using target = await service(answering(ok()))
  using collector = await service(answering(ok()))
  const running = await logging(
    target,
    collector,
    'queue: { max_batch_size: 10, max_coalescing_delay: 3600 }',
  )
  await get(running, '/one')
  await running.stop(1000)
  const [batch] = await received(collector, 1)
  expect(batch?.json).toMatchObject([{ request: { uri: '/one' } }])
})

// prettier-ignore
test.each([
  ['ftp://a.test',             '',                                   'expected a URL of http or https'],
  ['a.test',                   '',                                   'missing scheme in url'],
  ['http://',                  '',                                   'missing host in url'],
  ['http://a.test',            'headers: { host: a }',               "cannot contain 'Host' header"],
  ['http://a.test',            'headers: { content-length: "1" }',   "cannot contain 'Content-Length' header"],
  ['http://a.test',            'headers: { content-type: a/b }',     "cannot contain 'Content-Type' header"],
  ['http://u:p@a.test',        'headers: { authorization: a }',      "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"],
  ['http://a.test',            'client_certificate: { id: a }',      "invalid reference 'client_certificate: a' (no such entry in 'certificates')"],
  ['http://a.test',            'custom_fields_by_lua: { a: "1" }',   'Gatehouse runs no Lua, and what these would add or take away is in the log otherwise'],
])('%s with %s is a fault: %s', async (endpoint, config, message) => {
  const yaml = `plugins: [{ name: http-log, config: { http_endpoint: "${endpoint}"${config && `, ${config}`} } }]\n`
  const error = await gateway(yaml).catch((caught: unknown) => caught)
  expect((error as ConfigurationError).faults?.map((fault) => fault.message)).toEqual([message])
})

test('older names of the fields of queue still work', async () => {
  using target = await service(answering(ok()))
  using collector = await service(answering(ok()))
  await using running = await logging(
    target,
    collector,
    'queue_size: 2, flush_timeout: 0.05, retry_count: 3',
  )
  await get(running, '/one')
  const [batch] = await received(collector, 1)
  expect(batch?.json).toMatchObject([{ request: { uri: '/one' } }])
})

describe.skipIf(!authority)('a log server with TLS', () => {
  const server = authority?.issue('IP:127.0.0.1')!
  const client = authority?.issue('DNS:gateway.test')!
  const ID = '22222222-2222-4222-8222-222222222222'

  /** Remembers the serial numbers of what it was shown. */
  async function secure(certificate: Certificate) {
    const shown: string[] = []
    const options = { ...certificate, requestCert: true, rejectUnauthorized: false }
    const listener = createServer(options, (socket: TLSSocket) => {
      shown.push(socket.getPeerCertificate()?.serialNumber ?? 'none')
      socket.on('error', () => {})
      void answering(ok())(new Wire(socket), shown.length)
    })
    listener.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address() as { port: number }
    return { port, shown, [Symbol.dispose]: () => void listener.close() }
  }

  async function logged(config: string, port: number, target: Service, ca: string | undefined) {
    const endpoint = `https://127.0.0.1:${port}/logs`
    const { cert, key } = client
    const yaml =
      `${proxied(target.port)}certificates: [{ id: ${ID}, cert: ${JSON.stringify(cert)}, key: ${JSON.stringify(key)} }]\n` +
      `plugins: [{ name: http-log, config: { http_endpoint: "${endpoint}", ${config} } }]\n`
    const running = await gateway(yaml, { settings: { ca } })
    await get(running, '/one')
    return running
  }

  test('is shown the certificate, and has to have one of a trusted authority', async () => {
    using target = await service(answering(ok()))
    using collector = await secure(server)
    await using _ = await logged(
      `client_certificate: { id: ${ID} }`,
      collector.port,
      target,
      authority!.cert,
    )
    await eventually(() => collector.shown.length === 1)
    expect(collector.shown).toEqual([new X509Certificate(client.cert).serialNumber])
  })

  test('is told nothing if nobody knows its authority, unless ssl_verify is false', async () => {
    using target = await service(answering(ok()))
    using collector = await secure(server)
    await using strict = await logged('ssl_verify: true', collector.port, target, undefined)
    await eventually(() => strict.log.some((line) => line.includes('entries were not taken')))
    expect(collector.shown).toEqual([])
    await using _ = await logged('ssl_verify: false', collector.port, target, undefined)
    await eventually(() => collector.shown.length === 1)
    expect(collector.shown).toEqual(['none'])
  })
})
