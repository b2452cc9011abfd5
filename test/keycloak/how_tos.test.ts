import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { basic, request } from '../e2e/client.ts'
import { Folder } from '../e2e/folder.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service } from '../e2e/service.ts'
import { Calls } from './calls.ts'
import { type Fact, type HowTo, patched, type RequestStep, withoutSalt } from './how_to.ts'
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

/** The pages of what is built so far. */
const PAGES = [
  'configure-oidc-with-refresh-token',
  'configure-oidc-with-password-grant',
  'configure-oidc-with-client-credentials',
  'configure-oidc-with-jwt-auth',
  'configure-oidc-with-claims-based-auth',
]

describe.skipIf(!keycloak || !howtos)("Kong's how-tos", async () => {
  const pages = howtos ? await Promise.all(PAGES.map(load)) : []
  for (const page of pages) {
    test(page.title, async () => {
      using calls = new Calls(keycloak!.url)
      await using runner = new Runner(page, calls)
      await runner.run()
      expect(runner.facts).toBeGreaterThan(0)
    })
    page.beyond_the_page.forEach(({ kind, config_patch, expect: expectation }, i) =>
      test(`${page.title}: ${kind} ${i + 1}`, async () => {
        expect(kind).toBe('variation')
        using calls = new Calls(keycloak!.url)
        await using runner = new Runner(patched(page, config_patch), calls)
        await runner.runUntilRequest(expectation)
      }),
    )
  }

  test('Configure OpenID Connect with refresh token: the revision without a salt', async () => {
    const page = withoutSalt(pages[0]!)
    expect(JSON.stringify(page.steps)).not.toMatch(/salt/i)
    using calls = new Calls(keycloak!.url)
    await using runner = new Runner(page, calls)
    await runner.run()
  })

  test("the repository's kong.yaml is that revision", async () => {
    const page = withoutSalt(pages[0]!)
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
    ['a shell step that does something', (page) => ({ ...page, steps: [...page.steps, { kind: 'shell', script: 'true' }] })],
    ['a fact of an unknown kind',   (page) => withFact(page, { path: 'method', resembles: 'GET' })],
    ['a fact that says nothing',    (page) => withFact(page, { path: 'method' })],
    ['a fact that is not true',     (page) => withFact(page, { path: 'method', equals: 'POST' })],
    ['a claim that is not there',   (page) => withFact(page, { jwt_at: 'headers.Authorization', claim: 'azp', equals: 'x' })],
    ['calls that do not happen',    (page) => withFact(page, { idp_calls_on_repeat: 1 })],
    ['another status',              (page) => changed(page, ({ expect: expected, ...step }) => ({ ...step, expect: { ...expected, status: 201 } }))],
    ['an expectation that is unknown', (page) => changed(page, ({ expect: expected, ...step }) => ({ ...step, expect: { ...expected, speed: 1 } as never }))],
  ])('fails for %s', async (_, change) => {
    using calls = new Calls(keycloak!.url)
    await using runner = new Runner(change(await load(PAGES[1]!)), calls)
    expect(await runner.run().then(() => 'passed', () => 'failed')).toBe('failed')
  })
})

function withFact(page: HowTo, fact: Fact): HowTo {
  return changed(page, (step) => ({ ...step, expect: { ...step.expect, facts: [fact] } }))
}

function changed(page: HowTo, change: (step: RequestStep) => RequestStep): HowTo {
  return {
    ...page,
    steps: page.steps.map((step) => (step.kind === 'request' ? change(step) : step)),
  }
}

function load(name: string): Promise<HowTo> {
  return Bun.file(join(howtos!, `${name}.json`)).json()
}
