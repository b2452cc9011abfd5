import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { basic, request } from '../e2e/client.ts'
import { gatewayOf, openidConnect } from '../e2e/entities.ts'
import { freePorts } from '../e2e/free_ports.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service } from '../e2e/service.ts'
import { until } from '../e2e/until.ts'
import { Calls } from './calls.ts'
import { keycloak } from './keycloak.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const user = { fields: [basic('alex', 'doe')] }

describe.skipIf(!keycloak)('an https issuer', () => {
  const issuer = `${keycloak?.httpsUrl}/realms/kong`

  // prettier-ignore
  test.each([
    ['its CA in SSL_CERT_FILE passes',                     { SSL_CERT_FILE: keycloak?.ca ?? '' },  [],                                                       {}],
    ['its CA in lua_ssl_trusted_certificate passes',       {},                                     [`lua_ssl_trusted_certificate = ${keycloak?.ca}`],        {}],
    ['its CA beside those of the system passes',           {},                                     [`lua_ssl_trusted_certificate = system, ${keycloak?.ca}`], {}],
    ['ssl_verify: false passes',                           {},                                     [],                                                       { ssl_verify: false }],
  ])('%s', async (_, env, settings, changes) => {
    using service = new Service()
    const config = gatewayOf(service.url, openidConnect(issuer, changes))
    await using gatehouse = await Gatehouse.start({ config, env, settings })
    expect((await request(gatehouse.port, user)).status).toBe(200)
    expect(service.requests).toHaveLength(1)
  })

  test.each<Readonly<Record<string, string>>>([
    {},
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    { SSL_CERT_DIR: '/etc/ssl/certs' },
  ])('whose CA nobody named is refused, with %j in the environment too', async (env) => {
    using service = new Service()
    const config = gatewayOf(service.url, openidConnect(issuer))
    await using gatehouse = await Gatehouse.start({ config, env })
    expect((await request(gatehouse.port, user)).status).toBe(401)
    expect(service.requests).toEqual([])
    const line = await gatehouse.logged(/code=provider_unreachable/)
    expect(line).toContain('SSL_CERT_FILE')
  })

  test('is not asked for its keys in plain text', async () => {
    using calls = new Calls(keycloak!.url)
    using service = new Service()
    // The document of an https issuer that names http endpoints would give the secret away.
    const config = openidConnect(issuer, { token_endpoint: 'https://127.0.0.1:1/token' })
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url, config),
      env: { SSL_CERT_FILE: keycloak!.ca },
    })
    expect((await request(gatehouse.port, user)).status).toBe(401)
    expect(calls.all).toEqual([])
    await gatehouse.logged(/code=provider_unreachable/)
  })
})

describe.skipIf(!keycloak)('a provider that is not always there', () => {
  test('down at the start is a 401 that says so; once it is up, requests pass by themselves', async () => {
    const [port] = freePorts(1)
    using service = new Service()
    const issuer = `http://127.0.0.1:${port}/realms/kong`
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url, openidConnect(issuer)),
    })
    const answer = await request(gatehouse.port, user)
    expect([answer.status, answer.body]).toEqual([401, '{"message":"Unauthorized"}'])
    const line = await gatehouse.logged(/code=provider_unreachable/)
    expect(line).toContain('start the provider')
    using calls = new Calls(keycloak!.url, { port })
    await until(
      'the recovery',
      async () => (await request(gatehouse.port, user)).status === 200,
      7_000,
    )
    expect(calls.tokens).toHaveLength(1)
  })

  test('down after it was up: what is known goes on to pass, the rest is a 401', async () => {
    using service = new Service()
    const [port] = freePorts(1)
    const calls = new Calls(keycloak!.url, { port })
    const config = openidConnect(calls.issuer('kong'), { auth_methods: ['bearer', 'password'] })
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url, config) })
    expect((await request(gatehouse.port, user)).status).toBe(200)
    calls[Symbol.dispose]()
    expect((await request(gatehouse.port, user)).status).toBe(200)
    expect((await request(gatehouse.port, { fields: [basic('sam', 'doe')] })).status).toBe(401)
    await gatehouse.logged(/code=provider_unreachable/)
    // Back again: nothing had to be done.
    using _again = new Calls(keycloak!.url, { port })
    const fields = [basic('sam', 'doe')]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
  })
})
