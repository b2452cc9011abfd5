import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { connect as connectHttp2 } from 'node:http2'
import { afterAll, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { Elysia } from 'elysia'
import { gateway, proxied } from './gateway.ts'
import { echo, service } from './service.ts'
import { eventually, statusOf, Wire } from './wire.ts'

setDefaultTimeout(10_000)

const GET = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'
const PROXIED = { host: '127.0.0.1', port: 0, proxyProtocol: true }
const BINARY = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.of(0x21, 0x11, 0, 12, 192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 0, 80),
])
const believed = { trusted_ips: ['127.0.0.1'], real_ip_header: 'proxy_protocol' }

describe('a listener with the PROXY protocol', () => {
  // prettier-ignore
  test.each([
    ['version 1',                  'PROXY TCP4 192.0.2.7 10.0.0.1 80 80\r\n',  '192.0.2.7'],
    ['version 1 with IPv6',        'PROXY TCP6 2001:db8::7 ::1 80 80\r\n',     '2001:db8::7'],
    ['version 1, of nobody',       'PROXY UNKNOWN\r\n',                        '127.0.0.1'],
    ['version 2',                  BINARY,                                     '192.0.2.7'],
  ])('believes a trusted proxy: %s', async (_, header, client) => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), { listen: [PROXIED], settings: believed })
    using wire = await Wire.to(running.port)
    // Both requests are the client's, and the second has no header before it.
    for (const request of [[header, GET], [GET]]) {
      for (const part of request) wire.send(part)
      const body = (await wire.message('GET'))!.body.toString()
      expect(body).toContain(`X-Real-IP: ${client}\r\n`)
      expect(body).toContain(`X-Forwarded-For: ${client}\r\n`)
    }
    await eventually(() => running.access.length === 2)
    expect(running.access.every((line) => line.startsWith(`${client} `))).toBe(true)
  })

  test('takes a header that comes byte by byte, and together with a request', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), {
      listen: [PROXIED],
      settings: believed,
    })
    using slow = await Wire.to(running.port)
    for (const byte of Buffer.concat([BINARY, Buffer.from(GET)])) {
      slow.send(Buffer.of(byte))
      await Bun.sleep(0)
    }
    expect((await slow.message('GET'))!.body.toString()).toContain('X-Real-IP: 192.0.2.7\r\n')
    using once = await Wire.to(running.port)
    once.send(Buffer.concat([BINARY, Buffer.from(GET)]))
    expect((await once.message('GET'))!.body.toString()).toContain('X-Real-IP: 192.0.2.7\r\n')
  })

  // prettier-ignore
  test.each([
    ['nobody is trusted',        { real_ip_header: 'proxy_protocol' }],
    ['another is trusted',       { real_ip_header: 'proxy_protocol', trusted_ips: ['10.0.0.0/8'] }],
    ['a header is to be believed', { real_ip_header: 'x-real-ip', trusted_ips: ['127.0.0.1'] }],
  ])('does not believe it if %s', async (_, settings) => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), { listen: [PROXIED], settings })
    using wire = await Wire.to(running.port)
    wire.send(BINARY).send(GET)
    expect((await wire.message('GET'))!.body.toString()).toContain('X-Real-IP: 127.0.0.1\r\n')
  })

  test('closes at once where the header is none, or broken', async () => {
    await using running = await gateway('', { listen: [PROXIED] })
    for (const text of [GET, 'PROXY TCP4 a b c d\r\n', 'PROXY TCP5 1 2 3 4\r\n', '\x16\x03\x01']) {
      using wire = await Wire.to(running.port)
      expect(await wire.send(text).rest()).toBe('')
    }
    expect(running.access).toEqual([])
    expect(running.log.filter((line) => line.includes('bad_connection'))).toHaveLength(4)
  })

  test('a listener without it takes such a header for what it is: no request', async () => {
    await using running = await gateway('', { settings: believed })
    using wire = await Wire.to(running.port)
    expect(
      statusOf(await wire.send(`PROXY TCP4 192.0.2.7 10.0.0.1 80 80\r\n${GET}`).message()),
    ).toBe(400)
  })

  test('has TLS after it, if it has both', async () => {
    using upstream = await service(echo)
    await using running = await gateway(proxied(upstream.port), {
      listen: [{ ...PROXIED, ssl: true }],
      settings: believed,
    })
    const socket = connect({ host: '127.0.0.1', port: running.port })
    socket.write(BINARY)
    const secure = connectTls({ socket, rejectUnauthorized: false })
    await new Promise((resolve) => secure.once('secureConnect', resolve))
    using wire = new Wire(secure)
    const body = (await wire.send(GET).message('GET'))!.body.toString()
    expect(body).toContain('X-Real-IP: 192.0.2.7\r\n')
    expect(body).toContain('X-Forwarded-Proto: https\r\n')
  })
})

