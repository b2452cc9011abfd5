import { beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { readBodyArguments } from '../../../../../src/plugins/arguments.ts'
import { createLogout } from '../../../../../src/plugins/openid-connect/logout/index.ts'
import {
  createSessions,
  type Session,
  type SessionData,
} from '../../../../../src/plugins/openid-connect/session/index.ts'
import { ISSUER, type SigningKey, signingKey } from '../provider.ts'
import {
  type Asked,
  END_SESSION,
  keep,
  LoginProvider,
  LoginScene,
  requestOf,
} from '../login/scene.ts'

let key: SigningKey
let other: SigningKey
let idp: LoginProvider
beforeAll(async () => {
  key = await signingKey('one')
  other = await signingKey('one')
})
beforeEach(() => void (idp = new LoginProvider(key)))

const DATA: SessionData = {
  method: 'authorization_code',
  client: 0,
  access_token: 'at',
  refresh_token: 'rt',
  id_token: 'it',
  iss: ISSUER,
  sid: 'sid-1',
}

class LogoutScene extends LoginScene {
  readonly sessions = createSessions(this.config, this.gateway)
  readonly logout = createLogout(this.config, this.identityProvider, this.sessions, this.gateway)

  async start(data: Partial<SessionData> = {}, subject = 'alex', jar = this.jar): Promise<void> {
    const { request } = requestOf(jar)
    const { cookies } = await this.sessions.start(request, { ...DATA, ...data }, subject)
    keep(jar, cookies)
  }

  async session(jar = this.jar): Promise<Session | undefined> {
    return this.sessions.open(requestOf(jar).request)
  }

  /** Asks for a logout; fails if it is none. */
  async perform(asked: Asked, jar = this.jar) {
    const { request } = requestOf(jar, asked)
    expect(this.logout.placeOf(request)).toBeDefined()
    const session = await this.sessions.open(request)
    const done = await this.logout.perform(request, session, this.occasions.of(request))
    keep(jar, done.cookies)
    return done
  }

  async out(asked: Asked = { method: 'POST', path: '/shop/logout' }): Promise<URL> {
    const { exit } = await this.perform(asked)
    expect(exit.status).toBe(302)
    expect(exit.headers).toContainEqual(['Cache-Control', 'no-store'])
    return new URL(exit.headers.find(([name]) => name === 'Location')![1])
  }
}

const SUFFIX = { logout_uri_suffix: '/logout' }
const FORM = [['Content-Type', 'application/x-www-form-urlencoded']] as const

describe('what asks for a logout', () => {
  // prettier-ignore
  test.each([
    [SUFFIX,                                        { method: 'POST', path: '/a/logout' },                    'path'],
    [SUFFIX,                                        { method: 'POST', path: '/a/logout', query: 'b=c' },      'path'],
    [SUFFIX,                                        { method: 'DELETE', path: '/logout' },                    'path'],
    [SUFFIX,                                        { method: 'GET', path: '/logout' },                       undefined],
    [{ ...SUFFIX, logout_methods: ['GET'] },        { method: 'GET', path: '/logout' },                       'path'],
    [{ ...SUFFIX, logout_methods: ['GET'] },        { method: 'POST', path: '/logout' },                      undefined],
    [SUFFIX,                                        { method: 'POST', path: '/logout/' },                     undefined],
    [SUFFIX,                                        { method: 'POST', path: '/a', query: 'b=/logout' },       undefined],
    [SUFFIX,                                        { method: 'POST', path: '/a', isPeerTrusted: true, headers: [['X-Forwarded-Path', '/logout?a=b']] }, 'path'],
    [SUFFIX,                                        { method: 'POST', path: '/a', headers: [['X-Forwarded-Path', '/logout']] }, undefined],
    [{ logout_query_arg: 'bye' },                   { method: 'POST', query: 'bye=1' },                       'query'],
    [{ logout_query_arg: 'bye' },                   { method: 'POST', query: 'a=b&bye' },                     'query'],
    [{ logout_query_arg: 'bye' },                   { method: 'POST', query: 'goodbye=1' },                   undefined],
    [{ logout_query_arg: 'bye' },                   { method: 'PUT', query: 'bye=1' },                        undefined],
    [{ logout_post_arg: 'bye' },                    { method: 'POST', body: 'bye=1', headers: FORM },         'body'],
    [{ logout_post_arg: 'bye' },                    { method: 'POST', body: 'bye=1' },                        undefined],
    [{},                                            { method: 'POST', path: '/logout', query: 'logout=1' },   undefined],
  ])('with %j, asked by %j: %p', (config, asked, place) => {
    const { request } = requestOf(new Map(), asked as Asked)
    expect(new LogoutScene(idp, config).logout.placeOf(request)).toBe(place as 'path' | undefined)
  })

  // prettier-ignore
  test.each([
    ['bye=1',        true],
    ['bye=1&bye=2',  true],
    ['bye=',         true],
    ['goodbye=1',    false],
  ])('a form of %s: %p', async (body, isLogout) => {
    const { logout } = new LogoutScene(idp, { logout_post_arg: 'bye' })
    const { request } = requestOf(new Map(), { method: 'POST', body, headers: FORM })
    expect(logout.isInBody(await readBodyArguments(request))).toBe(isLogout)
  })

  test.each([
    ['{"bye":true}', true],
    ['{"bye":1}', true],
    ['{"bye":"x"}', true],
    ['{"bye":false}', false],
    ['{"goodbye":true}', false],
  ])('JSON of %s: %p', async (body, isLogout) => {
    const { logout } = new LogoutScene(idp, { logout_post_arg: 'bye' })
    const headers = [['Content-Type', 'application/json']] as const
    const { request } = requestOf(new Map(), { method: 'POST', body, headers })
    expect(logout.isInBody(await readBodyArguments(request))).toBe(isLogout)
  })
})

describe('a logout', () => {
  test('ends the session, its copies too, and leads to where the provider ends its own', async () => {
    const scene = new LogoutScene(idp, {
      ...SUFFIX,
      logout_redirect_uri: ['https://app.test/bye bye'],
    })
    await scene.start()
    const copy = new Map(scene.jar)
    const url = await scene.out()
    expect(url.origin + url.pathname).toBe(END_SESSION)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'kong',
      id_token_hint: 'it',
      post_logout_redirect_uri: 'https://app.test/bye bye',
      state: expect.stringMatching(/^[\w-]{24}$/) as string,
    })
    expect(url.search).toContain('bye%20bye')
    expect(scene.jar.size).toBe(0)
    expect(await scene.session(copy)).toBeUndefined()
  })

  test('of a session that is over already leads there too', async () => {
    const scene = new LogoutScene(idp, { ...SUFFIX, logout_redirect_uri: ['https://app.test/'] })
    const url = await scene.out()
    expect([...url.searchParams.keys()]).toEqual(['client_id', 'post_logout_redirect_uri', 'state'])
  })

  test('is that of the client that the session is of', async () => {
    const scene = new LogoutScene(idp, {
      ...SUFFIX,
      client_id: ['kong', 'other'],
      client_secret: ['a', 'b'],
      logout_redirect_uri: ['https://one.test/', 'https://two.test/'],
    })
    await scene.start({ client: 1 })
    const { searchParams } = await scene.out()
    expect(searchParams.get('client_id')).toBe('other')
    expect(searchParams.get('post_logout_redirect_uri')).toBe('https://two.test/')
  })

  test('without an end session endpoint leads to logout_redirect_uri', async () => {
    idp.metadata = { end_session_endpoint: undefined }
    const scene = new LogoutScene(idp, { ...SUFFIX, logout_redirect_uri: ['https://app.test/'] })
    await scene.start()
    expect((await scene.out()).href).toBe('https://app.test/')
  })

  test('with nowhere to lead to is answered with nothing', async () => {
    idp.metadata = { end_session_endpoint: undefined }
    const scene = new LogoutScene(idp, SUFFIX)
    await scene.start()
    const { exit } = await scene.perform({ method: 'POST', path: '/logout' })
    expect([exit.status, exit.body]).toEqual([200, '{}'])
  })

  test('goes well where the provider is down', async () => {
    const scene = new LogoutScene(idp, { ...SUFFIX, logout_redirect_uri: ['https://app.test/'] })
    await scene.start()
    idp.instead['/.well-known/openid-configuration'] = () => {
      throw new Error('connection refused')
    }
    expect((await scene.out()).href).toBe('https://app.test/')
    expect(scene.jar.size).toBe(0)
  })

  // prettier-ignore
  test.each([
    [{},                                                           []],
    [{ logout_revoke: true },                                      [['rt', 'refresh_token'], ['at', 'access_token']]],
    [{ logout_revoke: true, logout_revoke_access_token: false },   [['rt', 'refresh_token']]],
    [{ logout_revoke: true, logout_revoke_refresh_token: false },  [['at', 'access_token']]],
  ])('with %j revokes %j (RFC 7009)', async (config, revoked) => {
    const scene = new LogoutScene(idp, { ...SUFFIX, ...config })
    await scene.start()
    await scene.out()
    expect(idp.revoked.map((form) => [form.token!, form.token_type_hint!])).toEqual(revoked)
  })

  test.each(['revoke', 'metadata'] as const)(
    'is one, even if a fault comes up in %s',
    async (call) => {
      const scene = new LogoutScene(idp, { ...SUFFIX, logout_revoke: true })
      await scene.start()
      const calls = Object.assign(Object.create(scene.identityProvider.calls), {
        [call]: () => Promise.reject(new TypeError('a fault')),
      })
      const provider = { ...scene.identityProvider, calls }
      const logout = createLogout(scene.config, provider, scene.sessions, scene.gateway)
      const { request } = requestOf(scene.jar, { method: 'POST', path: '/logout' })
      const session = await scene.sessions.open(request)
      const { cookies } = await logout.perform(request, session, scene.occasions.of(request))
      keep(scene.jar, cookies)
      expect(scene.jar.size).toBe(0)
      expect(scene.gateway.lines.join('\n')).toMatch(/was not (revoked|ended)/)
    },
  )

  test('is one, whether or not the provider revokes anything', async () => {
    idp.metadata = { revocation_endpoint: undefined }
    const scene = new LogoutScene(idp, { ...SUFFIX, logout_revoke: true })
    await scene.start()
    await scene.out()
    expect(scene.jar.size).toBe(0)
    expect(scene.gateway.lines.join('\n')).toContain(
      'the refresh_token of a session was not revoked',
    )
  })
})

