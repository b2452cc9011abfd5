import { beforeEach, describe, expect, test } from 'bun:test'
import type { Consumer } from '../../../../src/entities/index.ts'
import type { ResponseContext } from '../../../../src/pdk.ts'
import { HeaderList } from '../../../../src/headers.ts'
import { headerOf, messageOf, send, type Sent } from '../context.ts'
import { bearer, create, gatewayOf, HOW_TO, basic } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

const ask = (config: Record<string, unknown>, sent: Sent = {}) =>
  send(create(provider, { auth_methods: ['bearer'], ...config }), sent)
const withToken = async (claims: Record<string, unknown> = {}) => ({
  headers: [bearer(await provider.accessToken(claims))],
})
const BROKEN: Sent = { headers: [bearer('a.b.c')] }
const FORBIDDEN = { scopes_required: ['admin'] }

describe('a refusal', () => {
  test('of a request without credentials names the realm and no error', async () => {
    const { exit } = await ask({})
    expect(exit).toMatchObject({ status: 401, body: '{"message":"Unauthorized"}' })
    expect(exit?.headers).toEqual([
      ['Content-Type', 'application/json; charset=utf-8'],
      ['WWW-Authenticate', 'Bearer realm="provider.test"'],
    ])
    expect(exit?.reason?.code).toBe('no_credentials')
  })

  test('of a bad token says invalid_token, unless expose_error_code is off', async () => {
    expect(headerOf((await ask({}, BROKEN)).exit, 'www-authenticate')).toBe(
      'Bearer realm="provider.test", error="invalid_token"',
    )
    const quiet = await ask({ expose_error_code: false }, BROKEN)
    expect(headerOf(quiet.exit, 'www-authenticate')).toBe('Bearer realm="provider.test"')
  })

  test('of a caller without the scopes is a 403', async () => {
    const { exit } = await ask(FORBIDDEN, await withToken())
    expect(exit).toMatchObject({ status: 403, body: '{"message":"Forbidden"}' })
    expect(headerOf(exit, 'www-authenticate')).toBe(
      'Bearer realm="provider.test", error="insufficient_scope"',
    )
  })

  test('stays a 403 when it is asked again', async () => {
    const handler = create(provider, { auth_methods: ['bearer'], ...FORBIDDEN })
    const sent = await withToken()
    for (let i = 0; i < 3; i++) expect((await send(handler, sent)).exit?.status).toBe(403)
  })

  test('has the messages of the configuration', async () => {
    const messages = { unauthorized_error_message: 'Who?', forbidden_error_message: 'No.' }
    expect(messageOf((await ask(messages)).exit)).toBe('Who?')
    expect(messageOf((await ask({ ...messages, ...FORBIDDEN }, await withToken())).exit)).toBe(
      'No.',
    )
  })

  test('says why where display_errors is on', async () => {
    const { exit } = await ask({ display_errors: true }, BROKEN)
    expect(messageOf(exit)).toBe('Unauthorized (the token is no JWT)')
  })

  // prettier-ignore
  test.each([
    [{ iss: undefined },               `the iss claim is missing in the access token, expected: ${ISSUER}`],
    [{ iss: 'http://x.test' },         `invalid iss claim (http://x.test) was specified for access token, expected: ${ISSUER}`],
    [{ iss: { a: 1 } },                `invalid iss claim was specified for access token, expected: ${ISSUER}`],
    [{ exp: undefined },               'the exp claim is missing in the access token'],
    [{ exp: 1 },                       'invalid exp claim (1) was specified for access token'],
  ])('shows what is wrong with %j in the words of the log', async (claims, reason) => {
    const { exit } = await ask({ display_errors: true }, await withToken(claims))
    expect(messageOf(exit)).toBe(`Unauthorized (${reason})`)
  })

  test('of a token that names no algorithm says so', async () => {
    const header = Buffer.from('{"typ":"JWT"}').toString('base64url')
    const sent = { headers: [bearer(`${header}.${Buffer.from('{}').toString('base64url')}.AAAA`)] }
    const { exit } = await ask({ display_errors: true }, sent)
    expect(messageOf(exit)).toBe('Unauthorized (the token names no algorithm)')
  })

  test('is a redirect where one is configured, each status to its own', async () => {
    const targets = {
      unauthorized_redirect_uri: ['https://a.test/login'],
      forbidden_redirect_uri: ['https://a.test/no'],
    }
    const { exit } = await ask(targets)
    expect(exit).toMatchObject({
      status: 302,
      headers: [
        ['Cache-Control', 'no-store'],
        ['Location', 'https://a.test/login'],
      ],
    })
    const forbidden = await ask({ ...targets, ...FORBIDDEN }, await withToken())
    expect(headerOf(forbidden.exit, 'location')).toBe('https://a.test/no')
    expect(forbidden.exit?.reason?.code).toBe('insufficient_scope')
  })
})

describe('OPTIONS', () => {
  test('is authenticated like the rest', async () => {
    expect((await ask({}, { method: 'OPTIONS' })).exit?.status).toBe(401)
  })

  test('passes where run_on_preflight is off, without what only the gateway may say', async () => {
    const headers = [['Authorization', 'Bearer forged'] as const]
    const { exit, upstream, ctx } = await ask(
      { run_on_preflight: false },
      { method: 'OPTIONS', headers },
    )
    expect(exit).toBeUndefined()
    expect([...upstream]).toEqual([])
    expect(ctx.credential).toBeUndefined()
  })
})

