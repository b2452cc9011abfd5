import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { plugins } from '../../src/plugins/index.ts'
import { basic, request } from '../e2e/client.ts'
import { Folder } from '../e2e/folder.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service } from '../e2e/service.ts'
import { Calls } from './calls.ts'
import {
  type Beyond,
  type Fact,
  type HowTo,
  patched,
  type RequestStep,
  type Visit,
  withoutSalt,
} from './how_to.ts'
import { howtos, keycloak } from './keycloak.ts'
import { SECRET } from './realm.ts'
import { Runner } from './runner.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const REPOSITORY = join(import.meta.dir, '..', '..', 'kong.yaml')
/** Whether a test may give a process another /etc/hosts, and take port 80 of an address of its own. */
const canMount = Bun.spawnSync([
  'unshare',
  '-m',
  'mount',
  '--bind',
  '/etc/hosts',
  '/etc/hosts',
]).success
if (!canMount)
  console.log('skipped: "kong.yaml works letter for letter": "unshare -m" is not allowed')

if (!howtos) console.log("skipped: Kong's how-tos: ../shared/data/howtos is not there")
/** Where browsers log in, as the how-tos' readers reach Keycloak. */
const authorization_endpoint = 'http://localhost:8080/realms/master/protocol/openid-connect/auth'

const pages = howtos ? await Promise.all(readdirSync(howtos).sort().map(load)) : []

describe.skipIf(!keycloak || !howtos)("Kong's how-tos", () => {
  for (const page of pages) {
    const left = page.plugins.filter((name) => !plugins.has(name))
    // What datakit does with a caller is its own; of all others the page needs every one.
    const reason = left.filter((name) => name !== 'datakit').map((name) => `there is no ${name}`)
    const skipped = reason.length > 0
    if (skipped) console.log(`skipped: "${page.title}": ${reason.join(', ')}`)
    else if (left.length > 0) console.log(`left out of "${page.title}": what ${left.join()} does`)

    test.skipIf(skipped)(page.title, async () => {
      await using runner = new Runner(page, { left })
      await runner.run()
      // A page for browsers is tried below.
      if (page.steps.some(({ kind }) => kind === 'request')) expect(runner.facts).toBeGreaterThan(0)
    })
    page.beyond_the_page.forEach((beyond, i) =>
      test.skipIf(skipped)(`${page.title}: ${beyond.kind} ${i + 1}`, () => goBeyond(page, beyond)),
    )
  }

  test('Configure OpenID Connect with refresh token: the revision without a salt', async () => {
    const page = withoutSalt(pageOf('configure-oidc-with-refresh-token'))
    expect(JSON.stringify(page.steps)).not.toMatch(/salt/i)
    await using runner = new Runner(page)
    await runner.run()
  })

  test('the authorization code flow without a session: the service gets the callback itself, and each visit logs in', async () => {
    const page = pageOf('configure-oidc-with-auth-code-flow-and-okta')
    const visit = page.beyond_the_page.find(({ kind }) => kind === 'browser') as Visit
    await using runner = new Runner(page)
    const visitor = await runner.runAndVisit(visit)
    expect(visitor.pages.at(-1)!.method).toBe('POST')
    const before = visitor.pages.length
    await visitor.open('http://localhost:8000/anything')
    const [again] = visitor.pages.slice(before)
    expect(again!.status).toBe(302)
    expect(again!.headers.get('location')).toContain('/protocol/openid-connect/auth?')
  })

  // Keycloak without a name of its own issues tokens in the name of the address that the browser was sent to.
  describe('a provider that browsers know by another name than the gateway', () => {
    const page = () => pageOf('configure-oidc-with-auth-code-flow')
    const visit = () => page().beyond_the_page.find(({ kind }) => kind === 'browser') as Visit

    test('may issue tokens in the name of authorization_endpoint', async () => {
      const changed = patched(page(), { authorization_endpoint })
      await using runner = new Runner(changed, { isPinned: false })
      await runner.runAndVisit(visit())
    })

    test('may have both names in issuers_allowed', async () => {
      const issuers_allowed = ['${{ env "DECK_ISSUER" }}', 'http://localhost:8080/realms/master']
      const changed = patched(page(), { authorization_endpoint, issuers_allowed })
      await using runner = new Runner(changed, { isPinned: false })
      await runner.runAndVisit(visit())
    })
  })

  test("the repository's kong.yaml is that revision", async () => {
    const page = withoutSalt(pageOf('configure-oidc-with-refresh-token'))
    const applied = page.steps.filter((step) => step.kind === 'apply').map(({ deck }) => deck)
    const blocks = Object.assign({}, page.prereq_entities, ...applied)
    const text = (await Bun.file(REPOSITORY).text()).replace(/env "(\w+)"/g, 'env \\"$1\\"')
    expect(Bun.YAML.parse(text)).toEqual(blocks)
  })

  test.skipIf(!canMount)("the repository's kong.yaml works letter for letter", async () => {
    using calls = new Calls(keycloak!.url)
    // The page's httpbin, on this machine under its own name and port.
    using service = new Service({ hostname: '127.0.0.77', port: 80 })
    using folder = new Folder({ hosts: '127.0.0.1 localhost\n127.0.0.77 httpbin.konghq.com\n' })
    const mount = `mount --bind ${folder.path}/hosts /etc/hosts && exec "$0" "$@"`
    await using gatehouse = await Gatehouse.start({
      config: await Bun.file(REPOSITORY).text(),
      through: ['unshare', '-m', 'sh', '-c', mount],
      env: {
        DECK_ISSUER: calls.issuer('master'),
        DECK_CLIENT_ID: 'kong',
        DECK_CLIENT_SECRET: SECRET,
      },
    })
    const { status, body } = await request(gatehouse.port, { fields: [basic('alex', 'doe')] })
    expect(status).toBe(200)
    const { headers } = JSON.parse(body)
    expect(headers.Host).toBe('httpbin.konghq.com')
    const fields = [`Refresh-Token: ${headers['Refresh-Token']}`]
    expect((await request(gatehouse.port, { fields })).status).toBe(200)
    expect(service.last.target).toBe('/anything')
  })
})

