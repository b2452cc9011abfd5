import { beforeEach, expect, test } from 'bun:test'
import { Refusal } from '../../../../src/plugins/openid-connect/refusal.ts'
import { withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import type { Calls, TokenResponse } from '../../../../src/plugins/openid-connect/calls.ts'
import type { Credential } from '../../../../src/plugins/openid-connect/methods/method.ts'
import type { Occasion } from '../../../../src/plugins/openid-connect/occasion.ts'
import { NOTHING } from '../../../../src/plugins/openid-connect/passing.ts'
import { createTokens } from '../../../../src/plugins/openid-connect/tokens.ts'
import { testGateway } from '../context.ts'
import { configure } from './plugin.ts'

let now: number
let calls: string[]
/** What the provider answers to a call, over `{ access_token: 'a<n>', expires_in: 100 }`. */
let over: Partial<TokenResponse>
let failure: Refusal | undefined
let gate: Promise<unknown>
let gateway: ReturnType<typeof testGateway>
beforeEach(() => {
  now = 1_000_000
  calls = []
  over = {}
  failure = undefined
  gate = Promise.resolve()
  gateway = testGateway({ now: () => now })
})

async function answer(call: string): Promise<TokenResponse> {
  calls.push(call)
  await gate
  if (failure) throw failure
  return { access_token: `a${calls.length}`, expires_in: 100, ...over }
}
const grants: Pick<Calls, 'password' | 'client_credentials' | 'refresh_token'> = {
  password: ({ name }) => answer(`password ${name}`),
  client_credentials: ({ name }) => answer(`client ${name}`),
  refresh_token: (token) => answer(`refresh ${token}`),
}
const USUAL: Occasion = {
  client: undefined,
  key: '',
  passed: () => NOTHING,
  asker: () => ({ client: undefined, passed: NOTHING }),
}
function create(config: Record<string, unknown> = {}, asked = grants) {
  const tokens = createTokens(
    withDefaults(configure(config)),
    asked,
    undefined,
    gateway,
    'identity',
  )
  type Method = Parameters<typeof tokens.redeem>[0]
  return {
    ...tokens,
    redeem: (method: Method, credential: Credential) => tokens.redeem(method, credential, USUAL),
  }
}
const ALEX = { name: 'alex', secret: 'doe' }
const token = (secret: string) => ({ name: '', secret })

test('a token that is not replaced asks for new ones once, until they expire', async () => {
  const tokens = create()
  const first = await tokens.redeem('refresh_token', token('r'))
  expect(first.set).toMatchObject({ access_token: 'a1', refresh_token: 'r' })
  const second = await tokens.redeem('refresh_token', token('r'))
  expect([second.set, second.isCached]).toEqual([first.set, true])
  now += 100_000
  expect((await tokens.redeem('refresh_token', token('r'))).set.access_token).toBe('a2')
  expect((await tokens.redeem('refresh_token', token('r'))).isCached).toBe(true)
})

test('a token that came with a password asks for new ones once, though it is not replaced', async () => {
  const tokens = create()
  over = { refresh_token: 'r' }
  await tokens.redeem('password', ALEX)
  over = {}
  expect((await tokens.redeem('refresh_token', token('r'))).set.access_token).toBe('a2')
  expect((await tokens.redeem('refresh_token', token('r'))).isCached).toBe(true)
  expect((await tokens.redeem('password', ALEX)).set.access_token).toBe('a2')
})

test('who presents the token while the gateway redeems it has presented it', async () => {
  const tokens = create()
  over = { refresh_token: 'r' }
  await tokens.redeem('password', ALEX)
  now += 100_000
  await Promise.all([tokens.redeem('password', ALEX), tokens.redeem('refresh_token', token('r'))])
  expect((await tokens.redeem('refresh_token', token('r'))).isCached).toBe(true)
  expect(calls).toEqual(['password alex', 'refresh r'])
})

test('a password whose line has ended begins anew, though its access token has time left', async () => {
  const tokens = create()
  over = { refresh_token: 'r' }
  await tokens.redeem('password', ALEX)
  failure = new Refusal('invalid_grant')
  await expect(tokens.redeem('refresh_token', token('r'))).rejects.toThrow(failure)
  failure = undefined
  over = {}
  expect((await tokens.redeem('password', ALEX)).set.access_token).toBe('a3')
  expect(calls).toEqual(['password alex', 'refresh r', 'password alex'])
  await expect(tokens.redeem('refresh_token', token('r'))).rejects.toThrow('refused the password')
})

test('a password whose access token is over at once is asked about again, as a password', async () => {
  const tokens = create()
  over = { refresh_token: 'r', expires_in: 0 }
  await tokens.redeem('password', ALEX)
  await tokens.redeem('password', ALEX)
  expect(calls).toEqual(['password alex', 'password alex'])
})

test.each(['unauthorized_client', 'provider_refused'] as const)(
  'a password goes on where refreshing is answered %s',
  async (code) => {
    const tokens = create()
    over = { refresh_token: 'r' }
    await tokens.redeem('password', ALEX)
    now += 100_000
    const refresh = { ...grants, refresh_token: () => Promise.reject(new Refusal(code)) }
    const strict = create({}, refresh)
    expect((await strict.redeem('password', ALEX)).set.access_token).toBe('a2')
  },
)

test('a line of opaque tokens outlives cache_ttl: its used token never goes to the provider again', async () => {
  const tokens = create({ cache_ttl: 3600 })
  over = { refresh_token: 'r2' }
  await tokens.redeem('refresh_token', token('r1'))
  now += 3_601_000
  over = { refresh_token: 'r3' }
  await tokens.redeem('refresh_token', token('r1'))
  now += 7 * 24 * 3_600_000
  await tokens.redeem('refresh_token', token('r1'))
  expect(calls).toEqual(['refresh r1', 'refresh r2', 'refresh r3'])
})

test('a line that has ended is asked about again after cache_ttl_neg, by its newest token', async () => {
  const tokens = create({ cache_ttl_neg: 10 })
  over = { refresh_token: 'r2' }
  await tokens.redeem('refresh_token', token('r1'))
  failure = new Refusal('invalid_grant')
  for (let i = 0; i < 2; i++)
    await expect(tokens.redeem('refresh_token', token('r2'))).rejects.toThrow(failure)
  now += 10_000
  failure = undefined
  expect((await tokens.redeem('refresh_token', token('r1'))).set.access_token).toBe('a3')
  expect(calls).toEqual(['refresh r1', 'refresh r2', 'refresh r2'])
})

test('client credentials are asked about anew, never refreshed', async () => {
  const tokens = create()
  over = { refresh_token: 'r' }
  await tokens.redeem('client_credentials', ALEX)
  now += 100_000
  await tokens.redeem('client_credentials', ALEX)
  expect(calls).toEqual(['client alex', 'client alex'])
})

test('with cache_tokens off nothing is kept, for others neither, and nothing of others is used', async () => {
  const [off, on] = [create({ cache_tokens: false }), create()]
  for (const [method, credential] of [
    ['password', ALEX],
    ['refresh_token', token('r')],
  ] as const) {
    await off.redeem(method, credential)
    expect((await on.redeem(method, credential)).isCached).toBe(false)
    expect((await off.redeem(method, credential)).isCached).toBe(false)
  }
  expect(calls.length).toBe(6)
})

test('with cache_tokens off those who ask at once still share one call', async () => {
  const off = create({ cache_tokens: false })
  const all = Array.from({ length: 40 }, () => off.redeem('refresh_token', token('r')))
  expect(new Set((await Promise.all(all)).map(({ set }) => set.access_token))).toEqual(
    new Set(['a1']),
  )
})

test('a spoiled set is replaced; one that was replaced meanwhile is not spoiled', async () => {
  const tokens = create()
  const first = await tokens.redeem('password', ALEX)
  tokens.spoil(first)
  const second = await tokens.redeem('password', ALEX)
  expect([second.set.access_token, second.isCached]).toEqual(['a2', false])
  const refreshed = create()
  const kept = await refreshed.redeem('refresh_token', token('r'))
  refreshed.spoil(kept)
  await refreshed.redeem('refresh_token', token('r'))
  refreshed.spoil(kept)
  expect((await refreshed.redeem('refresh_token', token('r'))).isCached).toBe(true)
})

test('a slow provider is waited for by all, and asked once for a line', async () => {
  const tokens = create()
  over = { refresh_token: 'r2' }
  await tokens.redeem('refresh_token', token('r1'))
  now += 100_000
  const open = Promise.withResolvers<void>()
  gate = open.promise
  over = { refresh_token: 'r3' }
  const waiting = ['r1', 'r2', 'r1', 'r2'].map((each) =>
    tokens.redeem('refresh_token', token(each)),
  )
  open.resolve()
  for (const { set } of await Promise.all(waiting)) expect(set.refresh_token).toBe('r3')
  expect(calls).toEqual(['refresh r1', 'refresh r2'])
})
