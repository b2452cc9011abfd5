import { describe, expect, test } from 'bun:test'
import { signingKey } from '../../unit/plugins/openid-connect/provider.ts'
import { memcachedServer, hasMemcached } from '../memcached.ts'
import { hasRedis, PASSWORD, redisServer } from '../redis.ts'
import { basicField, bearerField, identified, plugin } from './identified.ts'

const key = await signingKey('one')
const ALEX = basicField('alex', 'doe')

describe('a session through a whole gateway', () => {
  const config = {
    auth_methods: ['session', 'password'],
    session_secret: 'a secret',
    upstream_session_id_header: 'x_session_id',
    session_response_headers: ['id'],
  }

  test('begins with a cookie, lets in without a password, and is hidden from the service', async () => {
    await using scene = await identified(`plugins:\n${plugin(config)}`, key)
    const browser = scene.browser()
    const first = await browser.send(ALEX)
    expect([first.status, first.cookies.length]).toEqual([200, 1])
    expect(first.cookies[0]).toMatch(/^session=[\w-]+; Path=\/; SameSite=Lax; HttpOnly$/)
    const again = await browser.send('X-Session-Id: mine\r\nX_Session_Id: mine\r\n')
    expect([again.status, again.told('cookie')]).toEqual([200, undefined])
    expect(again.told('x-session-id')).toBe(first.header('session-id')!)
    expect(again.told('x_session_id')).toBeUndefined()
    expect(again.told('authorization')).toStartWith('Bearer ey')
    expect((await scene.send()).status).toBe(401)
    expect(scene.provider.calls).toBe(1)
  })

  test('outlives a reload, and follows what the configuration says then', async () => {
    const yaml = (more: object) => `plugins:\n${plugin({ ...config, ...more })}`
    await using scene = await identified(yaml({}), key)
    const browser = scene.browser()
    await browser.send(ALEX)
    const [gateway] = scene.gateways
    const services = `services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]\n`
    gateway!.reload(`${services}${yaml({ scopes_required: ['admin'] })}`)
    const refused = await browser.send()
    expect([refused.status, browser.cookies.size]).toEqual([403, 0])
  })

  test('other plugins of the route see who its caller is', async () => {
    const consumers = `consumers:
  - { username: alex, custom_id: alex-id, groups: [{ name: gold }], plugins: [{ name: request-transformer, config: { add: { headers: ["x-of:alex"] } } }] }
  - { username: bob, custom_id: bob-id }
consumer_groups:
  - { name: gold, plugins: [{ name: response-transformer, config: { add: { headers: ["x-group:gold"] } } }] }
`
    const mapped = { ...config, consumer_claims: [['sub']], authenticated_groups_claim: ['scope'] }
    await using scene = await identified(`plugins:\n${plugin(mapped)}${consumers}`, key)
    const browser = scene.browser()
    for (const fields of [ALEX, '', '']) {
      const outcome = await browser.send(
        `${fields}X-Consumer-Username: root\r\nX-Authenticated-Groups: root\r\n`,
      )
      expect([outcome.status, outcome.told('x-of'), outcome.header('x-group')]).toEqual([
        200,
        'alex',
        'gold',
      ])
      expect([outcome.told('x-consumer-username'), outcome.told('x-consumer-custom-id')]).toEqual([
        'alex',
        'alex-id',
      ])
      expect(outcome.told('x-authenticated-groups')).toBe('openid, email')
      expect(outcome.told('x-consumer-id')).toMatch(/^[\da-f-]{36}$/)
    }
    scene.provider.claims = { sub: 'bob-id' }
    const other = await scene.browser().send(basicField('bob', 'doe'))
    expect([
      other.told('x-consumer-username'),
      other.told('x-of'),
      other.header('x-group'),
    ]).toEqual(['bob', undefined, undefined])
  })
})

