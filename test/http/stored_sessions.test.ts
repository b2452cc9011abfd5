import { describe, expect, test } from 'bun:test'
import type { Sessions } from '../../src/plugins/openid-connect/session/index.ts'
import { Browser, DATA, ISSUER, Node } from '../unit/plugins/openid-connect/session/browser.ts'
import { hasMemcached, memcachedServer } from './memcached.ts'
import { hasRedis, PASSWORD, redisServer } from './redis.ts'

interface Backend extends AsyncDisposable {
  readonly config: Record<string, unknown>
  kill(): Promise<void>
}

const backends: Readonly<Record<string, readonly [isThere: boolean, () => Promise<Backend>]>> = {
  redis: [
    hasRedis,
    async () => {
      const server = await redisServer()
      const redis = { port: server.port, password: PASSWORD, prefix: 'p' }
      return Object.assign(server, { config: { session_storage: 'redis', redis } })
    },
  ],
  memcached: [
    hasMemcached,
    async () => {
      const server = await memcachedServer()
      const config = { session_storage: 'memcached', session_memcached_port: server.port }
      return Object.assign(server, { config })
    },
  ],
}

/** A gateway with connections of its own. */
class Gateway extends Node implements Disposable {
  constructor() {
    super()
    this.now = Date.now()
  }

  [Symbol.dispose]() {
    for (const each of this.kept.values()) (each as Partial<Disposable>)[Symbol.dispose]?.()
  }
}

async function logIn(sessions: Sessions, sid: string): Promise<Browser> {
  const browser = new Browser()
  const data = { ...DATA, sid, access_token: 'token'.repeat(1000) }
  browser.keep((await sessions.start(browser.request(), data, 'alex')).cookies)
  return browser
}

describe.each(Object.entries(backends))('sessions in a real %s', (name, [isThere, start]) => {
  if (!isThere) {
    test.skip(`skipped: there is no ${name} on this machine`, () => {})
    return
  }

  test('are those of every gateway, from the login to the logout', async () => {
    await using backend = await start()
    using one = new Gateway()
    using two = new Gateway()
    const here = one.sessions({ ...backend.config, session_remember: true })
    const there = two.sessions({ ...backend.config, session_remember: true })
    const browser = await logIn(here, 's1')
    expect([...browser.cookies.values()].map(({ length }) => length)).toEqual([88, 88])
    const found = (await there.open(browser.request()))!
    expect(found).toMatchObject({ subject: 'alex', data: { sid: 's1' } })
    const saved = await there.save(found, browser.request(), { ...found.data, refresh_token: 'r' })
    browser.keep(saved.cookies)
    expect((await here.open(browser.request()))?.data.refresh_token).toBe('r')
    two.pass(2700)
    const request = browser.request()
    const renewed = (await there.refresh(saved.session, request))!
    expect(renewed.session.id).not.toBe(found.id)
    expect(await here.open(request)).toMatchObject({ id: found.id })
    browser.keep(renewed.cookies)
    const last = (await here.open(browser.request()))!
    expect(last.id).toBe(renewed.session.id)
    const copy = browser.copy()
    browser.keep(await here.destroy(last, browser.request()))
    expect(browser.cookies.size).toBe(0)
    expect(await there.open(copy.request())).toBeUndefined()
  })

  test('are all ended for a subject or a session of the provider', async () => {
    await using backend = await start()
    using one = new Gateway()
    using two = new Gateway()
    const [here, there] = [one.sessions(backend.config), two.sessions(backend.config)]
    const browsers = await Promise.all(['s1', 's2', 's3'].map((sid) => logIn(here, sid)))
    const found = () =>
      Promise.all(browsers.map(async (each) => (await here.open(each.request()))?.data.sid))
    expect(await there.destroyAll({ iss: ISSUER, sid: 's2' })).toBe(1)
    expect(await found()).toEqual(['s1', undefined, 's3'])
    expect(await there.destroyAll({ iss: ISSUER, sub: 'alex' })).toBe(2)
    expect(await found()).toEqual([undefined, undefined, undefined])
  })

  test('that is gone are a fault, and no end of them', async () => {
    await using backend = await start()
    using node = new Gateway()
    const sessions = node.sessions(backend.config)
    const browser = await logIn(sessions, 's1')
    await backend.kill()
    const asked = Promise.resolve(sessions.open(browser.request()))
    expect(await asked.then(undefined, (error) => error)).toMatchObject({
      code: 'session_storage_failed',
    })
  })
})
