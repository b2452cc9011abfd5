import { beforeEach, expect, test } from 'bun:test'
import type { Gateway, Node, Page } from '../../../../src/pdk.ts'
import { Metrics } from '../../../../src/plugins/openid-connect/metrics.ts'
import { prometheus } from '../../../../src/plugins/prometheus/index.ts'
import { TestContext, testGateway } from '../context.ts'
import { basic, bearer, create, gatewayOf, HOW_TO } from './plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from './provider.ts'
import { Visitor } from './visitor.ts'

const key = await signingKey('one')
let provider: ScriptedProvider
let gateway: Gateway
beforeEach(() => {
  provider = new ScriptedProvider(key)
  gateway = gatewayOf(provider)
})

/** What the status listener tells at `/metrics`, though no plugin prometheus is configured. */
function page(of = gateway): string {
  const node = {
    keep: of.keep,
    id: 'node',
    statistics: () => ({ total_requests: 0 }),
    upstreams: () => [],
  } as unknown as Node
  return (prometheus.pages!(node, () => [])['/metrics']!() as Page).body
}

/** The samples of a metric that are not 0, by their labels without the issuer. */
function counted(name: string): Record<string, number> {
  const beginning = `gatehouse_oidc_${name}{issuer="${ISSUER}",`
  const lines = page()
    .split('\n')
    .filter((line) => line.startsWith(beginning))
  return Object.fromEntries(
    lines
      .map((line): [string, number] => {
        const end = line.lastIndexOf('}')
        return [line.slice(beginning.length, end), Number(line.slice(end + 1))]
      })
      .filter(([, value]) => value !== 0),
  )
}

const visitor = (config: Record<string, unknown>) => new Visitor(create(provider, config, gateway))

test('nothing is told where there is no openid-connect', () => {
  expect(page(testGateway())).not.toContain('gatehouse_')
})

test('requests are counted by method, outcome and reason, and begin at 0', async () => {
  const alex = visitor({
    ...HOW_TO,
    auth_methods: ['password', 'bearer'],
    scopes_required: ['email'],
  })
  expect(page()).toContain(
    `gatehouse_oidc_requests_total{issuer="${ISSUER}",method="bearer",outcome="passed",reason=""} 0\n`,
  )
  for (let i = 0; i < 3; i++) await alex.send({ headers: [basic('alex', 'doe')] })
  await alex.send({ headers: [basic('alex', 'wrong')] })
  await alex.send({ headers: [bearer(await provider.accessToken())] })
  await alex.send({ headers: [bearer(await provider.accessToken({ exp: 1 }))] })
  await alex.send({ headers: [bearer(await provider.accessToken({ scope: 'other' }))] })
  await alex.send()
  expect(counted('requests_total')).toEqual({
    'method="password",outcome="passed",reason=""': 3,
    'method="password",outcome="refused",reason="invalid_grant"': 1,
    'method="bearer",outcome="passed",reason=""': 1,
    'method="access_token",outcome="refused",reason="token_expired"': 1,
    'method="bearer",outcome="refused",reason="insufficient_scope"': 1,
    'method="none",outcome="refused",reason="no_credentials"': 1,
  })
})

test('who goes on as the anonymous consumer is counted as such', async () => {
  const anonymous = { id: 'anonymous', username: 'anonymous' }
  gateway = gatewayOf(provider, { consumerList: [anonymous as never] })
  const { status } = await visitor({ ...HOW_TO, anonymous: 'anonymous' }).send()
  expect(status).toBe(200)
  expect(counted('requests_total')).toEqual({
    'method="none",outcome="anonymous",reason="no_credentials"': 1,
  })
})

test('calls to the provider are counted by kind and status, with their times', async () => {
  const alex = visitor(HOW_TO)
  await alex.send({ headers: [basic('alex', 'doe')] })
  await alex.send({ headers: [basic('alex', 'wrong')] })
  provider.instead['/token'] = () => {
    throw Object.assign(new Error('late'), { code: 'read_timeout' })
  }
  await alex.send({ headers: [basic('alex', 'other')] })
  provider.instead['/token'] = () => ({ status: 999 % 600, text: 'x' })
  await alex.send({ headers: [basic('alex', 'third')] })
  expect(counted('provider_requests_total')).toEqual({
    'call="discovery",status="200"': 1,
    'call="keys",status="200"': 1,
    'call="password",status="200"': 1,
    'call="password",status="400"': 1,
    'call="password",status="read_timeout"': 1,
    'call="password",status="399"': 1,
  })
  const counts = counted('provider_request_duration_seconds_count')
  expect(counts).toEqual({ 'call="discovery"': 1, 'call="keys"': 1, 'call="password"': 4 })
  const spread = counted('provider_request_duration_seconds_bucket')
  expect(spread['call="password",le="+Inf"']).toBe(4)
})

