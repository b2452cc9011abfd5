import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { gatewayOf } from '../e2e/entities.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service, valuesOf } from '../e2e/service.ts'
import { until } from '../e2e/until.ts'
import { Calls } from './calls.ts'
import { Chromium, chromium, type Tab, type Window } from './chromium.ts'
import { keycloak } from './keycloak.ts'
import { Admin, type ClientOfRealm, SECRET } from './realm.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(90_000)

const LOGIN_PAGE = /\/protocol\/openid-connect\/auth|\/login-actions\//

/** A service, a gateway before it, and a client of its own at Keycloak. */
class Site implements AsyncDisposable {
  readonly calls: Calls
  readonly service: Service
  readonly gatehouse: Gatehouse
  readonly issuer: string
  readonly #disposal: AsyncDisposable

  private constructor(
    parts: { calls: Calls; service: Service; gatehouse: Gatehouse; issuer: string },
    disposal: AsyncDisposable,
  ) {
    this.calls = parts.calls
    this.service = parts.service
    this.gatehouse = parts.gatehouse
    this.issuer = parts.issuer
    this.#disposal = disposal
  }

  /** `changes` to the plugin; the client's further attributes, given the gateway's address. */
  static async start(
    changes: object = {},
    {
      lifespan = 300,
      client = (_: string): ClientOfRealm => ({}),
      isOtherSite = false,
    }: { lifespan?: number; client?: (url: string) => ClientOfRealm; isOtherSite?: boolean } = {},
  ): Promise<Site> {
    await using begun = new AsyncDisposableStack()
    const calls = begun.use(new Calls(keycloak!.url))
    const service = begun.use(new Service())
    const own = calls.issuer('master')
    // For a browser two names are two sites, and two ports of one name are one.
    const issuer = isOtherSite ? own.replace('127.0.0.1', 'localhost') : own
    const client_id = `browser-${new URL(own).port}-${Date.now()}`
    const config = {
      issuer,
      client_id: [client_id],
      client_secret: [SECRET],
      auth_methods: ['authorization_code', 'session'],
      logout_uri_suffix: '/logout',
      logout_methods: ['GET', 'POST'],
      ...changes,
    }
    const plugin = { name: 'openid-connect', config }
    const gatehouse = begun.use(await Gatehouse.start({ config: gatewayOf(service.url, plugin) }))
    const url = `http://127.0.0.1:${gatehouse.port}`
    const admin = await Admin.of(keycloak!, 'master')
    const redirectUris = [`${url}/*`]
    await admin.makeClient(client_id, lifespan, { redirectUris, ...client(url) })
    return new Site({ calls, service, gatehouse, issuer }, begun.move())
  }

  get url(): string {
    return `http://127.0.0.1:${this.gatehouse.port}/anything`
  }

  /** The grants that Keycloak was asked for. */
  get grants(): readonly (string | undefined)[] {
    return this.calls.tokens.map(({ form }) => form.grant_type)
  }

  /** The access token that the service was last sent. */
  get token(): string {
    return valuesOf(this.service.last, 'authorization').join()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposal[Symbol.asyncDispose]()
  }
}

/** Types name and password, and waits for the page that they lead to. */
async function logIn(tab: Tab): Promise<string> {
  await tab.at(LOGIN_PAGE)
  return tab.submit({ username: 'alex', password: 'doe' }, '#kc-login')
}

/** Has the provider end its session, as another application of its would. */
async function logOutElsewhere(tab: Tab, { issuer }: Site): Promise<void> {
  await tab.open(`${issuer}/protocol/openid-connect/logout`)
  await tab.submit({}, '#kc-logout')
}

