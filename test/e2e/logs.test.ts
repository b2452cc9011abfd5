import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { basic, Connection, request } from './client.ts'
import { gatewayOf, openidConnect } from './entities.ts'
import { Gatehouse } from './gatehouse.ts'
import { json, Provider, sign } from './provider.ts'
import { Service } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const SECRET = 'a-password-nobody-may-read'
const keyAuth = { name: 'key-auth', config: { key_names: ['apikey'] } }

describe('the access log', () => {
  test("has a line for each request, in Kong's format", async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    const fields = ['Referer: http://from.test/page?x=1', 'User-Agent: curl/8.0 "quoted" \\ ä']
    const { headers, body } = await request(gatehouse.port, { path: '/anything?a=b', fields })
    const id = headers['x-kong-request-id']!
    const line = await gatehouse.accessLogged(new RegExp(id))
    const [, time, rest] = /^127\.0\.0\.1 - - \[([^\]]+)\] (.*)$/.exec(line)!
    expect(time).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/)
    expect(Math.abs(Date.now() - Date.parse(time!.replace(':', ' ')))).toBeLessThan(10_000)
    expect(rest).toBe(
      `"GET /anything?a=b HTTP/1.1" 200 ${Buffer.byteLength(body)} "http://from.test/page?x=1" ` +
        `"curl/8.0 \\x22quoted\\x22 \\x5C \\xC3\\xA4" kong_request_id: "${id}"`,
    )
  })

  test.each([
    [404, { path: '/nothing' }],
    [401, {}],
    [405, { method: 'TRACE' }],
    [502, { fields: ['apikey: k'] }],
  ])('has one for a %i too', async (status, sent) => {
    const config = {
      ...gatewayOf('http://127.0.0.1:9', keyAuth),
      consumers: [{ username: 'alex', keyauth_credentials: [{ key: 'k' }] }],
    }
    await using gatehouse = await Gatehouse.start({ config })
    const answer = await request(gatehouse.port, sent)
    expect(answer.status).toBe(status)
    const id = answer.headers['x-kong-request-id']!
    const line = await gatehouse.accessLogged(new RegExp(id))
    expect(line).toContain(
      ` HTTP/1.1" ${status} ${answer.body.length} "-" "-" kong_request_id: "${id}"`,
    )
  })

  test('has one for a client that left before it was answered', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    {
      using connection = await Connection.open(gatehouse.port)
      connection.request({ path: '/anything?delay=300' }).catch(() => {})
      await until('the request', () => service.requests.length > 0)
    }
    await gatehouse.accessLogged(/"GET \/anything\?delay=300 HTTP\/1\.1" 499 0 /)
  })

  // prettier-ignore
  test.each([
    ['access_token'], ['ACCESS_TOKEN'], ['id_token'], ['refresh_token'], ['client_secret'], ['password'],
    ['code'], ['apikey'], ['token'], ['access%5Ftoken'], ['%61ccess_token'], ['access_toke%6E'],
  ])('never shows the value of the argument %s', async (name) => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url), secrets: [SECRET] })
    const path = `/anything?x=1&${name}=${SECRET}&y=2`
    const fields = [`Referer: http://from.test${path}`]
    const { headers } = await request(gatehouse.port, { path, fields })
    const line = await gatehouse.accessLogged(new RegExp(headers['x-kong-request-id']!))
    expect(line).toContain('"GET /anything?x=1&')
    expect(line.split('=[redacted]')).toHaveLength(3)
    expect(line).toContain('&y=2 HTTP/1.1" 200')
  })

  test('never shows a token, whatever the argument is called', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    const path = `/anything?rt=${sign({ sub: 'alex' })}&y=2`
    const { headers } = await request(gatehouse.port, { path })
    const line = await gatehouse.accessLogged(new RegExp(headers['x-kong-request-id']!))
    expect(line).toContain('"GET /anything?rt=[redacted]&y=2 HTTP/1.1" 200')
  })

  test('cannot be given lines by a client', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    const forged = '127.0.0.1 - - [x] forged'
    const path = `/anything?%0a${encodeURIComponent(forged)}`
    await request(gatehouse.port, { path, fields: [`User-Agent: a\t${forged}`] })
    await gatehouse.accessLogged(/User|anything/)
    expect(gatehouse.accessLog.split('\n').filter((line) => line.startsWith(forged))).toEqual([])
    expect(gatehouse.accessLog).toMatch(/^[\x20-\x7e\n]+$/)
  })
})

