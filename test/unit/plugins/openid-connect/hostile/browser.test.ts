import { beforeEach, describe, expect, test } from 'bun:test'
import { HeaderList } from '../../../../../src/headers.ts'
import type { ResponseContext } from '../../../../../src/pdk.ts'
import { TestContext, testGateway } from '../../context.ts'
import { basic, configure } from '../plugin.ts'
import { openidConnect } from '../../../../../src/plugins/openid-connect/index.ts'
import { signingKey } from '../provider.ts'
import { Visitor } from '../visitor.ts'
import { HostileProvider, network } from './provider.ts'
import { CLIENT, FORM, go, Scene } from './scene.ts'

const key = await signingKey('one')
const evilKey = await signingKey('one')
let provider: HostileProvider
beforeEach(() => {
  provider = new HostileProvider(key)
})

const cookieOf = (visitor: Visitor, name: string) => `${name}=${visitor.cookies.get(name)}`

describe('open redirects (RFC 9700 4.11)', () => {
  // prettier-ignore
  const PATHS = [
    '//evil.test', '///evil.test', '//evil.test/%2e%2e', '/\\evil.test', '/%5cevil.test', '/\t/evil.test', '/%09/evil.test',
    '/.//evil.test', '/..//evil.test', '/@evil.test', '/:80@evil.test', '/http://evil.test', '/;//evil.test', '//evil.test@x', '/%0d%0aLocation:%20x',
  ]

  test.each(PATHS.map((path) => [path]))('a login begun at %j comes back here', async (path) => {
    const scene = new Scene(provider, { login_action: 'redirect', login_tokens: null })
    const visitor = scene.visitor()
    const begun = await go(visitor, path)
    const location = new URL(begun.header('location')!)
    expect(location.origin).toBe('https://provider.test')
    const back = new URL(location.searchParams.get('redirect_uri')!)
    expect(back.origin).toBe('http://gateway.test:8000')
    const done = await go(visitor, path, { query: String(provider.authorize(location.href)) })
    expect(done.status).toBe(302)
    const target = done.header('location')!
    expect(target).toStartWith('http://gateway.test:8000/')
    expect(new URL(target).origin).toBe('http://gateway.test:8000')
    expect(target).not.toMatch(/[\r\n\t\\]/)
  })

  test.each([
    ['X-Forwarded-Host', 'evil.test'],
    ['X-Forwarded-Proto', 'javascript'],
    ['X-Forwarded-Path', '//evil.test'],
    ['X-Forwarded-Port', '81'],
    ['Forwarded', 'host=evil.test'],
    ['Host', 'evil.test'],
    ['Origin', 'https://evil.test'],
    ['Referer', 'https://evil.test'],
    ['X-Original-URL', 'https://evil.test'],
    ['X-Rewrite-URL', '//evil.test'],
  ])('%s of an untrusted peer does not say where to come back to', async (name, value) => {
    const scene = new Scene(provider, { login_action: 'redirect' })
    const outcome = await go(scene.visitor(), '/shop', { headers: [[name, value]] })
    const url = new URL(outcome.header('location')!)
    expect(url.searchParams.get('redirect_uri')).toBe('http://gateway.test:8000/shop')
  })

  test.each([
    ['X-Forwarded-Host', 'evil.test/x'],
    ['X-Forwarded-Host', 'gateway.test@evil.test'],
    ['X-Forwarded-Host', 'evil.test\\.gateway.test'],
    ['X-Forwarded-Proto', 'javascript'],
    ['X-Forwarded-Path', '//evil.test'],
    ['X-Forwarded-Path', '\\evil.test'],
    ['X-Forwarded-Port', '80@evil.test'],
  ])('%s: %s of a trusted one makes no other URL of it', async (name, value) => {
    const scene = new Scene(provider)
    const trusted = { isPeerTrusted: true }
    const outcome = await go(scene.visitor(), '/shop', { headers: [[name, value]] }, trusted)
    const url = new URL(outcome.header('location')!)
    const back = new URL(url.searchParams.get('redirect_uri')!)
    expect([back.hostname, back.username, back.protocol]).toEqual(['gateway.test', '', 'http:'])
  })

  test('a logout leads nowhere that a client names (CVE-2022-23527)', async () => {
    const scene = new Scene(provider, {
      logout_uri_suffix: '/logout',
      logout_methods: ['GET', 'POST'],
    })
    for (const place of ['//evil.test', '/\t//evil.test', 'https://evil.test']) {
      const visitor = scene.visitor()
      await scene.logIn(visitor)
      const names = ['post_logout_redirect_uri', 'logout', 'redirect_uri', 'state', 'id_token_hint']
      const query = names.map((name) => `${name}=${encodeURIComponent(place)}`).join('&')
      const outcome = await go(visitor, '/logout', { query })
      expect(new URL(outcome.header('location')!).origin).toBe('https://provider.test')
      expect(outcome.header('location')).not.toContain('evil')
      expect((await go(visitor, '/shop')).status).toBe(302)
    }
  })
})

