import { X509Certificate } from 'node:crypto'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'bun:test'
import { createAuthority, type Certificate } from './authority.ts'
import { type Balanced, over } from './balanced.ts'
import { answering, ok } from './service.ts'
import { eventually, Wire } from './wire.ts'

const authority = createAuthority()
if (!authority) console.log('skipped: upstreams with TLS, because there is no openssl here')
afterAll(() => authority?.[Symbol.dispose]())

const CA_ID = '11111111-1111-4111-8111-111111111111'
const CERTIFICATE_ID = '22222222-2222-4222-8222-222222222222'
const OTHER_ID = '33333333-3333-4333-8333-333333333333'

/** A target with TLS, which remembers the names that it was asked by and the fingerprints of what clients showed. */
async function secure(certificate: Certificate) {
  const names: unknown[] = []
  const shown: unknown[] = []
  const options = { ...certificate, requestCert: true, rejectUnauthorized: false }
  const server = createServer(options, (socket: TLSSocket) => {
    names.push(socket.servername)
    shown.push(socket.getPeerCertificate()?.serialNumber)
    socket.on('error', () => {})
    void answering(ok('secure'))(new Wire(socket), names.length)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, names, shown, [Symbol.dispose]: () => void server.close() }
}

describe.skipIf(!authority)('an upstream with TLS', () => {
  const server = authority?.issue('DNS:up.a.test')!
  const client = authority?.issue('DNS:gateway.test')!
  const second = authority?.issue('DNS:second.test')!
  const serialOf = ({ cert }: Certificate) => new X509Certificate(cert).serialNumber

  /** A gateway before that port; further fields of the service and of the upstream, in flow style. */
  function before(port: number, service: string, upstream: string): Promise<Balanced> {
    const pem = (text: string) => JSON.stringify(text)
    const certificate = (id: string, { cert, key }: Certificate) =>
      `- { id: ${id}, cert: ${pem(cert)}, key: ${pem(key)} }\n`
    return over(
      `services: [{ name: s, protocol: https, host: many.test, retries: 0, ${service} routes: [{ name: r, paths: ["/"] }] }]\n` +
        `upstreams: [{ name: many.test, ${upstream} targets: [{ target: "127.0.0.1:${port}" }] }]\n` +
        `ca_certificates: [{ id: ${CA_ID}, cert: ${pem(authority!.cert)} }]\n` +
        `certificates:\n${certificate(CERTIFICATE_ID, client)}${certificate(OTHER_ID, second)}`,
    )
  }

  test.each([
    [
      'host_header is the name that it must have',
      'tls_verify: true, ',
      'host_header: up.a.test, ',
      200,
    ],
    ['another name', 'tls_verify: true, ', 'host_header: down.a.test, ', 502],
    ['another name, not checked', '', 'host_header: down.a.test, ', 200],
    ['no name but the address', 'tls_verify: true, ', '', 502],
  ])('%s', async (_, service, upstream, status) => {
    using target = await secure(server)
    const trusting = `${service}${service && `ca_certificates: [${CA_ID}], `}`
    await using gateway = await before(target.port, trusting, upstream)
    expect((await gateway.ask()).status).toBe(status)
    if (status === 200) expect(target.names[0]).toBe(/: (.*), /.exec(upstream)![1])
  })

  test('an authority that is not among those of the service is not trusted', async () => {
    using target = await secure(server)
    await using gateway = await before(
      target.port,
      'tls_verify: true, ',
      'host_header: up.a.test, ',
    )
    expect((await gateway.ask()).status).toBe(502)
  })

  test.each([
    ["the upstream's", '', `client_certificate: ${CERTIFICATE_ID}, `, () => client],
    [
      "the service's, before the upstream's",
      `client_certificate: ${OTHER_ID}, `,
      `client_certificate: ${CERTIFICATE_ID}, `,
      () => second,
    ],
  ])('the certificate that is shown is %s', async (_, service, upstream, expected) => {
    using target = await secure(server)
    await using gateway = await before(target.port, service, upstream)
    expect((await gateway.ask()).status).toBe(200)
    expect(target.shown).toEqual([serialOf(expected())])
  })

  test('active, https: the name and the certificate are as https_sni and https_verify_certificate say', async () => {
    using target = await secure(server)
    const checks = (verify: boolean) =>
      `client_certificate: ${CERTIFICATE_ID}, healthchecks: { active: { type: https, https_sni: sni.a.test, https_verify_certificate: ${verify}, healthy: { interval: 0.02, successes: 1 }, unhealthy: { interval: 0.02, tcp_failures: 2 } } }, `
    const at = `127.0.0.1:${target.port}`
    {
      await using gateway = await before(target.port, '', checks(true))
      await eventually(() => gateway.health[at] === 'UNHEALTHY')
    }
    target.names.length = target.shown.length = 0
    await using gateway = await before(target.port, '', checks(false))
    await eventually(() => target.shown.length > 3)
    expect(gateway.health[at]).toBe('HEALTHY')
    expect([target.names[0], target.shown[0]]).toEqual(['sni.a.test', serialOf(client)])
  })
})
