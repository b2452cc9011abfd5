import { createHmac, createPublicKey } from 'node:crypto'
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { request } from '../e2e/client.ts'
import { gatewayOf, openidConnect } from '../e2e/entities.ts'
import { valuesOf } from '../e2e/service.ts'
import { until } from '../e2e/until.ts'
import { keycloak } from './keycloak.ts'
import { Admin, clientToken, passwordTokens } from './realm.ts'
import { startScene } from './scene.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const BEARER = { auth_methods: ['bearer'] }
const field = (token: string) => ({ fields: [`Authorization: Bearer ${token}`] })

describe.skipIf(!keycloak)('bearer', () => {
  test.each(['kong', 'kong-es256', 'kong-ps256', 'kong-eddsa'])(
    'a token of %s passes, unchanged, without a call on repeat',
    async (client) => {
      await using scene = await startScene('kong', BEARER)
      const { calls, service, issuer, gatehouse } = scene
      const { access_token } = await passwordTokens(issuer, client)
      calls.clear()
      expect((await request(gatehouse.port, field(access_token))).status).toBe(200)
      expect(valuesOf(service.last, 'authorization')).toEqual([`Bearer ${access_token}`])
      expect(calls.tokens).toEqual([])
      calls.clear()
      expect((await request(gatehouse.port, field(access_token))).status).toBe(200)
      expect(calls.all).toEqual([])
    },
  )

  test.each(['kong-es256', 'kong-ps256', 'kong-eddsa'])(
    'the password grant works with %s',
    async (client) => {
      await using scene = await startScene('kong', {
        client_id: [client],
        upstream_id_token_header: 'x_id_token',
      })
      const { service, gatehouse } = scene
      const fields = [`Authorization: Basic ${btoa('alex:doe')}`]
      expect((await request(gatehouse.port, { fields })).status).toBe(200)
      for (const name of ['authorization', 'x-id-token']) {
        const token = valuesOf(service.last, name)[0]!.replace('Bearer ', '')
        const { alg } = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())
        expect(alg.toLowerCase()).toBe(client.slice('kong-'.length))
      }
    },
  )

  test('a token in the query is taken, and does not go upstream there', async () => {
    await using scene = await startScene('kong', BEARER)
    const { service, issuer, gatehouse } = scene
    const token = await clientToken(issuer, 'kong')
    const path = `/anything?a=1&access_token=${token}&b=2`
    expect((await request(gatehouse.port, { path })).status).toBe(200)
    expect(service.last.target).toBe('/anything?a=1&b=2')
    expect(valuesOf(service.last, 'authorization')).toEqual([`Bearer ${token}`])
    expect(await gatehouse.accessLogged(/access_token=/)).toContain(
      '?a=1&access_token=[redacted]&b=2',
    )
  })

  test('a token is only of use at the realm that issued it', async () => {
    await using scene = await startScene('kong', BEARER)
    const { calls, service, gatehouse } = scene
    const token = await clientToken(calls.issuer('realm-b'), 'client-b')
    expect((await request(gatehouse.port, field(token))).status).toBe(401)
    expect(service.requests).toEqual([])
    await gatehouse.logged(/code=invalid_(?:signature|issuer) /)
  })

  test('a token that was tampered with is refused, and so is one that nobody signed', async () => {
    await using scene = await startScene('kong', BEARER)
    const { service, issuer, gatehouse } = scene
    const token = await clientToken(issuer, 'kong')
    expect((await request(gatehouse.port, field(token))).status).toBe(200)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const header = JSON.parse(Buffer.from(head, 'base64url').toString())
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const more = part({ ...claims, scope: 'openid admin' })
    const hs256 = `${part({ ...header, alg: 'HS256' })}.${payload}`
    const jwks = (await (await fetch(`${issuer}/protocol/openid-connect/certs`)).json()) as {
      keys: { kid: string; kty: string; n: string; e: string }[]
    }
    const key = jwks.keys.find(({ kid }) => kid === header.kid)!
    const pem = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const forged = createHmac('sha256', pem).update(hs256).digest('base64url')
    for (const bad of [
      `${head}.${more}.${signature}`,
      `${part({ alg: 'none', typ: 'JWT' })}.${payload}.`,
      `${part({ ...header, alg: 'none' })}.${payload}.${signature}`,
      `${hs256}.${forged}`,
      `${head}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${head}.${payload}.`,
      `${head}.${payload}`,
      `${head}=.${payload}.${signature}`,
      `${head}.${payload}.${signature}=`,
      `${token}.x`,
      'x',
    ]) {
      const answer = await request(gatehouse.port, field(bad))
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([
        401,
        'Bearer realm="127.0.0.1", error="invalid_token"',
      ])
    }
    expect(service.requests).toHaveLength(1)
  })

  test('a new key of the provider is loaded when a token of it comes, once', async () => {
    const admin = await Admin.of(keycloak!, 'realm-b')
    await using scene = await startScene('realm-b', { ...BEARER, rediscovery_lifetime: 1 })
    const { calls, issuer, gatehouse } = scene
    const old = await clientToken(issuer, 'client-b')
    expect((await request(gatehouse.port, field(old))).status).toBe(200)
    await using _key = await admin.makeKey()
    const fresh = await clientToken(issuer, 'client-b')
    calls.clear()
    await until(
      'the new key',
      async () => (await request(gatehouse.port, field(fresh))).status === 200,
    )
    expect(calls.keys).toHaveLength(1)
    // What the old key proved is still true, since it is still there.
    expect((await request(gatehouse.port, field(old))).status).toBe(200)
  })

  test('tokens of unknown keys do not make it ask the provider again and again', async () => {
    await using scene = await startScene('kong', BEARER)
    const { calls, issuer, gatehouse } = scene
    const [, payload, signature] = (await clientToken(issuer, 'kong')).split('.')
    calls.clear()
    for (let i = 0; i < 50; i++) {
      const head = Buffer.from(JSON.stringify({ alg: 'RS256', kid: `unknown-${i}` })).toString(
        'base64url',
      )
      const { status } = await request(gatehouse.port, field(`${head}.${payload}.${signature}`))
      expect(status).toBe(401)
    }
    expect(calls.keys.length).toBeLessThanOrEqual(2)
  })

  test('a token without the scope is a 403 that says so, and the service is not asked', async () => {
    await using scene = await startScene('kong', {
      ...BEARER,
      scopes_claim: ['scope'],
      scopes_required: ['openid nothing', 'super'],
    })
    const { service, issuer, gatehouse } = scene
    const { access_token } = await passwordTokens(issuer)
    const answer = await request(gatehouse.port, field(access_token))
    expect([answer.status, answer.body]).toEqual([403, '{"message":"Forbidden"}'])
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="127.0.0.1", error="insufficient_scope"',
    )
    expect(service.requests).toEqual([])
    const line = await gatehouse.logged(
      new RegExp(`request_id=${answer.headers['x-kong-request-id']} `),
    )
    expect(line).toMatch(
      /\[notice\] 403 GET \/anything code=insufficient_scope .*config=kong\.yaml:\d+ .*scopes_required/,
    )
    // One that has the words of one element passes.
    const looser = { ...BEARER, scopes_required: ['super', 'openid email'] }
    await gatehouse.reload(gatewayOf(service.url, openidConnect(issuer, looser)))
    expect((await request(gatehouse.port, field(access_token))).status).toBe(200)
  })

  // prettier-ignore
  test.each([
    [{ audience_required: ['kong'] },                                             200],
    [{ audience_required: ['somebody'] },                                         403],
    [{ groups_claim: ['groups'], groups_required: ['silver', 'gold'] },           200],
    [{ groups_claim: ['groups'], groups_required: ['gold silver'] },              403],
    [{ roles_claim: ['realm_access', 'roles'], roles_required: ['kong-admin'] },  200],
    [{ roles_claim: ['realm_access', 'roles'], roles_required: ['nobody'] },      403],
    [{ claims_forbidden: ['tier'] },                                              403],
    [{ issuers_allowed: ['http://elsewhere.test/realms/kong'] },                  401],
  ])('%j gives %i', async (changes, status) => {
    await using scene = await startScene('kong', { ...BEARER, ...changes })
    const { service, issuer, gatehouse } = scene
    const { access_token } = await passwordTokens(issuer)
    expect((await request(gatehouse.port, field(access_token))).status).toBe(status)
    expect(service.requests).toHaveLength(status === 200 ? 1 : 0)
  })
})
