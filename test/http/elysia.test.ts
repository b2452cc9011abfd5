import { expect, spyOn, test } from 'bun:test'
import { Elysia } from 'elysia'
import { CLIENT, startProvider, USER } from '../../src/quickstart/provider.ts'
import { gateway } from './gateway.ts'
import { answering, ok, service } from './service.ts'

/** Counts what passes the handlers of Elysia's applications made from now on. */
function countHandled(): { requests: number } & Disposable {
  const { all } = Elysia.prototype
  const count = { requests: 0, [Symbol.dispose]: () => spy.mockRestore() }
  const spy = spyOn(Elysia.prototype, 'all').mockImplementation(function (
    this: Elysia,
    ...[path, handler, hook]: Parameters<typeof all>
  ) {
    // Elysia reads a handler's source to see what it wants of a request: this one, like ours, only the request.
    const counted = ({ request }: Record<string, unknown>) => {
      count.requests++
      return (handler as (context: unknown) => unknown)({ request })
    }
    return all.call(this, path, counted, hook)
  } as typeof all)
  return count
}

test('every request that reaches the service has passed an Elysia handler, remembered tokens or not', async () => {
  const provider = await startProvider({ port: 0, rotate: false })
  using upstream = await service(answering(ok('hello')))
  using handled = countHandled()
  await using running = await gateway(`
services:
  - url: http://127.0.0.1:${upstream.port}
    routes:
      - { name: plain, paths: [/plain] }
      - name: secured
        paths: [/secured]
        plugins:
          - name: openid-connect
            config:
              issuer: ${provider.issuer}
              client_id: [${CLIENT.id}]
              client_secret: [${CLIENT.secret}]
              auth_methods: [password]
`)
  const authorization = `Basic ${btoa(`${USER.name}:${USER.password}`)}`
  const ask = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`http://127.0.0.1:${running.port}${path}`, { headers })).status

  try {
    for (let i = 0; i < 5; i++) expect(await ask('/plain')).toBe(200)
    for (let i = 0; i < 5; i++) expect(await ask('/secured', { authorization })).toBe(200)
    expect(await ask('/secured')).toBe(401)
  } finally {
    await provider.stop()
  }
  expect(provider.calls().token).toBe(1)
  expect(upstream.requests).toHaveLength(10)
  expect(handled.requests).toBe(11)
})
