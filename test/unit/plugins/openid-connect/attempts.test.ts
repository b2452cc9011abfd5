import { beforeEach, describe, expect, test } from 'bun:test'
import { networkOf } from '../../../../src/plugins/openid-connect/attempts.ts'
import { basic, create, gatewayOf, HOW_TO } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'
import { type Outcome, Visitor } from './visitor.ts'

const key = await signingKey('one')
const LIMIT = 3
let provider: ScriptedProvider
let visitor: Visitor
const make = (config: Record<string, unknown> = {}, oidc_password_attempts: number = LIMIT) =>
  new Visitor(
    create(
      provider,
      { ...HOW_TO, cache_tokens: false, ...config },
      gatewayOf(provider, { oidc_password_attempts }),
    ),
    false,
  )
beforeEach(() => {
  provider = new ScriptedProvider(key)
  visitor = make()
})

const HOME = '192.0.2.1'
const AWAY = '198.51.100.7'
let guesses = 0
const send = (password: string, ip = HOME, name = 'alex', by = visitor): Promise<Outcome> =>
  by.send({ headers: [basic(name, password)] }, { ip })
const guess = (ip = HOME, name = 'alex', by = visitor) => send(`guess-${guesses++}`, ip, name, by)
/** Sends wrong passwords one after the other; gives the codes of the log. */
async function guessTimes(count: number, ip = HOME, name = 'alex') {
  const codes: (string | undefined)[] = []
  for (let i = 0; i < count; i++) codes.push((await guess(ip, name)).code)
  return codes
}

test('without the setting the provider is asked each time', async () => {
  visitor = make({}, 0)
  for (let i = 0; i < 20; i++) expect((await guess()).code).toBe('invalid_grant')
  expect(provider.calls).toBe(20)
})

describe('after so many wrong passwords from one address', () => {
  test('the provider is not asked, even with the right one, and the answer says when', async () => {
    expect(await guessTimes(LIMIT)).toEqual(Array(LIMIT).fill('invalid_grant'))
    const refused = await guess()
    const right = await send('doe')
    for (const each of [refused, right]) {
      expect([each.status, each.code]).toEqual([401, 'too_many_attempts'])
      expect(each.message).toBe('Unauthorized')
      expect(each.header('retry-after')).toBe('60')
      expect(each.header('www-authenticate')).toBe(
        'Bearer realm="provider.test", error="invalid_token"',
      )
    }
    expect(provider.calls).toBe(LIMIT)
  })

  test('it is asked once more when the time is over, and each failure doubles the time', async () => {
    await guessTimes(LIMIT)
    for (const seconds of [60, 120, 240, 480, 960, 1920, 3600, 3600]) {
      expect((await guess()).header('retry-after')).toBe(String(seconds))
      provider.pass(seconds - 0.5)
      expect((await guess()).header('retry-after')).toBe('1')
      provider.pass(0.5)
      expect((await guess()).code).toBe('invalid_grant')
    }
  })

  test('a right password clears the count', async () => {
    await guessTimes(LIMIT - 1)
    expect((await send('doe')).status).toBe(200)
    expect(await guessTimes(LIMIT)).toEqual(Array(LIMIT).fill('invalid_grant'))
    provider.pass(60)
    expect((await send('doe')).status).toBe(200)
    expect((await guess()).code).toBe('invalid_grant')
  })

  test('they are forgotten twelve hours after the last', async () => {
    await guessTimes(LIMIT - 1)
    provider.pass(12 * 3600)
    expect((await guessTimes(LIMIT)).at(-1)).toBe('invalid_grant')
  })

  test('other users and other addresses are not touched', async () => {
    await guessTimes(LIMIT)
    expect((await guess(HOME, 'sam')).code).toBe('invalid_grant')
    expect((await guess(AWAY)).code).toBe('invalid_grant')
    expect((await send('doe', AWAY)).status).toBe(200)
  })

  test('a name in other letters is the same user', async () => {
    await guessTimes(LIMIT - 1)
    await guess(HOME, 'Alex')
    expect((await guess(HOME, 'ALEX')).code).toBe('too_many_attempts')
  })

  test('addresses of one IPv6 network are one', async () => {
    await guess('2001:db8::1')
    await guess('2001:db8:0:0:ffff::2')
    await guess('2001:db8:0:0:1:2:3:4')
    expect((await guess('2001:db8::9')).code).toBe('too_many_attempts')
    expect((await guess('2001:db8:0:1::9')).code).toBe('invalid_grant')
  })

  test('it does not matter how many come at once', async () => {
    const codes = (await Promise.all(Array.from({ length: 50 }, () => guess()))).map(
      ({ code }) => code,
    )
    expect(provider.calls).toBe(LIMIT)
    expect(codes.filter((code) => code === 'invalid_grant').length).toBe(LIMIT)
    expect(codes.filter((code) => code === 'too_many_attempts').length).toBe(50 - LIMIT)
  })

  test('many at once with right passwords all pass', async () => {
    const clients = ['one', 'two', 'three', 'four', 'five', 'six']
    visitor = make({ token_post_args_client: ['colour'] })
    const sent = clients.map((colour) =>
      visitor.send({ headers: [basic('alex', 'doe')], query: `colour=${colour}` }, { ip: HOME }),
    )
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(clients.map(() => 200))
    expect(provider.calls).toBe(clients.length)
  })
})

