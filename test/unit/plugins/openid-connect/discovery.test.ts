import { beforeEach, describe, expect, test } from 'bun:test'
import { send, TestContext } from '../context.ts'
import { createIdentityProvider } from '../../../../src/plugins/openid-connect/provider.ts'
import { parseIssuer } from '../../../../src/plugins/openid-connect/issuer.ts'
import { withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { basic, bearer, configure, create, gatewayOf, HOW_TO } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'

const BEARER = { auth_methods: ['bearer'] }
const DOCUMENT = '/realms/master/.well-known/openid-configuration'
const key = await signingKey('one')
const next = await signingKey('two')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const down = () => {
  throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'connect_failed' })
}
const asked = (end: string) => provider.requests.filter((each) => each.endsWith(end)).length
const statusOf = async (handler: ReturnType<typeof create>, token: string) =>
  (await send(handler, { headers: [bearer(token)] })).exit?.status ?? 200

// prettier-ignore
test.each([
  ['https://idp.test/realms/a',                                          'https://idp.test/realms/a',  'oidc'],
  ['https://idp.test/realms/a/.well-known/openid-configuration',         'https://idp.test/realms/a',  'oidc'],
  ['https://idp.test/.well-known/openid-configuration',                  'https://idp.test/',          'oidc'],
  ['https://idp.test/a/.well-known/oauth-authorization-server',          'https://idp.test/a',         'oauth2'],
  ['https://idp.test/.well-known/oauth-authorization-server/a',          'https://idp.test/a',         'oauth2'],
  ['https://idp.test/',                                                  'https://idp.test/',          'oidc'],
])('%s is the issuer %s', (given, href, algorithm) => {
  const issuer = parseIssuer(given)
  expect([issuer?.url.href, issuer?.algorithm]).toEqual([href, algorithm as 'oidc'])
})

describe('the provider is asked', () => {
  test('by no plugin that is only created', async () => {
    create(provider, BEARER)
    expect(provider.requests).toEqual([])
  })

  test('once, by many first requests at once', async () => {
    const handler = create(provider, BEARER)
    const token = await provider.accessToken()
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, i) => provider.accessToken({ i })),
    )
    const all = await Promise.all([token, ...tokens].map((each) => statusOf(handler, each)))
    expect(new Set(all)).toEqual(new Set([200]))
    expect([asked(DOCUMENT), asked('/keys')]).toEqual([1, 1])
  })

  test('once by all plugins that ask alike', async () => {
    const gateway = gatewayOf(provider)
    for (const config of [BEARER, { ...BEARER, scopes_required: ['openid'] }])
      expect(await statusOf(create(provider, config, gateway), await provider.accessToken())).toBe(
        200,
      )
    expect(asked(DOCUMENT)).toBe(1)
    const unchecked = create(provider, { ...BEARER, ssl_verify: false }, gateway)
    await statusOf(unchecked, await provider.accessToken())
    expect(asked(DOCUMENT)).toBe(2)
  })

  test('again after cache_ttl; the verdicts of keys that are the same stay', async () => {
    provider.accessTokenLife = 1000
    const handler = create(provider, { ...BEARER, cache_ttl: 60 })
    const token = await provider.accessToken()
    await statusOf(handler, token)
    provider.pass(59)
    await statusOf(handler, token)
    expect(asked(DOCUMENT)).toBe(1)
    provider.pass(2)
    expect(await statusOf(handler, token)).toBe(200)
    expect(asked(DOCUMENT)).toBe(2)
  })

  test('with the headers of the configuration', async () => {
    const seen: (string | null)[] = []
    const gateway = gatewayOf(provider, {
      fetch: (url, request) => {
        seen.push(new Headers(request.headers).get('x-tenant'))
        return provider.fetch(url, request)
      },
    })
    const headers = { discovery_headers_names: ['X-Tenant'], discovery_headers_values: ['t1'] }
    await statusOf(
      create(provider, { ...BEARER, ...headers }, gateway),
      await provider.accessToken(),
    )
    expect(seen).toEqual(['t1', null])
  })
})

