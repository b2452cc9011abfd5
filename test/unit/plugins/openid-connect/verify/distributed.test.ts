import { beforeEach, describe, expect, test } from 'bun:test'
import { SignJWT } from 'jose'
import { send } from '../../context.ts'
import { bearer, create, gatewayOf } from '../plugin.ts'
import { ISSUER, ScriptedProvider, type SigningKey, signingKey } from '../provider.ts'

const key = await signingKey('one')
const health = await signingKey('health')
const HEALTH = 'https://health.test'
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
  // The provider plays the other issuer too: its paths are told apart by their ends.
  provider.instead['/health/.well-known/openid-configuration'] = () => ({
    json: { issuer: `${HEALTH}/health`, jwks_uri: `${HEALTH}/health/keys` },
  })
  provider.instead['/health/keys'] = () => ({ json: { keys: [health.jwk] } })
})

const seconds = () => provider.now / 1000

function claims(over: object = {}, by: SigningKey = health, header: object = {}): Promise<string> {
  const all = { iss: `${HEALTH}/health`, groups: ['doctors'], ...over }
  const payload = JSON.parse(JSON.stringify(all)) as Record<string, unknown>
  return new SignJWT(payload)
    .setProtectedHeader({ alg: by.alg, kid: by.kid, ...header })
    .sign(by.privateKey)
}

const CONFIG = {
  auth_methods: ['bearer'],
  resolve_distributed_claims: true,
  groups_claim: ['groups'],
  groups_required: ['doctors'],
}

async function judge(token: object, config: object = {}): Promise<string> {
  const handler = create(provider, { ...CONFIG, ...config })
  const { exit } = await send(handler, {
    headers: [bearer(await provider.accessToken({ ...token }))],
  })
  return exit?.reason?.code ?? 'ok'
}

const from = (source: object, names: object = { groups: 's' }) => ({
  _claim_names: names,
  _claim_sources: { s: source },
})
const MISSING = 'insufficient_groups'

describe('claims of others, in the token (OpenID Connect Core §5.6.2)', () => {
  // prettier-ignore
  test.each([
    ['as they should be',                 'ok',    () => claims()],
    ['of a slash more',                   'ok',    () => claims({ iss: `${HEALTH}/health/` })],
    ['of the provider itself',            'ok',    () => claims({ iss: ISSUER }, key)],
    ['of the provider and the user',      'ok',    () => claims({ iss: ISSUER, sub: 'alex-id' }, key)],
    ['of the provider and another user',  MISSING, () => claims({ iss: ISSUER, sub: 'bob-id' }, key)],
    ['of another’s name for the user',    'ok',    () => claims({ sub: 'patient-7' })],
    ['that last',                         'ok',    () => claims({ exp: seconds() + 1 })],
    ['that are over',                     MISSING, () => claims({ exp: seconds() })],
    ['of the future',                     MISSING, () => claims({ nbf: seconds() + 9 })],
    ['of a stranger',                     MISSING, () => claims({}, key)],
    ['of nobody',                         MISSING, () => claims({ iss: undefined })],
    ['of an issuer without TLS',          MISSING, () => claims({ iss: 'ftp://health.test/health' })],
    ['of an issuer with a password',      MISSING, () => claims({ iss: 'https://a:b@health.test/health' })],
    ['of an issuer that says another',    MISSING, () => claims({ iss: 'https://evil.test/health' })],
    ['of an issuer that cannot be asked', MISSING, () => claims({ iss: 'https://gone.test/gone' })],
    ['that are an access token',          MISSING, () => claims({}, health, { typ: 'at+jwt' })],
    ['without the claim',                 MISSING, () => claims({ groups: undefined })],
    ['that are no JWT',                   MISSING, async () => 'x'],
  ])('%s: %s', async (_, code, make) => {
    expect(await judge(from({ JWT: await make() }))).toBe(code)
  })

  test('are not looked at without resolve_distributed_claims', async () => {
    const config = { resolve_distributed_claims: false }
    expect(await judge(from({ JWT: await claims() }), config)).toBe(MISSING)
  })

  test('are not looked at in a token that anybody could have written', async () => {
    const token = from({ JWT: await claims() })
    expect(await judge(token, { verify_signature: false })).toBe(MISSING)
    expect(provider.requests).not.toContain('GET /health/keys')
  })

  // prettier-ignore
  test.each([
    ['a source that is not there',      { _claim_names: { groups: 'x' }, _claim_sources: { s: {} } }],
    ['a source that is none',           { _claim_names: { groups: 's' }, _claim_sources: { s: null } }],
    ['a source by no name',             { _claim_names: { groups: 1 }, _claim_sources: { s: {} } }],
    ['names that are none',             { _claim_names: ['groups'], _claim_sources: { s: {} } }],
    ['sources that are none',           { _claim_names: { groups: 's' }, _claim_sources: [] }],
    ['a source of the prototype',       { _claim_names: { groups: 'constructor' }, _claim_sources: {} }],
  ])('%s is none', async (_, token) => {
    expect(await judge(token)).toBe(MISSING)
  })

  test('do not replace what the token says, nor what only it may say', async () => {
    const JWT = await claims({ groups: ['doctors'], scope: 'admin', sub: 'admin' })
    expect(await judge({ groups: ['patients'], ...from({ JWT }) })).toBe(MISSING)
    const names = { groups: 's', scope: 's', cnf: 's' }
    const config = { scopes_required: ['admin'] }
    expect(await judge({ scope: undefined, ...from({ JWT }, names) }, config)).toBe(
      'insufficient_scope',
    )
  })
})