describe.skipIf(!keycloak || !howtos)('the runner', () => {
  // prettier-ignore
  test.each<[string, (page: HowTo) => HowTo]>([
    ['a step of an unknown kind',   (page) => ({ ...page, steps: [...page.steps, { kind: 'dance' } as never] })],
    ['a shell step that fails',     (page) => ({ ...page, steps: [...page.steps, { kind: 'shell', script: 'false' }] })],
    ['a fact of an unknown kind',   (page) => withFact(page, { path: 'method', resembles: 'GET' })],
    ['a fact that says nothing',    (page) => withFact(page, { path: 'method' })],
    ['a fact that is not true',     (page) => withFact(page, { path: 'method', equals: 'POST' })],
    ['a claim that is not there',   (page) => withFact(page, { jwt_at: 'headers.Authorization', claim: 'azp', equals: 'x' })],
    ['calls that were not made',    (page) => withFact(page, { idp_calls: 9 })],
    ['a header that is not there',  (page) => withFact(page, { response_header: 'Set-Cookie', cookie: 'session', exact_attributes: 'Path=/' })],
    ['a challenge that is not',     (page) => withFact(page, { www_authenticate: 'Bearer' })],
    ['a group too many',            (page) => withFact(page, { path: 'method', set_equals: ['GET', 'POST'], join: ', ' })],
    ['calls that do not happen',    (page) => withFact(page, { idp_calls_on_repeat: 1 })],
    ['another status',              (page) => changed(page, ({ expect: expected, ...step }) => ({ ...step, expect: { ...expected, status: 201 } }))],
    ['an expectation that is unknown', (page) => changed(page, ({ expect: expected, ...step }) => ({ ...step, expect: { ...expected, speed: 1 } as never }))],
  ])('fails for %s', async (_, change) => {
    await using runner = new Runner(change(pageOf('configure-oidc-with-password-grant')))
    expect(await runner.run().then(() => 'passed', () => 'failed')).toBe('failed')
  })
})

/** What the page does not do itself. */
async function goBeyond(page: HowTo, beyond: Beyond): Promise<void> {
  switch (beyond.kind) {
    case 'browser': {
      // As published one page leads the browser to the root of Keycloak, and not to where one logs in.
      const isMended = JSON.stringify(page.steps).includes('"authorization_endpoint"')
      await using runner = new Runner(isMended ? patched(page, { authorization_endpoint }) : page)
      await runner.runAndVisit(beyond)
      return
    }
    case 'request': {
      await using runner = new Runner(page)
      return await runner.runAndRequest(beyond)
    }
    case 'variation': {
      if ('config_patch' in beyond) {
        await using runner = new Runner(patched(page, beyond.config_patch))
        return await runner.runUntilRequest(beyond.expect)
      }
      const extra_jwks_uris = ['http://keycloak:8080/realms/kong/protocol/openid-connect/certs']
      await using runner = new Runner(patched(page, { extra_jwks_uris }))
      return await runner.runWithTokenOf('kong', 'caller-a', beyond.expect)
    }
  }
}

function withFact(page: HowTo, fact: Fact): HowTo {
  return changed(page, (step) => ({ ...step, expect: { ...step.expect, facts: [fact] } }))
}

function changed(page: HowTo, change: (step: RequestStep) => RequestStep): HowTo {
  return {
    ...page,
    steps: page.steps.map((step) => (step.kind === 'request' ? change(step) : step)),
  }
}

function load(file: string): Promise<HowTo> {
  return Bun.file(join(howtos!, file)).json()
}

function pageOf(name: string): HowTo {
  return pages.find((page) => page.name === name)!
}
