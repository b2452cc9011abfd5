import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connect, type TLSSocket } from 'node:tls'
import type { Certificate } from '../authority.ts'
import { gateway, proxied } from '../gateway.ts'
import { bundled, CA, Pki, type Wanted } from '../pki.ts'
import { Revoker } from '../../unit/certificates/revoker.ts'
import { echo, service } from '../service.ts'
import { TlsClients, yamlBlock } from '../tls_clients.ts'

setDefaultTimeout(20_000)

const isThere = Bun.which('openssl') !== null && Bun.which('curl') !== null
if (!isThere) console.log('skipped: mtls-auth, because there is no openssl or no curl here')

describe.skipIf(!isThere)('mtls-auth', () => {
  const pki = new Pki()
  const ids = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`)
  const [ROOT, OTHER, MIDDLE] = ids as [string, string, string]
  const revoker = new Revoker()
  const root = pki.issue(undefined, {
    subject: '/CN=Root',
    extensions: [CA[0]!, 'keyUsage=critical,keyCertSign,cRLSign'],
  })
  const other = pki.issue(undefined, { subject: '/CN=Other' })
  const middle = pki.issue(root, {
    subject: '/CN=Middle',
    extensions: [...CA.slice(1), 'basicConstraints=critical,CA:TRUE,pathlen:0'],
  })
  const clients = new TlsClients(root.cert)
  afterAll(() => {
    clients[Symbol.dispose]()
    revoker[Symbol.dispose]()
    pki[Symbol.dispose]()
  })

  const leaf = (issuer: Certificate | undefined, wanted: Wanted = {}) =>
    pki.issue(issuer, {
      subject: '/O=Shop/CN=ann',
      extensions: ['keyUsage=digitalSignature'],
      ...wanted,
    })
  const ann = leaf(root)
  const annOfMiddle = leaf(middle)

  const AUTHORITIES = `
ca_certificates:
  - { id: ${ROOT}, cert: ${JSON.stringify(root.cert)} }
  - { id: ${OTHER}, cert: ${JSON.stringify(other.cert)} }
  - id: ${MIDDLE}
    cert: ${yamlBlock(middle.cert, 6)}
`
  const CONSUMERS = `
consumers:
  - { username: ann }
  - { username: bob, custom_id: b@example.test }
  - { username: mapped, mtls_auth_credentials: [{ id: 00000000-0000-4000-8000-0000000000aa, subject_name: spiffe://shop/cart }] }
  - { username: of-root, mtls_auth_credentials: [{ subject_name: twice.test, ca_certificate: ${ROOT} }] }
  - { username: of-any, mtls_auth_credentials: [{ subject_name: twice.test }] }
  - { username: of-other, mtls_auth_credentials: [{ subject_name: twice.test, ca_certificate: ${OTHER} }] }
  - { username: nobody }
`
  const yaml = (port: number, config = '', trusted = ROOT, mode = 'SKIP') =>
    `${proxied(port)}${AUTHORITIES}${CONSUMERS}
plugins: [{ name: mtls-auth, config: { revocation_check_mode: ${mode}, ca_certificates: [${trusted}], ${config} } }]`

  /** A gateway that asks for certificates, and one request to it for each of `shown`. */
  async function start(config = '', trusted = ROOT, mode = 'SKIP') {
    const upstream = await service(echo)
    const listen = [
      { host: '127.0.0.1', port: 0, ssl: true },
      { host: '127.0.0.1', port: 0 },
    ]
    const running = await gateway(yaml(upstream.port, config, trusted, mode), { listen })
    const send = async (certificate?: Certificate, ...words: string[]) => {
      const showing = certificate ? clients.showing(certificate) : []
      const more = ['-k', ...showing, ...words]
      const { status, body } = await clients.curl('https://gate.test/', running.port, ...more)
      return {
        status,
        body,
        told: (name: string) => new RegExp(`^${name}: (.*)\r$`, 'mi').exec(body)?.[1],
      }
    }
    return {
      running,
      send,
      upstream,
      /** Who the service was told that it is, or the status. */
      async who(certificate?: Certificate, ...words: string[]) {
        const { status, told } = await send(certificate, ...words)
        return status === 200 ? told('x-consumer-username') : status
      },
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        upstream[Symbol.dispose]()
      },
    }
  }

  test('a certificate of the authority lets its consumer in', async () => {
    await using gate = await start()
    const { status, told } = await gate.send(
      ann,
      '-H',
      'X-Consumer-Username: root',
      '-H',
      'X-Client-Cert-Dn: CN=root',
    )
    expect([status, told('x-consumer-username')]).toEqual([200, 'ann'])
    expect(told('x-client-cert-dn')).toBeUndefined()
    expect(told('x-anonymous-consumer')).toBeUndefined()
    expect(told('x-credential-identifier')).toBe(told('x-consumer-id')!)
  })

  test('without a certificate, or without TLS, it is 401 in Kong’s words', async () => {
    await using gate = await start()
    const message = 'No required TLS certificate was sent'
    const { status, body } = await gate.send()
    expect([status, JSON.parse(body).message]).toEqual([401, message])
    const plain = await clients.curl('http://gate.test/', gate.running.ports[1]!)
    expect([plain.status, JSON.parse(plain.body).message]).toEqual([401, message])
    expect(gate.upstream.requests).toEqual([])
  })

  const flags = (bits: string) => [`keyUsage=${bits}`]
  const impostor = pki.issue(undefined, { subject: '/CN=Root' })
  const withoutFlag = pki.issue(root, { extensions: [] })
  const withoutSigning = pki.issue(root, { extensions: [CA[0]!, ...flags('cRLSign')] })
  const belowMiddle = pki.issue(middle)
  const expired = pki.issue(root, { days: -1 })
  const constrained = pki.issue(root, {
    extensions: [...CA, 'nameConstraints=critical,permitted;DNS:x.test'],
  })
  // prettier-ignore
  const bad: [string, Certificate, string][] = [
    ['has expired', leaf(root, { days: -1 }), 'expired'],
    ['is self-signed', leaf(undefined), 'does not lead'],
    ['is of an authority that is not trusted here', leaf(other), 'does not lead'],
    ['is of one that only has the same name', bundled(leaf(impostor), impostor), 'does not lead'],
    ['has no authority beside it to lead on', annOfMiddle, 'does not lead'],
    ['is signed by a certificate that is none of an authority', bundled(leaf(withoutFlag), withoutFlag), 'does not lead'],
    ['is signed by an authority that may not sign certificates', bundled(leaf(withoutSigning), withoutSigning), 'does not lead'],
    ['is signed by a client', bundled(leaf(ann), ann), 'does not lead'],
    ['is of an authority that has expired', bundled(leaf(expired), expired), 'expired'],
    ['is of one more authority than may follow', bundled(leaf(belowMiddle), belowMiddle, middle), 'more authorities'],
    ['is of an authority for some names only', bundled(leaf(constrained), constrained), 'not understood'],
    ['is for servers', leaf(root, { extensions: ['extendedKeyUsage=serverAuth'] }), 'not for clients'],
    ['has a critical extension that nobody knows', leaf(root, { extensions: ['1.2.3.4=critical,ASN1:NULL'] }), 'not understood'],
  ]
  test.each(bad)('a certificate that %s is refused', async (_, certificate, why) => {
    await using gate = await start()
    const { status, body } = await gate.send(certificate)
    expect([status, JSON.parse(body).message]).toEqual([401, 'TLS certificate failed verification'])
    expect(gate.upstream.requests).toEqual([])
    expect(gate.running.log.join('\n')).toContain(why)
  })

  test('a certificate of an intermediate authority passes with that beside it', async () => {
    await using gate = await start()
    expect(await gate.who(bundled(annOfMiddle, middle))).toBe('ann')
  })

  test('an intermediate authority is trusted alone only with allow_partial_chain', async () => {
    await using strict = await start('', MIDDLE)
    expect(await strict.who(bundled(annOfMiddle, middle))).toBe(401)
    await using partial = await start('allow_partial_chain: true', MIDDLE)
    expect(await partial.who(annOfMiddle)).toBe('ann')
    expect(await partial.who(ann)).toBe(401)
    await using both = await start('', `${ROOT}, ${MIDDLE}`)
    expect(await both.who(annOfMiddle)).toBe('ann')
  })

  test('consumers are found by credentials, then by their names', async () => {
    const named = (issuer: Certificate, san: string) =>
      leaf(issuer, { extensions: [`subjectAltName=${san}`] })
    await using gate = await start('', `${ROOT}, ${OTHER}`)
    const mapped = await gate.send(named(root, 'DNS:x.test,URI:spiffe://shop/cart,DNS:ann'))
    expect(mapped.told('x-consumer-username')).toBe('mapped')
    expect(mapped.told('x-credential-identifier')).toBe('00000000-0000-4000-8000-0000000000aa')
    expect(await gate.who(named(root, 'DNS:twice.test'))).toBe('of-root')
    expect(await gate.who(named(other, 'DNS:twice.test'))).toBe('of-other')
    expect(await gate.who(named(root, 'email:b@example.test'))).toBe('bob')
    // The common name is ann, but there are alternative names.
    expect(await gate.who(named(root, 'DNS:x.test'))).toBe(401)
    expect(await gate.who(named(root, '@a\n[a]\nURI=spiffe://x, DNS:ann'))).toBe(401)
  })

  test('consumer_by says what may be a name', async () => {
    await using gate = await start('consumer_by: [custom_id]')
    expect(await gate.who(ann)).toBe(401)
    expect(await gate.who(leaf(root, { subject: '/CN=b@example.test' }))).toBe('bob')
    await using none = await start('consumer_by: []')
    expect(await none.who(ann)).toBe(401)
  })

  test('default_consumer stands for good certificates alone, anonymous for all', async () => {
    const stranger = leaf(root, { subject: '/CN=stranger' })
    await using gate = await start('default_consumer: nobody')
    expect(await gate.who(stranger)).toBe('nobody')
    expect(await gate.who(leaf(other))).toBe(401)
    await using open = await start('anonymous: nobody')
    for (const certificate of [undefined, stranger, leaf(other)]) {
      const { status, told } = await open.send(certificate)
      expect([status, told('x-consumer-username'), told('x-anonymous-consumer')]).toEqual([
        200,
        'nobody',
        'true',
      ])
    }
    expect(await open.who(ann)).toBe('ann')
    await using missing = await start('anonymous: not-there')
    expect(await missing.who()).toBe(500)
  })

  test('skip_consumer_lookup tells the service the names, and acl the group', async () => {
    const client = leaf(root, { extensions: ['subjectAltName=DNS:a.test,DNS:b.test'] })
    await using gate = await start('skip_consumer_lookup: true')
    const { told } = await gate.send(
      client,
      '-H',
      'X-Client-Cert-San: c.test',
      '-H',
      'x_client_cert_dn: CN=c',
    )
    expect(told('x-client-cert-dn')).toBe('CN=ann,O=Shop')
    expect(told('x-client-cert-san')).toBe('a.test,b.test')
    expect([told('x-consumer-id'), told('x_client_cert_dn')]).toEqual([undefined, undefined])
    expect((await gate.send(leaf(other))).status).toBe(401)

    for (const [by, group] of [
      ['CN', 'ann'],
      ['DN', '"CN=ann,O=Shop"'],
    ]) {
      const config = `skip_consumer_lookup: true, authenticated_group_by: ${by}`
      gate.running.reload(
        `${yaml(gate.upstream.port, config)}\n`.replace(
          'plugins: [',
          `plugins: [{ name: acl, config: { allow: [${group}] } }, `,
        ),
      )
      const answer = await gate.send(client)
      expect([answer.status, answer.told('x-authenticated-groups')]).toEqual([
        200,
        group!.replaceAll('"', ''),
      ])
      expect((await gate.send(leaf(root, { subject: '/CN=bob' }))).status).toBe(403)
    }
  })

  test('send_ca_dn tells clients the authorities', async () => {
    for (const [config, isTold] of [
      ['send_ca_dn: true', true],
      ['', false],
    ] as const) {
      await using gate = await start(config)
      const said = await clients.openssl(gate.running.port, '', '-servername', 'gate.test')
      expect(said).toContain('Requested Signature Algorithms')
      expect(/Acceptable client certificate CA names\n[^\n]*Root/.test(said)).toBe(isTold)
      expect(await gate.who(ann)).toBe('ann')
    }
  })

  test('connections with different certificates at once are not mixed up', async () => {
    await using gate = await start()
    const bob = leaf(root, { subject: '/CN=bob' })
    const shown = [ann, bob, undefined, leaf(other), ann, bob]
    const seen = await Promise.all(shown.map((each) => gate.who(each)))
    expect(seen).toEqual(['ann', 'bob', 401, 401, 'ann', 'bob'])
  })

  test('a certificate counts for the streams of HTTP/2', async () => {
    const upstream = await service(echo)
    const listen = [{ host: '127.0.0.1', port: 0, ssl: true, http2: true }]
    await using running = await gateway(yaml(upstream.port), { listen })
    const ask = (...words: string[]) =>
      clients.curl(
        'https://gate.test/',
        running.port,
        '-k',
        '--http2',
        '-o',
        '-',
        'https://gate.test/',
        ...words,
      )
    const { body } = await ask(...clients.showing(ann))
    expect(body.match(/^x-consumer-username: ann/gim)).toHaveLength(2)
    expect((await ask()).status).toBe(401)
    upstream[Symbol.dispose]()
  })

  test('a connection is judged anew after a reload', async () => {
    await using gate = await start()
    using kept = await Kept.open(gate.running.port, ann)
    expect(await kept.ask()).toBe(200)
    expect(await kept.ask()).toBe(200)
    gate.running.reload(yaml(gate.upstream.port, '', OTHER))
    expect(await kept.ask()).toBe(401)
    gate.running.reload(yaml(gate.upstream.port))
    expect(await kept.ask()).toBe(200)
    expect(gate.upstream.requests.length).toBe(3)
  })

  test.each(['-tls1_2', '-tls1_3'])(
    'a session that is resumed (%s) is judged by its certificates',
    async (version) => {
      await using gate = await start()
      const [cert, key, beside] = [annOfMiddle.cert, annOfMiddle.key, middle.cert].map((text) =>
        clients.write(text),
      )
      const session = clients.write('')
      const request = 'GET / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n'
      const ask = (...words: string[]) =>
        clients.openssl(
          gate.running.port,
          request,
          version,
          '-servername',
          'gate.test',
          '-ign_eof',
          ...words,
        )
      const first = await ask(
        '-cert',
        cert!,
        '-key',
        key!,
        '-cert_chain',
        beside!,
        '-sess_out',
        session,
      )
      expect(first).toMatch(/^X-Consumer-Username: ann/m)
      const resumed = await ask('-sess_in', session)
      expect(resumed).toMatch(/^Reused, TLS/m)
      expect(resumed).toMatch(/^X-Consumer-Username: ann/m)
      gate.running.reload(yaml(gate.upstream.port, '', OTHER))
      expect(await ask('-sess_in', session)).toContain('HTTP/1.1 401')
    },
  )

  describe('looks up whether a certificate was revoked', () => {
    let list = new Uint8Array()
    const asked: string[] = []
    const lists = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch({ url }) {
        asked.push(new URL(url).pathname)
        return url.endsWith('/down') ? new Response('', { status: 503 }) : new Response(list)
      },
    })
    afterAll(() => lists.stop(true))
    const listed = (path: string) =>
      leaf(root, {
        extensions: [
          'keyUsage=digitalSignature',
          `crlDistributionPoints=URI:http://127.0.0.1:${lists.port}/${path}`,
        ],
      })
    const [good, bad, silent] = [listed('list'), listed('list'), listed('down')]
    list = new Uint8Array(revoker.crl(root, [bad]))

    // prettier-ignore
    test.each([
      ['SKIP',            ['ann', 'ann', 'ann', 'ann'], []],
      ['IGNORE_CA_ERROR', ['ann', 401,   'ann', 'ann'], ['/list', '/down']],
      ['STRICT',          ['ann', 401,   401,   401],   ['/list', '/down']],
    ])('%s', async (mode, expected, urls) => {
      asked.length = 0
      await using gate = await start('', ROOT, mode)
      const all = [good, bad, silent, ann]
      // What was found is kept: the second time nobody is asked.
      for (let i = 0; i < 2; i++) {
        const found = []
        for (const each of all) found.push(await gate.who(each))
        expect(found).toEqual(expected)
      }
      expect(asked).toEqual(urls)
      const told = gate.running.log.join('')
      expect(told.includes('code=revoked_client_certificate')).toBe(expected[1] === 401)
      expect(told.includes('nobody could tell if it was revoked')).toBe(mode === 'IGNORE_CA_ERROR')
      expect(told.includes('it is not known whether it was revoked')).toBe(mode === 'STRICT')
    })

    test('with anonymous, who was revoked is that', async () => {
      await using gate = await start('anonymous: nobody', ROOT, 'STRICT')
      expect([await gate.who(bad), await gate.who(good)]).toEqual(['nobody', 'ann'])
    })
  })

  test('what cannot be kept is refused at load or warned of', async () => {
    const load = (config: string) =>
      gateway(`${AUTHORITIES}plugins: [{ name: mtls-auth, config: { ${config} } }]`)
    await expect(
      load(`ca_certificates: [00000000-0000-4000-8000-0000000000ff]`),
    ).rejects.toMatchObject({
      faults: [
        expect.objectContaining({
          message: expect.stringContaining("no such entry in 'ca_certificates'"),
        }),
      ],
    })
    await using running = await load(`ca_certificates: [${ROOT}], cache_ttl: 1`)
    expect(running.running.warnings).toEqual([
      expect.stringContaining('config.cache_ttl: accepted'),
    ])
  })

  test('one name under one authority cannot be two consumers', async () => {
    const twice = ['a', 'b'].map(
      (name) => `  - { username: ${name}, mtls_auth_credentials: [{ subject_name: x }] }`,
    )
    await expect(gateway(`consumers:\n${twice.join('\n')}`)).rejects.toMatchObject({
      faults: [
        expect.objectContaining({ message: expect.stringContaining('uniqueness violation') }),
      ],
    })
  })
})

/** A connection of a client that is kept from one request to the next. */
class Kept implements Disposable {
  readonly #socket: TLSSocket
  #text = ''

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (part) => (this.#text += String(part)))
  }

  static async open(port: number, { cert, key }: Certificate): Promise<Kept> {
    const options = {
      host: '127.0.0.1',
      port,
      cert,
      key,
      servername: 'gate.test',
      rejectUnauthorized: false,
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const socket = connect(options, resolve).once('error', reject)
    await promise
    return new Kept(socket)
  }

  /** Gives the status of the answer to one more request. */
  async ask(): Promise<number> {
    this.#text = ''
    this.#socket.write('GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n')
    const until = Date.now() + 5000
    while (!isWhole(this.#text)) {
      if (Date.now() > until || this.#socket.destroyed) throw new Error(`no answer: ${this.#text}`)
      await Bun.sleep(5)
    }
    return Number(this.#text.split(' ')[1])
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

function isWhole(text: string): boolean {
  const [head, ...body] = text.split('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(head!)?.[1]
  return length !== undefined && body.join('\r\n\r\n').length >= Number(length)
}
