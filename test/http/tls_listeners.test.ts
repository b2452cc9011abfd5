import { afterAll, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createAuthority, type Certificate } from './authority.ts'
import { gateway, proxied } from './gateway.ts'
import { echo, service } from './service.ts'
import { TlsClients, yamlBlock } from './tls_clients.ts'
import { eventually, field, statusOf, Wire } from './wire.ts'

setDefaultTimeout(10_000)

const authority = createAuthority()
if (!authority || !Bun.which('curl'))
  console.log('skipped: TLS on listeners, because there is no openssl or no curl here')
const clients = authority && new TlsClients(authority.cert)
afterAll(() => {
  clients?.[Symbol.dispose]()
  authority?.[Symbol.dispose]()
})

const SSL = { host: '127.0.0.1', port: 0, ssl: true }
const PLAIN = { host: '127.0.0.1', port: 0 }

function certificates(pairs: readonly (readonly [Certificate, readonly string[]])[]): string {
  const entries = pairs.map(
    ([{ cert, key }, names]) =>
      `  - cert: ${yamlBlock(cert, 6)}\n    key: ${yamlBlock(key, 6)}\n    snis: [${names.map((name) => `{ name: "${name}" }`).join(', ')}]\n`,
  )
  return `certificates:\n${entries.join('')}`
}