describe('logins of others', () => {
  test('login CSRF (RFC 9700 4.7): the answer to an attacker’s login logs no victim in', async () => {
    const scene = new Scene(provider)
    const [attacker, victim] = [scene.visitor(), scene.visitor()]
    const answer = provider.authorize(await scene.begin(attacker))
    const fresh = await go(victim, '/shop', { query: String(answer) })
    expect([fresh.status, fresh.ctx.credential]).toEqual([302, undefined])
    const begun = scene.visitor()
    await scene.begin(begun)
    const query = String(answer)
    const outcome = await go(begun, '/shop', { query })
    expect([outcome.status, outcome.ctx.credential]).not.toEqual([200, undefined])
    expect([401, 302]).toContain(outcome.status)
    expect(provider.forms).toEqual([])
  })

  test('state fixation: a victim with the attacker’s login cookie is not logged in as himself', async () => {
    const scene = new Scene(provider)
    const [attacker, victim] = [scene.visitor(), scene.visitor()]
    const url = await scene.begin(attacker)
    const answer = provider.authorize(url)
    expect((await go(attacker, '/shop', { query: String(answer) })).status).toBe(200)
    victim.cookies.set('authorization', attacker.cookies.get('authorization') ?? '')
    const outcome = await go(victim, '/shop', { query: String(answer) })
    expect(outcome.ctx.credential).toBeUndefined()
  })

  test.each([true, false])(
    'code injection (RFC 9700 4.5): a stolen code with one’s own state, PKCE checked: %p',
    async (checksPkce) => {
      provider.checksPkce = checksPkce
      const scene = new Scene(provider)
      const [victim, attacker] = [scene.visitor(), scene.visitor()]
      const stolen = provider.authorize(await scene.begin(victim)).get('code')!
      const own = new URL(await scene.begin(attacker)).searchParams.get('state')!
      const query = String(new URLSearchParams({ code: stolen, state: own, iss: provider.issuer }))
      const outcome = await go(attacker, '/shop', { query })
      scene.expectRefused(outcome, checksPkce ? 'invalid_grant' : 'invalid_nonce')
      expect((await go(attacker, '/shop')).status).toBe(302)
    },
  )

  test('an answer counts once, though the browser brings its cookie again', async () => {
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const query = String(provider.authorize(await scene.begin(visitor)))
    const before = visitor.copy()
    const all = await Promise.all([1, 2, 3].map(() => go(before.copy(), '/shop', { query })))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await go(before, '/shop', { query })).status).toBe(302)
    expect(provider.forms).toHaveLength(1)
  })
})

describe('mix-up of two issuers (RFC 9700 4.4)', () => {
  const evil = () => new HostileProvider(evilKey, 'https://evil.test/realms/one')

  /** Two routes with a provider each, in one gateway. */
  function twoRoutes(bad: HostileProvider, config: Record<string, unknown> = {}) {
    const gateway = testGateway({ fetch: network(provider, bad), now: () => provider.now })
    const routes = [provider, bad].map(({ issuer }) =>
      openidConnect.create(
        configure({
          ...CLIENT,
          auth_methods: ['authorization_code', 'session'],
          ...config,
          issuer,
        }),
        gateway,
      ),
    )
    return { honest: new Visitor(routes[0]!), evil: new Visitor(routes[1]!), routes }
  }

  test('a code of the honest one is not given to the other', async () => {
    const bad = evil()
    const { honest, evil: route } = twoRoutes(bad)
    const atEvil = new URL((await go(route, '/evil')).header('location')!)
    const atHonest = new URL((await go(honest, '/shop')).header('location')!)
    // The other one has sent the browser on to the honest one, with the state of its own login.
    atHonest.searchParams.set('state', atEvil.searchParams.get('state')!)
    const query = String(provider.authorize(atHonest.href))
    const outcome = await go(route, '/evil', { query })
    expect([outcome.status, outcome.code]).toEqual([401, 'invalid_issuer'])
    expect([bad.forms, provider.forms]).toEqual([[], []])
  })

  test('a login that was begun with one is not finished with the other', async () => {
    const bad = evil()
    const { evil: route, routes } = twoRoutes(bad)
    const url = (await go(route, '/evil')).header('location')!
    const elsewhere = route.copy(routes[0]!)
    for (const over of [{}, { iss: provider.issuer }]) {
      const outcome = await go(elsewhere.copy(), '/shop', {
        query: String(bad.authorize(url, over)),
      })
      expect([outcome.status, outcome.ctx.credential]).toEqual([302, undefined])
    }
    expect(provider.forms).toEqual([])
  })

  test('a session of one is none with the other, though secret and cookie are the same', async () => {
    const bad = evil()
    const { evil: route, routes } = twoRoutes(bad)
    const url = (await go(route, '/evil')).header('location')!
    const outcome = await go(route, '/evil', { query: String(bad.authorize(url)) })
    expect(outcome.status).toBe(200)
    const elsewhere = await go(route.copy(routes[0]!), '/shop')
    expect([elsewhere.status, elsewhere.ctx.credential]).toEqual([302, undefined])
  })
})

