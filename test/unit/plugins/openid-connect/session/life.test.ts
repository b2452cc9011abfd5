import { expect, test } from 'bun:test'
import { Browser, DATA, ISSUER, Node, now } from './browser.ts'

function logIn(node: Node, config: Record<string, unknown> = {}, browser = new Browser()) {
  const sessions = node.sessions(config)
  const kept = now(sessions.start(browser.request(), DATA, 'alex'))
  browser.keep(kept.cookies)
  return { sessions, browser, ...kept }
}

/** A request that keeps the session alive: gives it as it is after that, or nothing if there is none. */
function visit(sessions: ReturnType<Node['sessions']>, browser: Browser) {
  const request = browser.request()
  const session = now(sessions.open(request))
  const kept = session && now(sessions.refresh(session, request))
  if (kept) browser.keep(kept.cookies)
  return { session, kept, cookies: kept?.cookies ?? [] }
}

test.each<[string, Record<string, unknown>, number]>([
  ['idling', { session_idling_timeout: 900 }, 900],
  ['rolling', { session_idling_timeout: 0 }, 3600],
  ['absolute', { session_idling_timeout: 0, session_rolling_timeout: 0 }, 86_400],
])('the %s timeout ends a session at its very moment', (_, config, seconds) => {
  const node = new Node()
  const connection = {}
  const { sessions, browser } = logIn(node, config)
  node.pass(seconds)
  node.now -= 1
  expect(now(sessions.open(browser.request()))).toBeDefined()
  expect(now(sessions.open(browser.request(connection)))).toBeDefined()
  node.now += 1
  expect(now(sessions.open(browser.request()))).toBeUndefined()
  expect(now(sessions.open(browser.request(connection)))).toBeUndefined()
})

test('without timeouts a session does not end', () => {
  const node = new Node()
  const config = {
    session_idling_timeout: 0,
    session_rolling_timeout: 0,
    session_absolute_timeout: 0,
  }
  const { sessions, browser } = logIn(node, config)
  node.pass(10 * 365 * 86_400)
  expect(visit(sessions, browser)).toMatchObject({ session: { subject: 'alex' }, cookies: [] })
})

test('use is noted at most once a minute, in the first cookie alone', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node)
  node.pass(59)
  expect(visit(sessions, browser).cookies).toEqual([])
  node.pass(1)
  const [cookie, ...others] = visit(sessions, browser).cookies
  expect(cookie).toMatch(/^session=[\w-]+; Path=\/; SameSite=Lax; Secure; HttpOnly$/)
  expect(others).toEqual([])
  expect(visit(sessions, browser).cookies).toEqual([])
  node.pass(899)
  expect(visit(sessions, browser).session).toMatchObject({ id: session.id, data: DATA })
  node.pass(900)
  expect(visit(sessions, browser).session).toBeUndefined()
})

test('use is noted in time for an idling timeout below a minute', () => {
  const node = new Node()
  const { sessions, browser } = logIn(node, { session_idling_timeout: 20 })
  for (let i = 0; i < 30; i++) {
    node.pass(6)
    expect(visit(sessions, browser).session).toBeDefined()
  }
})

test('after three quarters of the rolling timeout a session goes on under a new id', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node, { session_idling_timeout: 0 })
  node.pass(2700)
  node.now -= 1
  expect(visit(sessions, browser).cookies).toEqual([])
  node.now += 1
  const copy = browser.copy()
  const { kept } = visit(sessions, browser)
  expect(kept?.session.id).not.toBe(session.id)
  expect(now(sessions.open(browser.request()))).toMatchObject({ id: kept?.session.id, data: DATA })
  // Others that are on their way with the old cookie get the same new one, for ten seconds.
  node.pass(9.999)
  expect(visit(sessions, copy.copy()).cookies).toEqual(kept!.cookies)
  node.pass(0.001)
  expect(visit(sessions, copy).session).toBeUndefined()
  node.pass(2600)
  expect(visit(sessions, browser).session).toBeDefined()
})

