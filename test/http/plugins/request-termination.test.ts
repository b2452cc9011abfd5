import { expect, test } from 'bun:test'
import { gateway } from '../gateway.ts'
import { ask, statusOf } from '../wire.ts'
import { guarded } from './guarded.ts'

const start = (config: string) =>
  guarded(`plugins: [{ name: request-termination, config: ${config} }]`)

// prettier-ignore
test.each([
  ['{}',                                                 503, '{"message":"Service unavailable"}', 'application/json; charset=utf-8'],
  ['{ status_code: 401 }',                               401, '{"message":"Unauthorized"}',        'application/json; charset=utf-8'],
  ['{ status_code: 403, message: So long }',             403, '{"message":"So long"}',             'application/json; charset=utf-8'],
  ['{ status_code: 200, content_type: text/plain, body: hello }', 200, 'hello',                    'text/plain'],
])('%s answers for the service', async (config, status, body, type) => {
  await using scene = await start(config)
  const outcome = await scene.send()
  expect([outcome.status, outcome.body, outcome.header('content-type')]).toEqual([status, body, type])
  expect(outcome.target).toBeUndefined()
  const lines = scene.log.filter((line) => line.includes('code=terminated'))
  expect(lines).toHaveLength(status === 401 || status === 403 ? 1 : 0)
})

test('with a trigger only requests that have it are answered', async () => {
  await using scene = await start('{ trigger: X-Closed }')
  expect((await scene.send()).status).toBe(200)
  expect((await scene.send('X-Closed: 1\r\n')).status).toBe(503)
  expect((await scene.send('', 'GET /?X-Closed HTTP/1.1')).status).toBe(503)
})

test('echo shows what the route captured, and leaves out a body that is too large', async () => {
  await using running = await gateway(`
routes: [{ name: r, paths: ["~/(?<first>a+)/(b+)"] }]
plugins: [{ name: request-termination, config: { echo: true, status_code: 200 } }]
`)
  const large = 'x'.repeat(1024 * 1024 + 1)
  const framing = `Content-Length: ${large.length}\r\n\r\n`
  const answer = await ask(
    running.port,
    `POST /aa/b?Q HTTP/1.1\r\nHost: H.test:1\r\n${framing}${large}`,
  )
  expect(statusOf(answer)).toBe(200)
  const { request, kong, matched_service } = JSON.parse(String(answer?.body))
  expect(request).toMatchObject({ host: 'h.test', port: running.port, query: { Q: true } })
  expect(request.uri_captures).toEqual({ named: { first: 'aa' }, unnamed: ['aa', 'b'] })
  expect([request.raw_body, matched_service]).toEqual([undefined, undefined])
  expect(kong.node_id).toMatch(/^[0-9a-f-]{36}$/)
})