describe('sessions', () => {
  test('fixation: a login replaces a session that was planted', async () => {
    const scene = new Scene(provider)
    const attacker = scene.visitor()
    await scene.logIn(attacker)
    const planted = attacker.cookies.get('session')!
    const victim = scene.visitor()
    const url = await scene.begin(victim)
    victim.cookies.set('session', planted)
    const outcome = await go(victim, '/shop', { query: String(provider.authorize(url)) })
    expect(outcome.status).toBe(200)
    expect(victim.cookies.get('session')).not.toBe(planted)
    expect(victim.cookies.get('session')!.slice(0, 50)).not.toBe(planted.slice(0, 50))
  })

  test('fixation: a session is not what a client invents', async () => {
    const scene = new Scene(provider)
    for (const value of ['x', 'A'.repeat(110), '', '%00', '../../etc/passwd', '{"sub":"root"}']) {
      const visitor = scene.visitor()
      visitor.cookies.set('session', value)
      expect((await go(visitor, '/shop')).status).toBe(302)
    }
  })

  test('cookie tossing: cookies of the same names from a parent domain', async () => {
    const scene = new Scene(provider)
    const [visitor, attacker] = [scene.visitor(), scene.visitor()]
    await scene.logIn(visitor)
    await scene.logIn(attacker)
    const own = cookieOf(visitor, 'session')
    const junk = [
      'session=x',
      'session=',
      `session=${'A'.repeat(3000)}`,
      'session2=x',
      'session9=y',
    ]
    for (const tossed of junk) {
      const both = { headers: [['Cookie', `${own}; ${tossed}`] as const] }
      expect((await go(new Visitor(scene.handler), '/shop', both)).status).toBe(200)
      const first = { headers: [['Cookie', `${tossed}; ${own}`] as const] }
      expect((await go(new Visitor(scene.handler), '/shop', first)).status).toBe(200)
      const apart = { headers: [['Cookie', tossed] as const, ['Cookie', own] as const] }
      expect((await go(new Visitor(scene.handler), '/shop', apart)).status).toBe(200)
    }
  })

  test('cookie tossing: a login cookie of another browser beside the own one', async () => {
    const scene = new Scene(provider)
    const [visitor, attacker] = [scene.visitor(), scene.visitor()]
    const url = await scene.begin(visitor)
    const theirs = provider.authorize(await scene.begin(attacker))
    const query = String(provider.authorize(url))
    const cookies = `authorization=junk; ${cookieOf(visitor, 'authorization')}`
    const outcome = await go(new Visitor(scene.handler), '/shop', {
      query,
      headers: [['Cookie', cookies]],
    })
    expect(outcome.status).toBe(200)
    const without = await go(new Visitor(scene.handler), '/shop', {
      query: String(theirs),
      headers: [['Cookie', cookies]],
    })
    expect(without.ctx.credential).toBeUndefined()
  })

  test('a flood of cookies is no work: ten thousand of one name, and a chunk that says it is the 10⁹th', async () => {
    const scene = new Scene(provider)
    const many = Array.from({ length: 10_000 }, (_, i) => `session=${i}`).join('; ')
    const began = performance.now()
    for (const cookie of [
      many,
      'session_1000000000=x; session1000000000=y',
      ';'.repeat(50_000),
      `${'session='.repeat(9000)}`,
    ])
      expect(
        (await go(new Visitor(scene.handler), '/shop', { headers: [['Cookie', cookie]] })).status,
      ).toBe(302)
    expect(performance.now() - began).toBeLessThan(1000)
  })

  test('front-channel logout of others ends no session', async () => {
    const scene = new Scene(provider, { logout_uri_suffix: '/logout' })
    const visitor = scene.visitor()
    await scene.logIn(visitor)
    for (const query of [
      '',
      'sid=x',
      `iss=${provider.issuer}`,
      `iss=${provider.issuer}&sid=undefined`,
      'sid=&iss=',
    ]) {
      const headers = [['Cookie', cookieOf(visitor, 'session')] as const]
      const ctx = new TestContext({ query, headers })
      Object.assign(ctx.request, { path: '/logout/frontchannel' })
      expect((await scene.handler.access!(ctx))?.status).toBe(200)
      expect((await go(visitor, '/shop')).status).toBe(200)
    }
  })
})

