import { expect, test } from 'bun:test'
import { heapSize } from 'bun:jsc'
import { MemoryCache } from '../../../../../src/cache/memory.ts'
import type { Gateway, ResponseContext } from '../../../../../src/pdk.ts'
import { HeaderList } from '../../../../../src/headers.ts'
import { openidConnect } from '../../../../../src/plugins/openid-connect/index.ts'
import { random } from '../../../random.ts'
import { TestContext, testGateway } from '../../context.ts'
import { Holder } from '../possession/holder.ts'
import { configure } from '../plugin.ts'
import { signingKey } from '../provider.ts'
import { Visitor } from '../visitor.ts'
import { type Wallet, WildClient, type WildRequest, wordsOf } from './client.ts'
import { HostileProvider, sign } from './provider.ts'
import { CLIENT, FORM, go, textOf } from './scene.ts'

const COUNT = 100_000
const AT_ONCE = 10
const SEED = 20260101

const COMMON = {
  ...CLIENT,
  client_id: ['kong', 'other'],
  client_secret: ['the-secret-of-the-client', 'the-secret-of-the-other'],
  client_auth: ['client_secret_post', 'client_secret_post'],
  bearer_token_param_type: ['header', 'query', 'body', 'cookie'],
  bearer_token_cookie_name: 'token',
  refresh_token_param_name: 'refresh_token',
  id_token_param_name: 'id_token',
  logout_uri_suffix: '/logout',
  logout_query_arg: 'bye',
  logout_post_arg: 'bye',
  session_remember: true,
  upstream_headers: [{ header: 'X-Email', path: ['email'] }],
}
const ALL = [
  ...['session', 'bearer', 'kong_oauth2', 'introspection', 'userinfo', 'refresh_token'],
  ...['password', 'client_credentials', 'authorization_code'],
]
const CONFIGS: readonly Record<string, unknown>[] = [
  {
    auth_methods: ALL,
    token_post_args_client: ['scope', 'login_hint'],
    authorization_query_args_client: ['login_hint', 'state'],
    display_errors: true,
  },
  {
    auth_methods: ['session', 'bearer', 'authorization_code'],
    response_mode: 'form_post',
    proof_of_possession_dpop: 'strict',
    proof_of_possession_auth_methods_validation: false,
    introspect_jwt_tokens: true,
  },
  {
    auth_methods: ['session', 'bearer', 'introspection', 'authorization_code'],
    response_mode: 'jwt',
    login_action: 'redirect',
    enable_hs_signatures: true,
    session_bind: ['user-agent', 'ip'],
  },
  { auth_methods: ALL.filter((each) => each !== 'authorization_code'), hide_credentials: false },
]

const holder = await Holder.create()
const key = await signingKey('one')

/** A provider that takes what is in the wallet, and nothing else. */
function strictProvider(): HostileProvider {
  const provider = new HostileProvider(key)
  provider.breaks = {
    introspect: (right, { token }) =>
      token === 'good-opaque-token' ? right : { json: { active: false } },
    userinfo: () => ({ status: 401, json: {} }),
    token: (right, { grant_type, client_id, client_secret }) => {
      const isApp = client_id === 'application' && client_secret === 'secret-of-application'
      const isRight = grant_type !== 'client_credentials' || isApp
      return isRight ? right : { status: 401, json: { error: 'invalid_client' } }
    },
  }
  return provider
}

/** One plugin, and what is good there. */
class Target {
  readonly provider = strictProvider()
  readonly config: Record<string, unknown>
  readonly handler
  /** How often somebody was let in. */
  passed = 0

  constructor(config: Record<string, unknown>) {
    const { provider } = this
    this.config = { ...COMMON, issuer: provider.issuer, ...config }
    const caches = new Map<string, MemoryCache<unknown>>()
    const now = () => provider.now
    const silent = () => {}
    const gateway: Gateway = testGateway({
      fetch: provider.fetch,
      now,
      log: { debug: silent, info: silent, notice: silent, warn: silent, error: silent },
      cache<V>(name: string) {
        // Small, so that they are full soon and what grows afterwards is a leak.
        if (!caches.has(name)) caches.set(name, new MemoryCache<unknown>(200_000, now))
        return caches.get(name) as MemoryCache<V>
      },
    })
    this.handler = openidConnect.create(configure(this.config), gateway)
  }

  async fillWallet(): Promise<Wallet> {
    const { provider } = this
    const cnf = { jkt: holder.jkt }
    const accessToken = await provider.accessToken({ cnf })
    const visitor = new Visitor(this.handler)
    const mode = this.config.response_mode
    const sends = [
      ['Authorization', `DPoP ${accessToken}`],
      ['DPoP', await holder.prove(accessToken, provider.now)],
    ] as const
    const headers =
      mode === 'form_post' ? sends : [['Authorization', `Bearer ${accessToken}`] as const]
    await visitor.send({ headers })
    const browser = new Visitor(this.handler)
    const unused = [headers[0]!, ['DPoP', await holder.prove(accessToken, provider.now)] as const]
    const begun = await go(browser, '/shop')
    const location = begun.header('location')
    const answer =
      location === undefined
        ? 'code=x&state=y'
        : String(
            mode === 'jwt'
              ? await provider.authorizeSigned(location)
              : provider.authorize(location),
          )
    const cookies = [...visitor.cookies, ...browser.cookies].map(
      ([name, value]) => `${name}=${value}`,
    )
    const logoutToken = await sign(
      { alg: 'ES256', kid: 'one', typ: 'logout+jwt' },
      {
        iss: provider.issuer,
        aud: 'kong',
        sub: 'nobody',
        jti: String(provider.seconds),
        iat: provider.seconds,
        exp: provider.seconds + 60,
        events: {},
      },
      key,
    )
    return {
      accessTokens: [accessToken, 'good-opaque-token'],
      refreshToken: provider.refreshToken(),
      pairs: ['alex:doe-of-alex', 'application:secret-of-application'],
      cookies: cookies.length > 0 ? cookies : ['session=x'],
      answer,
      proof: await holder.prove(accessToken, provider.now),
      logoutToken,
      requests: this.#goodRequests(visitor, browser, answer, unused),
    }
  }

