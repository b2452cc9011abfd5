import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { basic, request } from '../e2e/client.ts'
import { valuesOf } from '../e2e/service.ts'
import { keycloak } from './keycloak.ts'
import { SECRET } from './realm.ts'
import { startScene } from './scene.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const user = { fields: [basic('alex', 'doe')] }
const WRONG = 'a-secret-that-is-wrong'

describe.skipIf(!keycloak)('how the client authenticates at the provider', () => {
  const encoded = `Basic ${Buffer.from(`kong:${SECRET}`).toString('base64')}`
  // prettier-ignore
  test.each([
    ['client_secret_post',              { client_auth: ['client_secret_post'] },                      'kong', SECRET,    null],
    ['client_secret_basic',             { client_auth: ['client_secret_basic'] },                     undefined, undefined, encoded],
    ['token_endpoint_auth_method',      { client_auth: null, token_endpoint_auth_method: 'client_secret_post' }, 'kong', SECRET, null],
    ['what the provider names first',   { client_auth: null },                                        undefined, undefined, encoded],
    ['none, as a public client',        { client_auth: ['none'], client_id: ['kong-public'], client_secret: null }, 'kong-public', undefined, null],
  ])('%s', async (_, changes, client_id, client_secret, authorization) => {
    await using scene = await startScene('kong', changes)
    const { calls, service, gatehouse } = scene
    expect((await request(gatehouse.port, user)).status).toBe(200)
    const [call] = calls.tokens
    expect(call!.authorization).toBe(authorization)
    expect([call!.form.client_id, call!.form.client_secret]).toEqual([client_id!, client_secret!])
    expect(call!.form).toMatchObject({
      grant_type: 'password',
      username: 'alex',
      password: 'doe',
      scope: 'openid',
    })
    expect(call!.form.redirect_uri).toBeUndefined()
    // And with a refresh token the same way.
    const fields = [`Refresh-Token: ${valuesOf(service.last, 'refresh-token')[0]}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    const refresh = calls.tokens[1]!
    expect(refresh.form.grant_type).toBe('refresh_token')
    expect([refresh.authorization, refresh.form.client_secret]).toEqual([authorization, client_secret!])
  })

  test("client_credentials sends the caller's own client", async () => {
    await using scene = await startScene('kong', { auth_methods: ['client_credentials'] })
    const { calls, gatehouse } = scene
    const fields = [basic('caller-a', SECRET)]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expect(calls.tokens[0]!.form.client_id).toBe('caller-a')
    expect((await request(gatehouse.port, { fields: [basic('caller-a', WRONG)] })).status).toBe(401)
    expect((await request(gatehouse.port, { fields: [basic('kong-public', '')] })).status).toBe(401)
  })
})

describe.skipIf(!keycloak)(
  'what the provider refuses is a 401, and one line tells the operator what to do',
  () => {
    // prettier-ignore
    test.each([
    ['a client that does not exist', { client_id: ['nobody'] },                              'invalid_client',      'check client_id and client_secret'],
    ['a wrong secret',               { client_secret: [WRONG] },                             'unauthorized_client', 'check client_id and client_secret'],
    ['a client without the grant',   { client_id: ['client-2'] },                            'unauthorized_client', 'Direct access grants'],
    ['a scope that does not exist',  { scopes: ['openid', 'no-such-scope'] },                'invalid_scope',       'set scopes to what the provider knows'],
    ['a realm that does not exist',  { realm: 'nowhere' },                                   'provider_invalid_response', 'with Keycloak the name of the realm'],
  ])('%s', async (_, { realm = 'kong', ...changes }: Record<string, unknown>, code, advice) => {
    await using scene = await startScene(String(realm), changes, { secrets: [WRONG] })
    const { service, gatehouse } = scene
    const answer = await request(gatehouse.port, user)
    expect([answer.status, answer.body]).toEqual([401, '{"message":"Unauthorized"}'])
    expect(service.requests).toEqual([])
    const id = answer.headers['x-kong-request-id']
    const line = await gatehouse.logged(new RegExp(`request_id=${id} `))
    expect(line).toContain(`code=${code} `)
    expect(line).toContain('plugin=openid-connect config=kong.yaml:')
    expect(line).toContain(advice)
    expect(gatehouse.log.split('\n').filter((each) => each.includes(String(id)))).toHaveLength(1)
  })

    test('an account that is disabled', async () => {
      await using scene = await startScene('kong')
      const { gatehouse } = scene
      const fields = [basic('casey', 'doe')]
      expect((await request(gatehouse.port, { fields })).status).toBe(401)
      expect(await gatehouse.logged(/code=invalid_grant/)).toContain('Account disabled')
    })
  },
)
