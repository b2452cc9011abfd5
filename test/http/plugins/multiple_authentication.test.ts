import { expect, test } from 'bun:test'
import { guarded, type Outcome } from './guarded.ts'

const CONSUMERS = `
consumers:
  - { username: ann, keyauth_credentials: [{ key: anns }] }
  - { username: bob, basicauth_credentials: [{ username: bob, password: kong }] }
  - { id: 00000000-0000-4000-8000-00000000000a, username: nobody, custom_id: nobody-else }
`
/** Priorities: key-auth 1250, basic-auth 1100. */
const withPlugins = (key: string, basic: string, more = '') =>
  guarded(
    `plugins:\n  - { name: key-auth, config: ${key} }\n  - { name: basic-auth, config: ${basic} }\n${more}${CONSUMERS}`,
  )

const KEY = 'apikey: anns\r\n'
const BAD_KEY = 'apikey: wrong\r\n'
const BASIC = `Authorization: Basic ${btoa('bob:kong')}\r\n`
const BAD_BASIC = `Authorization: Basic ${btoa('bob:wrong')}\r\n`
const ANONYMOUS = '{ anonymous: nobody }'

/** The consumer that the service was told, or the challenge of the plugin that refused. */
function caller(outcome: Outcome): string | undefined {
  if (outcome.status !== 200) return `${outcome.status} ${outcome.header('www-authenticate')}`
  const isAnonymous = outcome.told('x-anonymous-consumer') === 'true'
  const hasCredential = outcome.told('x-credential-identifier') !== undefined
  expect(isAnonymous).toBe(!hasCredential)
  return outcome.told('x-consumer-username')
}

const BY_KEY = '401 Key'
const BY_BASIC = '401 Basic realm="service"'

// prettier-ignore
test.each([
  // Each of them must pass, and the last one says who it is.
  ['AND',                    '{}',       '{}',       { none: BY_KEY, key: BY_BASIC, basic: BY_KEY, both: 'bob', badKey: BY_KEY, badBasic: BY_BASIC }],
  // One of them must pass, the first that does says who it is; else it is nobody.
  ['OR',                     ANONYMOUS,  ANONYMOUS,  { none: 'nobody', key: 'ann', basic: 'bob', both: 'ann', badKey: 'bob', badBasic: 'ann' }],
  // The one without `anonymous` decides.
  ['only the second strict', ANONYMOUS,  '{}',       { none: BY_BASIC, key: BY_BASIC, basic: 'bob', both: 'bob', badKey: 'bob', badBasic: BY_BASIC }],
  ['only the first strict',  '{}',       ANONYMOUS,  { none: BY_KEY, key: 'ann', basic: BY_KEY, both: 'ann', badKey: BY_KEY, badBasic: 'ann' }],
])('%s', async (_, key, basic, expected) => {
  await using gate = await withPlugins(key, basic)
  expect({
    none: caller(await gate.send()),
    key: caller(await gate.send(KEY)),
    basic: caller(await gate.send(BASIC)),
    both: caller(await gate.send(KEY + BASIC)),
    badKey: caller(await gate.send(BAD_KEY + BASIC)),
    badBasic: caller(await gate.send(KEY + BAD_BASIC)),
  }).toEqual(expected)
})

test('an anonymous consumer may be named by its id, and not by its custom_id', async () => {
  await using byId = await guarded(
    `plugins: [{ name: key-auth, config: { anonymous: 00000000-0000-4000-8000-00000000000a } }]${CONSUMERS}`,
  )
  expect(caller(await byId.send())).toBe('nobody')
  await using byOther = await guarded(
    `plugins: [{ name: key-auth, config: { anonymous: nobody-else } }]${CONSUMERS}`,
  )
  expect((await byOther.send()).status).toBe(500)
})

test.each(['key-auth', 'basic-auth', 'jwt'])(
  '%s: an anonymous consumer that is not there is a 500 for those who would be it',
  async (name) => {
    await using gate = await guarded(
      `plugins: [{ name: ${name}, config: { anonymous: ghost } }]${CONSUMERS}`,
    )
    const outcome = await gate.send()
    expect([outcome.status, outcome.target]).toEqual([500, undefined])
    expect(JSON.parse(outcome.body)).toEqual({
      message: "anonymous consumer ghost is configured but doesn't exist",
      request_id: outcome.header('x-kong-request-id'),
    })
  },
)

test('the first plugin’s anonymous consumer that is not there stops those whom the second would know', async () => {
  await using gate = await withPlugins('{ anonymous: ghost }', ANONYMOUS)
  expect((await gate.send(BASIC)).status).toBe(500)
  expect(caller(await gate.send(KEY))).toBe('ann')
})

test('what is for the anonymous consumer alone refuses those whom nobody knows', async () => {
  await using gate = await withPlugins(
    ANONYMOUS,
    ANONYMOUS,
    '  - { name: request-termination, consumer: nobody, config: { status_code: 401, message: Who are you? } }\n',
  )
  const outcome = await gate.send()
  expect([outcome.status, outcome.body]).toEqual([401, '{"message":"Who are you?"}'])
  expect(caller(await gate.send(KEY))).toBe('ann')
  expect(caller(await gate.send(BASIC))).toBe('bob')
})

test('openid-connect is one of several as well, and its provider is not asked for those who are known', async () => {
  // Nobody listens there.
  const openid = `{ issuer: "http://127.0.0.1:1", auth_methods: [bearer], ssl_verify: false, anonymous: nobody }`
  await using gate = await guarded(
    `plugins:\n  - { name: key-auth, config: ${ANONYMOUS} }\n  - { name: openid-connect, config: ${openid} }\n${CONSUMERS}`,
  )
  expect(caller(await gate.send(`${KEY}Authorization: Bearer x\r\n`))).toBe('ann')
  expect(caller(await gate.send())).toBe('nobody')
  expect(caller(await gate.send('Authorization: Bearer x\r\n'))).toBe('nobody')
})

test('a wrong credential is not handed on to the service by who is anonymous', async () => {
  await using gate = await withPlugins(ANONYMOUS, ANONYMOUS)
  const outcome = await gate.send(BAD_KEY + BAD_BASIC)
  expect(caller(outcome)).toBe('nobody')
  expect([outcome.told('apikey'), outcome.told('authorization')]).toEqual([undefined, undefined])
})
