import { expect, test } from 'bun:test'
import { indexConsumers } from '../../../../src/consumers.ts'
import { hashPassword } from '../../../../src/entities/password.ts'
import { basicAuth } from '../../../../src/plugins/basic-auth/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { headerOf, messageOf, send, testGateway } from '../context.ts'

const bob = { id: 'b0b', username: 'bob' }
const nobody = { id: 'n', username: 'nobody' }
const consumers = indexConsumers({
  acls: [],
  consumer_groups: [],
  consumer_group_consumers: [],
  jwt_secrets: [],
  keyauth_credentials: [],
  mtls_auth_credentials: [],
  oauth2_credentials: [],
  oauth2_tokens: [],
  consumers: [bob, nobody] as never,
  basicauth_credentials: [
    { id: 'c1', consumer: bob, username: 'bob', password: hashPassword('kong', bob.id) },
    { id: 'c2', consumer: bob, username: 'bøb', password: hashPassword('på:ss', bob.id) },
  ] as never,
})

function create(config: Record<string, unknown> = {}, now = () => 1_000_000) {
  const checked = check(basicAuth.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  return basicAuth.create(checked.value, testGateway({ consumers, now }))
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
const basic = (text: string, name = 'Authorization') => [name, `Basic ${base64(text)}`] as const

// prettier-ignore
test.each([
  ['Authorization',                     [basic('bob:kong')],                                              'bob'],
  ['Proxy-Authorization',               [basic('bob:kong', 'Proxy-Authorization')],                       'bob'],
  ['the second, if nobody has the first name', [basic('x:kong', 'Proxy-Authorization'), basic('bob:kong')], 'bob'],
  ['the second, if the first is no Basic', [['Proxy-Authorization', 'Bearer x'] as const, basic('bob:kong')], 'bob'],
  ['a scheme in any case',              [['Authorization', `BASIC  ${base64('bob:kong')}`] as const],     'bob'],
  ['Base64 without its padding',        [['Authorization', `Basic ${base64('bob:kong').replace(/=+$/, '')}`] as const], 'bob'],
  ['UTF-8, and a colon in the password', [basic('bøb:på:ss')],                                            'bøb'],
])('credentials in %s let their owner in', async (_, headers, identifier) => {
  const { ctx, exit } = await send(create(), { headers })
  expect(exit).toBeUndefined()
  expect([ctx.consumer, ctx.credential?.identifier]).toEqual([bob as never, identifier])
})

// prettier-ignore
test.each([
  ['nothing',                         []],
  ['a wrong password',                [basic('bob:wrong')]],
  ['an empty password',               [basic('bob:')]],
  ['a name that nobody has',          [basic('eve:kong')]],
  ['an empty name',                   [basic(':kong')]],
  ['no colon',                        [basic('bobkong')]],
  ['what is no Base64',               [['Authorization', 'Basic b*b'] as const]],
  ['nothing after the scheme',        [['Authorization', 'Basic'] as const]],
  ['another scheme',                  [['Authorization', `Bearer ${base64('bob:kong')}`] as const]],
  ['a longer scheme',                 [['Authorization', `Basics ${base64('bob:kong')}`] as const]],
  ['the first of two being wrong',    [basic('bob:wrong', 'Proxy-Authorization'), basic('bob:kong')]],
  ['the hash instead of the password', [basic(`bob:${hashPassword('kong', bob.id)}`)]],
  ['one header twice',                [basic('bob:kong'), basic('bob:kong')]],
])('%s is answered 401', async (_, headers) => {
  const { ctx, exit } = await send(create(), { headers })
  expect([exit?.status, messageOf(exit)]).toEqual([401, 'Unauthorized'])
  expect(headerOf(exit, 'www-authenticate')).toBe('Basic realm="service"')
  expect(ctx.credential).toBeUndefined()
})

test('a password is looked for whether anybody has the name or not', async () => {
  const asked: unknown[] = []
  const isPassword = (owner: unknown, password: string) =>
    void asked.push([owner, password]) as never
  const gateway = testGateway({ consumers: { ...consumers, isPassword } })
  const checked = check(basicAuth.schema, {})
  await send(basicAuth.create(checked.value!, gateway), { headers: [basic('eve:kong')] })
  expect(asked).toEqual([[undefined, 'kong']])
})

test('credentials are hidden from the service, right or wrong, and other schemes are not', async () => {
  const both = [basic('bob:kong'), ['Proxy_Authorization', 'Basic x'] as const]
  const { upstream } = await send(create(), { headers: both })
  expect([...upstream]).toEqual([])
  const wrong = await send(create({ anonymous: 'nobody' }), { headers: [basic('bob:wrong')] })
  expect([...wrong.upstream]).toEqual([])
  const bearer = [['Authorization', 'Bearer x'] as const]
  expect([...(await send(create({ anonymous: 'nobody' }), { headers: bearer })).upstream]).toEqual([
    ['Authorization', 'Bearer x'],
  ])
  const shown = await send(create({ hide_credentials: false }), { headers: [basic('bob:kong')] })
  expect(shown.upstream.has('authorization')).toBe(true)
})

test('who sends wrong passwords for a name has to wait, twice as long each time', async () => {
  let now = 1_000_000
  const handler = create({ brute_force_protection: { strategy: 'memory' } }, () => now)
  const attempt = async (text: string) => {
    const { exit } = await send(handler, { headers: [basic(text)] })
    return [exit?.status, headerOf(exit, 'retry-after')]
  }
  for (const text of ['bob:1', 'bob:2', 'bob:3'])
    expect(await attempt(text)).toEqual([401, undefined])
  expect(await attempt('bob:4')).toEqual([429, '16'])
  // The right one waits as well: the answer must not tell that it is right.
  expect(await attempt('bob:kong')).toEqual([429, '32'])
  expect(await attempt('eve:kong')).toEqual([401, undefined])
  now += 31_000
  expect(await attempt('bob:kong')).toEqual([429, '64'])
  now += 64_001
  expect(await attempt('bob:kong')).toEqual([undefined, undefined])
})

test('nobody waits longer than an hour', async () => {
  const handler = create({ brute_force_protection: { strategy: 'memory' } })
  let last
  for (let i = 0; i < 40; i++) last = await send(handler, { headers: [basic('bob:x')] })
  expect(headerOf(last?.exit, 'retry-after')).toBe('3600')
})

// prettier-ignore
test.each([
  [{ brute_force_protection: { strategy: 'redis' } },   'host: required field missing'],
  [{ brute_force_protection: { strategy: 'cluster' } }, 'expected one of: memory, off, redis (cluster needs a database, and there is none)'],
  [{ principals: { enabled: true } },                   'Kong Identity is a service of Konnect and cannot be asked'],
  [{ realm: 'a"b' },                                    'expected visible ASCII without quotes'],
])('%j is refused at load', (config, message) => {
  expect(check(basicAuth.schema, config).faults?.map((fault) => fault.message)).toEqual([message])
})