describe('anonymous', () => {
  const nobody = { id: 'n', username: 'nobody' } as Consumer
  const asAnonymous = (config: Record<string, unknown>, sent: Sent, name = 'nobody') => {
    const consumers = {
      find: (id: string) => (id === 'nobody' ? nobody : undefined),
      findByKey: () => undefined,
    }
    const all = { auth_methods: ['bearer'], anonymous: name, ...config }
    return send(create(provider, all, gatewayOf(provider, { consumers })), sent)
  }

  test('stands for who cannot be authenticated', async () => {
    for (const sent of [{}, BROKEN]) {
      const { exit, ctx, upstream } = await asAnonymous({}, sent)
      expect(exit).toBeUndefined()
      expect([ctx.consumer, ctx.isAnonymous]).toEqual([nobody, true])
      expect(upstream.has('authorization')).toBe(false)
    }
  })

  test('stands for who may not pass', async () => {
    const { exit, ctx } = await asAnonymous(FORBIDDEN, await withToken())
    expect(exit).toBeUndefined()
    expect([ctx.consumer, ctx.credential, ctx.isAnonymous]).toEqual([nobody, undefined, true])
  })

  test('does not stand for who is authenticated', async () => {
    const { ctx } = await asAnonymous({}, await withToken())
    expect([ctx.isAnonymous, ctx.credential]).toEqual([false, { id: 'alex-id' }])
  })

  test('that does not exist is a 500', async () => {
    expect((await asAnonymous({}, {}, 'ghost')).exit?.status).toBe(500)
  })

  test('leaves a caller alone whom another plugin has authenticated', async () => {
    const handler = create(provider, { auth_methods: ['bearer'], anonymous: 'nobody' })
    const { TestContext } = await import('../context.ts')
    const ctx = new TestContext({})
    ctx.authenticate(undefined, { id: 'by key' })
    expect(await handler.access?.(ctx)).toBeUndefined()
    expect([ctx.credential, ctx.isAnonymous]).toEqual([{ id: 'by key' }, false])
  })
})

describe('the service is told', () => {
  test('the access token, as the configuration asks for', async () => {
    const sent = await withToken()
    const token = sent.headers[0]![1].slice('Bearer '.length)
    const plain = await ask({ upstream_access_token_header: 'x_token' }, sent)
    expect([...plain.upstream]).toEqual([['X-Token', token]])
    const none = await ask({ upstream_access_token_header: null }, sent)
    expect([...none.upstream]).toEqual([])
  })

  test('claims, as texts or as Base64 of their JSON', async () => {
    const sent = await withToken({ name: 'Ålex', n: 7, ok: true, a: { b: ['x', 'y'] }, none: null })
    const { upstream } = await ask(
      {
        upstream_headers: [
          { header: 'x_name', path: ['name'] },
          { header: 'X-B', path: ['a', 'b'] },
          { header: 'X-None', path: ['none'] },
          { header: 'X-Inherited', path: ['constructor'] },
        ],
        upstream_headers_claims: ['n', 'ok', 'missing'],
        upstream_headers_names: ['X-N', 'X-Ok', 'X-Missing'],
      },
      sent,
    )
    expect(Object.fromEntries([...upstream].slice(1))).toEqual({
      'X-Name': Buffer.from('Ålex').toString('latin1'),
      'X-B': 'WyJ4IiwieSJd',
      'X-N': '7',
      'X-Ok': 'true',
    })
  })

  test('no claim that could break out of its header', async () => {
    const sent = await withToken({ name: 'x\r\nX-Admin: 1' })
    const config = { upstream_headers: [{ header: 'X-Name', path: ['name'] }] }
    expect((await ask(config, sent)).upstream.has('x-name')).toBe(false)
  })

  test("nothing of the client's own where the claim is missing", async () => {
    const { headers } = await withToken()
    const forged = ['X-Name', 'x_name', 'X.NAME'].map((name) => [name, 'admin'] as const)
    const config = { upstream_headers: [{ header: 'X-Name', path: ['name'] }] }
    const { upstream } = await ask(config, { headers: [...headers, ...forged] })
    expect([...upstream].map(([name]) => name)).toEqual(['Authorization'])
  })

  test('the groups of authenticated_groups_claim', async () => {
    const { ctx, upstream } = await ask(
      { authenticated_groups_claim: ['scope'] },
      await withToken(),
    )
    expect(upstream.get('x-authenticated-groups')).toBe('openid, email')
    expect(ctx.authenticatedGroups).toEqual(['openid', 'email'])
  })

  // prettier-ignore
  test.each([
    [['client_id'],   { client_id: 'c1' },     { id: 'c1' }],
    [['a', 'b'],      { a: { b: 7 } },         { id: '7' }],
    [['missing'],     {},                      undefined],
    [['list'],        { list: ['x'] },         undefined],
  ])('the credential of %j', async (credential_claim, claims, credential) => {
    const { ctx } = await ask({ credential_claim }, await withToken(claims))
    expect(ctx.credential).toEqual(credential)
  })
})

test('the client is told what downstream_ headers ask for, each its own', async () => {
  const config = {
    ...HOW_TO,
    downstream_refresh_token_header: 'refresh_token',
    downstream_headers: [{ header: 'X-Sub', path: ['sub'] }],
  }
  const handler = create(provider, config)
  const { ctx, upstream } = await send(handler, { headers: [basic('alex', 'doe')] })
  const told = (request: unknown) => {
    const answer = { request, headers: HeaderList.of([['X-Sub', 'forged']]) }
    handler.header_filter?.(answer as unknown as ResponseContext)
    return Object.fromEntries(answer.headers)
  }
  expect(told(ctx.request)).toEqual({
    'X-Sub': 'alex-id',
    'Refresh-Token': upstream.get('refresh-token')!,
  })
  expect(told({})).toEqual({ 'X-Sub': 'forged' })
})