describe('the error log', () => {
  test('has one line for a refusal: request id, code, place in the file, cause', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url, keyAuth) })
    const answer = await request(gatehouse.port, { fields: [`apikey: ${SECRET}`] })
    const id = answer.headers['x-kong-request-id']!
    const line = await gatehouse.logged(new RegExp(id))
    expect(line).toMatch(
      /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[notice\] 401 GET \/anything code=\w+ /,
    )
    const text = await Bun.file(`${gatehouse.folder.path}/kong.yaml`).text()
    const place = text.split('\n').findIndex((each) => each.includes('"key-auth"'))
    const [, told] = / config=kong\.yaml:(\d+) /.exec(line)!
    // The line of the entity's brace, or of its name below.
    expect([place, place + 1]).toContain(Number(told))
    expect(line).toContain(' plugin=key-auth ')
    expect(line).toContain(' route=example-route service=example-service')
    expect(line).not.toContain(SECRET)
  })

  test.each([
    ['http://127.0.0.1:9', 502, 'connect_failed'],
    ['http://no-such-name.invalid', 503, 'name_resolution_failed'],
  ])('says why %s is a %i', async (url, status, code) => {
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(url) })
    const answer = await request(gatehouse.port)
    expect(answer.status).toBe(status)
    const line = await gatehouse.logged(new RegExp(answer.headers['x-kong-request-id']!))
    expect(line).toContain(`[error] ${status} GET /anything code=${code} `)
    expect(line).toContain('service=example-service')
  })

  test('tells at level info of what was no request', async () => {
    using service = new Service()
    const settings = ['log_level = info']
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url), settings })
    using connection = await Connection.open(gatehouse.port)
    connection.write('GET / HTTP/1.1\r\nX: y\r\n\r\n')
    const { status, headers } = await connection.answer()
    expect(status).toBe(400)
    const line = await gatehouse.logged(new RegExp(`request_id=${headers['x-kong-request-id']}`))
    expect(line).toMatch(
      /\[info\] 400 the Host field is missing code=bad_request .* client=127\.0\.0\.1$/,
    )
  })

  test('log_level leaves out what is less urgent', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url, keyAuth) })
    expect((await request(gatehouse.port)).status).toBe(401)
    await gatehouse.logged(/\[notice\] 401/)
    expect(gatehouse.log).not.toContain('[info]')
    expect(gatehouse.log).not.toContain('[debug]')
  })
})

test('a disk that is full stops nothing', async () => {
  using service = new Service()
  const settings = ['proxy_access_log = /dev/full']
  await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url), settings })
  // More than is gathered before it is written, several times over.
  const path = `/anything?${'x'.repeat(7_000)}`
  for (let i = 0; i < 20; i++) expect((await request(gatehouse.port, { path })).status).toBe(200)
})

describe('no log shows a secret', () => {
  test.each(['debug', 'notice'])(
    'at level %s, whatever a client sends and a provider answers',
    async (level) => {
      using service = new Service()
      using provider = new Provider()
      const config = openidConnect(provider.issuer, {
        auth_methods: ['bearer', 'refresh_token', 'password', 'client_credentials'],
        refresh_token_param_type: ['header', 'query', 'body'],
        client_secret: [`${SECRET}-client`],
      })
      await using gatehouse = await Gatehouse.start({
        config: gatewayOf(service.url, config),
        settings: [`log_level = ${level}`],
        secrets: [SECRET, encodeURIComponent(SECRET), btoa(SECRET).slice(0, 20), 'renewal-'],
      })
      const jwt = sign(provider.claims())
      const bodies = [
        () => json(provider.tokenSet()),
        () => json({ error: 'invalid_grant', error_description: `bad ${jwt}` }, 400),
        () => json({ error: `invalid_client ${jwt}`, error_description: 'x' }, 401),
        () =>
          json({ error: 'unauthorized_client', error_description: `${jwt}\n[error] forged` }, 401),
        () => json(provider.tokenSet({ access_token: `${jwt}x` })),
        () => json({ ...provider.tokenSet(), access_token: { jwt } }),
        () => `HTTP/1.1 200 OK\r\nX-Token: ${jwt}\r\nContent-Length: 5\r\n\r\n${jwt}`,
      ]
      const form = ['Content-Type: application/x-www-form-urlencoded']
      const requests = [
        { fields: [basic('alex', SECRET)] },
        { fields: [`Authorization: Basic alex:${SECRET}`] },
        { fields: [`Authorization: Bearer ${jwt}`] },
        { fields: [`Authorization: Bearer ${jwt.slice(0, -3)}AAA`] },
        { fields: [`Authorization: ${SECRET}`] },
        { fields: [`Refresh-Token: ${SECRET}`] },
        { path: `/anything?access_token=${jwt}x` },
        { path: `/anything?refresh_token=${SECRET}` },
        { path: `/anything?username=alex&password=${SECRET}` },
        { path: `/anything?client_id=kong&client_secret=${SECRET}` },
        { method: 'POST', fields: form, body: `username=alex&password=${SECRET}` },
        {
          method: 'POST',
          fields: ['Content-Type: application/json'],
          body: `{"refresh_token":"${SECRET}"}`,
        },
      ]
      for (const [i, body] of bodies.entries()) {
        provider.replies.token = body
        for (const sent of requests)
          await request(gatehouse.port, {
            ...sent,
            fields: [...(sent.fields ?? []), `X-Round: ${i}`],
          })
      }
      await gatehouse.accessLogged(/./)
      expect(gatehouse.log).not.toMatch(/^\[error\] forged/m)
      expect(gatehouse.isRunning).toBe(true)
      // The scope's end searches both logs.
    },
  )
})
