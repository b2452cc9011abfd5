import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type ClientCertificateRequest, exit, type Plugin } from '../../src/pdk.ts'
import { boolean, record } from '../../src/schema/field.ts'
import { createAuthority } from './authority.ts'
import { gateway } from './gateway.ts'
import { TlsClients } from './tls_clients.ts'

setDefaultTimeout(10_000)

const authority = createAuthority()
const clients = authority && Bun.which('curl') ? new TlsClients(authority.cert) : undefined
if (!clients)
  console.log("skipped: clients' certificates, because there is no openssl or no curl here")
afterAll(() => {
  clients?.[Symbol.dispose]()
  authority?.[Symbol.dispose]()
})

const SSL = { host: '127.0.0.1', port: 0, ssl: true }

const schema = record(
  'What its clients are asked for.',
  {
    check: boolean('With the authority of the test.', { required: true, default: false }),
    require: boolean('Nobody else gets in.', { required: true, default: false }),
  },
  { required: true },
)

/** Asks clients for a certificate, and answers with what they showed. */
const asking: Plugin<{ check: boolean; require: boolean }> = {
  name: 'asking',
  priority: 1,
  schema: schema as never,
  create: ({ check, require: isRequired }) => {
    const clientCertificate: ClientCertificateRequest = {
      isRequired,
      ...(check && { ca: [authority!.cert] }),
    }
    return { clientCertificate, access: shown }
  },
}
/** Answers as well, and asks for nothing. */
const telling: Plugin = {
  ...asking,
  name: 'telling',
  create: () => ({ access: shown }),
} as Plugin

const shown: NonNullable<ReturnType<Plugin['create']>['access']> = ({ request }) => {
  const { sni, clientCertificate } = request
  const { subjectAltName } = clientCertificate?.x509 ?? {}
  const isPem = clientCertificate?.pem.startsWith('-----BEGIN CERTIFICATE-----\n')
  return exit(200, {
    sni: sni ?? null,
    shown: subjectAltName ?? null,
    fault: clientCertificate?.fault ?? null,
    isPem: isPem ?? null,
  })
}

const plugins = new Map<string, Plugin>([
  ['asking', asking as unknown as Plugin],
  ['telling', telling],
])

describe.skipIf(!clients)("a client's certificate", () => {
  const known = authority!.issue('DNS:client.test')
  const unknown = authority!.issue('DNS:client.test', { isSelfSigned: true })

  async function ask(config: string, host = 'a.test', ...words: string[]) {
    const yaml = `plugins: [{ name: asking, config: ${config} }]\nroutes: [{ paths: ["/"] }]`
    await using running = await gateway(yaml, { listen: [SSL], plugins })
    const { status, body } = await clients!.curl(`https://${host}/`, running.port, '-k', ...words)
    return status === 0 ? 'refused' : JSON.parse(body)
  }

  test('reaches plugins if one asks for it', async () => {
    const seen = await ask('{}', 'A.test', ...clients!.showing(unknown))
    expect(seen).toMatchObject({ sni: 'a.test', shown: 'DNS:client.test', isPem: true })
  })

  test('need not be shown', async () => {
    expect(await ask('{}')).toEqual({ sni: 'a.test', shown: null, fault: null, isPem: null })
    expect(await ask('{ check: true }')).toMatchObject({ shown: null })
  })

  test('is checked against the authorities of who asks', async () => {
    expect(await ask('{ check: true }', 'a.test', ...clients!.showing(known))).toMatchObject({
      shown: 'DNS:client.test',
      fault: null,
    })
    const { fault } = await ask('{ check: true }', 'a.test', ...clients!.showing(unknown))
    expect(fault).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  test('is the condition of being heard, if who asks says so', async () => {
    const config = '{ check: true, require: true }'
    expect(await ask(config, 'a.test', ...clients!.showing(known))).toMatchObject({ fault: null })
    expect(await ask(config, 'a.test', ...clients!.showing(unknown))).toBe('refused')
    expect(await ask(config)).toBe('refused')
  })

  test('is asked for where the routes of the plugin are, by their snis', async () => {
    const yaml = `
routes:
  - { name: a, snis: [a.test, "*.b.test"], protocols: [https], plugins: [{ name: asking }] }
  - { name: c, paths: ["/"], plugins: [{ name: telling }] }`
    await using running = await gateway(yaml, { listen: [SSL], plugins })
    const words = ['-k', ...clients!.showing(known)]
    for (const [host, is] of [
      ['a.test', 'DNS:client.test'],
      ['x.b.test', 'DNS:client.test'],
      ['c.test', null],
    ]) {
      const { body } = await clients!.curl(`https://${host}/`, running.port, ...words)
      expect(JSON.parse(body)).toMatchObject({ sni: host, shown: is })
    }
    const offered = await clients!.openssl(running.port, '', '-servername', 'c.test')
    expect(offered).not.toContain('Requested Signature Algorithms')
  })

  test('is asked of everybody where one route of the plugin has no snis', async () => {
    const yaml = `
services:
  - url: http://127.0.0.1:1
    plugins: [{ name: asking }]
    routes: [{ snis: [a.test], protocols: [https] }, { paths: ["/"] }]`
    await using running = await gateway(yaml, { listen: [SSL], plugins })
    const words = ['-k', ...clients!.showing(known)]
    for (const host of ['a.test', 'c.test']) {
      const { body } = await clients!.curl(`https://${host}/`, running.port, ...words)
      expect(JSON.parse(body)).toMatchObject({ sni: host, shown: 'DNS:client.test' })
    }
  })

  test('is asked for from the next connection on after a reload', async () => {
    const routes = 'routes: [{ paths: ["/"] }]'
    const words = ['-k', ...clients!.showing(known)]
    await using running = await gateway(`plugins: [{ name: telling }]\n${routes}`, {
      listen: [SSL],
      plugins,
    })
    const ask = async () =>
      JSON.parse((await clients!.curl('https://a.test/', running.port, ...words)).body)
    expect(await ask()).toMatchObject({ shown: null })
    running.reload(`plugins: [{ name: asking }]\n${routes}`)
    expect(await ask()).toMatchObject({ shown: 'DNS:client.test' })
  })
})
