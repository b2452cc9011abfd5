import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { basic, request } from '../e2e/client.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { valuesOf } from '../e2e/service.ts'
import { until } from '../e2e/until.ts'
import { Calls } from './calls.ts'
import { keycloak } from './keycloak.ts'
import { Admin, passwordTokens } from './realm.ts'
import { startScene } from './scene.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

/** Seconds that access tokens of the client `kong-brief` live. */
const LIFESPAN = 3

describe.skipIf(!keycloak)('many at once', () => {
  test.each([
    ['a password', () => basic('alex', 'doe'), {}],
    ['a password in the query', () => undefined, {}],
    [
      'client credentials',
      () => basic('kong', 'UNT3GPzCKI7zUbhAmFSUGbj4wmiBDGiW'),
      { auth_methods: ['client_credentials'] },
    ],
  ])('a hundred equal requests with %s are one call', async (_, field, changes) => {
    await using scene = await startScene('kong', changes)
    const { calls, service, gatehouse } = scene
    const fields = [field()].filter((each) => each !== undefined)
    const path = fields.length > 0 ? '/anything' : '/anything?username=alex&password=doe'
    expect(await statuses(gatehouse, 100, { fields, path })).toEqual({ 200: 100 })
    expect(calls.tokens).toHaveLength(1)
    // The discovery document, the keys and the tokens: once each.
    expect(calls.all).toHaveLength(3)
    expect(new Set(service.requests.map((each) => valuesOf(each, 'authorization')[0])).size).toBe(1)
    expect(service.requests.filter(({ target }) => target.includes('doe'))).toEqual([])
  })

  test('with a wrong password they are not more than one call at a time', async () => {
    await using scene = await startScene('kong')
    const { calls, service, gatehouse } = scene
    const fields = [basic('alex', 'wrong')]
    expect(await statuses(gatehouse, 100, { fields })).toEqual({ 401: 100 })
    expect(calls.tokens.length).toBeLessThan(5)
    expect(service.requests).toEqual([])
  })
})

