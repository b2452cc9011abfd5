import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { loadConf } from '../../../src/conf.ts'
import { settingsOf } from '../../../src/commands/settings.ts'
import { gateway, proxied } from '../gateway.ts'
import { answering, ok, service } from '../service.ts'

/** A provider of which one password is right. */
function provider() {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { origin, pathname } = new URL(request.url)
      if (pathname === '/.well-known/openid-configuration')
        return Response.json({
          issuer: origin,
          jwks_uri: `${origin}/keys`,
          token_endpoint: `${origin}/token`,
        })
      if (pathname === '/keys') return Response.json({ keys: [] })
      const form = new URLSearchParams(await request.text())
      return form.get('password') === 'doe'
        ? Response.json({ access_token: 'opaque', token_type: 'Bearer', expires_in: 300 })
        : Response.json({ error: 'invalid_grant' }, { status: 400 })
    },
  })
  return { issuer: server.url.origin, [Symbol.dispose]: () => void server.stop(true) }
}

const basic = (password: string) => ({ authorization: `Basic ${btoa(`alex:${password}`)}` })

test('the status listener tells what openid-connect has counted, and a guesser is stopped as the setting says', async () => {
  using target = await service(answering(ok()))
  using idp = provider()
  const { conf } = loadConf({ env: { GATEHOUSE_OIDC_PASSWORD_ATTEMPTS: '2' } }) as {
    conf: Parameters<typeof settingsOf>[0]
  }
  const { oidc_password_attempts } = settingsOf(conf, {})
  await using running = await gateway(
    `${proxied(target.port)}plugins: [{ name: openid-connect, config: { issuer: "${idp.issuer}", client_id: [c], client_secret: [s], auth_methods: [password] } }]\n`,
    { settings: { oidc_password_attempts: oidc_password_attempts ?? 0 } },
  )
  const get = (password: string) =>
    fetch(`http://127.0.0.1:${running.port}/`, { headers: basic(password) })
  const statuses: number[] = []
  for (const password of ['doe', 'doe', 'a', 'b']) statuses.push((await get(password)).status)
  const stopped = await get('c')
  expect([...statuses, stopped.status]).toEqual([200, 200, 401, 401, 401])
  expect(stopped.headers.get('retry-after')).toBe('60')
  expect(await stopped.json()).toEqual({ message: 'Unauthorized' })
  // The right one is known.
  expect((await get('doe')).status).toBe(200)

  const page = (await running.running.pages.get('/metrics')!()).body
  const requests = (labels: string) =>
    `gatehouse_oidc_requests_total{issuer="${idp.issuer}",method="password",${labels}}`
  expect(page).toContain(`${requests('outcome="passed",reason=""')} 3\n`)
  expect(page).toContain(`${requests('outcome="refused",reason="invalid_grant"')} 2\n`)
  expect(page).toContain(`${requests('outcome="refused",reason="too_many_attempts"')} 1\n`)

  // Every metric that is there is in the docs, and has the head that Prometheus reads.
  const docs = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const names = [...page.matchAll(/^# TYPE (gatehouse_\w+) (\w+)$/gm)]
  expect(names.length).toBeGreaterThan(4)
  for (const [, name, type] of names) expect(docs).toContain(`\`${name}\` (${type})`)
})