  #goodRequests(
    { cookies }: Visitor,
    browser: Visitor,
    answer: string,
    headers: WildRequest['headers'],
  ): WildRequest[] {
    const cookiesOf = (jar: ReadonlyMap<string, string>): [string, string] => [
      'Cookie',
      [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
    ]
    const form = { method: 'POST', headers: [FORM, cookiesOf(browser.cookies)], body: answer }
    const back = { method: 'GET', headers: [cookiesOf(browser.cookies)], query: answer }
    const pair = Buffer.from('alex:doe-of-alex').toString('base64')
    return [
      { path: '/', method: 'GET', headers: headers! },
      { path: '/shop', method: 'GET', headers: [cookiesOf(cookies)] },
      { path: '/shop', ...(this.config.response_mode === 'form_post' ? form : back) },
      { path: '/shop', method: 'GET', headers: [['Authorization', `Basic ${pair}`]] },
      { path: '/shop/logout', method: 'POST', headers: [cookiesOf(cookies)] },
    ]
  }

  /** Sends a request, and says what is wrong with the answer. */
  async ask(sent: WildRequest, wallet: Wallet): Promise<string | undefined> {
    const ctx = new TestContext(sent)
    Object.assign(ctx.request, { path: sent.path, rawPath: sent.path })
    let exit
    try {
      exit = await this.handler.access!(ctx)
    } catch (error) {
      return `it threw ${textOf(error)}`
    }
    const answer = {
      request: ctx.request,
      status: exit?.status ?? 200,
      headers: HeaderList.of(exit?.headers ?? []),
    }
    this.handler.header_filter?.(answer as unknown as ResponseContext)
    const fields = [...answer.headers.fields, ...ctx.upstream.headers.fields]
    for (const { name, value } of fields)
      if (/[\r\n\0]/.test(value)) return `a line break in ${name}: ${JSON.stringify(value)}`
    if (!exit) return this.#judgePassed(sent, wallet)
    if (exit.status >= 500 || exit.status < 200) return `status ${exit.status}`
    const location = answer.headers.get('location')
    if (location !== undefined && !this.#isOurs(location)) return `it leads to ${location}`
    const told = `${exit.body} ${textOf(exit.headers)}`
    if (told.includes('-secret-of-')) return `it tells ${told}`
    // With `display_errors` what was sent may be repeated, but not to be run.
    const type = answer.headers.get('content-type') ?? ''
    if (told.includes('<script') && !type.startsWith('application/json')) return `it tells ${told}`
    return undefined
  }

  #isOurs(location: string): boolean {
    const { origin } = new URL(this.provider.issuer)
    const isBack =
      this.config.login_action === 'redirect' && location.startsWith('http://gateway.test:8000/')
    return location.startsWith(`${origin}/`) || isBack
  }

  /** Whoever is let in has said something that is good. */
  #judgePassed(sent: WildRequest, wallet: Wallet): string | undefined {
    this.passed++
    const words = wordsOf(sent)
    const [code = 'none'] = new URLSearchParams(wallet.answer).values()
    const sessions = wallet.cookies.map((cookie) => cookie.slice(cookie.indexOf('=') + 1))
    const secrets = wallet.pairs.map((pair) => pair.slice(pair.indexOf(':') + 1))
    const good = [...wallet.accessTokens, wallet.refreshToken, ...secrets, ...sessions, code]
    return good.some((each) => words.includes(each)) ? undefined : 'it was let in'
  }

  forget(): void {
    const { asked, forms, secrets } = this.provider
    asked.length = 0
    forms.length = 0
    secrets.clear()
  }
}

test(`${COUNT} requests of somebody who sends anything: nobody is let in by them, and nothing breaks`, async () => {
  const numbers = random(SEED)
  const targets = CONFIGS.map((config) => new Target(config))
  const clients = await Promise.all(
    targets.map(async (target) => new WildClient(numbers, await target.fillWallet())),
  )
  const rejections: unknown[] = []
  const note = (reason: unknown) => void rejections.push(reason)
  process.on('unhandledRejection', note)
  const sizes: number[] = []
  const rounds = COUNT / AT_ONCE
  for (let round = 0; round < rounds; round++) {
    const i = round % targets.length
    const [target, client] = [targets[i]!, clients[i]!]
    if (round % 100 < targets.length) {
      if (round % 500 < targets.length) target.provider.pass(1)
      target.forget()
      client.wallet = await target.fillWallet()
    }
    const all = Array.from({ length: AT_ONCE }, () => client.request())
    const faults = await Promise.all(all.map((each) => target.ask(each, client.wallet)))
    for (const [n, fault] of faults.entries())
      if (fault !== undefined)
        throw new Error(
          `seed ${SEED}, round ${round}, configuration ${i}: ${fault}\n${JSON.stringify(all[n])}`,
        )
    if (round === rounds / 2 || round === rounds - 1) {
      for (const each of targets) each.forget()
      Bun.gc(true)
      sizes.push(heapSize())
    }
  }
  await Bun.sleep(0)
  process.off('unhandledRejection', note)
  expect(rejections).toEqual([])
  // What is good is let in now and then, or else nothing was tried.
  expect(targets.every(({ passed }) => passed > 50)).toBe(true)
  const [half = 0, end = 0] = sizes
  expect((end - half) / 1024 / 1024).toBeLessThan(10)
}, 120_000)
