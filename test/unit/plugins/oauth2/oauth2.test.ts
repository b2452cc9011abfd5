import { expect, test } from 'bun:test'
import { createHash, pbkdf2Sync } from 'node:crypto'
import { indexConsumers } from '../../../../src/consumers.ts'
import { hashPassword } from '../../../../src/entities/password.ts'
import type { Exit } from '../../../../src/pdk.ts'
import { oauth2 } from '../../../../src/plugins/oauth2/index.ts'
import { oauth2Tokens } from '../../../../src/plugins/oauth2_tokens.ts'
import { check } from '../../../../src/schema/check.ts'
import { headerOf, type Sent, TestContext, testGateway } from '../context.ts'

const ann = { id: 'a', username: 'ann', custom_id: '42' }
const nobody = { id: 'n', username: 'nobody' }
const KEPT = `$pbkdf2-sha512$i=10000,l=32$${Buffer.from('0123456789abcdef').toString('base64').replace(/=+$/, '')}$${pbkdf2Sync('hashed', '0123456789abcdef', 10_000, 32, 'sha512').toString('base64').replace(/=+$/, '')}`

const application = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  consumer: { id: 'a' },
  name: id,
  client_id: id,
  client_secret: 'secret',
  hash_secret: false,
  client_type: 'confidential',
  redirect_uris: ['https://app.test/back', 'https://app.test/there?a=b&flag&c=1&c=2'],
  ...more,
})

const APPLICATIONS = [
  application('client'),
  application('other'),
  application('machine', { redirect_uris: undefined }),
  application('public', { client_type: 'public' }),
  application('typed', { hash_secret: true, client_secret: hashPassword('typed', 'a') }),
  application('kept', { hash_secret: true, client_secret: KEPT }),
]

const TOKENS = [
  {
    id: 't1',
    credential: { id: 'client' },
    expires_in: 60,
    access_token: 'local',
    service: { id: 's' },
    created_at: 1000,
  },
  {
    id: 't2',
    credential: { id: 'client' },
    expires_in: 60,
    access_token: 'global',
    refresh_token: 'again',
    scope: 'email',
    authenticated_userid: 'u',
  },
  {
    id: 't3',
    credential: { id: 'client' },
    expires_in: 0,
    access_token: 'endless',
    service: { id: 's' },
    created_at: 1,
  },
]

function consumersOf(applications: readonly object[] = APPLICATIONS) {
  return indexConsumers({
    acls: [],
    consumer_groups: [],
    consumer_group_consumers: [],
    jwt_secrets: [],
    keyauth_credentials: [],
    mtls_auth_credentials: [],
    basicauth_credentials: [],
    consumers: [ann, nobody] as never,
    oauth2_credentials: applications as never,
    oauth2_tokens: TOKENS as never,
  })
}

const ALL = {
  provision_key: 'provision',
  enable_authorization_code: true,
  enable_implicit_grant: true,
  enable_client_credentials: true,
  enable_password_grant: true,
}

/** Where a request comes to. */
interface At {
  readonly path?: string
  readonly scheme?: string
  readonly service?: string | undefined
  readonly isPeerTrusted?: boolean
}

/** A gateway with the plugin, whose clock stands until a test moves it. */
function scene(config: Record<string, unknown> = {}) {
  const clock = { now: 1_000_000 }
  const gateway = testGateway({ consumers: consumersOf(), now: () => clock.now })

  function entity(config: Record<string, unknown>, id = 'plugin', consumers = gateway.consumers) {
    const checked = check(oauth2.schema, { ...ALL, ...config })
    if (checked.faults) throw new Error(JSON.stringify(checked.faults))
    const handler = oauth2.create(checked.value, { ...gateway, consumers, id })

    async function send(sent: Sent, at: At = {}) {
      const { path = '/', scheme = 'https', isPeerTrusted = false } = at
      const service = 'service' in at ? at.service : 's'
      const ctx = new TestContext(sent)
      Object.assign(ctx.request, { path, scheme, isPeerTrusted })
      Object.assign(ctx, { service: service === undefined ? undefined : { id: service } })
      const exit = (await handler.access?.(ctx)) ?? undefined
      return { ctx, exit, upstream: ctx.upstream.headers }
    }
    const post =
      (path: string) =>
      async (
        parameters: Record<string, unknown>,
        at: At = {},
        headers: [string, string][] = [],
      ) => {
        const body = JSON.stringify(parameters)
        const fields = [['content-type', 'application/json'] as const, ...headers]
        return (await send({ method: 'POST', headers: fields, body }, { path, ...at })).exit
      }
    return {
      send,
      token: post('/any/oauth2/token'),
      authorize: post('/any/oauth2/authorize'),
      bearer: (token: string, at: At = {}) =>
        send({ headers: [['Authorization', `Bearer ${token}`]] }, at),
    }
  }
  return { ...entity(config), entity, gateway, clock }
}

