import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash, X509Certificate } from 'node:crypto'
import { signingKey, type SigningKey } from '../../unit/plugins/openid-connect/provider.ts'
import { Holder } from '../../unit/plugins/openid-connect/possession/holder.ts'
import { SignJWT } from 'jose'
import type { Certificate } from '../authority.ts'
import { gateway, proxied } from '../gateway.ts'
import { Pki } from '../pki.ts'
import { echo, service } from '../service.ts'
import { TlsClients } from '../tls_clients.ts'

setDefaultTimeout(20_000)

const isThere = Bun.which('openssl') !== null && Bun.which('curl') !== null
if (!isThere)
  console.log('skipped: proof of possession, because there is no openssl or no curl here')

const ROOT = '00000000-0000-4000-8000-000000000001'

describe.skipIf(!isThere)('openid-connect: proof of possession', () => {
  const pki = new Pki()
  const root = pki.issue(undefined, { subject: '/CN=Root' })
  const clients = new TlsClients(root.cert)
  const leaf = () => pki.issue(root, { extensions: ['keyUsage=digitalSignature'] })
  const [ann, bob] = [leaf(), leaf()]
  let key: SigningKey
  const provider = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => Response.json({ keys: [key.jwk] }),
  })
  beforeAll(async () => void (key = await signingKey('one')))
  afterAll(() => {
    void provider.stop(true)
    clients[Symbol.dispose]()
    pki[Symbol.dispose]()
  })

  const issuer = 'http://issuer.test/'
  const tokenFor = (cnf: Record<string, string>) =>
    new SignJWT({ iss: issuer, sub: 'ann', cnf })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(key.privateKey)
  const hashOf = ({ cert }: Certificate) =>
    createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')

  async function start(config: string, trusted_ips: readonly string[] = []) {
    const upstream = await service(echo)
    const yaml = `${proxied(upstream.port)}
ca_certificates: [{ id: ${ROOT}, cert: ${JSON.stringify(root.cert)} }]
plugins:
  - { name: tls-handshake-modifier, config: { tls_client_certificate: REQUEST } }
  - name: openid-connect
    config:
      issuer: ${issuer}
      using_pseudo_issuer: true
      jwks_endpoint: http://127.0.0.1:${provider.port}/
      auth_methods: [bearer]
${config.replace(/^/gm, '      ')}`
    const listen = [
      { host: '127.0.0.1', port: 0, ssl: true },
      { host: '127.0.0.1', port: 0 },
    ]
    const running = await gateway(yaml, { listen, settings: { trusted_ips } })
    const ask = async (url: string, port: number, words: string[]) => {
      const { status, body } = await clients.curl(url, port, '-k', '-i', ...words)
      return { status, body }
    }
    return {
      upstream,
      tls: (shown: Certificate | undefined, ...words: string[]) =>
        ask('https://gate.test/a?b=c', running.port, [
          ...(shown ? clients.showing(shown) : []),
          ...words,
        ]),
      plain: (...words: string[]) => ask('http://gate.test/a', running.ports[1]!, words),
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        upstream[Symbol.dispose]()
      },
    }
  }
  const field = (text: string) => ['-H', text]

  test('RFC 8705 §3: a token passes on the connection of its certificate alone', async () => {
    await using gate = await start('proof_of_possession_mtls: strict')
    const token = field(`Authorization: Bearer ${await tokenFor({ 'x5t#S256': hashOf(ann) })}`)
    expect((await gate.tls(ann, ...token)).status).toBe(200)
    const others = [
      await gate.tls(bob, ...token),
      await gate.tls(undefined, ...token),
      await gate.plain(...token),
    ]
    for (const { status, body } of others) {
      expect(status).toBe(401)
      expect(body).toContain(
        'WWW-Authenticate: Bearer realm="issuer.test", error="invalid_token"\r\n',
      )
      expect(body).toEndWith('\r\n\r\n{"message":"Unauthorized"}')
    }
    expect(gate.upstream.requests).toHaveLength(1)
  })

  test('a trusted proxy sends the certificate in a header, which ends here', async () => {
    const config = `proof_of_possession_mtls: strict
proof_of_possession_mtls_from_header:
  certificate_header_name: x-client-cert
  certificate_header_format: base64_encoded
  ca_certificates: [${ROOT}]`
    const der = new X509Certificate(ann.cert).raw.toString('base64')
    const words = [
      ...field(`Authorization: Bearer ${await tokenFor({ 'x5t#S256': hashOf(ann) })}`),
      ...field(`X-Client-Cert: ${der}`),
    ]
    await using trusting = await start(config, ['127.0.0.1'])
    const { status, body } = await trusting.plain(...words)
    expect([status, /x-client-cert/i.test(body)]).toEqual([200, false])
    expect((await trusting.plain(...words.slice(0, 2))).status).toBe(401)
    await using wary = await start(config)
    expect((await wary.plain(...words)).status).toBe(401)
  })

  test('RFC 9449: a proof passes once, for its address; the service is sent a bearer token', async () => {
    const holder = await Holder.create()
    await using gate = await start('proof_of_possession_dpop: strict\ndpop_use_nonce: true')
    const token = await tokenFor({ jkt: holder.jkt })
    const send = async (over: Record<string, unknown>) => {
      const proof = await holder.prove(token, Date.now(), { htu: 'https://gate.test/a', ...over })
      const words = [...field(`Authorization: DPoP ${token}`), ...field(`DPoP: ${proof}`)]
      return { words, ...(await gate.tls(undefined, ...words)) }
    }
    const first = await send({})
    expect(first.status).toBe(401)
    expect(first.body).toContain(
      'WWW-Authenticate: DPoP realm="issuer.test", error="use_dpop_nonce", algs="ES256 ',
    )
    expect(first.body).toMatch(/^Cache-Control: no-store\r$/m)
    const nonce = /^DPoP-Nonce: (\S+)\r$/m.exec(first.body)?.[1]
    const { words, status, body } = await send({ nonce })
    expect(status).toBe(200)
    expect(body).toContain(`Authorization: Bearer ${token}`)
    expect(body).not.toMatch(/^dpop/im)
    expect((await gate.tls(undefined, ...words)).status).toBe(401)
    expect((await send({ nonce, htu: 'https://other.test/a' })).status).toBe(401)
    const bearer = await gate.tls(undefined, ...field(`Authorization: Bearer ${token}`))
    expect(bearer.status).toBe(401)
    expect(gate.upstream.requests).toHaveLength(1)
  })
})
