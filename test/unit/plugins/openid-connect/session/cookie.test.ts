import { expect, test } from 'bun:test'
import { cookieAttributes } from '../../../../../src/plugins/openid-connect/session/cookies.ts'
import { SessionError } from '../../../../../src/plugins/openid-connect/session/index.ts'
import { random } from '../../../random.ts'
import { Browser, DATA, ISSUER, Node, now } from './browser.ts'

const settings = {
  domain: undefined,
  path: '/',
  same_site: 'Lax',
  secure: undefined,
  http_only: true,
}

test.each([
  [{}, 'http', '; Path=/; SameSite=Lax; HttpOnly'],
  [{}, 'https', '; Path=/; SameSite=Lax; Secure; HttpOnly'],
  [{ secure: false }, 'https', '; Path=/; SameSite=Lax; HttpOnly'],
  [{ secure: true }, 'http', '; Path=/; SameSite=Lax; Secure; HttpOnly'],
  [{ same_site: 'None', secure: false }, 'http', '; Path=/; SameSite=None; Secure; HttpOnly'],
  [{ same_site: 'Default' }, 'http', '; Path=/; SameSite=Default; HttpOnly'],
  [{ http_only: false, path: '/app' }, 'http', '; Path=/app; SameSite=Lax'],
  [{ domain: 'a.test' }, 'http', '; Domain=a.test; Path=/; SameSite=Lax; HttpOnly'],
  [{ domain: 'localhost' }, 'http', '; Path=/; SameSite=Lax; HttpOnly'],
])('attributes of %p by %s', (given, scheme, expected) => {
  expect(cookieAttributes({ ...settings, ...given })(scheme)).toBe(expected)
})

/** Text that does not get shorter by deflating. */
function noise(length: number, seed = length): string {
  const next = random(seed)
  return Array.from({ length }, () => String.fromCharCode(0x21 + next(94))).join('')
}

/** A browser with a session of those data. */
function loggedIn(node: Node, config: Record<string, unknown> = {}, data = DATA) {
  const sessions = node.sessions(config)
  const browser = new Browser()
  const { session, cookies } = now(sessions.start(browser.request(), data, 'alex'))
  browser.keep(cookies)
  return { sessions, browser, session, cookies }
}

test('what was kept is there at the next request, of any length', () => {
  for (const length of [0, 1, 500, 1000, 3000, 4000, 9000, 18_000]) {
    const data = {
      ...DATA,
      client: 0,
      access_token: noise(length),
      user_info: { name: 'Ä"\\\n💡' },
    }
    const { sessions, browser, session, cookies } = loggedIn(new Node(), {}, data)
    expect(cookies.every((cookie) => cookie.length <= 4096)).toBe(true)
    expect([...browser.cookies.keys()]).toEqual(
      cookies.map((_, i) => (i === 0 ? 'session' : `session${i + 1}`)),
    )
    const found = now(sessions.open(browser.request()))!
    expect(found.data).toEqual(data)
    expect(found.subject).toBe('alex')
    expect({ id: found.id, key: found.key }).toEqual({ id: session.id, key: session.key })
  }
})

test('what compresses well fits where it would not otherwise', () => {
  const { browser } = loggedIn(new Node(), {}, { ...DATA, access_token: 'token '.repeat(5000) })
  expect(browser.cookies.size).toBe(1)
})

test.each([30_000, 40_000])(
  '%d bytes, which no request could bring, are refused at once',
  (length) => {
    const sessions = new Node().sessions()
    const data = { ...DATA, access_token: noise(length) }
    expect(() => sessions.start(new Browser().request(), data, 'alex')).toThrow(SessionError)
  },
)

test('chunks of a longer session are deleted', () => {
  const { sessions, browser, session } = loggedIn(
    new Node(),
    {},
    {
      ...DATA,
      access_token: noise(9000),
    },
  )
  expect(browser.cookies.size).toBeGreaterThan(2)
  const { cookies } = now(sessions.save(session, browser.request(), DATA))
  expect(cookies[1]).toBe(
    'session2=; Path=/; SameSite=Lax; Secure; HttpOnly; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0',
  )
  browser.keep(cookies)
  expect([...browser.cookies.keys()]).toEqual(['session'])
  expect(now(sessions.open(browser.request()))?.data).toEqual(DATA)
})