type Scene = ReturnType<typeof scene>

const AS_CLIENT = { client_id: 'client', client_secret: 'secret' }
const OWN = { ...AS_CLIENT, grant_type: 'client_credentials' }
const LOGIN = { provision_key: 'provision', authenticated_userid: 'id123', client_id: 'client' }
const CODE = { ...LOGIN, response_type: 'code' }
const PASSWORD = { ...OWN, ...LOGIN, grant_type: 'password' }

function json(exit: Exit | undefined): Record<string, unknown> {
  return JSON.parse(String(exit?.body)) as Record<string, unknown>
}

/** The status, and the error or what stands in its place. */
function outcome(exit: Exit | undefined): unknown[] {
  const { error, error_description } = json(exit)
  return [exit?.status, error, error_description]
}

const textOf = (value: unknown) => String(value)

async function codeOf(at: Pick<Scene, 'authorize'>, more: Record<string, unknown> = {}) {
  const exit = await at.authorize({ ...CODE, ...more })
  return new URL(textOf(json(exit).redirect_uri)).searchParams.get('code') ?? ''
}

const redeem = (code: string, more: Record<string, unknown> = {}) => ({
  ...AS_CLIENT,
  grant_type: 'authorization_code',
  code,
  ...more,
})

test('the fields have the defaults of Kong 3.15', () => {
  const checked = check(oauth2.schema, { enable_client_credentials: true })
  const { provision_key, ...config } = checked.value!
  expect(provision_key).toMatch(/^\w{32}$/)
  expect(config).toEqual({
    accept_http_if_already_terminated: false,
    anonymous: undefined,
    auth_header_name: 'authorization',
    enable_authorization_code: false,
    enable_client_credentials: true,
    enable_implicit_grant: false,
    enable_password_grant: false,
    global_credentials: false,
    hide_credentials: true,
    mandatory_scope: false,
    pkce: 'lax',
    realm: undefined,
    refresh_token_ttl: 1_209_600,
    reuse_refresh_token: false,
    scopes: undefined,
    token_expiration: 7200,
  })
})

test.each([
  [
    {},
    'at least one of these fields must be true: enable_authorization_code, enable_implicit_grant, enable_client_credentials, enable_password_grant',
  ],
  [{ enable_implicit_grant: true, mandatory_scope: true }, 'required field missing'],
  [{ enable_implicit_grant: true, pkce: 'some' }, 'expected one of: none, lax, strict'],
  [
    { enable_implicit_grant: true, refresh_token_ttl: -1 },
    'value should be between 0 and 100000000',
  ],
])('a configuration is refused: %j', (config, message) => {
  expect(check(oauth2.schema, config).faults?.map((fault) => fault.message)).toContain(message)
})

test('an application gets a token of its own, and comes in with it', async () => {
  const { token, bearer } = scene()
  const exit = await token(OWN)
  expect(exit?.status).toBe(200)
  expect(headerOf(exit, 'cache-control')).toBe('no-store')
  expect(headerOf(exit, 'pragma')).toBe('no-cache')
  expect(headerOf(exit, 'www-authenticate')).toBeUndefined()
  const { access_token, ...rest } = json(exit)
  expect(rest).toEqual({ token_type: 'bearer', expires_in: 7200 })
  expect(access_token).toMatch(/^[A-Za-z0-9]{32}$/)
  const { ctx, exit: refusal, upstream } = await bearer(textOf(access_token))
  expect(refusal).toBeUndefined()
  expect([ctx.consumer, ctx.credential?.identifier]).toEqual([ann as never, 'client'])
  expect(upstream.get('authorization')).toBeUndefined()
  expect(upstream.get('x-authenticated-userid')).toBeUndefined()
})