describe('who a token says its bearer is', () => {
  const bearer = async (scene: Awaited<ReturnType<typeof identified>>, claims: object = {}) =>
    bearerField(await scene.provider.accessToken({ ...claims }))

  test('§10 #26: plugins for a consumer group apply after the mapping', async () => {
    const yaml = `plugins:\n${plugin({ auth_methods: ['bearer'], consumer_groups_claim: ['team'], consumer_groups_optional: true })}
consumer_groups:
  - { name: gold, plugins: [{ name: request-transformer, config: { add: { headers: ["x-of:gold"] } } }] }
  - { name: silver, plugins: [{ name: rate-limiting, config: { minute: 1, policy: local } }] }
`
    await using scene = await identified(yaml, key)
    expect((await scene.send(await bearer(scene, { team: 'gold' }))).told('x-of')).toBe('gold')
    expect((await scene.send(await bearer(scene))).told('x-of')).toBeUndefined()
    const silver = await bearer(scene, { team: ['silver'] })
    expect([(await scene.send(silver)).status, (await scene.send(silver)).status]).toEqual([
      200, 429,
    ])
  })

  test('rate-limiting counts each virtual credential apart', async () => {
    const limit =
      '  - { name: rate-limiting, config: { minute: 1, policy: local, limit_by: credential } }\n'
    await using scene = await identified(
      `plugins:\n${plugin({ auth_methods: ['bearer'] })}${limit}`,
      key,
    )
    const [a, b] = [await bearer(scene, { sub: 'a' }), await bearer(scene, { sub: 'b' })]
    const statuses = []
    for (const each of [a, b, a, b]) statuses.push((await scene.send(each)).status)
    expect(statuses).toEqual([200, 200, 429, 429])
    expect((await scene.send(await bearer(scene, { sub: 'a' }))).status).toBe(429)
  })

  test('acl goes by authenticated_groups_claim, of whom is no consumer', async () => {
    const acl = '  - { name: acl, config: { allow: [gold] } }\n'
    const config = { auth_methods: ['bearer'], authenticated_groups_claim: ['user', 'groups'] }
    await using scene = await identified(`plugins:\n${plugin(config)}${acl}`, key)
    const gold = await scene.send(await bearer(scene, { user: { groups: ['gold', 'x'] } }))
    expect([gold.status, gold.told('x-authenticated-groups')]).toEqual([200, 'gold, x'])
    const other = await scene.send(await bearer(scene, { user: { groups: ['silver'] } }))
    expect([other.status, other.body]).toEqual([403, expect.stringContaining('cannot consume')])
    expect((await scene.send(await bearer(scene))).status).toBe(403)
  })

  test('anonymous is an alternative to another plugin, in any order', async () => {
    const yaml = `plugins:\n${plugin({ auth_methods: ['bearer'], anonymous: 'nobody' })}
  - { name: key-auth, config: { anonymous: nobody } }
consumers:
  - { username: nobody }
  - { username: ann, keyauth_credentials: [{ key: anns }] }
  - { username: alex, custom_id: alex-id }
`
    await using scene = await identified(
      yaml.replace('anonymous":"nobody"', 'anonymous":"nobody","consumer_claims":[["sub"]]'),
      key,
    )
    const who = async (fields: string) => {
      const { status, told } = await scene.send(fields)
      return [status, told('x-consumer-username'), told('x-anonymous-consumer')]
    }
    expect(await who('')).toEqual([200, 'nobody', 'true'])
    expect(await who('apikey: anns\r\n')).toEqual([200, 'ann', undefined])
    expect(await who(await bearer(scene))).toEqual([200, 'alex', undefined])
    expect(await who(`apikey: bad\r\n${await bearer(scene)}`)).toEqual([200, 'alex', undefined])
    expect(await who(bearerField('bad'))).toEqual([200, 'nobody', 'true'])
    expect(await who(`apikey: anns\r\n${bearerField('bad')}`)).toEqual([200, 'ann', undefined])
  })

  test('a consumer that is made after a failed mapping is found after the reload', async () => {
    const yaml = `plugins:\n${plugin({ auth_methods: ['bearer'], consumer_claims: [['sub']] })}`
    await using scene = await identified(yaml, key)
    const fields = await bearer(scene)
    for (let i = 0; i < 2; i++) expect((await scene.send(fields)).status).toBe(403)
    const services = `services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]\n`
    scene.gateways[0]!.reload(
      `${services}${yaml}consumers: [{ username: alex, custom_id: alex-id }]\n`,
    )
    expect((await scene.send(fields)).status).toBe(502)
  })

  test('a token of the oauth2 plugin, its owner and its service', async () => {
    const yaml = `plugins:\n${plugin({ auth_methods: ['kong_oauth2', 'session'], session_secret: 's' })}
consumers:
  - username: bob
    oauth2_credentials: [{ id: 00000000-0000-4000-8000-00000000000c, name: app, client_id: app-id, client_secret: s }]
oauth2_tokens:
  - { credential: { id: 00000000-0000-4000-8000-00000000000c }, access_token: lasting, expires_in: 0, token_type: bearer }
  - { credential: { id: 00000000-0000-4000-8000-00000000000c }, access_token: fresh, expires_in: 7200, token_type: bearer }
  - { credential: { id: 00000000-0000-4000-8000-00000000000c }, access_token: old, expires_in: 60, created_at: 1000, token_type: bearer }
`
    await using scene = await identified(yaml, key)
    for (const token of ['lasting', 'fresh']) {
      const browser = scene.browser()
      for (const fields of [bearerField(token), '']) {
        const { status, told } = await browser.send(fields)
        expect([status, told('x-consumer-username'), told('x-credential-identifier')]).toEqual([
          200,
          'bob',
          'app-id',
        ])
        expect(told('x-consumer-id')).toMatch(/^[\da-f-]{36}$/)
      }
    }
    for (const token of ['old', 'unknown'])
      expect((await scene.send(bearerField(token))).status).toBe(401)
  })
})

