import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { gateway, proxied } from '../gateway.ts'
import { Pki } from '../pki.ts'
import { echo, service } from '../service.ts'
import { TlsClients } from '../tls_clients.ts'

setDefaultTimeout(20_000)

const isThere = Bun.which('openssl') !== null && Bun.which('curl') !== null
if (!isThere)
  console.log('skipped: tls-handshake-modifier, because there is no openssl or no curl here')

const ID = '00000000-0000-4000-8000-000000000001'

describe.skipIf(!isThere)('tls-handshake-modifier', () => {
  const pki = new Pki()
  const root = pki.issue(undefined)
  const stranger = pki.issue(undefined, { extensions: [] })
  const clients = new TlsClients(root.cert)
  afterAll(() => {
    clients[Symbol.dispose]()
    pki[Symbol.dispose]()
  })

  async function start(plugins: string) {
    const upstream = await service(echo)
    const authorities = `ca_certificates: [{ id: ${ID}, cert: ${JSON.stringify(root.cert)} }]`
    const running = await gateway(
      `${proxied(upstream.port)}${authorities}\nplugins: [${plugins}]`,
      {
        listen: [{ host: '127.0.0.1', port: 0, ssl: true }],
      },
    )
    return {
      asked: async () =>
        (await clients.openssl(running.port, '', '-servername', 'gate.test')).includes(
          'Requested Signature Algorithms',
        ),
      status: async (...words: string[]) =>
        (await clients.curl('https://gate.test/', running.port, '-k', ...words)).status,
      told: () => clients.openssl(running.port, '', '-servername', 'gate.test'),
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        upstream[Symbol.dispose]()
      },
    }
  }

  test('has clients asked, who need not answer, and checks nothing', async () => {
    await using gate = await start('{ name: tls-handshake-modifier }')
    expect(await gate.asked()).toBe(true)
    expect(await gate.status()).toBe(200)
    expect(await gate.status(...clients.showing(stranger))).toBe(200)
  })

  test('without it nobody is asked', async () => {
    await using gate = await start('')
    expect(await gate.asked()).toBe(false)
  })

  test('beside mtls-auth, clients are not told that only its authorities will do', async () => {
    const mtls = `{ name: mtls-auth, config: { ca_certificates: [${ID}], send_ca_dn: true, revocation_check_mode: SKIP } }`
    await using gate = await start(`{ name: tls-handshake-modifier }, ${mtls}`)
    expect(await gate.told()).toContain('No client certificate CA names sent')
    expect(await gate.status(...clients.showing(stranger))).toBe(401)
  })

  test('knows one way of asking', async () => {
    const config = '{ name: tls-handshake-modifier, config: { tls_client_certificate: REQUIRE } }'
    await expect(start(config)).rejects.toMatchObject({
      faults: [expect.objectContaining({ message: 'expected one of: REQUEST' })],
    })
  })
})