describe('front-channel logout', () => {
  let scene: LogoutScene
  beforeEach(async () => {
    scene = new LogoutScene(idp, SUFFIX)
    await scene.start()
  })
  const page = (query: string): Asked => ({ path: '/shop/logout/frontchannel', query })

  test('(2) ends the session of iss and sid, with a page that nobody keeps', async () => {
    const query = new URLSearchParams({ iss: ISSUER, sid: 'sid-1' }).toString()
    const { exit } = await scene.perform(page(query))
    expect(exit.status).toBe(200)
    expect(exit.headers).toContainEqual(['Cache-Control', 'no-store'])
    expect(exit.headers.map(([name]) => name)).not.toContain('X-Frame-Options')
    expect(scene.jar.size).toBe(0)
  })

  // prettier-ignore
  test.each([
    ['of nobody',           {}],
    ['of another session',  { iss: ISSUER, sid: 'sid-2' }],
    ['of another issuer',   { iss: 'https://evil.test', sid: 'sid-1' }],
    ['without an issuer',   { sid: 'sid-1' }],
    ['without a session',   { iss: ISSUER }],
  ])('%s ends nothing, and looks the same', async (_, args) => {
    const { exit, cookies } = await scene.perform(page(new URLSearchParams(args).toString()))
    expect([exit.status, cookies]).toEqual([200, []])
    expect(await scene.session()).toBeDefined()
  })

  test('ends no session without a sid of its own', async () => {
    scene.jar.clear()
    await scene.start({ sid: undefined })
    expect((await scene.perform(page(`iss=${ISSUER}`))).cookies).toEqual([])
  })

  test('is asked for by GET alone, and not without logout_uri_suffix', () => {
    const at = (asked: Asked, config = {}) =>
      new LogoutScene(idp, config).logout.placeOf(requestOf(new Map(), asked).request)
    expect(at({ ...page(''), method: 'POST' }, SUFFIX)).toBeUndefined()
    expect(at(page(''))).toBeUndefined()
    expect(at({ path: 'undefined/frontchannel' })).toBeUndefined()
  })
})