// prettier-ignore
test.each([
  ['another grant type',              { ...OWN, grant_type: 'magic' },                     400, 'unsupported_grant_type', 'Invalid grant_type'],
  ['no grant type',                   { ...AS_CLIENT },                                    400, 'unsupported_grant_type', 'Invalid grant_type'],
  ['a name of every object',          { ...OWN, grant_type: 'constructor' },               400, 'unsupported_grant_type', 'Invalid grant_type'],
  ['a wrong secret',                  { ...OWN, client_secret: 'wrong' },                  400, 'invalid_client', 'Invalid client authentication'],
  ['no secret',                       { ...OWN, client_secret: undefined },                400, 'invalid_client', 'Invalid client authentication'],
  ['a secret twice',                  { ...OWN, client_secret: ['secret', 'secret'] },     400, 'invalid_client', 'Invalid client authentication'],
  ['nobody’s id',                     { ...OWN, client_id: 'eve' },                        400, 'invalid_client', 'Invalid client authentication'],
  ['an empty id',                     { ...OWN, client_id: '', client_secret: '' },        400, 'invalid_client', 'Invalid client authentication'],
  ['a user without the key',          { ...OWN, authenticated_userid: 'u' },               400, 'invalid_provision_key', 'Invalid provision_key'],
  ['a user with a wrong key',         { ...OWN, authenticated_userid: 'u', provision_key: 'x' }, 400, 'invalid_provision_key', 'Invalid provision_key'],
  ['an application without a secret', { ...OWN, client_id: 'public', client_secret: undefined }, 400, 'unauthorized_client', 'client_credentials is disallowed for public clients'],
  ['a secret that cannot be',         { ...OWN, client_id: 'public' },                     400, 'invalid_request', 'client_secret is disallowed for public clients'],
  ['a password without the key',      { ...PASSWORD, provision_key: undefined },           400, 'invalid_provision_key', 'Invalid provision_key'],
  ['a password of nobody',            { ...PASSWORD, authenticated_userid: ' ' },          400, 'invalid_authenticated_userid', 'Missing authenticated_userid parameter'],
  ['no place to go back to',          { ...PASSWORD, client_id: 'machine' },               400, 'invalid_client', 'Invalid client authentication'],
  ['another place to go back to',     { ...PASSWORD, redirect_uri: 'https://eve.test' },   400, 'invalid_request', 'Invalid redirect_uri that does not match with any redirect_uri created with the application'],
  ['no code',                         { ...AS_CLIENT, grant_type: 'authorization_code' },  400, 'invalid_request', 'Invalid code'],
  ['a code that nobody gave',         redeem('x'),                                         400, 'invalid_request', 'Invalid code'],
  ['no refresh token',                { ...AS_CLIENT, grant_type: 'refresh_token' },       400, 'invalid_request', 'Invalid refresh_token'],
])('the token endpoint refuses %s', async (_, parameters, ...expected) => {
  const exit = await scene().token({ ...parameters, state: 'st' })
  expect(outcome(exit)).toEqual(expected)
  expect(json(exit).state).toBe('st')
  expect(headerOf(exit, 'cache-control')).toBe('no-store')
  expect(headerOf(exit, 'www-authenticate')).toBeUndefined()
})

test('a grant that is off is none', async () => {
  const off = { enable_client_credentials: false, enable_password_grant: false }
  const { token } = scene(off)
  for (const parameters of [OWN, PASSWORD])
    expect(outcome(await token(parameters))[1]).toBe('unsupported_grant_type')
})

test('an application may say who it is in the header; then a fault is 401', async () => {
  const { token } = scene()
  const basic = (text: string): [string, string][] => [['authorization', `Basic ${btoa(text)}`]]
  const own = { grant_type: 'client_credentials' }
  expect((await token(own, {}, basic('client:secret')))?.status).toBe(200)
  expect((await token({ ...own, client_id: 'x' }, {}, basic('client:secret')))?.status).toBe(200)
  const wrong = await token(own, {}, basic('client:wrong'))
  expect(outcome(wrong).slice(0, 2)).toEqual([401, 'invalid_client'])
  expect(headerOf(wrong, 'www-authenticate')).toBe('Basic realm="OAuth2.0"')
  const garbled = await token({ grant_type: 'password' }, {}, [['authorization', 'Basic %%%']])
  expect(garbled?.status).toBe(401)
  // As in Kong: this grant alone says 400 of somebody whom nobody knows.
  expect((await token(own, {}, basic('eve:secret')))?.status).toBe(400)
})

test('secrets may be kept as hashes: those that were typed, and those of Kong’s database', async () => {
  const { token } = scene()
  const status = async (client_id: string, client_secret: string) =>
    (await token({ ...OWN, client_id, client_secret }))?.status
  expect(await status('typed', 'typed')).toBe(200)
  expect(await status('typed', hashPassword('typed', 'a'))).toBe(400)
  expect(await status('kept', 'hashed')).toBe(200)
  expect(await status('kept', 'wrong')).toBe(400)
  expect(await status('kept', KEPT)).toBe(400)
})