describe('answers that carry cookies', () => {
  test('are kept by nobody: those of the gateway itself', async () => {
    const scene = new Scene(provider, { login_action: 'redirect', logout_uri_suffix: '/logout' })
    const visitor = scene.visitor()
    const begun = await go(visitor, '/shop')
    const query = String(provider.authorize(begun.header('location')!))
    const done = await go(visitor, '/shop', { query })
    const over = await go(visitor, '/logout', { method: 'POST' })
    for (const each of [begun, done, over]) {
      expect(each.cookies.length).toBeGreaterThan(0)
      expect(each.header('cache-control')).toContain('no-store')
    }
  })

  // prettier-ignore
  test.each([
    [[],                                                  'private'],
    [['public, max-age=3600'],                            'private, max-age=3600'],
    [['max-age=60', 'S-MaxAge=600, PUBLIC'],              'private, max-age=60'],
    [['no-cache="a, b", max-age=1'],                      'private, no-cache="a, b", max-age=1'],
    [['private="X-A", max-age=1'],                        'private, private="X-A", max-age=1'],
    [['private, max-age=1'],                              'private, max-age=1'],
    [['no-store'],                                        'no-store'],
  ])('are for one user alone: those of the service that say %j', async (sent, kept) => {
    const scene = new Scene(provider, { auth_methods: ['password', 'session'] })
    const ctx = new TestContext({ headers: [basic('alex', 'doe-of-alex')] })
    expect(await scene.handler.access!(ctx)).toBeUndefined()
    const fields = HeaderList.of(sent.map((value) => ['Cache-Control', value] as const))
    const { request } = ctx
    scene.handler.header_filter!({ request, status: 200, headers: fields } as unknown as ResponseContext)
    expect(fields.all('set-cookie').length).toBeGreaterThan(0)
    expect(fields.all('cache-control')).toEqual([kept])
  })

  test.each([
    ['upstream', 200],
    ['redirect', 302],
    ['response', 200],
  ])('to a login (%s) are neither kept nor told to other sites', async (login_action, status) => {
    const scene = new Scene(provider, { login_action })
    const visitor = scene.visitor()
    const query = String(provider.authorize(await scene.begin(visitor)))
    const done = await go(visitor, '/shop', { query })
    const expected = ['no-store', 'no-referrer']
    const fieldsOf = ({ header }: typeof done) => [
      header('cache-control'),
      header('referrer-policy'),
    ]
    expect([done.status, ...fieldsOf(done)]).toEqual([status, ...expected])
    // The same, loaded anew, and one that is refused.
    expect(fieldsOf(await go(visitor, '/shop', { query }))).toEqual(expected)
    const another = scene.visitor()
    const url = new URL(await scene.begin(another))
    const error = new URLSearchParams({ state: url.searchParams.get('state')!, error: 'no' })
    const refused = await go(another, '/shop', { query: String(error) })
    expect([refused.status, ...fieldsOf(refused)]).toEqual([401, ...expected])
    expect((await go(visitor, '/shop')).header('referrer-policy')).toBeUndefined()
  })

  test('a callback that is loaded anew does not tell the service its code, with its cookies or without', async () => {
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    const query = `a=1&${provider.authorize(await scene.begin(visitor))}`
    const cookie = visitor.cookies.get('authorization')!
    await go(visitor, '/shop', { query })
    for (const isKept of [false, true]) {
      if (isKept) visitor.cookies.set('authorization', cookie)
      const { status, ctx } = await go(visitor, '/shop', { query })
      expect([status, ctx.upstream.query]).toEqual([200, 'a=1'])
    }
    const own = await go(visitor, '/shop', { query: 'code=SAVE10&state=CA' })
    expect(own.ctx.upstream.query).toBe('code=SAVE10&state=CA')
  })

  test('those without a cookie of ours stay as they are', async () => {
    const scene = new Scene(provider)
    const visitor = scene.visitor()
    await scene.logIn(visitor)
    const ctx = new TestContext({ headers: [['Cookie', cookieOf(visitor, 'session')]] })
    expect(await scene.handler.access!(ctx)).toBeUndefined()
    const headers = HeaderList.of([['Cache-Control', 'public, max-age=3600']])
    scene.handler.header_filter!({
      request: ctx.request,
      status: 200,
      headers,
    } as unknown as ResponseContext)
    expect(headers.get('cache-control')).toBe('public, max-age=3600')
  })

  test('go over TLS alone where they were made over TLS, and to no script', async () => {
    const scene = new Scene(provider)
    const outcome = await go(scene.visitor(), '/shop', {}, { scheme: 'https', port: 443 })
    for (const cookie of outcome.cookies) expect(cookie).toMatch(/; Secure; HttpOnly/)
  })
})