test('renewals go on until the absolute timeout', () => {
  const node = new Node()
  const { sessions, browser } = logIn(node)
  const ids = new Set<string>()
  for (let passed = 0; passed < 86_400 - 600; passed += 600) {
    node.pass(600)
    ids.add(visit(sessions, browser).session?.id ?? 'none')
  }
  expect(ids.has('none')).toBe(false)
  expect(ids.size).toBeGreaterThan(20)
  node.pass(600)
  expect(visit(sessions, browser).session).toBeUndefined()
})

test('other data under the same id leave the timeouts as they are, but for the use', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node)
  node.pass(800)
  const data = { ...DATA, access_token: 'newer' }
  const saved = now(sessions.save(session, browser.request(), data))
  expect(saved.session).toMatchObject({ id: session.id, data })
  expect(saved.session.key).not.toBe(session.key)
  expect(saved.session.ends).toEqual({ ...session.ends, idling: node.now + 900_000 })
  const old = browser.copy()
  browser.keep(saved.cookies)
  expect(now(sessions.open(browser.request()))?.data).toEqual(data)
  expect(now(sessions.open(old.request()))?.data).toEqual(DATA)
})

test('a login has a new id, and what was there before ends', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node)
  const old = browser.copy()
  const again = logIn(node, {}, browser)
  expect(again.session.id).not.toBe(session.id)
  expect(now(sessions.open(browser.request()))?.id).toBe(again.session.id)
  node.pass(10)
  expect(now(sessions.open(old.request()))).toBeUndefined()
})

test('a session that was ended is over, for copies of its cookie too', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node)
  const copy = browser.copy()
  const connection = {}
  expect(now(sessions.open(copy.request(connection)))).toBeDefined()
  const cookies = now(sessions.destroy(session, browser.request()))
  expect(cookies).toEqual([
    'session=; Path=/; SameSite=Lax; Secure; HttpOnly; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0',
  ])
  browser.keep(cookies)
  expect(browser.cookies.size).toBe(0)
  expect(now(sessions.open(copy.request()))).toBeUndefined()
  expect(now(sessions.open(copy.request(connection)))).toBeUndefined()
})

test('a cookie is read once for each connection', () => {
  const { sessions, browser } = logIn(new Node())
  const connection = {}
  const first = now(sessions.open(browser.request(connection)))
  expect(now(sessions.open(browser.request(connection)))).toBe(first!)
  expect(now(sessions.open(new Browser().request(connection)))).toBeUndefined()
})

test('a cookie is read once for all connections, by each configuration with its own timeouts', () => {
  const node = new Node()
  const { sessions, browser } = logIn(node)
  const short = node.sessions({ session_idling_timeout: 10 })
  const first = now(sessions.open(browser.request()))
  expect(now(sessions.open(browser.request()))).toBe(first!)
  expect(now(short.open(browser.request()))?.ends.idling).toBe(node.now + 10_000)
  node.pass(10)
  expect(now(short.open(browser.request()))).toBeUndefined()
  expect(now(sessions.open(browser.request()))?.ends.idling).toBe(node.now + 890_000)
})

test('several applications share a cookie, and end apart', () => {
  const node = new Node()
  const a = logIn(node, { session_audience: 'a' })
  const { browser } = a
  const b = logIn(node, { session_audience: 'b' }, browser)
  expect(browser.cookies.size).toBe(1)
  const inA = now(a.sessions.open(browser.request()))!
  expect(now(b.sessions.open(browser.request()))).toBeDefined()
  const both = browser.copy()
  browser.keep(now(a.sessions.destroy(inA, browser.request())))
  expect(now(a.sessions.open(browser.request()))).toBeUndefined()
  expect(now(a.sessions.open(both.request()))).toBeUndefined()
  const left = now(b.sessions.open(browser.request()))!
  browser.keep(now(b.sessions.destroy(left, browser.request())))
  expect(browser.cookies.size).toBe(0)
})

test('what goes on when another application ends does not last longer for that', () => {
  const node = new Node()
  const config = { session_idling_timeout: 0 }
  const a = logIn(node, { ...config, session_audience: 'a' })
  const b = logIn(node, { ...config, session_audience: 'b' }, a.browser)
  node.pass(2000)
  const inA = now(a.sessions.open(a.browser.request()))!
  a.browser.keep(now(a.sessions.destroy(inA, a.browser.request())))
  expect(now(b.sessions.open(a.browser.request()))?.ends.rolling).toBe(b.session.ends.rolling)
})