test('nothing is given over HTTP, unless a trusted proxy was asked by HTTPS', async () => {
  const forwarded = (proto: string): [string, string][] => [['x-forwarded-proto', proto]]
  const plain = { scheme: 'http', isPeerTrusted: true }
  const strict = scene()
  const https = [400, 'access_denied', 'You must use HTTPS']
  for (const endpoint of [strict.token, strict.authorize])
    expect(outcome(await endpoint({ ...OWN, ...CODE }, plain, forwarded('https')))).toEqual(https)
  const { token } = scene({ accept_http_if_already_terminated: true })
  expect((await token(OWN, plain, forwarded('HTTPS')))?.status).toBe(200)
  expect(outcome(await token(OWN, plain, forwarded('http')))).toEqual(https)
  expect(outcome(await token(OWN, plain))).toEqual(https)
  expect(outcome(await token(OWN, { scheme: 'http' }, forwarded('https')))).toEqual(https)
  expect(outcome(await token(OWN, plain, forwarded('https, http')))[2]).toBe(
    'Only one X-Forwarded-Proto header allowed',
  )
})

test('other methods than POST are told so', async () => {
  for (const [path, name] of [
    ['/x/oauth2/token/', 'token'],
    ['/oauth2/authorize', 'authorization'],
  ]) {
    const { exit } = await scene({ realm: 'mine' }).send({ method: 'GET' }, { path: path! })
    const description = `The HTTP method GET is invalid for the ${name} endpoint`
    expect(outcome(exit)).toEqual([405, 'invalid_method', description])
    expect(headerOf(exit, 'www-authenticate')).toBe(
      `Bearer realm="mine", error="invalid_method", error_description="${description}"`,
    )
  }
})

test('parameters may stand in the query, a form or a multipart body; the body goes before the query', async () => {
  const { send } = scene()
  const path = '/oauth2/token'
  const form = 'grant_type=client_credentials&client_id=client&client_secret=secret'
  const status = async (sent: Sent) =>
    (await send({ method: 'POST', ...sent }, { path })).exit?.status
  const asForm: [string, string][] = [['content-type', 'application/x-www-form-urlencoded']]
  expect(await status({ query: form })).toBe(200)
  expect(await status({ headers: asForm, body: form })).toBe(200)
  expect(await status({ query: 'client_secret=wrong', headers: asForm, body: form })).toBe(200)
  expect(await status({ headers: asForm, body: `${form}&client_secret=secret` })).toBe(400)
  expect(await status({ headers: [['content-type', 'application/json']], body: '{' })).toBe(400)
  const parts = Object.entries(OWN).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const multipart: [string, string][] = [['content-type', 'multipart/form-data; boundary=b']]
  expect(await status({ headers: multipart, body: `${parts.join('')}--b--\r\n` })).toBe(200)
})

test('scopes are checked where there are any', async () => {
  const { token, bearer } = scene({ scopes: ['email', 'profile'], mandatory_scope: true })
  const ask = (scope: unknown) => token({ ...OWN, scope })
  expect(outcome(await ask(undefined))).toEqual([400, 'invalid_scope', 'You must specify a scope'])
  expect(outcome(await ask(' '))[2]).toBe('You must specify a scope')
  expect(outcome(await ask(['email']))[2]).toBe('scope must be a string')
  expect(outcome(await ask('email "x'))[2]).toBe('""x" is an invalid scope')
  const { access_token } = json(await ask('email  profile'))
  const { upstream } = await bearer(textOf(access_token))
  expect(upstream.get('x-authenticated-scope')).toBe('email profile')
  const free = scene()
  const other = json(await free.token({ ...OWN, scope: 'anything' }))
  expect(
    (await free.bearer(textOf(other.access_token))).upstream.get('x-authenticated-scope'),
  ).toBeUndefined()
})

test('who has checked a password gets tokens for the user', async () => {
  const { token, bearer } = scene()
  const { access_token, refresh_token } = json(await token(PASSWORD))
  expect(refresh_token).toMatch(/^\w{32}$/)
  const { upstream } = await bearer(textOf(access_token))
  expect(upstream.get('x-authenticated-userid')).toBe('id123')
})

