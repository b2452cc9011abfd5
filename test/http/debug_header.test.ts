import { expect, test } from 'bun:test'
import { gateway } from './gateway.ts'
import { answering, ok, service } from './service.ts'

const ROUTE = '11111111-2222-3333-4444-555555555555'
const SERVICE = '66666666-7777-8888-9999-000000000000'

/** What an answer tells of its route and service. */
async function told(allow_debug_header: boolean, path: string, sent: Record<string, string>) {
  using target = await service(answering(ok()))
  await using node = await gateway(
    `services:\n- { id: ${SERVICE}, name: s, url: "http://127.0.0.1:${target.port}", routes: [` +
      `{ id: ${ROUTE}, paths: [/proxied] }, ` +
      `{ name: stopped, paths: [/stopped], plugins: [{ name: request-termination }] }] }\n`,
    { settings: { allow_debug_header } },
  )
  const { headers } = await fetch(`http://127.0.0.1:${node.port}${path}`, { headers: sent })
  return Object.fromEntries([...headers].filter(([name]) => /^kong-/.test(name)))
}

const DEBUG = { 'Kong-Debug': '1' }

test('with allow_debug_header whoever sends Kong-Debug is told the route and the service', async () => {
  const names = { 'kong-service-id': SERVICE, 'kong-service-name': 's' }
  expect(await told(true, '/proxied', DEBUG)).toEqual({ 'kong-route-id': ROUTE, ...names })
  expect(await told(true, '/stopped', DEBUG)).toMatchObject({
    'kong-route-name': 'stopped',
    ...names,
  })
})

test.each([
  ['without the setting', false, '/proxied', DEBUG],
  ['without the header', true, '/proxied', {}],
  ['without a route', true, '/nothing', DEBUG],
])('%s nobody is told', async (_, allowed, path, sent) => {
  expect(await told(allowed, path, sent)).toEqual({})
})