describe('a listener on a Unix socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'listeners-'))
  const path = join(folder, 'gatehouse.sock')
  const address = { host: '', port: 0, unix: path }
  afterAll(() => rmSync(folder, { recursive: true }))

  const ask = async (words: string[] = []) => {
    const command = ['curl', '-sS', '-m', '5', '--unix-socket', path, ...words]
    return Bun.spawn([...command, 'http://a.test/x'], { stderr: 'pipe' }).stdout.text()
  }

  test('serves whoever may enter its folder, and is gone when the gateway is', async () => {
    using upstream = await service(echo)
    const yaml = proxied(upstream.port)
    {
      await using running = await gateway(yaml, { listen: [address] })
      expect(running.port).toBe(0)
      expect((statSync(path).mode & 0o777).toString(8)).toBe('666')
      const body = await ask(['-H', 'X-Real-IP: 192.0.2.7'])
      expect(body).toContain('X-Forwarded-For: unix:\r\n')
      expect(body).toContain('X-Forwarded-Port: 80\r\n')
      expect(body).toContain('X-Real-IP: unix:\r\n')
      await eventually(() => running.access.length === 1)
      expect(running.access[0]).toStartWith('unix: ')
    }
    expect(existsSync(path)).toBe(false)
  })

  test('believes a proxy that comes by it, if unix: is trusted', async () => {
    using upstream = await service(echo)
    const settings = { trusted_ips: ['unix:'], real_ip_header: 'x-real-ip' }
    await using running = await gateway(proxied(upstream.port), { listen: [address], settings })
    expect(await ask(['-H', 'X-Real-IP: 192.0.2.7'])).toContain('X-Real-IP: 192.0.2.7\r\n')
    await eventually(() => running.access.length === 1)
    expect(running.access[0]).toStartWith('192.0.2.7 ')
  })

  test('takes over what a killed process has left behind, and nothing else', async () => {
    const left = Bun.spawn([
      process.execPath,
      '-e',
      `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, 'SIGKILL')`,
    ])
    await left.exited
    expect(existsSync(path)).toBe(true)
    {
      await using running = await gateway('', { listen: [address] })
      expect(await ask()).toContain('no Route matched')
      await refused(gateway('', { listen: [address] }))
      expect(await ask()).toContain('no Route matched')
      expect(running.log.filter((line) => line.includes('internal_error'))).toEqual([])
    }
    writeFileSync(path, 'a file of somebody')
    chmodSync(path, 0o600)
    await refused(gateway('', { listen: [address] }))
    expect(await Bun.file(path).text()).toBe('a file of somebody')
  })
})

test("every request passes Elysia's handler, whichever listener it came by", async () => {
  const { all } = Elysia.prototype
  let handled = 0
  using _ = spyOn(Elysia.prototype, 'all').mockImplementation(function (
    this: Elysia,
    ...[path, handler, hook]: Parameters<typeof all>
  ) {
    const counted = ({ request }: Record<string, unknown>) => {
      handled++
      return (handler as (context: unknown) => unknown)({ request })
    }
    return all.call(this, path, counted, hook)
  } as typeof all)
  using upstream = await service(echo)
  const here = { host: '127.0.0.1', port: 0 }
  await using running = await gateway(proxied(upstream.port), {
    listen: [here, { ...here, ssl: true }, { ...here, http2: true }, PROXIED],
  })
  const [plain, secure, second, fourth] = running.ports
  const tls = { rejectUnauthorized: false }
  expect((await fetch(`http://127.0.0.1:${plain}/`)).status).toBe(200)
  expect((await fetch(`https://127.0.0.1:${secure}/`, { tls })).status).toBe(200)
  const session = connectHttp2(`http://127.0.0.1:${second}`)
  const stream = session.request({ ':path': '/' })
  await new Promise((resolve) => stream.resume().once('end', resolve))
  session.destroy()
  using wire = await Wire.to(fourth!)
  expect(statusOf(await wire.send(BINARY).send(GET).message('GET'))).toBe(200)
  expect(handled).toBe(4)
})

test('a WebSocket through TLS', async () => {
  using socket = Bun.serve({
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('no')),
    websocket: { message: (each, text) => void each.send(`you said ${text}`) },
  })
  await using running = await gateway(proxied(socket.port!), {
    listen: [{ host: '127.0.0.1', port: 0, ssl: true, http2: true }],
  })
  const client = new WebSocket(`wss://127.0.0.1:${running.port}/`, {
    tls: { rejectUnauthorized: false },
  } as never)
  const said = await new Promise((resolve, reject) => {
    client.onopen = () => client.send('x'.repeat(100_000))
    client.onmessage = ({ data }) => resolve(data)
    client.onerror = reject
  })
  client.close()
  expect(said).toBe(`you said ${'x'.repeat(100_000)}`)
})

test('a port may be shared by those who all say so', async () => {
  const shared = { host: '127.0.0.1', port: 0, reusePort: true }
  await using first = await gateway('', { listen: [shared] })
  const again = { ...shared, port: first.port }
  await using second = await gateway('', { listen: [again] })
  expect(second.port).toBe(first.port)
  await refused(gateway('', { listen: [{ ...again, reusePort: false }] }))
})

test('a port that clients know by another number is told to services by that', async () => {
  using upstream = await service(echo)
  const free = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = free
  free.stop(true)
  const settings = { port_maps: new Map([[port, 80]]) }
  const listen = [{ host: '127.0.0.1', port, keepAlive: 60 }]
  await using running = await gateway(proxied(upstream.port), { listen, settings })
  using wire = await Wire.to(running.port)
  const body = (await wire.send(GET).message('GET'))!.body.toString()
  expect(body).toContain('X-Forwarded-Port: 80\r\n')
})

/** Waits until a gateway was not started, since somebody else is at its address. */
async function refused(start: Promise<unknown>): Promise<void> {
  const error = await start.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'ListenError', code: 'EADDRINUSE' })
}