// prettier-ignore
test.each([
  ['nothing',                {},                                               'invalid_provision_key', 'Invalid provision_key'],
  ['no user',                { provision_key: 'provision' },                   'invalid_authenticated_userid', 'Missing authenticated_userid parameter'],
  ['no application',         { ...CODE, client_id: undefined },                'invalid_client', 'Invalid client authentication'],
  ['no place to go back to', { ...CODE, client_id: 'machine' },                'invalid_client', 'Invalid client authentication'],
])('the authorization endpoint refuses %s', async (_, parameters, ...expected) => {
  expect(outcome(await scene().authorize(parameters))).toEqual([400, ...expected])
})

// prettier-ignore
test.each([
  ['no response type',   { ...CODE, response_type: undefined },               'error=unsupported_response_type&error_description=Invalid%20response_type&state=s%20t'],
  ['a bad scope',        { ...CODE, scope: 'wot' },                           'error=invalid_scope&error_description=%22wot%22%20is%20an%20invalid%20scope&state=s%20t'],
  ['another place',      { ...CODE, redirect_uri: 'https://eve.test' },       'error=invalid_request&error_description=Invalid%20redirect_uri%20that%20does%20not%20match%20with%20any%20redirect_uri%20created%20with%20the%20application&state=s%20t'],
  ['a plain challenge',  { ...CODE, code_challenge: 'x', code_challenge_method: 'plain' }, 'error=invalid_request&error_description=code_challenge_method%20is%20not%20supported%2c%20must%20be%20S256&state=s%20t'],
  ['no challenge',       { ...CODE, code_challenge_method: 'S256' },          'error=invalid_request&error_description=code_challenge%20is%20required%20when%20code_method%20is%20present&state=s%20t'],
  ['a public one without a challenge', { ...CODE, client_id: 'public' },      'error=invalid_request&error_description=code_challenge%20is%20required%20for%20public%20clients&state=s%20t'],
])('a browser is sent back with an error: %s', async (_, parameters, query) => {
  const exit = await scene({ scopes: ['email'] }).authorize({ ...parameters, state: 's t' })
  expect(exit?.status).toBe(400)
  expect(json(exit)).toEqual({ redirect_uri: `https://app.test/back?${query}` })
})

test('a code is sent back beside the arguments that are there, and an implicit token in the fragment', async () => {
  const { authorize, bearer } = scene()
  const redirect_uri = 'https://app.test/there?a=b&flag&c=1&c=2'
  const exit = await authorize({ ...CODE, redirect_uri, state: 'st' })
  expect(exit?.status).toBe(200)
  expect(json(exit).redirect_uri).toMatch(
    /^https:\/\/app\.test\/there\?a=b&c%5b1%5d=1&c%5b2%5d=2&code=\w{32}&flag=true&state=st$/,
  )
  const implicit = json(await authorize({ ...CODE, response_type: 'token', redirect_uri }))
  const [, access_token] =
    /^https:\/\/app\.test\/there\?a=b&flag&c=1&c=2#access_token=(\w{32})&expires_in=7200&token_type=bearer$/.exec(
      textOf(implicit.redirect_uri),
    )!
  expect((await bearer(access_token!)).upstream.get('x-authenticated-userid')).toBe('id123')
  const off = scene({ enable_implicit_grant: false, enable_authorization_code: false })
  for (const response_type of ['code', 'token'])
    expect(textOf(json(await off.authorize({ ...CODE, response_type })).redirect_uri)).toContain(
      'unsupported_response_type',
    )
})

test('a code is good for one token, for five minutes, for its own application', async () => {
  const all = scene()
  const code = await codeOf(all, { scope: 'x' })
  expect(outcome(await all.token(redeem(code, { client_id: 'other' })))[2]).toBe('Invalid code')
  expect(outcome(await all.token(redeem(code), { service: 'other' }))[2]).toBe('Invalid code')
  const [first, second] = await Promise.all([all.token(redeem(code)), all.token(redeem(code))])
  expect([first?.status, second?.status].sort()).toEqual([200, 400])
  expect(Object.keys(json(first)).sort()).toEqual([
    'access_token',
    'expires_in',
    'refresh_token',
    'token_type',
  ])
  const late = await codeOf(all)
  all.clock.now += 301_000
  expect((await all.token(redeem(late)))?.status).toBe(400)
})

test('a code of one plugin entity is none of another, even if credentials are global', async () => {
  const one = scene({ global_credentials: true })
  const other = one.entity({ global_credentials: true }, 'another')
  const code = await codeOf(one)
  expect(outcome(await other.token(redeem(code)))[2]).toBe('Invalid code')
  expect((await one.token(redeem(code)))?.status).toBe(200)
})