test('an application that comes later does not make another one last longer', () => {
  const node = new Node()
  const a = logIn(node, { session_audience: 'a', session_absolute_timeout: 1000 })
  node.pass(800)
  logIn(node, { session_audience: 'b' }, a.browser)
  node.pass(199)
  expect(now(a.sessions.open(a.browser.request()))).toBeDefined()
  node.pass(1)
  expect(now(a.sessions.open(a.browser.request()))).toBeUndefined()
})

test.each([false, true])('with session_enforce_same_subject %p', (enforce) => {
  const node = new Node()
  const a = logIn(node, { session_audience: 'a' })
  const b = node.sessions({ session_audience: 'b', session_enforce_same_subject: enforce })
  a.browser.keep(now(b.start(a.browser.request(), DATA, 'sam')).cookies)
  expect(now(b.open(a.browser.request()))?.subject).toBe('sam')
  expect(now(a.sessions.open(a.browser.request()))?.subject).toBe(enforce ? undefined : 'alex')
})

test.each([
  ['ip', { ip: '192.0.2.2' }],
  ['scheme', { scheme: 'http' }],
  ['user-agent', { agent: 'curl' }],
])('a session that is bound to the %s is worth nothing from elsewhere', (fact, change) => {
  const node = new Node()
  const { sessions, browser } = logIn(node, { session_bind: [fact] })
  const loose = logIn(node, { session_cookie_name: 'loose' })
  const connection = {}
  expect(now(sessions.open(browser.request(connection)))).toBeDefined()
  Object.assign(browser, change)
  expect(now(sessions.open(browser.request()))).toBeUndefined()
  expect(now(sessions.open(browser.request(connection)))).toBeUndefined()
  expect(now(loose.sessions.open(Object.assign(loose.browser, change).request()))).toBeDefined()
})

test('what a session is bound to cannot be moved from one fact to the next', () => {
  const node = new Node()
  const { sessions, browser } = logIn(node, { session_bind: ['ip', 'user-agent'] })
  browser.ip = '192.0.2.1","Fire'
  browser.agent = 'fox'
  expect(now(sessions.open(browser.request()))).toBeUndefined()
})

test('remember-me begins a session anew when the browser has forgotten it', () => {
  const node = new Node()
  const config = { session_remember: true }
  const { sessions, browser, cookies, session } = logIn(node, config)
  expect(cookies[1]).toMatch(
    /^remember=[\w-]+; Path=\/; SameSite=Lax; Secure; HttpOnly; Expires=\w{3}, [\w: ]+ GMT; Max-Age=604800$/,
  )
  browser.cookies.delete('session')
  node.pass(600_000)
  const copy = browser.copy()
  const first = visit(sessions, browser)
  expect(first.session).toMatchObject({ subject: 'alex', data: DATA })
  expect(first.kept?.session.id).not.toBe(session.id)
  expect([...browser.cookies.keys()].sort()).toEqual(['remember', 'session'])
  expect(visit(sessions, browser)).toMatchObject({ session: { subject: 'alex' }, cookies: [] })
  node.pass(10)
  expect(visit(sessions, copy).session).toBeUndefined()
})

test('what is remembered ends too', () => {
  const node = new Node()
  const { sessions, browser } = logIn(node, { session_remember: true })
  const unused = browser.copy()
  unused.cookies.delete('session')
  const days = (n: number) => node.pass(n * 86_400)
  for (let day = 5; day < 30; day += 5) {
    days(5)
    browser.cookies.delete('session')
    expect(visit(sessions, browser).session).toBeDefined()
    if (day === 10) expect(visit(sessions, unused).session).toBeUndefined()
  }
  days(5)
  browser.cookies.delete('session')
  expect(visit(sessions, browser).session).toBeUndefined()
})

