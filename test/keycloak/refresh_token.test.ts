import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'
import { type Answer, basic, request } from '../e2e/client.ts'
import { gatewayOf, openidConnect } from '../e2e/entities.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service, valuesOf } from '../e2e/service.ts'
import { Calls } from './calls.ts'
import { keycloak } from './keycloak.ts'
import { passwordTokens } from './realm.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/
const UNAUTHORIZED = '{"message":"Unauthorized"}'

describe.skipIf(!keycloak)("the how-to's plugin", () => {
  let calls: Calls
  let service: Service
  let gatehouse: Gatehouse
  let refreshToken: string

  beforeAll(async () => {
    calls = new Calls(keycloak!.url)
    service = new Service()
    const config = gatewayOf(service.url, openidConnect(calls.issuer('master')))
    gatehouse = await Gatehouse.start({ config })
    expect(calls.all).toEqual([])
  })
  beforeEach(async () => {
    refreshToken = (await passwordTokens(calls.issuer('master'))).refresh_token
    service.requests.length = 0
    calls.clear()
  })
  afterAll(async () => {
    await gatehouse[Symbol.asyncDispose]()
    service[Symbol.dispose]()
    calls[Symbol.dispose]()
  })

  test.each(['Refresh-Token', 'refresh-token', 'refresh_token', 'REFRESH_TOKEN', 'Refresh_Token'])(
    'takes a refresh token in the header %s, with and without a space',
    async (name) => {
      for (const space of ['', ' ', '\t ']) {
        const { status } = await request(gatehouse.port, {
          fields: [`${name}:${space}${refreshToken}`],
        })
        expect(status).toBe(200)
        expectTokens(refreshToken)
      }
      expect(calls.tokens.map(({ form, status }) => [form.grant_type, status])).toEqual([
        ['refresh_token', 200],
      ])
    },
  )

  test('takes a refresh token with the prefix Bearer', async () => {
    const fields = [`Refresh-Token: Bearer ${refreshToken}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expectTokens(refreshToken)
  })

  test('a password gives both tokens, letter for letter on the wire', async () => {
    expect((await request(gatehouse.port, { fields: [basic('alex', 'doe')] })).status).toBe(200)
    const { raw } = service.last
    expect(raw).toMatch(/\r\nAuthorization: Bearer ey[\w-]+\.[\w-]+\.[\w-]+\r\n/)
    expect(raw).toMatch(/\r\nRefresh-Token: ey[\w-]+\.[\w-]+\.[\w-]+\r\n/)
    expect(raw).not.toMatch(/basic/i)
  })

  test.each([
    ['a refresh token', (token: string) => `Refresh-Token: ${token}`],
    ['a password', () => basic('alex', 'doe')],
  ])('%s is asked about once; the repeat is faster', async (_, field) => {
    const fields = [field(refreshToken)]
    const first = await request(gatehouse.port, { fields })
    const [authorization] = valuesOf(service.last, 'authorization')
    calls.clear()
    const repeats = await Promise.all([1, 2, 3].map(() => request(gatehouse.port, { fields })))
    expect(calls.all).toEqual([])
    for (const repeat of repeats) {
      expect(repeat.status).toBe(200)
      expect(latencyOf(repeat)).toBeLessThanOrEqual(latencyOf(first))
    }
    expect(valuesOf(service.last, 'authorization')).toEqual([authorization!])
  })

  // prettier-ignore
  test.each([
    ['the text null',           ['Refresh-Token: null'],                 'malformed_credentials', 'invalid_token'],
    ['nothing in the header',   ['Refresh-Token:'],                      undefined,               undefined],
    ['a broken token',          ['Refresh-Token: broken'],               'invalid_grant',         'invalid_token'],
    ['a JWT of somebody else',  [`Refresh-Token: e30.e30.AA`],           'invalid_grant',         'invalid_token'],
    ['a wrong password',        [basic('alex', 'wrong')],                'invalid_grant',         'invalid_token'],
    ['an unknown user',         [basic('nobody', 'doe')],                'invalid_grant',         'invalid_token'],
    ['half of Basic',           ['Authorization: Basic'],                undefined,               undefined],
    ['no Base64 in Basic',      ['Authorization: Basic !'],              undefined,               undefined],
    ['a method not allowed',    ['Authorization: Bearer e30.e30.AA'],    'no_credentials',        undefined],
    ['nothing',                 [],                                      'no_credentials',        undefined],
  ])('%s is a 401, and the service is not asked', async (_, fields, code, error) => {
    const answer = await request(gatehouse.port, { fields })
    expect(answer.status).toBe(401)
    expect(answer.body).toBe(UNAUTHORIZED)
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(answer.headers['content-length']).toBe('26')
    const challenge = answer.headers['www-authenticate']!
    expect(challenge).toStartWith('Bearer realm="127.0.0.1"')
    if (code !== undefined)
      expect(challenge).toBe(`Bearer realm="127.0.0.1"${error === undefined ? '' : `, error="${error}"`}`)
    expect(service.requests).toEqual([])
    const id = answer.headers['x-kong-request-id']!
    const line = await gatehouse.logged(new RegExp(`request_id=${id}`))
    expect(line).toMatch(/\[notice\] 401 GET \/anything code=\w+ request_id=\w+ plugin=openid-connect config=kong\.yaml:\d+ .*cause=/)
    if (code !== undefined) expect(line).toContain(`code=${code} `)
    expect(gatehouse.log.split('\n').filter((each) => each.includes(id))).toHaveLength(1)
  })

  test('a wrong password is asked about again: the user may have mended it meanwhile', async () => {
    const fields = [basic('alex', 'mistyped')]
    for (const _ of [1, 2]) expect((await request(gatehouse.port, { fields })).status).toBe(401)
    expect(calls.tokens).toHaveLength(2)
  })

  test('a refused refresh token is not asked about again', async () => {
    const fields = ['Refresh-Token: refused-token']
    for (const _ of [1, 2, 3]) expect((await request(gatehouse.port, { fields })).status).toBe(401)
    expect(calls.tokens).toHaveLength(1)
  })

  test('the refresh token goes before the password', async () => {
    const fields = [basic('alex', 'wrong'), `Refresh-Token: ${refreshToken}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expect(calls.tokens.map(({ form }) => form.grant_type)).toEqual(['refresh_token'])
  })

  test('a password in the query or the body is not taken where only headers are', async () => {
    const config = openidConnect(calls.issuer('master'), { password_param_type: ['header'] })
    await using strict = await Gatehouse.start({ config: gatewayOf(service.url, config) })
    const path = '/anything?username=alex&password=doe'
    expect((await request(strict.port, { path })).status).toBe(401)
    const fields = ['Content-Type: application/x-www-form-urlencoded']
    const body = 'username=alex&password=doe'
    expect((await request(strict.port, { method: 'POST', fields, body })).status).toBe(401)
    expect(calls.tokens).toEqual([])
  })

  test("a client's own header with the name of an upstream header never passes", async () => {
    const config = openidConnect(calls.issuer('master'), {
      refresh_token_param_name: 'x_presented',
      upstream_id_token_header: 'x_id_token',
      auth_methods: ['refresh_token', 'password', 'bearer'],
    })
    await using spoofed = await Gatehouse.start({ config: gatewayOf(service.url, config) })
    const names = [
      'Refresh-Token',
      'refresh_token',
      'REFRESH_TOKEN',
      'Refresh.Token',
      'refresh-Token',
    ]
    const more = ['X-Id-Token', 'x_id_token', 'X.ID.TOKEN', 'X_Id-Token', 'X-Consumer-Username']
    const identity = [
      'X_Consumer_Id',
      'X-Credential-Identifier',
      'X-Anonymous-Consumer',
      'X-Authenticated-Groups',
    ]
    const fields = [...names, ...more, ...identity].map((name) => `${name}: evil`)
    const { status } = await request(spoofed.port, { fields: [basic('alex', 'doe'), ...fields] })
    expect(status).toBe(200)
    expect(service.last.raw).not.toContain('evil')
    for (const name of ['authorization', 'refresh-token', 'x-id-token'])
      expect(valuesOf(service.last, name)).toHaveLength(1)

    // A bearer token has no refresh token with it; the client's is dropped all the same.
    const bearer = valuesOf(service.last, 'authorization').map((value) => `Authorization: ${value}`)
    expect((await request(spoofed.port, { fields: [...bearer, ...fields] })).status).toBe(200)
    expect(service.last.raw).not.toContain('evil')
    expect(valuesOf(service.last, 'refresh-token')).toEqual([])
  })

  function expectTokens(presented: string): void {
    const [authorization = '', ...others] = valuesOf(service.last, 'authorization')
    expect(others).toEqual([])
    expect(authorization).toStartWith('Bearer ')
    expect(authorization.slice('Bearer '.length)).toMatch(JWT)
    const tokens = valuesOf(service.last, 'refresh-token')
    expect(tokens).toHaveLength(1)
    expect(tokens[0]).toMatch(JWT)
    expect(tokens[0]).not.toBe(presented)
    expect(service.last.raw).not.toContain(presented)
  }
})

function latencyOf({ headers }: Answer): number {
  return Number(headers['x-kong-proxy-latency'])
}
