import { expect, test } from 'bun:test'
import {
  SessionError,
  type SessionData,
} from '../../../../../src/plugins/openid-connect/session/index.ts'
import { Browser, DATA, ISSUER, MemoryStorage, Node } from './browser.ts'

async function logIn(
  node: Node,
  storage: MemoryStorage,
  config: Record<string, unknown> = {},
  { browser = new Browser(), data = DATA }: { browser?: Browser; data?: SessionData } = {},
) {
  const sessions = node.sessions(config, storage)
  const kept = await sessions.start(browser.request(), data, 'alex')
  browser.keep(kept.cookies)
  return { sessions, browser, ...kept }
}

function set() {
  const node = new Node()
  return { node, storage: new MemoryStorage(node) }
}

test('the cookie holds no more than the id and its times, and the storage nothing that can be read', async () => {
  const { node, storage } = set()
  const data = { ...DATA, access_token: 'a-secret-token'.repeat(1000) }
  const { sessions, browser, session } = await logIn(node, storage, {}, { data })
  expect([...browser.cookies.values()].join('')).toHaveLength(88)
  expect([...storage.values.keys()]).toEqual([`session:${session.id}`])
  const [stored] = [...storage.values.values()]
  expect(Buffer.from(stored!.value).toString('latin1')).not.toContain('secret')
  expect(await sessions.open(browser.request())).toMatchObject({ id: session.id, data })
  expect(stored!.ends).toBe(node.now + 3_600_000)
})

test('with session_hash_storage_key nobody can tell the id by the key', async () => {
  const { node, storage } = set()
  const config = { session_hash_storage_key: true }
  const { sessions, browser, session } = await logIn(node, storage, config)
  expect([...storage.values.keys()]).toEqual([
    `session:${new Bun.CryptoHasher('sha256').update(session.id).digest('base64url')}`,
  ])
  expect(await sessions.open(browser.request())).toBeDefined()
})

test('a storage that cannot be asked is a fault of its own, not a session that is not there', async () => {
  const { node, storage } = set()
  const { sessions, browser, session } = await logIn(node, storage)
  storage.isBroken = true
  const request = browser.request()
  for (const asked of [
    () => sessions.open(request),
    () => sessions.start(request, DATA, 'alex'),
    () => sessions.save(session, request, DATA),
    () => sessions.destroy(session, request),
    () => sessions.destroyAll({ iss: ISSUER, sub: 'alex' }),
  ])
    expect(await Promise.resolve(asked()).then(undefined, (error) => error.code)).toBe(
      'session_storage_failed',
    )
  // Without a cookie nobody is asked.
  expect(await sessions.open(new Browser().request())).toBeUndefined()
})

test('a storage that cannot be asked does not keep a session from being used', async () => {
  const { node, storage } = set()
  const { sessions, browser, session } = await logIn(node, storage, {
    session_idling_timeout: 3000,
  })
  const request = browser.request()
  storage.isBroken = true
  node.pass(60)
  expect((await sessions.refresh(session, request))?.cookies).toHaveLength(1)
  // A renewal has to wait for another request.
  node.pass(2700)
  expect(await sessions.refresh(session, request)).toBeUndefined()
  expect(node.gateway.lines).toEqual(['a session was not renewed'])
  storage.isBroken = false
  expect((await sessions.refresh(session, request))?.session.id).not.toBe(session.id)
})

test('other data under the same id serve requests with the older cookie too', async () => {
  const { node, storage } = set()
  const { sessions, browser, session } = await logIn(node, storage)
  const data = { ...DATA, refresh_token: 'second' }
  const old = browser.copy()
  const saved = await sessions.save(session, browser.request(), data)
  browser.keep(saved.cookies)
  const found = await Promise.all([browser, old].map((each) => sessions.open(each.request())))
  expect(found.map((each) => each?.data)).toEqual([data, data])
  expect(found.every((each) => each?.key !== session.key)).toBe(true)
})

test('a renewal leaves the old id for ten seconds, and makes one new one for all who come at once', async () => {
  const { node, storage } = set()
  const { sessions, browser, session } = await logIn(node, storage, { session_idling_timeout: 0 })
  node.pass(2700)
  const requests = Array.from({ length: 5 }, () => browser.request())
  const kept = await Promise.all(
    requests.map(async (request) => sessions.refresh((await sessions.open(request))!, request)),
  )
  expect(new Set(kept.map((each) => each?.session.id)).size).toBe(1)
  expect(storage.values.size).toBe(2)
  node.pass(10)
  expect(await storage.get(`session:${session.id}`)).toBeUndefined()
  expect(await sessions.open(browser.request())).toBeUndefined()
  browser.keep(kept[0]!.cookies)
  expect(await sessions.open(browser.request())).toMatchObject({ data: DATA })
})