const VERIFIER = 'v'.repeat(43)
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

// prettier-ignore
test.each([
  ['none',                   undefined,          'invalid_request', 'code_verifier is required for PKCE authorization requests'],
  ['one that is no text',    7,                  'invalid_request', 'code_verifier is not a string'],
  ['an empty one',           '',                 'invalid_request', 'code_verifier must be between 43 and 128 characters'],
  ['a long one',             'v'.repeat(129),    'invalid_request', 'code_verifier must be between 43 and 128 characters'],
  ['another one',            'w'.repeat(43),     'invalid_grant', 'Invalid code'],
])('who began with a challenge has to bring its verifier, not %s', async (_, code_verifier, ...expected) => {
  for (const pkce of ['none', 'lax', 'strict']) {
    const all = scene({ pkce })
    const code = await codeOf(all, { code_challenge: `${CHALLENGE}=`, code_challenge_method: 's256' })
    expect(outcome(await all.token(redeem(code, { code_verifier })))).toEqual([400, ...expected])
    expect((await all.token(redeem(code, { code_verifier: VERIFIER })))?.status).toBe(200)
  }
})

test('pkce says who has to begin with a challenge', async () => {
  const secretless = { client_id: 'public', client_secret: undefined }
  const none = scene({ pkce: 'none' })
  const free = await codeOf(none, { client_id: 'public' })
  expect((await none.token(redeem(free, secretless)))?.status).toBe(200)
  const lax = scene()
  const proved = await codeOf(lax, { client_id: 'public', code_challenge: CHALLENGE })
  expect(
    (await lax.token(redeem(proved, { ...secretless, code_verifier: VERIFIER })))?.status,
  ).toBe(200)
  const strict = scene({ pkce: 'strict' })
  expect(textOf(json(await strict.authorize(CODE)).redirect_uri)).toContain(
    'code_challenge%20is%20required%20for%20confidential%20clients',
  )
})

const renew = (refresh_token: unknown, more: Record<string, unknown> = {}) => ({
  ...AS_CLIENT,
  grant_type: 'refresh_token',
  refresh_token,
  ...more,
})

test('a refresh token is good for one pair of tokens, and the old pair is over', async () => {
  const { token, bearer, clock } = scene({ scopes: ['email'] })
  const before = json(await token({ ...PASSWORD, scope: 'email' }))
  clock.now += 8_000_000
  const refresh = before.refresh_token
  expect(outcome(await token(renew(refresh, { client_id: 'other' })))[1]).toBe('invalid_client')
  expect(outcome(await token(renew(refresh), { service: 'other' }))[2]).toBe(
    'Invalid refresh_token',
  )
  const after = json(await token(renew(refresh)))
  expect(after.refresh_token).toMatch(/^\w{32}$/)
  expect(after.refresh_token).not.toBe(refresh)
  expect(outcome(await token(renew(refresh)))[2]).toBe('Invalid refresh_token')
  expect((await bearer(textOf(before.access_token))).exit?.status).toBe(401)
  const { upstream, exit } = await bearer(textOf(after.access_token))
  expect(exit).toBeUndefined()
  expect(upstream.get('x-authenticated-userid')).toBe('id123')
  expect(upstream.get('x-authenticated-scope')).toBe('email')
})

test('with reuse_refresh_token it stays, and the access token before is over at once', async () => {
  const { token, bearer } = scene({ reuse_refresh_token: true })
  const before = json(await token(PASSWORD))
  const after = json(await token(renew(before.refresh_token)))
  expect(after.refresh_token).toBe(before.refresh_token)
  expect((await bearer(textOf(before.access_token))).exit?.status).toBe(401)
  expect((await bearer(textOf(after.access_token))).exit).toBeUndefined()
  expect((await token(renew(before.refresh_token)))?.status).toBe(200)
})

test('a scope that there is no more is not renewed', async () => {
  const all = scene({ scopes: ['email', 'profile'] })
  const { refresh_token } = json(await all.token({ ...PASSWORD, scope: 'profile' }))
  const { token } = all.entity({ scopes: ['email'] })
  expect(outcome(await token(renew(refresh_token)))).toEqual([
    400,
    'invalid_scope',
    'Scope mismatch',
  ])
})