describe('back-channel logout', () => {
  const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  let scene: LogoutScene
  let count = 0
  beforeEach(async () => {
    scene = new LogoutScene(idp, SUFFIX)
    await scene.start()
    // What a logout ends is what began before it.
    idp.pass(1)
  })

  async function tell(
    claims: Record<string, unknown> = {},
    how: Parameters<LoginProvider['sign']>[1] = { typ: 'logout+jwt' },
  ): Promise<string> {
    const { seconds: iat } = idp
    const usual = { iss: ISSUER, aud: 'kong', iat, exp: iat + 120, jti: `logout-${++count}` }
    return idp.sign({ ...usual, sub: 'alex', sid: 'sid-1', events: EVENTS, ...claims }, how)
  }

  async function send(logout_token: string, on = scene) {
    const body = new URLSearchParams({ logout_token }).toString()
    const asked = { method: 'POST', path: '/shop/logout/backchannel', body, headers: FORM }
    return (await on.perform(asked, new Map())).exit
  }

  // prettier-ignore
  test.each([
    ['a session and its user',  {},                    { typ: 'logout+jwt' }],
    ['a session',               { sub: undefined },    { typ: 'logout+jwt' }],
    ['a user',                  { sid: undefined },    { typ: 'logout+jwt' }],
    ['any, by the older type',  {},                    { typ: 'JWT' }],
  ])('(2.7, 2.8) ends the sessions of %s', async (_, claims, how) => {
    const exit = await send(await tell(claims, how))
    expect(exit.status).toBe(200)
    expect(exit.headers).toContainEqual(['Cache-Control', 'no-store'])
    expect(await scene.session()).toBeUndefined()
  })

  test('leaves the sessions of others', async () => {
    await send(await tell({ sid: 'sid-2' }))
    await send(await tell({ sid: undefined, sub: 'berta' }))
    expect(await scene.session()).toBeDefined()
  })

  test('a login after it is another session', async () => {
    await send(await tell())
    idp.pass(1)
    await scene.start()
    expect(await scene.session()).toBeDefined()
  })

  const at = (seconds: number) => idp.seconds + seconds
  // prettier-ignore
  test.each([
    ['(2.6, 2) that somebody else has signed',     () => ({}),                                  () => ({ typ: 'logout+jwt', key: other }), 'invalid_signature'],
    ['(2.6, 3) of another issuer',                 () => ({ iss: 'https://evil.test' }),        undefined,                                 'invalid_issuer'],
    ['(2.6, 3) for another client',                () => ({ aud: 'other' }),                    undefined,                                 'invalid_audience'],
    ['(2.6, 3) that is over',                      () => ({ exp: at(0) }),                      undefined,                                 'token_expired'],
    ['(2.6, 3) that has no end',                   () => ({ exp: undefined }),                  undefined,                                 'token_expired'],
    ['(2.6, 3) of the future',                     () => ({ iat: at(60) }),                     undefined,                                 'token_not_yet_valid'],
    ['(2.6, 3) without a time',                    () => ({ iat: undefined }),                  undefined,                                 'token_expired'],
    ['of long ago, however long it says it lives', () => ({ iat: at(-601), exp: at(9999) }),    undefined,                                 'token_expired'],
    ['(2.6, 4) of nobody',                         () => ({ sub: undefined, sid: undefined }),  undefined,                                 'invalid_token'],
    ['(2.6, 4) whose user is no text',             () => ({ sub: { a: 1 } }),                   undefined,                                 'invalid_token'],
    ['(2.6, 5) without the event',                 () => ({ events: undefined }),               undefined,                                 'invalid_token'],
    ['(2.6, 5) of another event',                  () => ({ events: { 'urn:other': {} } }),     undefined,                                 'invalid_token'],
    ['(2.6, 5) whose event is no object',          () => ({ events: { [Object.keys(EVENTS)[0]!]: 'x' } }), undefined,                      'invalid_token'],
    ['(2.6, 6) with a nonce',                      () => ({ nonce: 'x' }),                      undefined,                                 'invalid_token'],
    ['(2.6, 7) without an id',                     () => ({ jti: undefined }),                  undefined,                                 'invalid_token'],
    ['that says it is an access token',            () => ({}),                                  () => ({ typ: 'at+jwt' }),                 'invalid_token'],
  ])('one %s is refused', async (_, claims, how, code) => {
    const exit = await send(await tell(claims(), how?.()))
    expect([exit.status, exit.reason?.code]).toEqual([400, code])
    expect(JSON.parse(String(exit.body))).toEqual({ error: 'invalid_request' })
    expect(exit.headers).toContainEqual(['Cache-Control', 'no-store'])
    expect(await scene.session()).toBeDefined()
  })

  test('(2.6, 7) one counts once', async () => {
    const token = await tell()
    expect((await send(token)).status).toBe(200)
    expect((await send(token)).status).toBe(400)
    idp.pass(119)
    expect((await send(token)).status).toBe(400)
  })

  test('an ID token is none', async () => {
    const token = await idp.idToken({ sid: 'sid-1', jti: 'x' })
    expect((await send(token)).status).toBe(400)
  })

  test('its rules hold where those of other tokens are off', async () => {
    const loose = new LogoutScene(
      idp,
      { ...SUFFIX, verify_claims: false, verify_signature: false },
      scene.gateway,
    )
    expect((await send(await tell({ aud: 'other' }), loose)).status).toBe(400)
    expect((await send(await tell({}, { typ: 'JWT', key: other }), loose)).status).toBe(400)
    expect(await scene.session()).toBeDefined()
  })

  test.each(['', 'logout_token=', 'logout_token=a&logout_token=b', 'logout_token=null', 'x=y'])(
    'a form of %j is refused',
    async (body) => {
      const asked = { method: 'POST', path: '/logout/backchannel', body, headers: FORM }
      expect((await scene.perform(asked)).exit.status).toBe(400)
    },
  )

  test('anything but a form is refused', async () => {
    const body = JSON.stringify({ logout_token: await tell() })
    const headers = [['Content-Type', 'application/json']] as const
    const asked = { method: 'POST', path: '/logout/backchannel', body, headers }
    expect((await scene.perform(asked)).exit.status).toBe(400)
  })

  test('where the keys cannot be had it may be sent again', async () => {
    const fresh = new LogoutScene(idp, SUFFIX)
    idp.instead['/.well-known/openid-configuration'] = () => {
      throw new Error('connection refused')
    }
    expect((await send(await tell(), fresh)).status).toBe(503)
  })
})
