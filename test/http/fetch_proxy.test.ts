import { createServer as createTlsServer } from 'node:tls'
import { connect } from 'node:net'
import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { createFetch } from '../../src/upstream/fetch.ts'
import { createAuthority, type Certificate } from './authority.ts'
import { answering, ok, type Script, service } from './service.ts'
import { Wire } from './wire.ts'

const authority = createAuthority()
if (!authority) console.log('skipped: fetching by TLS, because there is no openssl here')
afterAll(() => authority?.[Symbol.dispose]())
const clients: UpstreamClient[] = []
afterEach(() => clients.splice(0).forEach((client) => client.close()))

function createTestFetch(ca?: string) {
  const client = new UpstreamClient({ poolSize: 512, idleTimeout: 60, maxRequests: 10_000 })
  clients.push(client)
  return createFetch(client, ca)
}

const QUICK = { timeout: 2_000 }
const codeOf = (fetching: Promise<Response>) =>
  fetching.then(
    ({ status }) => status,
    (error: { code?: string; message?: string }) => `${error.code}: ${error.message}`,
  )

test('HTTP/1.0 is asked by its name', async () => {
  using server = await service(answering('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  const fetch = createTestFetch()
  const answer = await fetch(`http://127.0.0.1:${server.port}/a`, { ...QUICK, http_version: '1.0' })
  expect(await answer.text()).toBe('ok')
  expect(server.requests[0]!.line).toBe('GET /a HTTP/1.0')
})

test('a proxy is told the whole address of http:, and who asks (RFC 9112 §3.2.2)', async () => {
  using proxy = await service(answering(ok('by proxy')))
  const fetch = createTestFetch()
  const url = 'http://provider.test:8080/token?a=b'
  const by = { url: `http://127.0.0.1:${proxy.port}`, authorization: 'Basic abc' }
  expect(await (await fetch(url, { ...QUICK, proxy: by })).text()).toBe('by proxy')
  const [request] = proxy.requests
  expect(request!.line).toBe('GET http://provider.test:8080/token?a=b HTTP/1.1')
  expect(request!.head).toMatch(/^host: provider\.test:8080$/im)
  expect(request!.head).toMatch(/^proxy-authorization: Basic abc$/im)
  // Its name and password may stand in the address; and each login has connections of its own.
  const named = { url: `http://us%20er:pass@127.0.0.1:${proxy.port}` }
  await fetch(url, { ...QUICK, proxy: named })
  expect(proxy.requests[1]!.head).toMatch(/^proxy-authorization: Basic dXMgZXI6cGFzcw==$/im)
  expect(proxy.connections).toBe(2)
})

/** A proxy that opens tunnels to wherever it is asked, and remembers what it was told. */
function tunnels(said: string[]): Script {
  return async (wire) => {
    const request = await wire.message()
    if (!request) return wire.close()
    said.push(request.head)
    const [host, port] = request.line.split(' ')[1]!.split(':')
    const { socket } = wire
    const server = connect(Number(port), host)
    server.on('error', () => socket.destroy())
    wire.send('HTTP/1.1 200 Connection established\r\n\r\n')
    socket.removeAllListeners('data')
    socket.pipe(server).pipe(socket)
  }
}

/** A server with TLS that remembers who its clients said they were. */
async function secure(certificate: Certificate) {
  const shown: unknown[] = []
  const options = { ...certificate, requestCert: true, rejectUnauthorized: false }
  const server = createTlsServer(options, (socket) => {
    shown.push(socket.getPeerCertificate()?.serialNumber)
    socket.on('error', () => {})
    void answering(ok('secure'))(new Wire(socket), shown.length)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, shown, [Symbol.dispose]: () => void server.close() }
}

describe.skipIf(!authority)('by TLS', () => {
  const certificate = authority?.issue('DNS:localhost,IP:127.0.0.1')!
  const own = authority?.issue('DNS:gateway.test')!
  const other = authority?.issue('DNS:other.test')!

  test('what the gateway shows is what it was told to, on connections of its own', async () => {
    using server = await secure(certificate)
    const fetch = createTestFetch(authority!.cert)
    const url = `https://127.0.0.1:${server.port}/`
    for (const shown of [own, own, other, undefined])
      expect(await (await fetch(url, { ...QUICK, certificate: shown })).text()).toBe('secure')
    expect(server.shown).toHaveLength(3)
    expect(new Set(server.shown).size).toBe(3)
    expect(server.shown[2]).toBeUndefined()
  })

  test('a proxy opens a tunnel, and sees no more than where it goes (RFC 9110 §9.3.6)', async () => {
    using server = await secure(certificate)
    const said: string[] = []
    using proxy = await service(tunnels(said))
    const fetch = createTestFetch(authority!.cert)
    const by = { url: `http://127.0.0.1:${proxy.port}`, authorization: 'Basic abc' }
    const url = `https://127.0.0.1:${server.port}/secret`
    for (let i = 0; i < 2; i++)
      expect(await (await fetch(url, { ...QUICK, proxy: by, certificate: own })).text()).toBe(
        'secure',
      )
    expect(said).toEqual([
      `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nProxy-Authorization: Basic abc`,
    ])
    expect(server.shown).toHaveLength(1)
    expect(server.shown[0]).toBeDefined()
  })

  test('behind a tunnel the certificate of the server is checked as without one', async () => {
    using server = await secure(authority!.issue('DNS:elsewhere.test'))
    using proxy = await service(tunnels([]))
    const fetch = createTestFetch(authority!.cert)
    const url = `https://127.0.0.1:${server.port}/`
    const by = { ...QUICK, proxy: { url: `http://127.0.0.1:${proxy.port}` } }
    expect(await codeOf(fetch(url, by))).toMatch(/^tls_failed: /)
    expect(await codeOf(fetch(url, { ...by, ssl_verify: false }))).toBe(200)
    expect(await codeOf(createTestFetch()(url, by))).toMatch(/^tls_failed: /)
  })
})

// prettier-ignore
const UNWILLING: [string, Script, RegExp][] = [
  ['refuses',            answering('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'), /^connect_failed: the proxy .* answered 407$/],
  ['speaks otherwise',   async (wire) => { await wire.message(); wire.send('SSH-2.0-x\r\n\r\n') }, /^invalid_response: the proxy .* gave no answer of HTTP$/],
  ['talks without end',  async (wire) => { await wire.message(); wire.send(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(5_000)}`) }, /^invalid_response: /],
  ['says too much',      async (wire) => { await wire.message(); wire.send('HTTP/1.1 200 OK\r\n\r\nhello') }, /^invalid_response: the proxy .* sent too much$/],
  ['closes',             async (wire) => { await wire.message(); wire.close() }, /^closed: /],
  ['is silent',          () => {}, /^connect_timeout: /],
]

test.each(UNWILLING)('a proxy that %s is an error with a code', async (_, script, code) => {
  using proxy = await service(script)
  const fetch = createTestFetch()
  const by = { timeout: 300, proxy: { url: `http://127.0.0.1:${proxy.port}` } }
  expect(await codeOf(fetch('https://provider.test/', by))).toMatch(code)
})

test('a proxy of https: is refused, and one that is not there is a fault with a code', async () => {
  const fetch = createTestFetch()
  const at = (url: string) => codeOf(fetch('https://provider.test/', { ...QUICK, proxy: { url } }))
  expect(await at('https://127.0.0.1:1')).toMatch(/^connect_failed: the proxy .* http:$/)
  expect(await at('http://127.0.0.1:1')).toMatch(/^connect_failed: cannot connect to the proxy /)
})