describe('claims in headers (RFC 9110 5.5)', () => {
  // prettier-ignore
  const VALUES = ['a\r\nX-Admin: yes', 'a\nb', 'a\rb', 'a\0b', '\r\n\r\nGET /admin HTTP/1.1', '\u000b', '\u007f', 'a\u2028b', 'é', '😀', ' a ', '']

  test.each(VALUES.map((value) => [value]))(
    '%j does not break out of its header',
    async (value) => {
      const scene = new Scene(provider, {
        upstream_headers: [
          { header: 'X-Name', path: ['name'] },
          { header: 'X-All', path: ['all'] },
        ],
        downstream_headers: [{ header: 'X-Name', path: ['name'] }],
        credential_claim: ['name'],
        authenticated_groups_claim: ['groups'],
      })
      provider.claims = { name: value, all: [value], groups: [value, 'b'] }
      const visitor = scene.visitor()
      const outcome = await scene.logIn(visitor)
      expect(outcome.status).toBe(200)
      const again = await go(visitor, '/shop')
      for (const { ctx, exit } of [outcome, again])
        for (const { name, value, line } of [...ctx.upstream.headers.fields]) {
          expect(exit).toBeUndefined()
          expect(value).not.toMatch(/[\r\n\0]/)
          expect(line).toBe(`${name}: ${value}\r\n`)
        }
      const all = outcome.told('x-all')
      expect(JSON.parse(Buffer.from(all ?? '', 'base64').toString())).toEqual([value])
    },
  )

  test('a client cannot send them itself, in any spelling, with the claim or without', async () => {
    const scene = new Scene(provider, {
      upstream_headers: [{ header: 'X-User-Name', path: ['name'] }],
    })
    const visitor = scene.visitor()
    await scene.logIn(visitor)
    const names = ['X-User-Name', 'x_user_name', 'X.User.Name', 'X-USER_NAME', 'x-user.name']
    const outcome = await go(visitor, '/shop', { headers: names.map((name) => [name, 'root']) })
    expect(outcome.status).toBe(200)
    expect(outcome.ctx.upstream.headers.fields.filter(({ value }) => value === 'root')).toEqual([])
  })
})

describe('what the provider said in the answer', () => {
  test('is not repeated to the browser, as HTML or otherwise', async () => {
    const scene = new Scene(provider, { response_mode: 'form_post' })
    const visitor = scene.visitor()
    const words = '<script>alert(1)</script>'
    const over = { error: words, error_description: words }
    const body = String(provider.authorize(await scene.begin(visitor), over))
    const outcome = await go(visitor, '/shop', { method: 'POST', headers: [FORM], body })
    expect([outcome.status, String(outcome.exit?.body)]).toEqual([
      401,
      '{"message":"Unauthorized"}',
    ])
  })

  test('does not reach the service', async () => {
    for (const response_mode of ['query', 'form_post']) {
      const scene = new Scene(provider, { response_mode })
      const visitor = scene.visitor()
      const answer = String(provider.authorize(await scene.begin(visitor)))
      const form = { method: 'POST', headers: [FORM], body: `${answer}&kept=1` }
      const outcome = await go(
        visitor,
        '/shop',
        response_mode === 'query' ? { query: `${answer}&kept=1` } : form,
      )
      const { upstream, body } = outcome.ctx
      expect([outcome.status, upstream.query + (response_mode === 'query' ? '' : body)]).toEqual([
        200,
        'kept=1',
      ])
      expect(upstream.headers.get('cookie') ?? '').not.toContain('authorization=')
    }
  })
})