describe('claims of others, elsewhere', () => {
  const endpoint = 'http://health.test/health/claims'

  test('are fetched with the token for them', async () => {
    let sent: Headers | undefined
    const gateway = gatewayOf(provider, {
      fetch: (url, request) => {
        if (url === endpoint) sent = new Headers(request.headers)
        return provider.fetch(url, request)
      },
    })
    const text = await claims()
    provider.instead['/health/claims'] = () => ({ text })
    const token = await provider.accessToken(from({ endpoint, access_token: 'ksj3n283dke' }))
    const { exit } = await send(create(provider, CONFIG, gateway), { headers: [bearer(token)] })
    expect(exit).toBeUndefined()
    expect(sent?.get('authorization')).toBe('Bearer ksj3n283dke')
  })

  test('are asked for once, and again when they are over', async () => {
    const text = await claims({ exp: seconds() + 100 })
    provider.instead['/health/claims'] = () => ({ text })
    const handler = create(provider, { ...CONFIG, cache_ttl: 9999 })
    const asked = () => provider.requests.filter((each) => each.endsWith('/claims')).length
    const ask = async () => {
      const token = await provider.accessToken(from({ endpoint }))
      return (await send(handler, { headers: [bearer(token)] })).exit?.reason?.code ?? 'ok'
    }
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['ok', 'ok', 'ok'])
    provider.pass(99)
    expect(await ask()).toBe('ok')
    expect(asked()).toBe(1)
    provider.pass(1)
    expect(await ask()).toBe(MISSING)
    expect(asked()).toBe(2)
    // What failed is not asked for again at once.
    expect(await ask()).toBe(MISSING)
    expect(asked()).toBe(2)
    provider.pass(5)
    expect(await ask()).toBe(MISSING)
    expect(asked()).toBe(3)
  })

  test.each([
    ['ssl_verify', { ssl_verify: false }, { ssl_verify: true }],
    ['https_proxy', { https_proxy: 'http://proxy.test' }, {}],
    ['extra_jwks_uris', { extra_jwks_uris: [`${ISSUER}/keys`] }, {}],
  ])('are asked for again by a plugin with another %s', async (_, one, other) => {
    const text = await claims()
    provider.instead['/health/claims'] = () => ({ text })
    const gateway = gatewayOf(provider)
    const asked = () => provider.requests.filter((each) => each.endsWith('/claims')).length
    const token = await provider.accessToken(from({ endpoint }))
    for (const [config, calls] of [
      [one, 1],
      [one, 1],
      [other, 2],
    ] as const) {
      const handler = create(provider, { ...CONFIG, ...config }, gateway)
      expect((await send(handler, { headers: [bearer(token)] })).exit).toBeUndefined()
      expect(asked()).toBe(calls)
    }
  })

  test('count no longer than they last, however well the token is known', async () => {
    const text = await claims({ exp: seconds() + 100 })
    provider.instead['/health/claims'] = () => ({ text })
    provider.instead['/userinfo'] = () => ({ json: { sub: 'x', ...from({ endpoint }) } })
    const token = await provider.accessToken(from({ endpoint }))
    for (const config of [
      CONFIG,
      {
        ...CONFIG,
        auth_methods: ['userinfo'],
        userinfo_endpoint: `${ISSUER}/userinfo`,
        client_id: ['kong'],
      },
    ]) {
      const handler = create(provider, config)
      const ask = async () =>
        (await send(handler, { headers: [bearer(token)] })).exit?.reason?.code ?? 'ok'
      expect(await ask()).toBe('ok')
      provider.pass(99)
      expect(await ask()).toBe('ok')
      provider.pass(1)
      expect(await ask()).toBe(MISSING)
      provider.pass(-100)
    }
  })

  // prettier-ignore
  test.each([
    ['a status of failure',  { endpoint }, 404],
    ['another scheme',       { endpoint: 'file:///etc/passwd' }, 200],
    ['no URL',               { endpoint: 'claims' }, 200],
    ['no text',              { endpoint: 1 }, 200],
    ['a broken header',      { endpoint, access_token: 'a\r\nX-Admin: 1' }, 200],
  ])('with %s', async (_, source, status) => {
    const text = await claims()
    provider.instead['/health/claims'] = () => ({ text, status })
    const isTaken = status === 200 && source.endpoint === endpoint
    expect(await judge(from(source))).toBe(isTaken ? 'ok' : MISSING)
  })

  test('are not fetched without TLS, unless the provider itself is', async () => {
    const secure = 'https://provider.test/realms/master'
    const gateway = gatewayOf(provider)
    const text = await claims()
    provider.instead['/health/claims'] = () => ({ text })
    provider.instead['/realms/master/.well-known/openid-configuration'] = () => ({
      json: { issuer: secure, jwks_uri: `${secure}/keys` },
    })
    const token = await provider.accessToken({ iss: secure, ...from({ endpoint }) })
    const handler = create(provider, { ...CONFIG, issuer: secure }, gateway)
    const { exit } = await send(handler, { headers: [bearer(token)] })
    expect(exit?.reason?.code).toBe(MISSING)
    expect(provider.requests).not.toContain('GET /health/claims')
  })

  test('are fetched from eight sources at most', async () => {
    provider.instead['/health/claims'] = () => ({ status: 500, json: {} })
    const numbers = Array.from({ length: 20 }, (_, i) => `c${i}`)
    await judge({
      _claim_names: Object.fromEntries(numbers.map((name) => [name, name])),
      _claim_sources: Object.fromEntries(numbers.map((name) => [name, { endpoint }])),
    })
    expect(provider.requests.filter((each) => each.endsWith('/claims')).length).toBe(8)
  })
})
