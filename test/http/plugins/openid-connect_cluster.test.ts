import { describe, expect, test } from 'bun:test'
import { signingKey } from '../../unit/plugins/openid-connect/provider.ts'
import { hasRedis, PASSWORD, type RedisServer, redisServer } from '../redis.ts'
import { basicField, bearerField, identified, plugin } from './identified.ts'

const key = await signingKey('one')
const ALEX = basicField('alex', 'doe')
const refresh = (token: string) => `Refresh-Token: ${token}\r\n`

/** Two gateways with the same configuration, whose caches are shared by one Redis. */
async function cluster(config: Record<string, unknown>, items = ['introspection', 'tokens']) {
  const redis = await redisServer()
  const shared = {
    cluster_cache_strategy: 'redis',
    cluster_cache_items: items,
    cluster_cache_redis: {
      host: '127.0.0.1',
      port: redis.port,
      password: PASSWORD,
      read_timeout: 300,
      connect_timeout: 300,
    },
  }
  const scene = await identified(`plugins:\n${plugin({ ...shared, ...config })}`, key, { count: 2 })
  return {
    ...scene,
    redis: redis as RedisServer,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    },
  }
}

const name = hasRedis ? 'two gateways on one Redis' : 'skipped: there is no redis-server'
describe.skipIf(!hasRedis)(name, () => {
  test('introspect a token once, without any salt', async () => {
    await using scene = await cluster({ auth_methods: ['introspection'] }, ['introspection'])
    scene.provider.introspected.opaque = { sub: 'alex' }
    for (const at of [0, 1, 0, 1])
      expect((await scene.send(bearerField('opaque'), undefined, at)).status).toBe(200)
    expect(scene.provider.asked('/introspect')).toBe(1)
    const keys = (await scene.redis.ask('KEYS', '*')) as string[]
    expect(keys.join()).not.toContain('opaque')
  })

  test('do not share that a token is inactive', async () => {
    await using scene = await cluster({ auth_methods: ['introspection'] })
    expect((await scene.send(bearerField('late'), undefined, 0)).status).toBe(401)
    scene.provider.introspected.late = {}
    expect((await scene.send(bearerField('late'), undefined, 1)).status).toBe(200)
  })

  test.each([true, false])(
    'redeem a password once where tokens are shared: %p',
    async (isShared) => {
      const items = isShared ? ['tokens'] : ['introspection']
      await using scene = await cluster({ auth_methods: ['password'] }, items)
      const tokens = new Set<string | undefined>()
      for (const at of [0, 1, 0, 1]) {
        const outcome = await scene.send(ALEX, undefined, at)
        expect(outcome.status).toBe(200)
        tokens.add(outcome.told('authorization'))
      }
      expect([scene.provider.calls, tokens.size]).toEqual(isShared ? [1, 1] : [2, 2])
    },
  )

  test.each([40, 200])(
    '%i requests at once on both with one rotating refresh token are one call',
    async (count) => {
      const config = { auth_methods: ['refresh_token'], refresh_token_param_name: 'refresh_token' }
      await using scene = await cluster(config)
      const { provider } = scene
      const fields = refresh(provider.refreshToken())
      const storm = () =>
        Promise.all(Array.from({ length: count }, (_, i) => scene.send(fields, undefined, i % 2)))
      const first = await storm()
      expect(first.map(({ status }) => status)).toEqual(Array(count).fill(200))
      expect(new Set(first.map(({ told }) => told('authorization'))).size).toBe(1)
      expect([provider.calls, provider.reuses]).toEqual([1, 0])
    },
  )

  test.each([40, 200])(
    '%i requests at once on both with one expired session are one call',
    async (count) => {
      const config = { auth_methods: ['session', 'password'], session_secret: 's' }
      await using scene = await cluster(config)
      const { provider } = scene
      provider.accessTokenLife = 1
      const browser = scene.browser()
      await browser.send(ALEX)
      await Bun.sleep(1100)
      provider.now = Date.now()
      provider.accessTokenLife = 300
      const outcomes = await Promise.all(
        Array.from({ length: count }, (_, i) => browser.copy().send('', undefined, i % 2)),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(Array(count).fill(200))
      expect(new Set(outcomes.map(({ told }) => told('authorization'))).size).toBe(1)
      expect([provider.calls, provider.reuses]).toEqual([2, 0])
    },
  )

  test('go on alone when it is killed in the middle, and lose no request', async () => {
    await using scene = await cluster({ auth_methods: ['introspection', 'password'] })
    const { provider } = scene
    provider.introspected.opaque = {}
    let open!: () => void
    provider.gate = new Promise<void>((resolve) => (open = resolve))
    const asked = [0, 1, 0, 1].flatMap((at) => [
      scene.send(ALEX, undefined, at),
      scene.send(bearerField('opaque'), undefined, at),
    ])
    while (provider.calls === 0) await Bun.sleep(5)
    await scene.redis.kill()
    open()
    const outcomes = await Promise.all(asked)
    expect(outcomes.map(({ status }) => status)).toEqual(Array(8).fill(200))
    // Each for itself, once.
    expect(provider.calls).toBeLessThanOrEqual(2)
    const before = provider.calls
    for (const at of [0, 1]) expect((await scene.send(ALEX, undefined, at)).status).toBe(200)
    expect(provider.calls).toBe(before)
  })

  test('a shared token whose key is gone is fetched anew by the one that sees it', async () => {
    await using scene = await cluster({ auth_methods: ['password'] })
    const { provider } = scene
    expect((await scene.send(ALEX, undefined, 0)).status).toBe(200)
    const other = await signingKey('two')
    Object.assign(provider, { key: other, jwks: [other.jwk] })
    // The second gateway knows the new keys only.
    const outcome = await scene.send(ALEX, undefined, 1)
    expect([outcome.status, provider.calls]).toEqual([200, 2])
    expect((await scene.send(ALEX, undefined, 1)).told('authorization')).toBe(
      outcome.told('authorization')!,
    )
    expect(provider.calls).toBe(2)
  })

  test('a shared refresh that does not verify goes on with its newest token, and spends none twice', async () => {
    const config = { auth_methods: ['refresh_token'], refresh_token_param_name: 'refresh_token' }
    await using scene = await cluster(config)
    const { provider } = scene
    const fields = refresh(provider.refreshToken())
    expect((await scene.send(fields, undefined, 0)).status).toBe(200)
    const other = await signingKey('two')
    Object.assign(provider, { key: other, jwks: [other.jwk] })
    expect((await scene.send(fields, undefined, 1)).status).toBe(200)
    expect([provider.calls, provider.reuses]).toEqual([2, 0])
  })

  test('§10 #38: what is shared is written after the strategy is changed, without a restart', async () => {
    await using redis = await redisServer()
    const config = (strategy: string) =>
      `plugins:\n${plugin({
        auth_methods: ['introspection'],
        cluster_cache_strategy: strategy,
        cluster_cache_redis: { host: '127.0.0.1', port: redis.port, password: PASSWORD },
      })}`
    await using scene = await identified(config('off'), key)
    scene.provider.introspected.opaque = {}
    scene.provider.introspected.other = {}
    await scene.send(bearerField('opaque'))
    expect(await redis.ask('DBSIZE')).toBe(0)
    const services = `services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]\n`
    scene.gateways[0]!.reload(`${services}${config('redis')}`)
    expect((await scene.send(bearerField('other'))).status).toBe(502)
    expect(await redis.ask('DBSIZE')).toBe(1)
  })
})