test('from many addresses a user has four times as many, but from the own address', async () => {
  expect((await send('doe', HOME)).status).toBe(200)
  for (let i = 0; i < 4 * LIMIT; i++)
    expect((await guess(`203.0.113.${i}`)).code).toBe('invalid_grant')
  const refused = await guess('203.0.113.99')
  expect([refused.code, refused.header('retry-after')]).toEqual(['too_many_attempts', '60'])
  expect((await send('doe', HOME)).status).toBe(200)
})

test('nobody is kept from tokens that are there already', async () => {
  visitor = make({ cache_tokens: true })
  const alex = visitor.copy()
  expect((await send('doe', HOME, 'alex', alex)).status).toBe(200)
  const asked = provider.calls
  for (let i = 0; i < 4 * LIMIT + 1; i++) await guess(HOME)
  expect((await guess(HOME)).code).toBe('too_many_attempts')
  expect((await send('doe', HOME, 'alex', alex)).status).toBe(200)
  // From another connection and address too: the password is known to be right.
  expect((await send('doe', AWAY)).status).toBe(200)
  expect(provider.calls).toBe(asked + LIMIT)
  // Nor are tokens that can be renewed.
  provider.pass(301)
  expect((await send('doe', HOME)).status).toBe(200)
  expect(provider.lastForm.grant_type).toBe('refresh_token')
})

test('what is no wrong password does not count', async () => {
  provider.instead['/token'] = () => ({ status: 503, text: 'down' })
  expect(await guessTimes(2 * LIMIT)).not.toContain('too_many_attempts')
  provider.instead['/token'] = () => ({ status: 401, json: { error: 'invalid_client' } })
  expect(await guessTimes(2 * LIMIT)).not.toContain('too_many_attempts')
  provider.instead['/token'] = undefined
  expect((await send('doe')).status).toBe(200)
})

test('plugins with one provider count together', async () => {
  const gateway = gatewayOf(provider, { oidc_password_attempts: LIMIT })
  const of = (config: Record<string, unknown>) =>
    new Visitor(create(provider, { ...HOW_TO, ...config }, gateway), false)
  const [one, other] = [of({}), of({ leeway: 1 })]
  for (let i = 0; i < LIMIT; i++) await guess(HOME, 'alex', one)
  expect((await guess(HOME, 'alex', other)).code).toBe('too_many_attempts')
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:0DB8:0000::1', '2001:db8:0:0'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['fe80::1', 'fe80:0:0:0'],
])('%s is of the network %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
