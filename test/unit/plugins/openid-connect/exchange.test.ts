import { describe, expect, test } from 'bun:test'
import type { OutboundRequest } from '../../../../src/pdk.ts'
import { createIdentityProvider } from '../../../../src/plugins/openid-connect/provider.ts'
import { Refusal } from '../../../../src/plugins/openid-connect/refusal.ts'
import { schema, withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { check } from '../../../../src/schema/check.ts'
import { testGateway } from '../context.ts'
import { ScriptedProvider, signingKey } from './provider.ts'

const TARGET = 'https://target.test'
const OTHER = 'https://other.test'
const key = await signingKey('one')
const stranger = await signingKey('two')
const seconds = Date.parse('2026-01-01T00:00:00Z') / 1000

const given = (token_exchange: object, more: object = {}) => ({
  issuer: TARGET,
  client_id: ['gateway'],
  client_secret: ['secret'],
  token_exchange,
  ...more,
})

function scene(token_exchange: object, more: object = {}, answer: object = {}) {
  const asked: string[] = []
  const fetch = async (url: string, request: OutboundRequest) => {
    asked.push(`${request.method} ${url}`)
    const { origin, pathname } = new URL(url)
    if (pathname.startsWith('/.well-known/'))
      return Response.json({
        issuer: origin,
        token_endpoint: `${origin}/token`,
        jwks_uri: `${origin}/keys`,
      })
    if (pathname.endsWith('/keys'))
      return Response.json({ keys: origin === TARGET ? [] : [key.jwk] })
    return Response.json({ access_token: 'new', token_type: 'Bearer', expires_in: 60, ...answer })
  }
  const { value, faults } = check(schema, given(token_exchange, more))
  if (faults) throw new Error(JSON.stringify(faults))
  const gateway = testGateway({ fetch, now: () => seconds * 1000 })
  return { asked, ...createIdentityProvider(withDefaults(value), gateway) }
}

const provider = new ScriptedProvider(key)
const tokenOf = (claims: object, by = key) =>
  provider.accessToken({ iss: OTHER, exp: seconds + 300, ...claims }, by)
const codeOf = (asking: Promise<unknown>) =>
  asking.then(
    () => 'no refusal',
    (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
  )

describe('a token is exchanged', () => {
  const others = { subject_token_issuers: [{ issuer: OTHER }] }

  test('if its issuer is another one that is named, and not otherwise', async () => {
    const { exchanges } = scene(others)
    expect(exchanges.isFor(await tokenOf({}))).toBe(true)
    expect(exchanges.isFor(await tokenOf({ iss: `${OTHER}/` }))).toBe(true)
    for (const iss of [TARGET, 'https://third.test', undefined])
      expect(exchanges.isFor(await tokenOf({ iss }))).toBe(false)
    for (const token of ['opaque', 'a.b.c', '']) expect(exchanges.isFor(token)).toBe(false)
  })

  // prettier-ignore
  test.each<[object, object, boolean]>([
    [{ has_scopes: ['a', 'b'] },           { scope: 'b a c' },         true],
    [{ has_scopes: ['a', 'b'] },           { scope: 'a' },             false],
    [{ missing_scopes: ['a', 'b'] },       { scope: 'a' },             true],
    [{ missing_scopes: ['a', 'b'] },       { scope: 'a b' },           false],
    [{ has_audience: ['x'] },              { aud: ['x', 'y'] },        true],
    [{ has_audience: ['x'] },              { aud: 'x' },               true],
    [{ has_audience: ['x'] },              {},                         false],
    [{ missing_audience: ['x'] },          { aud: 'y' },               true],
    [{ missing_audience: ['x'] },          { aud: ['x'] },             false],
    [{ has_scopes: ['a'], missing_audience: ['x'] }, { scope: 'a', aud: 'x' }, false],
    [{ has_scopes: ['a'], missing_audience: ['x'] }, { scope: 'a', aud: 'y' }, true],
  ])('of the provider itself if all conditions hold: %j of %j: %p', async (conditions, claims, expected) => {
    const { exchanges } = scene({ subject_token_issuers: [{ issuer: TARGET, conditions }] })
    expect(exchanges.isFor(await tokenOf({ iss: TARGET, ...claims }))).toBe(expected)
  })

  test('by one call, and may be kept as long as it is good', async () => {
    const { exchanges, asked } = scene(others)
    const { answer, ttl } = await exchanges.exchange(await tokenOf({}))
    expect([answer.access_token, ttl]).toEqual(['new', 60])
    expect(asked.filter((each) => each.startsWith('POST'))).toEqual([`POST ${TARGET}/token`])
    const ttlOf = async (cache: object, expires_in = 60) => {
      const { exchanges } = scene({ ...others, cache }, {}, { expires_in })
      return (await exchanges.exchange(await tokenOf({}))).ttl
    }
    expect(await ttlOf({ ttl: 10 })).toBe(10)
    expect(await ttlOf({ ttl: 100 })).toBe(60)
    expect(await ttlOf({ enabled: false })).toBe(0)
    expect(await ttlOf({}, -1)).toBe(0)
  })

  test('not if it is too old or too young: that is refused without a call', async () => {
    const { exchanges, asked } = scene(others)
    expect(await codeOf(exchanges.exchange(await tokenOf({ exp: seconds })))).toBe('token_expired')
    expect(await codeOf(exchanges.exchange(await tokenOf({ nbf: seconds + 10 })))).toBe(
      'token_not_yet_valid',
    )
    expect(asked).toEqual([])
  })

  test.each([
    [{}, `GET ${OTHER}/keys`],
    [{ jwks_uri: 'https://keys.test/keys' }, 'GET https://keys.test/keys'],
  ])('after its signature was verified where that is asked for: %j', async (more, place) => {
    const { exchanges, asked } = scene({
      subject_token_issuers: [{ issuer: OTHER, verify_signature: true, ...more }],
    })
    expect(await codeOf(exchanges.exchange(await tokenOf({}, stranger)))).toBe('invalid_signature')
    expect(asked).toContain(place)
    expect(asked.some((each) => each.startsWith('POST'))).toBe(false)
    expect((await exchanges.exchange(await tokenOf({}))).answer.access_token).toBe('new')
  })
})

// prettier-ignore
test.each<[string, object, RegExp | undefined]>([
  ['the provider itself without conditions', { issuer: TARGET },                                              /conditions are required/],
  ['with conditions that are all null',      { issuer: TARGET, conditions: { has_scopes: null } },            /conditions are required/],
  ['the provider itself with a slash',       { issuer: `${TARGET}/` },                                        /conditions are required/],
  ['the provider itself, verified',          { issuer: TARGET, conditions: { has_scopes: ['a'] }, verify_signature: true }, /verify_signature/],
  ['another with conditions',                { issuer: OTHER, conditions: { has_scopes: ['a'] } },            /conditions are only/],
  ['another with conditions that are null',  { issuer: OTHER, conditions: { has_scopes: null } },             undefined],
  ['another',                                { issuer: OTHER, verify_signature: true },                       undefined],
])('a configuration names %s', (_, entry, fault) => {
  const { faults } = check(schema, given({ subject_token_issuers: [entry] }))
  if (fault) expect(JSON.stringify(faults)).toMatch(fault)
  else expect(faults).toBeUndefined()
})