describe.skipIf(!keycloak)('refresh tokens that work once', () => {
  test('forty at once on one token are one call; the token goes on working when its tokens have expired', async () => {
    const admin = await Admin.of(keycloak!, 'kong-rotate')
    await admin.makeClient('kong-brief', LIFESPAN)
    await using scene = await startScene('kong-rotate', { client_id: ['kong-brief'] })
    const { calls, service, issuer, gatehouse } = scene
    const first = await passwordTokens(issuer, 'kong-brief')
    calls.clear()

    const fields = [`Refresh-Token: ${first.refresh_token}`]
    expect(await statuses(gatehouse, 40, { fields })).toEqual({ 200: 40 })
    expect(calls.tokens).toHaveLength(1)

    // Two lives of the access token on, still with the token that was used first.
    const seen = new Set<string>()
    await until(
      'three access tokens',
      async () => {
        expect(await statuses(gatehouse, 4, { fields })).toEqual({ 200: 4 })
        for (const each of service.requests.splice(0)) seen.add(valuesOf(each, 'authorization')[0]!)
        await Bun.sleep(100)
        return seen.size >= 3
      },
      4 * LIFESPAN * 1000,
    )
    expectNoneTwice(calls)

    // Every token of the line at once, at the moment when the newest access token expires.
    const line = [
      first.refresh_token,
      ...calls.tokens.slice(1).map(({ form }) => form.refresh_token!),
    ]
    await Bun.sleep(LIFESPAN * 1000)
    const before = calls.tokens.length
    const results = await Promise.all(
      line.map((token) =>
        statuses(gatehouse, Math.ceil(40 / line.length), { fields: [`refresh_token: ${token}`] }),
      ),
    )
    for (const result of results) expect(Object.keys(result)).toEqual(['200'])
    expect(calls.tokens.length - before).toBe(1)
    expectNoneTwice(calls)
  }, 30_000)

  test('the token that came upstream may be presented too, and is never used twice', async () => {
    await using scene = await startScene('kong-rotate')
    const { calls, service, gatehouse } = scene
    const user = [basic('alex', 'doe')]
    expect((await request(gatehouse.port, { fields: user })).status).toBe(200)
    const [presented] = valuesOf(service.last, 'refresh-token')
    const fields = [`Refresh-Token: ${presented}`]
    expect(await statuses(gatehouse, 40, { fields })).toEqual({ 200: 40 })
    expect(calls.tokens.map(({ form }) => form.grant_type)).toEqual(['password', 'refresh_token'])
    // The password leads to the newest tokens of that line.
    const newest = valuesOf(service.last, 'refresh-token')
    expect((await request(gatehouse.port, { fields: user })).status).toBe(200)
    expect(valuesOf(service.last, 'refresh-token')).toEqual(newest)
    expectNoneTwice(calls)
  })

  test('a token that somebody else has used is a 401, and is not asked about again', async () => {
    await using scene = await startScene('kong-rotate')
    const { calls, issuer, config, gatehouse: one } = scene
    await using other = await Gatehouse.start({ config })
    const fields = [`Refresh-Token: ${(await passwordTokens(issuer)).refresh_token}`]
    expect((await request(one.port, { fields })).status).toBe(200)
    calls.clear()
    expect(await statuses(other, 5, { fields })).toEqual({ 401: 5 })
    expect((await request(other.port, { fields })).status).toBe(401)
    expect(calls.tokens).toHaveLength(1)
    await other.logged(/code=invalid_grant/)
  })

  test('the tokens survive a reload of the configuration', async () => {
    await using scene = await startScene('kong-rotate')
    const { calls, issuer, config, gatehouse } = scene
    const fields = [`Refresh-Token: ${(await passwordTokens(issuer)).refresh_token}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    calls.clear()
    await gatehouse.reload(config)
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expect(calls.all).toEqual([])
  })
})

describe.skipIf(!keycloak)('an access token that has expired', () => {
  test('is renewed with the refresh token that came with it, by one call for all', async () => {
    await using scene = await startScene('kong', { client_id: ['kong-short'] })
    const { calls, service, gatehouse } = scene
    const fields = [basic('alex', 'doe')]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    const [first] = valuesOf(service.last, 'authorization')
    await until(
      'another access token',
      async () => {
        expect(await statuses(gatehouse, 40, { fields })).toEqual({ 200: 40 })
        await Bun.sleep(100)
        return valuesOf(service.last, 'authorization')[0] !== first
      },
      8_000,
    )
    expect(calls.tokens.map(({ form }) => form.grant_type)).toEqual(['password', 'refresh_token'])
  })

  test('is never sent upstream after its end', async () => {
    await using scene = await startScene('kong', {
      client_id: ['kong-short'],
      auth_methods: ['bearer'],
    })
    const { issuer, gatehouse } = scene
    const { access_token } = await passwordTokens(issuer, 'kong-short')
    const { exp } = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString())
    const fields = [`Authorization: Bearer ${access_token}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    await until(
      'the refusal of the expired token',
      async () => {
        const { status } = await request(gatehouse.port, { fields })
        if (Date.now() > exp * 1000 + 1000) expect(status).toBe(401)
        return status === 401
      },
      8_000,
    )
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000 - 1000)
    await gatehouse.logged(/code=token_expired/)
  })
})

/** How many requests at once ended with which status. */
async function statuses(
  { port }: Gatehouse,
  count: number,
  sent: Parameters<typeof request>[1],
): Promise<Record<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, () => request(port, sent)))
  const result: Record<string, number> = {}
  for (const { status } of answers) result[status] = (result[status] ?? 0) + 1
  return result
}

/** Keycloak would end the whole session if it saw one a second time. */
function expectNoneTwice({ tokens }: Calls): void {
  const used = tokens.map(({ form }) => form.refresh_token).filter((each) => each !== undefined)
  expect(new Set(used).size).toBe(used.length)
  expect(tokens.filter(({ status }) => status !== 200)).toEqual([])
}