test.each([
  [{}, { session_cookie_path: `/${'long'.repeat(20)}` }],
  [{ session_cookie_path: `/${'long'.repeat(20)}` }, {}],
])('a session of several chunks that began with %j is used with %j', (before, after) => {
  const node = new Node()
  const { browser } = loggedIn(node, before, { ...DATA, access_token: noise(6000) })
  const sessions = node.sessions(after)
  node.pass(300)
  const request = browser.request()
  browser.keep(now(sessions.refresh(now(sessions.open(request))!, request))!.cookies)
  expect(now(sessions.open(browser.request()))?.subject).toBe('alex')
})

test('what is left of a longer session does no harm', () => {
  const { sessions, browser } = loggedIn(new Node())
  browser.cookies.set('session2', noise(100).replaceAll(';', ''))
  browser.cookies.set('session1000000000', 'x')
  expect(now(sessions.open(browser.request()))?.data).toEqual(DATA)
})

test('a cookie of the same name for another path does not hide the session', () => {
  const { sessions, browser } = loggedIn(new Node(), {}, { ...DATA, access_token: noise(6000) })
  const request = browser.request()
  const good = request.headers.get('cookie')!
  for (const bad of ['session=x', `session=${'A'.repeat(200)}`, 'session=; ;; =', 'session2=zz']) {
    const both = browser.request()
    both.headers.set('Cookie', `session=old; session2=old2; ${good}`)
    expect(now(sessions.open(both))?.subject).toBe('alex')
    both.headers.set('Cookie', `${good}; ${bad}`)
    expect(now(sessions.open(both))?.subject).toBe('alex')
  }
})

test('cookies may come in several fields', () => {
  const { sessions, browser } = loggedIn(new Node(), {}, { ...DATA, access_token: noise(6000) })
  const request = browser.request()
  request.headers.delete('cookie')
  for (const [name, value] of browser.cookies) request.headers.append('cookie', `${name}=${value}`)
  expect(now(sessions.open(request))?.subject).toBe('alex')
})

test('each bit of a cookie counts', () => {
  const node = new Node()
  const { sessions, browser } = loggedIn(node)
  const bytes = Buffer.from(browser.cookies.get('session')!, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    browser.cookies.set('session', changed.toString('base64url'))
    if (now(sessions.open(browser.request()))) throw new Error(`bit ${bit} does not count`)
  }
  browser.cookies.set('session', bytes.toString('base64url'))
  expect(now(sessions.open(browser.request()))).toBeDefined()
})

test('invented cookies are no session, and no crash', () => {
  const { sessions, browser } = loggedIn(new Node(), {}, { ...DATA, access_token: noise(6000) })
  const texts = [...browser.cookies.values()]
  const next = random(7)
  const signs = 'ABCDabcd0189-_=+/. ,"\\%\xe4'
  for (let i = 0; i < 2000; i++) {
    browser.cookies.clear()
    for (const name of ['session', 'session2', 'session3', 'session9']) {
      const text = texts[next(texts.length)]!
      const at = next(text.length)
      const sign = signs[next(signs.length)]!
      const kinds = [
        text.slice(0, at),
        text.slice(at),
        text.slice(0, at) + sign + text.slice(at),
        text.slice(0, 88) + sign.repeat(next(300)),
        sign.repeat(next(200)),
        '',
      ]
      browser.cookies.set(name, kinds[next(kinds.length)]!)
    }
    expect(now(sessions.open(browser.request()))).toBeUndefined()
  }
})

test('older content does not fit behind a newer head', () => {
  const { sessions, browser, session } = loggedIn(new Node(), {}, { ...DATA, access_token: 'a1' })
  const old = browser.cookies.get('session')!
  const saved = now(sessions.save(session, browser.request(), { ...DATA, access_token: 'a2' }))
  browser.keep(saved.cookies)
  const fresh = browser.cookies.get('session')!
  expect(fresh.length).toBe(old.length)
  browser.cookies.set('session', fresh.slice(0, 88) + old.slice(88))
  expect(now(sessions.open(browser.request()))).toBeUndefined()
})

test('the chunks of two sessions do not make one', () => {
  const node = new Node()
  const one = loggedIn(node, {}, { ...DATA, access_token: noise(6000, 1) })
  const two = loggedIn(node, {}, { ...DATA, access_token: noise(6000, 2) })
  one.browser.cookies.set('session2', two.browser.cookies.get('session2')!)
  expect(now(one.sessions.open(one.browser.request()))).toBeUndefined()
})

