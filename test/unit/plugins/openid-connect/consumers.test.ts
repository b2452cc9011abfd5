import { beforeEach, describe, expect, test } from 'bun:test'
import type { Consumer } from '../../../../src/entities/index.ts'
import type { Consumers } from '../../../../src/pdk.ts'
import { basic, bearer, create, gatewayOf } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const consumer = (id: string, more: Partial<Consumer> = {}) => ({ id, ...more }) as Consumer
const ALEX = consumer('id-1', { username: 'Alex', custom_id: 'c-1' })
const BOB = consumer('id-2', { username: 'c-1', custom_id: 'id-1' })
const LIST = [ALEX, BOB]
const inAnyCase: Partial<Consumers> = {
  findByUsernameInAnyCase: (name) =>
    LIST.find(({ username }) => username?.toLowerCase() === name.toLowerCase()),
}

async function visit(config: Record<string, unknown>, claims: Record<string, unknown> = {}) {
  const gateway = gatewayOf(provider, { consumerList: LIST, consumers: inAnyCase })
  const handler = create(provider, { auth_methods: ['bearer'], ...config }, gateway)
  return new Visitor(handler).send({ headers: [bearer(await provider.accessToken(claims))] })
}
const who = async (config: Record<string, unknown>, claims: Record<string, unknown> = {}) => {
  const { status, code, ctx } = await visit(config, claims)
  return status === 200 ? ctx.consumer?.id : `${status} ${code}`
}

describe('consumer_claims', () => {
  // prettier-ignore
  test.each<[string, Record<string, unknown>, Record<string, unknown>, string | undefined]>([
    ['a claim at the top',                  { consumer_claims: [['name']] },                    { name: 'Alex' },                'id-1'],
    ['§10 #5: a nested claim',              { consumer_claims: [['user', 'names', '2']] },      { user: { names: ['x', 'Alex'] } }, 'id-1'],
    ['a name with dots',                    { consumer_claims: [['https://a.b/c']] },           { 'https://a.b/c': 'Alex' },     'id-1'],
    ['the first path that is there',        { consumer_claims: [['none'], ['name'], ['other']] }, { name: 'Alex', other: 'c-1' }, 'id-1'],
    ['no other path where that is nobody',  { consumer_claims: [['name'], ['other']] },         { name: 'nobody', other: 'Alex' }, '403 consumer_not_found'],
    ['a number',                            { consumer_claims: [['uid']] },                     { uid: 7 },                      '403 consumer_not_found'],
    ['an object, which names nobody',       { consumer_claims: [['name']] },                    { name: { a: 1 } },              '403 consumer_not_found'],
    ['null, which is no claim',             { consumer_claims: [['name'], ['other']] },         { name: null, other: 'Alex' },   'id-1'],
    ['the older field',                     { consumer_claim: ['user', 'name'] },               { user: { name: 'Alex' } },      'id-1'],
    ['nobody',                              { consumer_claims: [['name']] },                    {},                              '403 consumer_not_found'],
    ['nobody, where that is optional',      { consumer_claims: [['name']], consumer_optional: true }, {},                        undefined],
  ])('%s', async (_, config, claims, expected) => {
    expect(await who(config, claims)).toBe(expected)
  })

  test('a consumer that is missing is a 403 that says insufficient_scope', async () => {
    const { header, message } = await visit({ consumer_claims: [['name']] })
    expect(message).toBe('Forbidden')
    expect(header('www-authenticate')).toBe(
      'Bearer realm="provider.test", error="insufficient_scope"',
    )
  })

  // prettier-ignore
  test.each<[readonly string[] | undefined, string, string]>([
    [undefined,                          'c-1',  'id-1'],
    [['custom_id', 'username'],          'c-1',  'id-1'],
    [['username', 'custom_id'],          'c-1',  'id-2'],
    [['id'],                             'id-1', 'id-1'],
    [['custom_id', 'id'],                'id-1', 'id-2'],
    [['username'],                       'id-1', '403 consumer_not_found'],
    [['username'],                       'alex', '403 consumer_not_found'],
  ])('consumer_by %p finds %s as %s', async (consumer_by, name, expected) => {
    const config = { consumer_claims: [['name']], ...(consumer_by && { consumer_by }) }
    expect(await who(config, { name })).toBe(expected)
  })

  test('by_username_ignore_case', async () => {
    const config = { consumer_claims: [['name']], by_username_ignore_case: true }
    expect(await who(config, { name: 'aLEX' })).toBe('id-1')
    expect(await who({ ...config, consumer_by: ['custom_id'] }, { name: 'aLEX' })).toBe(
      '403 consumer_not_found',
    )
  })

  test('§12 #15: the access token goes before the ID token, and that before the user info', async () => {
    const config = {
      consumer_claims: [['name']],
      id_token_param_name: 'id_token',
      search_user_info: true,
    }
    const ask = async (access: object, id: object, user: object) => {
      const gateway = gatewayOf(provider, { consumerList: LIST })
      const handler = create(
        provider,
        { auth_methods: ['bearer'], client_id: ['kong'], ...config },
        gateway,
      )
      const token = await provider.accessToken({ ...access })
      provider.users[token] = { sub: 'alex-id', ...user }
      const id_token = await provider.idToken({ ...id })
      const sent = { headers: [bearer(token), ['Id-Token', id_token] as const] }
      return (await new Visitor(handler).send(sent)).ctx.consumer?.id
    }
    const [alex, bob] = [{ name: 'Alex' }, { name: 'id-1' }]
    expect(await ask(alex, bob, bob)).toBe('id-1')
    expect(await ask({}, alex, bob)).toBe('id-1')
    expect(await ask({}, {}, bob)).toBe('id-2')
  })

  test('a consumer that is made after a failed mapping is found at once', async () => {
    const config = { auth_methods: ['bearer'], consumer_claims: [['name']] }
    const gateway = gatewayOf(provider)
    const sent = { headers: [bearer(await provider.accessToken({ name: 'Alex' }))] }
    const connection = {}
    const before = new Visitor(create(provider, config, gateway))
    for (let i = 0; i < 3; i++) expect((await before.send(sent, { connection })).status).toBe(403)
    const { consumers } = gatewayOf(provider, { consumerList: LIST })
    const after = new Visitor(create(provider, config, { ...gateway, consumers }))
    const outcome = await after.send(sent, { connection })
    expect([outcome.status, outcome.ctx.consumer]).toEqual([200, ALEX])
  })
})