describe('credentials are hidden from the service', () => {
  test.each([true, false])('hide_credentials %p', async (hide_credentials) => {
    const config = {
      auth_methods: ['bearer', 'password'],
      hide_credentials,
      bearer_token_param_type: ['header', 'query', 'body', 'cookie'],
      bearer_token_cookie_name: 'token',
    }
    await using scene = await identified(`plugins:\n${plugin(config)}`, key)
    const token = await scene.provider.accessToken()
    const query = await scene.send('', `GET /x?a=1&access_token=${token}&b=2 HTTP/1.1`)
    expect(query.target).toBe(hide_credentials ? '/x?a=1&b=2' : `/x?a=1&access_token=${token}&b=2`)
    const cookie = await scene.send(`Cookie: a=1; token=${token}; b=2\r\n`)
    expect(cookie.told('cookie')).toBe(hide_credentials ? 'a=1; b=2' : `a=1; token=${token}; b=2`)
    const header = await scene.send(`X-Access-Token: ${token}\r\n`)
    expect(header.told('x-access-token')).toBe(hide_credentials ? undefined : token)
    for (const each of [query, cookie, header]) {
      expect([each.status, each.told('authorization')]).toEqual([200, `Bearer ${token}`])
    }
    const text = 'a=1&username=alex&password=doe'
    const type = 'Content-Type: application/x-www-form-urlencoded'
    const posted = await scene.send(
      `${type}\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      'POST / HTTP/1.1',
    )
    // The service answers with what it was sent.
    expect(posted.body.split('\r\n\r\n')[1]).toBe(hide_credentials ? 'a=1' : text)
    // §1.3: a token in a query is masked in the access log.
    expect(scene.gateways[0]!.access.join('\n')).not.toContain(token)
    expect(scene.gateways[0]!.log.join('\n')).not.toContain(token)
  })
})

describe('answers', () => {
  test('§1.3, §10 #40: 401 and 403 are of one member, with a challenge, and of a known length', async () => {
    await using scene = await identified(
      `plugins:\n${plugin({ auth_methods: ['bearer'], scopes_required: ['admin'] })}`,
      key,
    )
    const none = await scene.send()
    expect([none.status, none.body, none.header('content-length')]).toEqual([
      401,
      '{"message":"Unauthorized"}',
      '26',
    ])
    expect(none.header('content-type')).toBe('application/json; charset=utf-8')
    expect(none.header('www-authenticate')).toBe('Bearer realm="provider.test"')
    expect(none.header('cache-control')).toBeUndefined()
    const forbidden = await scene.send(bearerField(await scene.provider.accessToken()))
    expect([forbidden.status, forbidden.body, forbidden.header('content-length')]).toEqual([
      403,
      '{"message":"Forbidden"}',
      '23',
    ])
    expect(forbidden.header('www-authenticate')).toBe(
      'Bearer realm="provider.test", error="insufficient_scope"',
    )
  })

  test('§10 #19: null in a JSON body, as its value or all of it, is no fault', async () => {
    await using scene = await identified(
      `plugins:\n${plugin({ auth_methods: ['bearer', 'password', 'refresh_token'], refresh_token_param_name: 'refresh_token' })}`,
      key,
    )
    for (const body of [
      'null',
      '{"access_token":null}',
      '{"username":null,"password":null}',
      '{"refresh_token":null}',
      '[]',
      '""',
      '{',
    ]) {
      const { status } = await scene.send(
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        'POST / HTTP/1.1',
      )
      expect([body, status]).toEqual([body, 401])
    }
  })
})

const storages = [
  [
    'redis',
    hasRedis,
    async () => {
      const server = await redisServer()
      return Object.assign(server, {
        config: {
          session_storage: 'redis',
          redis: {
            host: '127.0.0.1',
            port: server.port,
            password: PASSWORD,
            read_timeout: 300,
            connect_timeout: 300,
          },
        },
      })
    },
  ],
  [
    'memcached',
    hasMemcached,
    async () => {
      const server = await memcachedServer()
      return Object.assign(server, {
        config: { session_storage: 'memcached', session_memcached_port: server.port },
      })
    },
  ],
] as const

describe.each(storages)('sessions in a %s', (name, isThere, start) => {
  if (!isThere) {
    test.skip(`skipped: there is no ${name} on this machine`, () => {})
    return
  }

  test('are those of both gateways; without the storage it is a 500, and no way round', async () => {
    await using backend = await start()
    const config = {
      auth_methods: ['session', 'password', 'bearer'],
      session_secret: 's',
      ...backend.config,
    }
    await using scene = await identified(`plugins:\n${plugin(config)}`, key, { count: 2 })
    const browser = scene.browser()
    expect((await browser.send(ALEX)).status).toBe(200)
    expect((await browser.send('', undefined, 1)).status).toBe(200)
    expect(scene.provider.calls).toBe(1)
    await backend.kill()
    for (const at of [0, 1]) {
      const broken = await browser.send('', undefined, at)
      expect([broken.status, broken.cookies]).toEqual([500, []])
      expect(broken.header('location')).toBeUndefined()
    }
  })
})