test.each<[string, Record<string, unknown>]>([
  ['secret', { session_secret: 'another' }],
  ['issuer', { issuer: 'https://issuer.test/realms/two' }],
  ['audience', { session_audience: 'another' }],
  ['client', { client_id: ['another'] }],
  ['storage', { session_storage: 'cookie', session_cookie_name: 'other' }],
])('a cookie is worth nothing for another %s', (_, other) => {
  const node = new Node()
  const { browser } = loggedIn(node, { client_id: ['one'] })
  browser.cookies.set('other', browser.cookies.get('session')!)
  const same = node.sessions({ client_id: ['zero', 'one'], issuer: `${ISSUER}/` })
  expect(now(same.open(browser.request()))?.data.client).toBe(1)
  const sessions = node.sessions({ client_id: ['one'], ...other })
  expect(now(sessions.open(browser.request()))).toBeUndefined()
})

const Y = 'https://y.test'
const WIDE = { issuers_allowed: [ISSUER, Y] }
test.each<[Record<string, unknown>, Record<string, unknown>, Record<string, unknown>, boolean]>([
  [WIDE, {}, { iss: Y }, false],
  [WIDE, { issuers_allowed: [ISSUER] }, { iss: Y }, false],
  [WIDE, { issuers_allowed: [Y, ISSUER] }, { iss: Y }, true],
  [WIDE, {}, { iss: `${ISSUER}/` }, true],
  [{}, WIDE, { iss: ISSUER }, true],
  [{}, { issuers_allowed: [Y] }, {}, false],
  [{}, {}, { iss: 'https://what.the.provider.calls.itself' }, true],
  [{ verify_signature: false }, {}, {}, false],
  [{ verify_signature: false }, { ignore_signature: ['password', 'refresh_token'] }, {}, true],
  [{ ignore_signature: ['password'] }, {}, {}, false],
  [{ ignore_signature: ['introspection'] }, {}, {}, true],
  [{ verify_claims: false }, {}, {}, false],
  [{ enable_hs_signatures: true }, {}, {}, false],
  [{}, { verify_signature: false, verify_claims: false, enable_hs_signatures: true }, {}, true],
])(
  'who was let in with %j, and comes to a plugin with %j: %j is taken: %p',
  (by, at, data, taken) => {
    const node = new Node()
    const { sessions, browser, session } = loggedIn(node, by, { ...DATA, ...data })
    const other = node.sessions(at)
    expect(now(other.open(browser.request())) !== undefined).toBe(taken)
    browser.keep(now(sessions.save(session, browser.request(), session.data)).cookies)
    expect(now(sessions.open(browser.request()))).toBeDefined()
    expect(now(other.open(browser.request())) !== undefined).toBe(taken)
  },
)

test('tokens whose signature is not checked when they are refreshed pass only where that is so', () => {
  const node = new Node()
  const config = { ignore_signature: ['refresh_token'] }
  const { sessions, browser, session } = loggedIn(node, config)
  expect(now(node.sessions().open(browser.request()))).toBeDefined()
  browser.keep(now(sessions.save(session, browser.request(), session.data)).cookies)
  expect(now(node.sessions().open(browser.request()))).toBeUndefined()
  expect(now(node.sessions(config).open(browser.request()))).toBeDefined()
})

test('who has no client takes the session of any', () => {
  const node = new Node()
  const { browser } = loggedIn(node, { client_id: ['zero', 'one'] }, { ...DATA, client: 1 })
  expect(now(node.sessions().open(browser.request()))?.data.client).toBe(0)
})

test('a remembered session is no session, and the other way round', () => {
  const node = new Node()
  const { browser, sessions } = loggedIn(node, { session_remember: true })
  const { cookies } = browser
  const [session, remember] = [cookies.get('session')!, cookies.get('remember')!]
  cookies.clear()
  cookies.set('session', remember).set('remember', session)
  expect(now(sessions.open(browser.request()))).toBeUndefined()
})

test('two cookies of one name are a fault of the configuration', async () => {
  const { checks } = await import('../../../../../src/plugins/openid-connect/session/index.ts')
  const faultOf = (config: Record<string, unknown>) => checks.map((check) => check(config))[0]
  const config = {
    session_remember: true,
    session_cookie_name: 'a',
    session_remember_cookie_name: 'a2',
  }
  expect(faultOf(config)).toMatchObject({ field: 'session_remember_cookie_name' })
  expect(faultOf({ ...config, session_remember_cookie_name: 'b' })).toBeUndefined()
  expect(() => new Node().sessions({ session_cookie_name: 'a;b' })).toThrow('name of a cookie')
  expect(() => new Node().sessions({ session_cookie_path: '/; Domain=a' })).toThrow('semicolon')
})