test('what was there already is told from what was not', async () => {
  const alex = visitor({
    ...HOW_TO,
    auth_methods: ['password', 'bearer', 'introspection'],
    introspection_endpoint: `${ISSUER}/introspect`,
    search_user_info: true,
  })
  provider.introspected.opaque = { active: true, sub: 'alex-id' }
  provider.users.opaque = { sub: 'alex-id' }
  const token = await provider.accessToken()
  provider.users[token] = { sub: 'alex-id' }
  for (let i = 0; i < 3; i++) await alex.send({ headers: [bearer(token)] })
  for (let i = 0; i < 2; i++) await alex.send({ headers: [bearer('opaque')] })
  for (let i = 0; i < 2; i++) await alex.send({ headers: [bearer('unknown')] })
  await alex.send({ headers: [basic('alex', 'doe')] })
  const lookups = counted('cache_lookups_total')
  expect(lookups['cache="proofs",result="hit"']).toBe(3)
  expect(lookups['cache="proofs",result="miss"']).toBe(5)
  // The second time it is known that nobody knows the token.
  expect(lookups['cache="introspection",result="miss"']).toBe(2)
  expect(lookups['cache="introspection",result="hit"']).toBe(1)
  expect(lookups['cache="userinfo",result="miss"']).toBe(3)
  expect(lookups['cache="tokens",result="miss"']).toBe(1)
  expect(lookups['cache="discovery",result="miss"']).toBe(1)
  expect(lookups['cache="keys",result="hit"']).toBeGreaterThan(0)
  expect(lookups['cache="keys",result="miss"']).toBeUndefined()
})

test('a token with an unknown key is one that was looked for', async () => {
  const other = await signingKey('two')
  const alex = visitor({ ...HOW_TO, auth_methods: ['bearer'] })
  await alex.send({ headers: [bearer(await provider.accessToken({}, other))] })
  expect(counted('cache_lookups_total')['cache="keys",result="miss"']).toBe(1)
})

test('sessions are counted as they begin, are refreshed, renewed and end', async () => {
  const config = {
    ...HOW_TO,
    auth_methods: ['session', 'password'],
    forbidden_destroy_session: true,
  }
  const alex = visitor({ ...config, session_rolling_timeout: 4000, session_idling_timeout: 0 })
  await alex.send({ headers: [basic('alex', 'doe')] })
  expect(counted('sessions_total')).toEqual({ 'event="begun"': 1 })
  provider.pass(301)
  expect((await alex.send()).status).toBe(200)
  expect(counted('sessions_total')).toEqual({ 'event="begun"': 1, 'event="refreshed"': 1 })
  provider.pass(200)
  expect((await alex.send()).status).toBe(200)
  expect(counted('sessions_total')['event="renewed"']).toBeUndefined()
  provider.accessTokenLife = 10_000
  provider.pass(2_600)
  await alex.send()
  await alex.send()
  expect(counted('sessions_total')).toEqual({
    'event="begun"': 1,
    'event="refreshed"': 2,
    'event="renewed"': 1,
  })
  provider.revoke()
  provider.pass(10_001)
  expect((await alex.send()).status).toBe(401)
  expect(counted('requests_total')['method="session",outcome="passed",reason=""']).toBe(4)
})

test('a storage of sessions that cannot be asked is counted by what it was asked for', async () => {
  const metrics = new Metrics({ issuer: ISSUER }, gateway)
  const broken = () => Promise.reject(new Error('down'))
  const storage = { get: broken, set: broken, shorten: broken, delete: broken, find: broken }
  const watched = metrics.watchStorage(storage)!
  await expect(watched.get('key')).rejects.toThrow('down')
  await expect(watched.get('key')).rejects.toThrow('down')
  await expect(watched.delete('key', [])).rejects.toThrow('down')
  expect(metrics.watchStorage(undefined)).toBeUndefined()
  expect(counted('session_storage_failures_total')).toEqual({
    'operation="get"': 2,
    'operation="delete"': 1,
  })
})

test('logins are counted as they begin, succeed and fail', async () => {
  let answer: (() => unknown) | undefined
  const login = new Metrics({ issuer: ISSUER }, gateway).watchLogin({
    begin: async (_: string) => 'sent',
    finish: async () => answer?.(),
  })
  expect(await login.begin('a')).toBe('sent')
  expect(await login.finish()).toBeUndefined()
  answer = () => 'finished'
  expect(await login.finish()).toBe('finished')
  answer = () => {
    throw new Error('refused')
  }
  await expect(login.finish()).rejects.toThrow('refused')
  expect(counted('logins_total')).toEqual({
    'event="begun"': 1,
    'event="finished"': 1,
    'event="failed"': 1,
  })
})

test('no secret is in a label, and the labels of a flood are few', async () => {
  const issuer = ISSUER.replace('http://', 'http://user:hidden@')
  const alex = visitor({ ...HOW_TO, auth_methods: ['password', 'bearer'], issuer })
  for (let i = 0; i < 50; i++) {
    await alex.send({ headers: [basic(`name-${i}`, `secret-${i}`)] })
    await alex.send({ headers: [bearer(`token-${i}`)] })
  }
  const text = page()
  expect(text).toContain(`{issuer="${ISSUER}"`)
  for (const each of ['hidden', 'name-', 'secret-', 'token-']) expect(text).not.toContain(each)
  const lines = text.split('\n').filter((line) => line.startsWith('gatehouse_oidc_requests_total'))
  expect(lines.length).toBeLessThan(15)
})

test('a known credential is counted without a promise', async () => {
  const handler = create(provider, { ...HOW_TO, auth_methods: ['bearer'] }, gateway)
  const sent = { headers: [bearer(await provider.accessToken())] }
  await handler.access!(new TestContext(sent))
  for (let i = 0; i < 10; i++) expect(handler.access!(new TestContext(sent))).toBeUndefined()
  expect(counted('requests_total')).toEqual({ 'method="bearer",outcome="passed",reason=""': 11 })
})

test('what was counted stays when the configuration is loaded again', async () => {
  const sent = { headers: [basic('alex', 'doe')] }
  await visitor(HOW_TO).send(sent)
  await visitor({ ...HOW_TO, leeway: 1 }).send(sent)
  expect(counted('requests_total')).toEqual({ 'method="password",outcome="passed",reason=""': 2 })
})
