import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { Calls } from './calls.ts'
import { type HowTo, patched, withoutSalt } from './how_to.ts'
import { howtos, keycloak } from './keycloak.ts'
import { Runner } from './runner.ts'

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
})

function load(name: string): Promise<HowTo> {
  return Bun.file(join(howtos!, `${name}.json`)).json()
}