describe.skipIf(!keycloak || !chromium)('a browser', () => {
  let browser: Chromium
  let window: Window
  let tab: Tab
  beforeAll(async () => void (browser = await Chromium.start()))
  afterAll(async () => browser?.[Symbol.asyncDispose]())

  async function openWindow(): Promise<void> {
    window = await browser.openWindow()
    tab = await window.openTab()
  }

  const cookieNames = async () =>
    (await window.cookies()).filter(({ path }) => path === '/').map(({ name }) => name)

  test('logs in, calls, reloads, has its token refreshed, and logs out', async () => {
    const lifespan = 3
    const changes = { preserve_query_args: true }
    await using site = await Site.start(changes, { lifespan })
    const { service } = site
    await openWindow()

    await tab.open(`${site.url}?hello=world`)
    expect(await tab.url()).toStartWith(site.issuer)
    expect(service.requests).toEqual([])

    await logIn(tab)
    await tab.at(/\/anything\?/)
    expect(service.requests).toHaveLength(1)
    expect(service.last.target).toBe('/anything?hello=world')
    expect(site.token).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
    expect(valuesOf(service.last, 'cookie')).toEqual([])
    const [session, ...others] = (await window.cookies()).filter(({ path }) => path === '/')
    expect(others).toEqual([])
    expect(session).toMatchObject({ name: 'session', httpOnly: true, secure: false })
    expect(await tab.evaluate<string>('document.cookie')).toBe('')

    const first = site.token
    await tab.reload()
    await tab.open(`${site.url}/again`)
    expect(service.requests).toHaveLength(3)
    expect(site.token).toBe(first)
    expect(site.grants).toEqual(['authorization_code'])

    const { exp } = JSON.parse(Buffer.from(first.split('.')[1]!, 'base64url').toString())
    // Its end is counted from when it came, and `exp` in whole seconds.
    await until('the end of the token', () => Date.now() > Number(exp) * 1000 + 2000, 15_000)
    await tab.open(`${site.url}/late`)
    expect(service.last.target).toBe('/anything/late')
    expect(site.token).not.toBe(first)
    expect(site.grants).toEqual(['authorization_code', 'refresh_token'])

    const before = service.requests.length
    await tab.open(`${site.url}/logout`)
    expect(await cookieNames()).toEqual([])
    await tab.open(site.url)
    await tab.at(LOGIN_PAGE)
    expect(service.requests).toHaveLength(before)
  })

  test('is sent back to where it may go after a logout', async () => {
    const redirect = 'http://127.0.0.1:1/bye'
    const attributes = { 'post.logout.redirect.uris': redirect }
    const changes = { logout_redirect_uri: [redirect], logout_revoke: true }
    await using site = await Site.start(changes, { client: () => ({ attributes }) })
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    await tab.at(/\/anything\?/)
    // Nobody is there; that it goes there is enough.
    await tab.open(`${site.url}/logout`).catch(() => undefined)
    await until('the logout', async () => (await cookieNames()).length === 0)
    const paths = site.calls.all.map(({ path, status }) => `${path.split('/').at(-1)} ${status}`)
    expect(paths.filter((each) => each.startsWith('revoke'))).toEqual(['revoke 200', 'revoke 200'])
    expect(paths).toContain('logout 302')
  })

  // The redirect and the form come from another site than the one they go to, as they do everywhere but on a developer's machine.
  test.each([
    ['query', {}],
    ['form_post', {}],
    ['query.jwt', { require_pushed_authorization_requests: true }],
    ['form_post.jwt', {}],
    ['jwt', { require_signed_request_object: true, client_alg: ['HS256'] }],
  ])('of another site logs in by %s, and is where it wanted to be', async (response_mode, more) => {
    const changes = {
      response_mode,
      preserve_query_args: true,
      login_action: 'redirect',
      login_tokens: null,
      ...more,
    }
    await using site = await Site.start(changes, { isOtherSite: true })
    await openWindow()
    await tab.open(`${site.url}/deep?hello=world`)
    expect(await tab.url()).toStartWith(site.issuer)
    await logIn(tab)
    expect(await tab.at(/\/deep/)).toBe(`${site.url}/deep?hello=world`)
    expect(site.service.requests.map(({ target }) => target)).toEqual([
      '/anything/deep?hello=world',
    ])
    expect(await cookieNames()).toEqual(['session'])
  })

  test('is given tokens in the fragment, or in an answer', async () => {
    await using site = await Site.start({ login_action: 'redirect', login_tokens: ['id_token'] })
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    expect(await tab.at(/\/anything#/)).toMatch(/\/anything#id_token=eyJ[\w-]+\.[\w-]+\.[\w-]+$/)

    await using other = await Site.start({ login_action: 'response', login_tokens: ['tokens'] })
    await tab.open(other.url)
    await logIn(tab)
    await tab.at(/\/anything\?/)
    expect(Object.keys(JSON.parse(await tab.text()))).toContain('refresh_token')
    expect(other.service.requests).toEqual([])
  })

  test('logs in with several tabs at once', async () => {
    await using site = await Site.start()
    await openWindow()
    const tabs = [tab, await window.openTab(), await window.openTab()]
    for (const [i, each] of tabs.entries()) await each.open(`${site.url}/${i}`)
    await logIn(tabs[1]!)
    await tabs[1]!.at(/\/anything\/1/)
    for (const i of [2, 0]) {
      await tabs[i]!.reload()
      await tabs[i]!.at(new RegExp(`/anything/${i}`))
    }
    expect(site.service.requests.map(({ target }) => target)).toEqual([
      '/anything/1',
      '/anything/2',
      '/anything/0',
    ])
    expect(site.grants).toEqual(['authorization_code', 'authorization_code', 'authorization_code'])
  })

  test('that goes back to an old answer logs in anew', async () => {
    await using site = await Site.start({ auth_methods: ['authorization_code'] })
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    const answer = await tab.at(/\/anything\?.*code=/)
    const code = new URL(answer).searchParams.get('code')!
    await tab.open(answer)
    expect(await tab.at(/\/anything\?.*code=/)).not.toBe(answer)
    expect(site.service.requests.map(({ target }) => target)).toEqual(['/anything', '/anything'])
    expect(site.grants).toEqual(['authorization_code', 'authorization_code'])
    expect(site.calls.tokens.map(({ status }) => status)).toEqual([200, 200])
    expect(site.gatehouse.log + site.gatehouse.accessLog).not.toContain(code)
  })

  test('whose login the provider refuses sees no more than that', async () => {
    await using site = await Site.start({ scopes: ['openid', 'no-such-scope'] })
    await openWindow()
    await tab.open(site.url)
    await tab.at(/error=invalid_scope/)
    expect(await tab.text()).toBe('{"message":"Unauthorized"}')
    await site.gatehouse.logged(/login_refused/)
  })

  test('is logged out by the front channel', async () => {
    const client = (url: string) => ({
      frontchannelLogout: true,
      attributes: {
        'frontchannel.logout.url': `${url}/anything/logout/frontchannel`,
        'frontchannel.logout.session.required': 'true',
      },
    })
    await using site = await Site.start({}, { client })
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    await tab.at(/\/anything\?/)
    expect(await cookieNames()).toEqual(['session'])
    await logOutElsewhere(tab, site)
    await until('the end of the session', async () => (await cookieNames()).length === 0)
    expect(site.service.requests).toHaveLength(1)
    await tab.open(site.url)
    await tab.at(LOGIN_PAGE)
  })

  test('is logged out by the back channel, and nobody else is', async () => {
    const client = (url: string) => ({
      attributes: {
        'backchannel.logout.url': `${url}/anything/logout/backchannel`,
        'backchannel.logout.session.required': 'true',
      },
    })
    await using site = await Site.start({}, { client })
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    await tab.at(/\/anything\?/)
    const first = tab
    await openWindow()
    await tab.open(site.url)
    await logIn(tab)
    await tab.at(/\/anything\?/)
    const second = tab
    expect(site.service.requests).toHaveLength(2)

    await logOutElsewhere(await window.openTab(), site)
    await second.open(site.url)
    await second.at(LOGIN_PAGE)
    expect(site.service.requests).toHaveLength(2)
    await first.open(`${site.url}/still`)
    expect(site.service.last.target).toBe('/anything/still')
  })
})