test('keys that were loaded again are the same object if nothing has changed', async () => {
  const gateway = gatewayOf(provider)
  const config = withDefaults(configure({ cache_ttl: 60 }))
  const { discovery } = createIdentityProvider(config, gateway)
  const first = await discovery.load()
  provider.pass(61)
  expect(discovery.current()).toBeUndefined()
  const second = await discovery.load()
  expect(second.keys).toBe(first.keys)
  provider.jwks = [next.jwk]
  provider.pass(61)
  expect((await discovery.load()).keys).not.toBe(first.keys)
})

describe('an unknown key', () => {
  test('makes the gateway ask again, once in rediscovery_lifetime', async () => {
    const handler = create(provider, BEARER)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    provider.jwks = [key.jwk, next.jwk]
    const token = await provider.accessToken({}, next)
    expect(await statusOf(handler, token)).toBe(401)
    expect(asked('/keys')).toBe(1)
    provider.pass(31)
    expect(await statusOf(handler, token)).toBe(200)
    expect(asked('/keys')).toBe(2)
  })

  test('of 150 tokens at once is one more question', async () => {
    const handler = create(provider, BEARER)
    await statusOf(handler, await provider.accessToken())
    provider.pass(31)
    const stranger = await signingKey('three')
    const tokens = await Promise.all(
      Array.from({ length: 150 }, (_, i) => provider.accessToken({ i }, stranger)),
    )
    const all = await Promise.all(tokens.map((token) => statusOf(handler, token)))
    expect(new Set(all)).toEqual(new Set([401]))
    expect(asked('/keys')).toBe(2)
  })

  test('leaves the known keys in use when the provider is down', async () => {
    const handler = create(provider, BEARER)
    await statusOf(handler, await provider.accessToken())
    provider.instead = { [DOCUMENT]: down }
    provider.pass(31)
    expect(await statusOf(handler, await provider.accessToken({}, next))).toBe(401)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  })
})

describe('a provider that is down', () => {
  test('at start is found when it comes up, at the latest after five seconds', async () => {
    const handler = create(provider, HOW_TO)
    const sent = { headers: [basic('alex', 'doe')] }
    provider.instead = { [DOCUMENT]: down }
    const { exit } = await send(handler, sent)
    expect([exit?.status, exit?.reason?.code]).toEqual([401, 'provider_unreachable'])
    provider.instead = {}
    provider.pass(4)
    expect((await send(handler, sent)).exit?.status).toBe(401)
    expect(asked(DOCUMENT)).toBe(1)
    provider.pass(1)
    expect((await send(handler, sent)).exit).toBeUndefined()
  })

  test('later is asked once in five seconds, and what is known serves without a promise', async () => {
    const handler = create(provider, { ...BEARER, cache_ttl: 60 })
    const sent = { headers: [bearer(await provider.accessToken())] }
    await send(handler, sent)
    provider.instead = { [DOCUMENT]: down }
    provider.pass(61)
    expect((await send(handler, sent)).exit).toBeUndefined()
    expect(handler.access?.(new TestContext(sent))).toBeUndefined()
    expect(asked(DOCUMENT)).toBe(2)
  })

  test('later is no matter: what is known serves on', async () => {
    provider.accessTokenLife = 100_000
    const handler = create(provider, BEARER)
    const token = await provider.accessToken()
    await statusOf(handler, token)
    provider.instead = { [DOCUMENT]: down }
    provider.pass(3601)
    expect(await statusOf(handler, token)).toBe(200)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    provider.pass(6)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    expect(asked(DOCUMENT)).toBe(3)
  })

  test('that hangs keeps one request waiting; the others go on with what is known', async () => {
    provider.accessTokenLife = 100_000
    const handler = create(provider, BEARER)
    await statusOf(handler, await provider.accessToken())
    const { promise, reject } = Promise.withResolvers<never>()
    provider.instead = { [DOCUMENT]: () => promise }
    provider.pass(3601)
    const waiting = statusOf(handler, await provider.accessToken())
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    reject(Object.assign(new Error('slow'), { code: 'read_timeout' }))
    expect(await waiting).toBe(200)
  })
})