describe('consumer_groups_claim', () => {
  const GROUPS = [
    { id: 'g1', name: 'gold' },
    { id: 'g2', name: 'a b' },
  ]
  const groups = async (config: Record<string, unknown>, claims: Record<string, unknown>) => {
    const findGroup = (name: string) => GROUPS.find((group) => group.name === name) as never
    const gateway = gatewayOf(provider, { consumerList: LIST, consumers: { findGroup } })
    const handler = create(
      provider,
      { auth_methods: ['bearer'], consumer_groups_claim: ['teams'], ...config },
      gateway,
    )
    const sent = { headers: [bearer(await provider.accessToken(claims))] }
    const { status, code, ctx } = await new Visitor(handler).send(sent)
    return status === 200 ? ctx.consumerGroups?.map(({ id }) => id) : `${status} ${code}`
  }

  test('finds those that there are, by list or by words', async () => {
    expect(await groups({}, { teams: ['silver', 'a b', 'gold'] })).toEqual(['g2', 'g1'])
    expect(await groups({}, { teams: 'silver gold' })).toEqual(['g1'])
    expect(
      await groups({ consumer_groups_claim: ['user', 'teams'] }, { user: { teams: ['gold'] } }),
    ).toEqual(['g1'])
  })

  test('§12 #16: none is a 403, unless they are optional', async () => {
    expect(await groups({}, { teams: ['silver'] })).toBe('403 consumer_group_not_found')
    expect(await groups({}, {})).toBe('403 consumer_group_not_found')
    expect(await groups({ consumer_groups_optional: true }, { teams: ['silver'] })).toBeUndefined()
  })
})