test('tokens end when they should', async () => {
  const { token, bearer, clock, entity } = scene({ token_expiration: 5, refresh_token_ttl: 60 })
  const { access_token, refresh_token, expires_in } = json(await token(PASSWORD))
  expect(expires_in).toBe(5)
  clock.now += 4000
  expect((await bearer(textOf(access_token))).exit).toBeUndefined()
  clock.now += 2000
  expect(outcome((await bearer(textOf(access_token))).exit)[1]).toBe('invalid_token')
  clock.now += 60_000
  expect((await token(renew(refresh_token)))?.status).toBe(400)
  const endless = entity({ token_expiration: 0 })
  const given = json(await endless.token(PASSWORD))
  expect(Object.keys(given)).toEqual(['access_token', 'token_type'])
  clock.now += 1e12
  expect((await endless.bearer(textOf(given.access_token))).exit).toBeUndefined()
})

test('a token is for its service, unless credentials are global', async () => {
  const local = scene()
  const mine = textOf(json(await local.token(OWN)).access_token)
  expect((await local.bearer(mine, { service: 'other' })).exit?.status).toBe(401)
  const shared = local.entity({ global_credentials: true, realm: 'mine' })
  expect((await shared.bearer(mine, { service: 'other' })).exit?.status).toBe(401)
  const everywhere = textOf(json(await shared.token(OWN)).access_token)
  expect((await shared.bearer(everywhere, { service: 'other' })).exit).toBeUndefined()
  expect((await shared.bearer(everywhere, { service: undefined })).exit).toBeUndefined()
  const elsewhere = await local.bearer(everywhere)
  expect(outcome(elsewhere.exit)).toEqual([
    401,
    'invalid_token',
    "The access token is global, but the current plugin is configured without 'global_credentials'",
  ])
  expect(headerOf(elsewhere.exit, 'www-authenticate')).toBe(
    'Bearer error="invalid_token", error_description="The access token is invalid or has expired"',
  )
  expect((await local.token(OWN, { service: undefined }))?.status).toBe(500)
})

// prettier-ignore
test.each([
  ['nothing',                    {},                                                     'invalid_request', 'Bearer realm="mine"'],
  ['an empty header',            { headers: [['Authorization', '']] },                   'invalid_request', 'Bearer realm="mine"'],
  ['a token without a value',    { query: 'access_token' },                              'invalid_request', 'Bearer realm="mine"'],
  ['an unknown token',           { headers: [['Authorization', 'Bearer x']] },           'invalid_token',   'Bearer realm="mine", error="invalid_token", error_description="The access token is invalid or has expired"'],
  ['another scheme',             { headers: [['Authorization', 'Basic endless']] },      'invalid_token',   'Bearer realm="mine", error="invalid_token", error_description="The access token is invalid or has expired"'],
  ['a token that is over',       { headers: [['Authorization', 'Bearer local']] },       'invalid_token',   'Bearer realm="mine", error="invalid_token", error_description="The access token is invalid or has expired"'],
  ['a good token twice',         { query: 'access_token=endless&access_token=endless' }, 'invalid_token',   'Bearer realm="mine", error="invalid_token", error_description="The access token is invalid or has expired"'],
] as const)('callers with %s are refused', async (_, sent, error, challenge) => {
  const { send, clock } = scene({ realm: 'mine' })
  clock.now = 1_061_000
  const { exit, ctx } = await send(sent as Sent)
  expect(outcome(exit).slice(0, 2)).toEqual([401, error])
  expect(headerOf(exit, 'www-authenticate')).toBe(challenge)
  expect(ctx.consumer).toBeUndefined()
})

const FORM: [string, string] = ['Content-Type', 'application/x-www-form-urlencoded']

// prettier-ignore
test.each([
  ['a header with Bearer',  { headers: [['Authorization', 'bEARER endless']] }],
  ['a header with token',   { headers: [['Authorization', 'token endless']] }],
  ['a header without both', { headers: [['Authorization', 'endless']] }],
  ['the query',             { query: 'a=1&access_token=endless' }],
  ['a form',                { method: 'POST', headers: [FORM], body: 'a=1&access_token=endless' }],
  ['JSON',                  { method: 'PUT', headers: [['Content-Type', 'application/json']], body: '{"a":1,"access_token":"endless"}' }],
] as const)('a token may be in %s, and is hidden from the service if that is asked for', async (_, sent) => {
  const { send, entity } = scene()
  const hidden = await send(sent as Sent)
  expect(hidden.exit).toBeUndefined()
  expect(hidden.ctx.credential?.identifier).toBe('client')
  const told = ({ ctx }: typeof hidden) =>
    [...ctx.upstream.headers].join() + ctx.upstream.query + ctx.body
  expect(told(hidden)).not.toContain('endless')
  if ('body' in sent || 'query' in sent) expect(told(hidden)).toContain('a')
  const shown = await entity({ hide_credentials: false }).send(sent as Sent)
  expect(told(shown)).toContain('endless')
})

