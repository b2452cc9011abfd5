import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'bun:test'
import type { GatewaySettings } from '../../src/gateway.ts'
import { createAuthority, type Certificate } from './authority.ts'
import { gateway } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { ask, eventually, statusOf, Wire } from './wire.ts'

const authority = createAuthority()
if (!authority) console.log('skipped: services with TLS, because there is no openssl here')
afterAll(() => authority?.[Symbol.dispose]())

const GET = 'GET / HTTP/1.1\r\nHost: client.test\r\n\r\n'

/** A service with TLS, that tells by which name it was asked. */
async function secure(certificate: Certificate) {
  const names: (string | false | null | undefined)[] = []
  const server = createServer({ ...certificate }, (socket: TLSSocket) => {
    names.push(socket.servername)
    socket.on('error', () => {})
    void answering(ok('secure'))(new Wire(socket), names.length)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, names, [Symbol.dispose]: () => void server.close() }
}

/** Asks `https://host` through a gateway; the service is at that port of this machine. */
async function through(
  port: number,
  fields: string,
  settings: Partial<GatewaySettings> = {},
  host = 'up.a.test',
) {
  const yaml = `services: [{ name: s, url: "https://${host}", connect_timeout: 400, retries: 0, ${fields}routes: [{ name: r, paths: ["/"] }] }]`
  const connectTo = new Map([[`${host}:443`, { host: '127.0.0.1', port }]])
  await using running = await gateway(yaml, { settings, connectTo })
  const answers = [await ask(running.port, GET), await ask(running.port, GET)]
  const code = / code=(\w+)/.exec(running.log.join(''))?.[1]
  return { statuses: answers.map(statusOf), code, log: running.log.join('') }
}

describe.skipIf(!authority)('a service with TLS', () => {
  const good = authority?.issue('DNS:up.a.test')!
  const wildcard = authority?.issue('DNS:*.a.test')!
  const other = authority?.issue('DNS:other.test')!
  const alone = authority?.issue('DNS:up.a.test', { isSelfSigned: true })!
  const address = authority?.issue('IP:127.0.0.1')!
  const trusting = { ca: authority?.cert }
  const VERIFY = 'tls_verify: true, '

  // prettier-ignore
  test.each([
    ['that is who it says',                 () => good,      VERIFY,                trusting,  200, undefined],
    ['by a wildcard',                       () => wildcard,  VERIFY,                trusting,  200, undefined],
    ['for another host',                    () => other,     VERIFY,                trusting,  502, 'tls_failed'],
    ['signed by itself',                    () => alone,     VERIFY,                trusting,  502, 'tls_failed'],
    ['of an authority that is not known',   () => good,      VERIFY,                {},        502, 'tls_failed'],
    ['for another host, not checked',       () => other,     'tls_verify: false, ', trusting,  200, undefined],
    ['signed by itself, not checked',       () => alone,     'tls_verify: false, ', {},        200, undefined],
    ['signed by itself, checked by default', () => alone,    '',  { tls_certificate_verify: true }, 502, 'tls_failed'],
    ['signed by itself, as Kong before 3.14', () => alone,   '',                    {},        200, undefined],
  ] as const)('%s', async (_, certificate, fields, settings, status, code) => {
    using upstream = await secure(certificate())
    const seen = await through(upstream.port, fields, settings)
    expect(seen).toMatchObject({ statuses: [status, status], code })
    // A refused service has not been asked; one that was asked keeps its connection.
    if (status === 200) expect(upstream.names).toEqual(['up.a.test'])
  })

  test('an address is checked as one, and is no name to ask by', async () => {
    using upstream = await secure(address)
    expect(await through(upstream.port, VERIFY, trusting, '127.0.0.1')).toMatchObject({
      statuses: [200, 200],
    })
    expect(upstream.names).not.toContain('127.0.0.1')
  })

  test('that never shakes hands is left when the time is over', async () => {
    const wires: Wire[] = []
    using silent = await service((wire) => void wires.push(wire))
    const yaml = `services: [{ name: s, url: "https://127.0.0.1:${silent.port}", connect_timeout: 100, retries: 0, routes: [{ name: r, paths: ["/"] }] }]`
    await using running = await gateway(yaml)
    expect(statusOf(await ask(running.port, GET))).toBe(504)
    await eventually(() => wires.length === 1 && wires[0]!.ending !== undefined)
  })

  test('that speaks no TLS, closes or says nothing is 502 or 504, soon', async () => {
    using plain = await service((wire) => void wire.send(ok('plain')))
    using closing = await service((wire) => void wire.socket.end())
    using silent = await service(() => {})
    const seen = [plain, closing, silent].map(
      async ({ port }) => (await through(port, '')).statuses,
    )
    expect(await Promise.all(seen)).toEqual([
      [502, 502],
      [502, 502],
      [504, 504],
    ])
  })
})