test.each([
  ['a back-channel logout has ended', 1000, { sub: 'alex' }],
  ['is past its absolute timeout', 500_000, undefined],
])('remember-me does not bring back another application that %s', async (_, passed, ended) => {
  const node = new Node()
  const config = { session_remember: true, session_remember_absolute_timeout: 600_000 }
  const a = logIn(node, { ...config, session_audience: 'a' })
  node.pass(passed)
  const b = node.sessions({ ...config, session_audience: 'b' })
  a.browser.keep(now(b.start(a.browser.request(), DATA, 'sam')).cookies)
  if (ended) await a.sessions.destroyAll({ iss: ISSUER, ...ended })
  node.pass(150_000)
  a.browser.cookies.delete('session')
  expect(now(a.sessions.open(a.browser.request()))).toBeUndefined()
  expect(visit(b, a.browser).session?.subject).toBe('sam')
  expect(now(b.open(a.browser.request()))).toBeDefined()
  expect(now(a.sessions.open(a.browser.request()))).toBeUndefined()
})

test('what is remembered keeps up with the session, and ends with it', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node, { session_remember: true })
  const data = { ...DATA, refresh_token: 'second' }
  const saved = now(sessions.save(session, browser.request(), data))
  browser.keep(saved.cookies)
  const forgetful = browser.copy()
  forgetful.cookies.delete('session')
  expect(now(sessions.open(forgetful.request()))?.data).toEqual(data)
  browser.keep(now(sessions.destroy(saved.session, browser.request())))
  expect(browser.cookies.size).toBe(0)
  expect(now(sessions.open(forgetful.request()))).toBeUndefined()
})

test('after the secret was replaced sessions go on, and are sealed with the new one', () => {
  const node = new Node()
  const { browser, session } = logIn(node, { session_secret: 'old' })
  node.before = ['old']
  const sessions = node.sessions({ session_secret: 'new' })
  const { kept } = visit(sessions, browser)
  expect(kept?.session.id).toBe(session.id)
  expect(visit(sessions, browser)).toMatchObject({ session: { id: session.id }, cookies: [] })
  node.before = []
  expect(visit(node.sessions({ session_secret: 'new' }), browser).session).toBeDefined()
  expect(visit(node.sessions({ session_secret: 'old' }), browser).session).toBeUndefined()
})

test.each([
  ['a subject', { sub: 'alex' }],
  ['a session of the provider', { sid: 's1' }],
  ['a session of the provider, with its subject', { sub: 'alex', sid: 's1' }],
])('all sessions of %s are ended', async (_, which) => {
  const node = new Node()
  const sessions = node.sessions({ session_remember: true })
  const begin = (sub: string, sid: string) => {
    const browser = new Browser()
    browser.keep(now(sessions.start(browser.request(), { ...DATA, sid }, sub)).cookies)
    return browser
  }
  const mine = begin('alex', 's1')
  const others = begin('sam', 's2')
  await sessions.destroyAll({ iss: 'https://other.test', ...which })
  expect(now(sessions.open(mine.request()))).toBeDefined()
  await sessions.destroyAll({ iss: `${ISSUER}/`, ...which })
  expect(now(sessions.open(mine.request()))).toBeUndefined()
  expect(now(sessions.open(others.request()))).toBeDefined()
  node.pass(1)
  expect(now(sessions.open(begin('alex', 's1').request()))).toBeDefined()
})

test('headers tell the facts that the configuration names', () => {
  const node = new Node()
  const { sessions, session } = logIn(node, {
    session_request_headers: ['id', 'audience', 'subject', 'timeout'],
    session_response_headers: ['idling-timeout', 'rolling-timeout', 'absolute-timeout'],
    session_idling_timeout: 0,
  })
  node.pass(100.5)
  expect(sessions.requestHeaders).toEqual([
    'Session-Id',
    'Session-Audience',
    'Session-Subject',
    'Session-Timeout',
  ])
  expect(sessions.facts(session, 'request')).toEqual([
    ['Session-Id', session.id],
    ['Session-Audience', 'default'],
    ['Session-Subject', 'alex'],
    ['Session-Timeout', '3499'],
  ])
  expect(sessions.facts(session, 'response')).toEqual([
    ['Session-Rolling-Timeout', '3499'],
    ['Session-Absolute-Timeout', '86299'],
  ])
})

test('a session that ends while its tokens are renewed is saved without a fault', () => {
  const node = new Node()
  const { sessions, browser, session } = logIn(node, { session_idling_timeout: 0 })
  node.pass(3600)
  browser.keep(now(sessions.save(session, browser.request(), DATA)).cookies)
  expect(now(sessions.open(browser.request()))).toBeUndefined()
})