test('the header may have another name', async () => {
  const { send } = scene({ auth_header_name: 'custom_header_name' })
  const good = await send({ headers: [['Custom-Header-Name', 'bearer endless']] })
  expect([good.exit, good.ctx.consumer]).toEqual([undefined, ann as never])
  expect((await send({ headers: [['Authorization', 'bearer endless']] })).exit?.status).toBe(401)
})

test('with anonymous a caller without a good token is somebody', async () => {
  const { bearer, send, token, entity } = scene({ anonymous: 'nobody' })
  const bad = await bearer('x')
  expect([bad.exit, bad.ctx.consumer, bad.ctx.isAnonymous]).toEqual([
    undefined,
    nobody as never,
    true,
  ])
  expect((await send({})).ctx.consumer).toBe(nobody as never)
  expect((await bearer('endless')).ctx.consumer).toBe(ann as never)
  // The endpoints are for nobody in particular.
  expect((await token({ ...OWN, client_secret: 'x' }))?.status).toBe(400)
  expect((await entity({ anonymous: 'gone' }).send({})).exit?.status).toBe(500)
})

test('tokens of the configuration count from when it was loaded, and can be renewed once', async () => {
  const all = scene({ global_credentials: true, scopes: ['email'] })
  const { bearer, token, clock } = all
  const { upstream } = await bearer('global')
  expect([upstream.get('x-authenticated-scope'), upstream.get('x-authenticated-userid')]).toEqual([
    'email',
    'u',
  ])
  const after = json(await token(renew('again')))
  expect((await bearer('global')).exit?.status).toBe(401)
  expect((await token(renew('again')))?.status).toBe(400)
  // Nor does it come back with a reload.
  const reloaded = all.entity({ global_credentials: true })
  expect((await reloaded.bearer('global')).exit?.status).toBe(401)
  expect((await reloaded.bearer(textOf(after.access_token))).exit).toBeUndefined()
  const old = scene({ global_credentials: true })
  old.clock.now += 61_000
  expect((await old.bearer('global')).exit?.status).toBe(401)
  expect(clock.now).toBe(1_000_000)
})

test('with reuse_refresh_token that of the configuration stays', async () => {
  const { bearer, token } = scene({
    global_credentials: true,
    scopes: ['email'],
    reuse_refresh_token: true,
  })
  const first = json(await token(renew('again')))
  expect(first.refresh_token).toBe('again')
  const second = json(await token(renew('again')))
  expect((await bearer(textOf(first.access_token))).exit?.status).toBe(401)
  expect((await bearer(textOf(second.access_token))).exit).toBeUndefined()
})

test('an application that is gone, or another’s by now, takes its tokens with it', async () => {
  const all = scene()
  const { access_token, refresh_token } = json(await all.token(PASSWORD))
  const code = await codeOf(all)
  const successors = [
    [],
    [application('client', { consumer: { id: 'n' } })],
    [application('client', { id: 'another' })],
    [application('client', { client_id: 'renamed' })],
  ]
  for (const applications of successors) {
    const { bearer, token } = all.entity({}, 'plugin', consumersOf(applications))
    expect((await bearer(textOf(access_token))).exit?.status).toBe(401)
    expect((await token(renew(refresh_token)))?.status).toBe(400)
    expect((await token(redeem(code)))?.status).toBe(400)
  }
  const { bearer } = all.entity({}, 'plugin', consumersOf(APPLICATIONS.slice(0, 1)))
  expect((await bearer(textOf(access_token))).exit).toBeUndefined()
})

test('openid-connect is told of the same tokens', async () => {
  const { gateway, token } = scene()
  const { access_token } = json(await token(PASSWORD))
  expect(oauth2Tokens(gateway).find(textOf(access_token))).toMatchObject({
    consumer: ann,
    credential: { client_id: 'client' },
    token: {
      authenticated_userid: 'id123',
      created_at: 1000,
      expires_in: 7200,
      service: { id: 's' },
    },
  })
  expect(oauth2Tokens(gateway).find('x')).toBeUndefined()
})