describe.skipIf(!clients || !Bun.which('curl'))('a listener with TLS', () => {
  const curl: TlsClients['curl'] = (...words) => clients!.curl(...words)
  const openssl: TlsClients['openssl'] = (...words) => clients!.openssl(...words)

  test('beside a plain one: each request knows by which it came', async () => {
    using upstream = await service(echo)
    const own = authority!.issue('DNS:a.test')
    await using running = await gateway(proxied(upstream.port), {
      listen: [PLAIN, SSL],
      settings: { certificates: [own], port_maps: new Map() },
    })
    const [plain, secure] = running.ports
    const answers = [await curl('http://a.test/x', plain!), await curl('https://a.test/x', secure!)]
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(answers[0]!.body).toContain(`X-Forwarded-Proto: http\r\nX-Forwarded-Port: ${plain}`)
    expect(answers[1]!.body).toContain(`X-Forwarded-Proto: https\r\nX-Forwarded-Port: ${secure}`)
  })

  test('a route for https alone is served there, and nowhere else', async () => {
    using upstream = await service(echo)
    await using running = await gateway(
      proxied(upstream.port, '', 'paths: ["/"], protocols: [https]'),
      { listen: [PLAIN, SSL] },
    )
    expect((await curl('http://a.test/', running.ports[0]!)).status).toBe(426)
    expect((await curl('https://a.test/', running.ports[1]!, '-k')).status).toBe(200)
  })

  test('who names no host, or one without a certificate, is shown one of our own making', async () => {
    await using running = await gateway('', { listen: [SSL] })
    for (const host of ['localhost', 'a.test', '127.0.0.1']) {
      expect(await curl(`https://${host}/`, running.port)).toMatchObject({ code: 60 })
      expect(await curl(`https://${host}/`, running.port, '-k')).toMatchObject({ status: 404 })
    }
    expect(await openssl(running.port, '', '-noservername')).toContain('subject=CN = localhost')
  })

  test('the certificate is picked by the name', async () => {
    const issue = (name: string) => authority!.issue(`DNS:${name}`)
    const yaml = certificates([
      [issue('a.test'), ['a.test']],
      [issue('*.b.test'), ['*.b.test']],
      [issue('c.org'), ['c.*']],
    ])
    const own = issue('own.test')
    await using running = await gateway(yaml, { listen: [SSL], settings: { certificates: [own] } })
    const names = ['a.test', 'A.TEST', 'x.b.test', 'c.org', 'own.test']
    for (const name of names)
      expect(await curl(`https://${name}/`, running.port), name).toMatchObject({ status: 404 })
    // What the certificate is not for, nobody must be shown by mistake.
    for (const name of ['b.test', 'x.y.b.test', 'c.net', 'd.test'])
      expect(await curl(`https://${name}/`, running.port), name).toMatchObject({ code: 60 })
  })

  test('of two types of key, the client takes what it can check', async () => {
    const ecdsa = authority!.issue('DNS:a.test')
    const rsa = authority!.issue('DNS:a.test', { isRsa: true })
    await using running = await gateway('', {
      listen: [SSL],
      settings: { certificates: [rsa, ecdsa] },
    })
    const type = async (...options: string[]) =>
      /Peer signature type: (\S+)/.exec(await openssl(running.port, '', ...options))?.[1]
    expect(await type()).toBe('ECDSA')
    expect(await type('-sigalgs', 'RSA-PSS+SHA256')).toBe('RSA-PSS')
    expect(await type('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')).toBe('RSA-PSS')
  })

  // What openssl names is the version that the cipher is from.
  // prettier-ignore
  test.each([
    [{ minVersion: 0x0303, maxVersion: 0x0304, ciphers: undefined }, '-tls1_1', undefined],
    [{ minVersion: 0x0303, maxVersion: 0x0304, ciphers: undefined }, '-tls1_2', 'TLSv1.2'],
    [{ minVersion: 0x0304, maxVersion: 0x0304, ciphers: undefined }, '-tls1_2', undefined],
    [{ minVersion: 0x0303, maxVersion: 0x0303, ciphers: undefined }, '-tls1_3', undefined],
    [{ minVersion: 0x0303, maxVersion: 0x0304, ciphers: undefined }, '-tls1_3', 'TLSv1.3'],
    [{ minVersion: 0x0301, maxVersion: 0x0304, ciphers: undefined }, '-tls1_1', 'TLSv1.0'],
  ] as const)('the versions %j with %s', async (handshake, option, version) => {
    await using running = await gateway('', { listen: [SSL], settings: { handshake } })
    const said = await openssl(running.port, '', option, '-cipher', 'ALL:@SECLEVEL=0')
    const [, agreed] = /New, (\S+), Cipher is (?!\(NONE\))/.exec(said) ?? []
    expect(agreed).toBe(version)
  })

  test('HTTP/1.1 is agreed upon, and who speaks HTTP/2 alone is refused', async () => {
    await using running = await gateway('', { listen: [SSL] })
    expect(await openssl(running.port, '', '-alpn', 'h2,http/1.1')).toContain(
      'ALPN protocol: http/1.1',
    )
    expect(await openssl(running.port, '', '-alpn', 'h2')).toContain('no application protocol')
    expect(await curl('https://a.test/', running.port, '-k', '--http2')).toMatchObject({
      status: 404,
    })
  })

  test('large bodies both ways, on one connection, and nothing is lost', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), { listen: [SSL] })
    const body = Buffer.alloc(8_000_000, 'the body of a request. ').toString('latin1')
    const file = clients!.write(body)
    for (const chunked of [[], ['-H', 'Transfer-Encoding: chunked']]) {
      const words = ['-k', '--data-binary', `@${file}`, ...chunked]
      const answer = await curl('https://a.test/x', running.port, ...words)
      expect(answer.status).toBe(200)
      expect(answer.body.endsWith(body)).toBe(true)
    }
  })

  test('requests sent together are answered in their order, and a refused body is read past', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), {
      listen: [SSL],
      settings: { maxBodySize: 1000 },
    })
    using wire = await secureWire(running.port)
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`
    wire.send(get('/1') + get('/2') + get('/3'))
    for (const path of ['/1', '/2', '/3'])
      expect((await wire.message('GET'))!.body.toString()).toStartWith(`GET ${path} `)
    wire.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\n')
    wire.send('x'.repeat(500_000))
    const refused = await wire.message('POST')
    expect([statusOf(refused), field(refused, 'Connection')]).toEqual([413, 'close'])
  })

  test('HTTP without TLS is told so; garbage and half a handshake cost nothing', async () => {
    await using running = await gateway('', { listen: [SSL] })
    using plain = await Wire.to(running.port)
    const told = await plain.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n').message('GET')
    expect([statusOf(told), told!.body.toString()]).toEqual([
      400,
      expect.stringContaining('The plain HTTP request was sent to HTTPS port'),
    ])
    const garbage = [
      Buffer.of(22, 3, 1, 0, 5, 1, 0, 0, 1, 9),
      Buffer.of(22, 3, 1, 0xff, 0xff, ...Array(30_000).fill(7)),
      Buffer.of(22, 9, 9, 0, 0),
      Buffer.of(0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10),
      Buffer.alloc(5000, 0xff),
    ]
    for (const bytes of garbage) {
      using wire = await Wire.to(running.port)
      await wire.send(bytes).rest()
    }
    using half = await Wire.to(running.port)
    half.send(Buffer.of(22, 3, 1, 2))
    expect((await curl('https://a.test/', running.port, '-k')).status).toBe(404)
    expect(running.log.filter((line) => line.includes('internal_error'))).toEqual([])
    expect(running.log.join('')).toMatch(/bad_connection.*127\.0\.0\.1/)
  })

  test('a handshake that stops halfway ends when the gateway does', async () => {
    const running = await gateway('', { listen: [SSL] })
    using half = await Wire.to(running.port)
    half.send(Buffer.of(22, 3, 1, 2))
    const before = performance.now()
    await running.stop(10_000)
    expect(performance.now() - before).toBeLessThan(3_000)
  })

  test('who sends a whole ClientHello and then nothing has sixty seconds', async () => {
    await using running = await gateway('', { listen: [SSL] })
    using mute = await Wire.to(running.port)
    mute.send(await clientHello())
    await eventually(() => mute.waiting.length > 0)
    const { now } = performance
    const start = now.call(performance)
    let ahead = 55_000
    const clock = spyOn(performance, 'now').mockImplementation(() => now.call(performance) + ahead)
    try {
      await Bun.sleep(100)
      expect(mute.ending).toBeUndefined()
      ahead = 61_000 - (now.call(performance) - start)
      await mute.rest()
    } finally {
      clock.mockRestore()
    }
    expect(mute.ending).toBeDefined()
    expect(running.log.join('')).not.toContain('internal_error')
  })

  test('nor does one keep the gateway from its end', async () => {
    const running = await gateway('', { listen: [SSL] })
    using mute = await Wire.to(running.port)
    mute.send(await clientHello())
    await eventually(() => mute.waiting.length > 0)
    const before = performance.now()
    await running.stop(10_000)
    expect(performance.now() - before).toBeLessThan(3_000)
    await mute.rest()
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a record that is none, after the handshake of %s, is the fault of its client',
    async (version) => {
      await using running = await gateway('', { listen: [SSL] })
      const socket = connect(running.port, '127.0.0.1')
      const settings = { socket, minVersion: version, maxVersion: version }
      using wire = await secureWire(running.port, settings)
      // The answer shows that the handshake is over on the other side too.
      await wire.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n').message('GET')
      socket.write(Buffer.of(23, 3, 3, 0, 5, 1, 2, 3, 4, 5))
      await wire.rest()
      const isLogged = () => running.log.some((line) => /_connection|_error/.test(line))
      await eventually(isLogged)
      expect(running.log.join('')).toMatch(/\[info\].*rules of TLS.*bad_connection.*127\.0\.0\.1/)
      expect(running.log.join('')).not.toContain('internal_error')
    },
  )

  test('other certificates are shown after a reload, and no request of those before is lost', async () => {
    using upstream = await service(echo)
    const before = authority!.issue('DNS:a.test')
    const after = authority!.issue('DNS:a.test')
    const yaml = (pair: Certificate) => certificates([[pair, ['a.test']]]) + proxied(upstream.port)
    await using running = await gateway(yaml(before), { listen: [SSL] })
    let isOver = false
    let answered = 0
    const asking = Array.from({ length: 20 }, async () => {
      using wire = await secureWire(running.port)
      while (!isOver) {
        const answer = await wire.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n').message('GET')
        expect(statusOf(answer)).toBe(200)
        answered++
      }
    })
    const serial = async () =>
      /CN = Leaf[^]*?-----BEGIN CERTIFICATE-----\n([^]*?)-----END/.exec(
        await openssl(running.port, '', '-servername', 'a.test'),
      )?.[1]
    const shown: (string | undefined)[] = []
    for (const pair of [before, after, before, after]) {
      running.reload(yaml(pair))
      shown.push(await serial())
    }
    isOver = true
    await Promise.all(asking)
    const inner = ({ cert }: Certificate) => /CERTIFICATE-----\n([^]*?)-----END/.exec(cert)![1]
    expect(shown).toEqual([before, after, before, after].map(inner))
    expect(answered).toBeGreaterThan(100)
  })

  test('a session is resumed', async () => {
    await using running = await gateway('', { listen: [SSL] })
    const said = await openssl(running.port, '', '-tls1_2', '-reconnect')
    expect(said.match(/Reused, TLSv1.2/g)).toHaveLength(5)
  })
})

/** The first flight of a client. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const client = connectTls({ host: '127.0.0.1', port, servername: 'a.test' })
    client.on('error', () => {})
    const [socket] = (await once(server, 'connection')) as [Socket]
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    client.destroy()
    return bytes
  } finally {
    server.close()
  }
}

/** A connection with TLS, for bytes of a test's own. */
async function secureWire(port: number, settings: object = {}): Promise<Wire> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...settings })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return new Wire(socket)
}