test('what is ended is gone from the storage, remembered or not', async () => {
  const { node, storage } = set()
  const { sessions, browser, session } = await logIn(node, storage, { session_remember: true })
  expect(storage.values.size).toBe(2)
  browser.keep(await sessions.destroy(session, browser.request()))
  expect(browser.cookies.size).toBe(0)
  expect(storage.values.size).toBe(0)
  expect([...storage.owners.values()].every(({ size }) => size === 0)).toBe(true)
})

test.each([
  ['a session', false, false],
  ['a session with remember-me', true, false],
  ['a remembered session', true, true],
])('new tokens do not bring back %s that was ended elsewhere', async (_, remember, isForgotten) => {
  const { node, storage } = set()
  const config = { session_remember: remember }
  const { sessions, browser } = await logIn(node, storage, config)
  if (isForgotten) browser.cookies.delete('session')
  const copy = browser.copy()
  const request = browser.request()
  const session = (await sessions.open(request))!
  await new Node().sessions(config, storage).destroyAll({ iss: ISSUER, sub: 'alex' })
  const data = { ...DATA, access_token: 'newer' }
  const kept = await sessions.save(session, request, data)
  expect(kept).toMatchObject({ session: { data, subject: 'alex' }, cookies: [] })
  node.pass(2700)
  const renewed = await sessions.refresh(kept.session, request)
  browser.keep([...kept.cookies, ...(renewed?.cookies ?? [])])
  expect(storage.values.size).toBe(0)
  for (const each of [browser, copy])
    expect(await new Node().sessions(config, storage).open(each.request())).toBeUndefined()
})

test('all sessions of a subject, or of a session of the provider, are found in the storage', async () => {
  const { node, storage } = set()
  const begin = (sid: string) => logIn(node, storage, {}, { data: { ...DATA, sid } })
  const first = await begin('s1')
  const second = await begin('s2')
  const third = await begin('s3')
  const { sessions } = first
  // Another process, which has no memory of its own of what was ended.
  const other = new Node().sessions({}, storage)
  expect(await sessions.destroyAll({ iss: ISSUER, sub: 'alex', sid: 's1' })).toBe(1)
  expect(await other.open(first.browser.request())).toBeUndefined()
  expect(await other.open(second.browser.request())).toBeDefined()
  expect(await sessions.destroyAll({ iss: ISSUER, sub: 'alex' })).toBe(2)
  expect(await other.open(third.browser.request())).toBeUndefined()
  expect(await sessions.destroyAll({ iss: ISSUER })).toBe(0)
})

test.each<[Record<string, unknown>, string[]]>([
  [{}, []],
  [{ session_store_metadata: true }, ['session:default:alex']],
  [
    { session_store_metadata: true, session_hash_subject: true, session_audience: 'a b' },
    [`session:a%20b:${new Bun.CryptoHasher('sha256').update('alex').digest('base64url')}`],
  ],
])('with %p the sessions of a subject stand under %p', async (config, names) => {
  const { node, storage } = set()
  await logIn(node, storage, config)
  expect([...storage.owners.keys()].filter((name) => !name.startsWith('sub:'))).toEqual(names)
  expect([...storage.owners.keys()].join(' ')).toMatch(/^sub:[\w-]{43}/)
})

test('a stored session is worth nothing under another id, with another secret, or in a cookie', async () => {
  const { node, storage } = set()
  const one = await logIn(node, storage)
  const two = await logIn(node, storage, {}, { data: { ...DATA, access_token: 'other' } })
  expect(
    await node.sessions({ session_secret: 'b' }, storage).open(one.browser.request()),
  ).toBeUndefined()
  expect(await node.sessions().open(one.browser.request())).toBeUndefined()
  const value = storage.values.get(`session:${two.session.id}`)!
  storage.values.set(`session:${one.session.id}`, value)
  expect(await one.sessions.open(one.browser.request())).toBeUndefined()
  storage.values.set(`session:${two.session.id}`, { ...value, value: value.value.slice(0, -1) })
  expect(await two.sessions.open(two.browser.request())).toBeUndefined()
  storage.values.set(`session:${two.session.id}`, { ...value, value: new Uint8Array() })
  expect(await two.sessions.open(two.browser.request())).toBeUndefined()
})

test('each bit of the cookie counts', async () => {
  const { node, storage } = set()
  const { sessions, browser } = await logIn(node, storage)
  const bytes = Buffer.from(browser.cookies.get('session')!, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    browser.cookies.set('session', changed.toString('base64url'))
    if (await sessions.open(browser.request())) throw new Error(`bit ${bit} does not count`)
  }
})

test('more than a storage takes is refused', async () => {
  const { node, storage } = set()
  const data = {
    ...DATA,
    user_info: { more: noise(2_000_000) },
  }
  const started = logIn(node, storage, {}, { data })
  expect(await started.then(undefined, (error) => error)).toBeInstanceOf(SessionError)
})

function noise(length: number): string {
  let text = ''
  while (text.length < length)
    text += Buffer.from(crypto.getRandomValues(new Uint8Array(48_000))).toString('base64')
  return text
}