describe('what is configured goes before what is discovered', () => {
  test('a pseudo issuer is never asked', async () => {
    const config = { ...BEARER, using_pseudo_issuer: true, jwks_endpoint: `${ISSUER}/keys` }
    expect(await statusOf(create(provider, config), await provider.accessToken())).toBe(200)
    expect(provider.requests).toEqual(['GET /realms/master/keys'])
  })

  test('jwks_endpoint is enough where discovery fails', async () => {
    provider.instead = { [DOCUMENT]: down }
    const handler = create(provider, { ...BEARER, jwks_endpoint: `${ISSUER}/keys` })
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  })

  test('and discovery is tried again soon, so that tokens can be asked for', async () => {
    provider.instead = { [DOCUMENT]: down }
    const handler = create(provider, { ...HOW_TO, jwks_endpoint: `${ISSUER}/keys` })
    const sent = { headers: [basic('alex', 'doe')] }
    expect((await send(handler, sent)).exit?.status).toBe(401)
    provider.instead = {}
    provider.pass(31)
    expect((await send(handler, sent)).exit).toBeUndefined()
  })

  test('extra_jwks_uris add keys; the same address twice is asked once', async () => {
    provider.instead['/more'] = () => ({ json: { keys: [next.jwk] } })
    const extra = { extra_jwks_uris: [`${ISSUER}/more`, `${ISSUER}/keys`] }
    const handler = create(provider, { ...BEARER, ...extra })
    expect(await statusOf(handler, await provider.accessToken({}, next))).toBe(200)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    expect(asked('/keys')).toBe(1)
  })

  test('one address of keys that fails leaves the others', async () => {
    provider.instead['/more'] = down
    const handler = create(provider, { ...BEARER, extra_jwks_uris: [`${ISSUER}/more`] })
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  })

  test('keys whose address fails when they are due again are kept beside the others', async () => {
    provider.instead['/more'] = () => ({ json: { keys: [next.jwk] } })
    const handler = create(provider, { ...BEARER, extra_jwks_uris: [`${ISSUER}/more`] })
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
    provider.instead['/keys'] = down
    provider.pass(3601)
    expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  })

  test('token_endpoint', async () => {
    provider.instead['/elsewhere'] = () => ({ json: { access_token: 'x', token_type: 'bearer' } })
    const handler = create(provider, { ...HOW_TO, token_endpoint: `${ISSUER}/elsewhere` })
    const { upstream } = await send(handler, { headers: [basic('alex', 'doe')] })
    expect(upstream.get('authorization')).toBe('Bearer x')
  })
})

test('a provider that calls itself otherwise is warned of once, and its name counts', async () => {
  const gateway = gatewayOf(provider)
  const issuer = 'http://internal.test/realms/master'
  const handler = create(provider, { ...BEARER, issuer }, gateway)
  expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  provider.pass(3601)
  expect(await statusOf(handler, await provider.accessToken())).toBe(200)
  expect(await statusOf(handler, await provider.accessToken({ iss: issuer }))).toBe(401)
  expect(gateway.lines).toEqual([
    `kong.yaml:1 openid-connect: issuer is ${issuer}, but the provider calls itself ${ISSUER}, which is what tokens must say`,
  ])
})

test('an https issuer does not lead to http endpoints', async () => {
  const handler = create(provider, { ...HOW_TO, issuer: 'https://provider.test/realms/master' })
  const { exit } = await send(handler, { headers: [basic('alex', 'doe')] })
  expect([exit?.status, exit?.reason?.code]).toEqual([401, 'provider_invalid_response'])
  expect(provider.calls).toBe(0)
})