describe('credential_claim', () => {
  test('is sub unless another path is given, and nothing where there is none', async () => {
    expect((await visit({})).ctx.credential).toEqual({ id: 'alex-id' })
    expect(
      (await visit({ credential_claim: ['user', 'id'] }, { user: { id: 7 } })).ctx.credential,
    ).toEqual({ id: '7' })
    expect((await visit({ credential_claim: ['none'] })).ctx.credential).toBeUndefined()
    expect((await visit({}, { sub: undefined })).ctx.credential).toBeUndefined()
  })

  test('§10 #4: agrees with the header of the same claim: the access token goes before the ID token', async () => {
    const config = {
      auth_methods: ['bearer'],
      client_id: ['kong'],
      id_token_param_name: 'id_token',
      credential_claim: ['email'],
      upstream_headers: [{ header: 'x-email', path: ['email'] }],
    }
    const ask = async (access: Record<string, unknown>, id: Record<string, unknown>) => {
      const headers = [
        bearer(await provider.accessToken(access)),
        ['Id-Token', await provider.idToken(id)] as const,
      ]
      const { ctx, told } = await new Visitor(create(provider, config)).send({ headers })
      expect(ctx.credential?.id).toBe(told('x-email')!)
      return told('x-email')
    }
    expect(await ask({ email: 'a@x' }, { email: 'b@x' })).toBe('a@x')
    expect(await ask({}, { email: 'b@x' })).toBe('b@x')
  })
})

describe('anonymous', () => {
  const nobody = consumer('n-1', { username: 'nobody', custom_id: 'none' })
  const ask = async (anonymous: string, config: Record<string, unknown> = {}, sent = {}) => {
    const gateway = gatewayOf(provider, { consumerList: [nobody] })
    const handler = create(
      provider,
      { auth_methods: ['bearer', 'session'], anonymous, ...config },
      gateway,
    )
    return new Visitor(handler).send(sent)
  }

  test.each(['n-1', 'nobody'])('§10 #34: is found by id and by username: %s', async (name) => {
    const { status, ctx } = await ask(name)
    expect([status, ctx.consumer, ctx.isAnonymous]).toEqual([200, nobody, true])
  })

  test('§12 #19: is a 500 where there is none, and not found by custom_id', async () => {
    for (const name of ['none', 'missing']) expect((await ask(name)).status).toBe(500)
  })

  test('§10 #22: that was missing once is not missing for ever', async () => {
    const gateway = gatewayOf(provider)
    const config = { auth_methods: ['bearer'], anonymous: 'nobody' }
    expect((await new Visitor(create(provider, config, gateway)).send()).status).toBe(500)
    const { consumers } = gatewayOf(provider, { consumerList: [nobody] })
    expect(
      (await new Visitor(create(provider, config, { ...gateway, consumers })).send()).status,
    ).toBe(200)
  })

  test('stands for bad tokens and for missing scopes, and the service is told nothing of their owner', async () => {
    const token = bearer(await provider.accessToken())
    const headers = { upstream_headers: [{ header: 'x-sub', path: ['sub'] }] }
    for (const [config, sent] of [
      [{}, { headers: [bearer('a.b.c')] }],
      [{ scopes_required: ['admin'] }, { headers: [token] }],
      [{ consumer_claims: [['sub']] }, { headers: [token] }],
    ] as const) {
      const { status, ctx, told, cookies } = await ask('nobody', { ...headers, ...config }, sent)
      expect([status, ctx.isAnonymous, told('x-sub'), cookies]).toEqual([200, true, undefined, []])
      expect(ctx.authenticatedGroups).toBeUndefined()
    }
  })
})

test('a password whose tokens map to a consumer, for every request', async () => {
  const gateway = gatewayOf(provider, { consumerList: LIST })
  provider.claims = { name: 'Alex' }
  const config = {
    auth_methods: ['password'],
    client_id: ['kong'],
    client_secret: ['s'],
    consumer_claims: [['name']],
  }
  const visitor = new Visitor(create(provider, config, gateway))
  for (let i = 0; i < 3; i++) {
    const { ctx } = await visitor.send({ headers: [basic('alex', 'doe')] })
    expect(ctx.consumer).toBe(ALEX)
  }
  expect(provider.calls).toBe(1)
})
