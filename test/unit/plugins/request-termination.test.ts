import { expect, test } from 'bun:test'
import { hostname } from 'node:os'
import { requestTermination } from '../../../src/plugins/request-termination/index.ts'
import { check } from '../../../src/schema/check.ts'
import { headerOf, send, type Sent, testGateway } from './context.ts'

function answer(config: Record<string, unknown>, sent: Sent = {}) {
  const checked = check(requestTermination.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  return send(requestTermination.create(checked.value, testGateway()), sent)
}

function faultsOf(config: Record<string, unknown>) {
  return (check(requestTermination.schema, config).faults ?? []).map(({ message }) => message)
}

// prettier-ignore
test.each([
  [{},                                                503, '{"message":"Service unavailable"}',    'application/json; charset=utf-8'],
  [{ status_code: 404 },                              404, '{"message":"Not found"}',              'application/json; charset=utf-8'],
  [{ status_code: 418, message: 'tea' },              418, '{"message":"tea"}',                    'application/json; charset=utf-8'],
  [{ status_code: 418 },                              418, '',                                     undefined],
  [{ body: '<p>', content_type: 'text/html' },        503, '<p>',                                  'text/html'],
])('%j answers %i %s', async (config, status, body, contentType) => {
  const { exit } = await answer(config)
  expect([exit?.status, exit?.body]).toEqual([status, body])
  expect(headerOf(exit, 'content-type')).toBe(contentType)
})

test('an answer in maintenance is no line of the error log', async () => {
  for (const config of [{}, { body: 'b' }, { status_code: 418 }, { echo: true }])
    expect((await answer(config)).exit?.reason).toBeUndefined()
})

// prettier-ignore
test.each([
  [{ status_code: 403 }], [{ status_code: 403, echo: true }], [{ status_code: 401, echo: true }],
  [{ status_code: 401 }], [{ status_code: 403, message: 'no' }], [{ status_code: 401, body: 'no' }],
])('%j is a refusal, and a line of the error log', async (config) => {
  expect((await answer(config)).exit?.reason?.code).toBe('terminated')
})

test('without its trigger the request goes on', async () => {
  const config = { trigger: 'X-Closed' }
  expect((await answer(config)).exit).toBeUndefined()
  expect((await answer(config, { headers: [['x_closed', '']] })).exit?.status).toBe(503)
  expect((await answer(config, { query: 'a=1&X-Closed' })).exit?.status).toBe(503)
  expect((await answer(config, { query: 'a=X-Closed' })).exit).toBeUndefined()
})

test('echo shows the request as it arrived', async () => {
  const { exit } = await answer(
    { echo: true, status_code: 200, message: 'seen' },
    { method: 'POST', query: 'A=1&A&b&c=&=d&e=%C3%A4+%', headers: [['X-One', '1']], body: 'hi' },
  )
  expect(JSON.parse(String(exit?.body))).toEqual({
    message: 'seen',
    kong: { node_id: 'node', worker_pid: process.pid, hostname: hostname() },
    request: {
      scheme: 'http',
      method: 'POST',
      host: 'gateway.test',
      port: 8000,
      path: '/',
      headers: { 'x-one': '1' },
      query: { A: ['1', true], b: true, c: '', e: 'ä %' },
      raw_body: 'hi',
      uri_captures: { named: {}, unnamed: [] },
    },
    matched_route: { id: 'route' },
  })
})

const MULTIPART = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nä\r\n--b--\r\n'

// prettier-ignore
test.each([
  ['application/x-www-form-urlencoded; charset=utf-8', 'a=1&b&a=2',  { a: ['1', '2'], b: true }],
  ['application/json',                                 '{"a":[1]}',  { a: [1] }],
  ['application/json',                                 '1',          undefined],
  ['application/json',                                 '{',          undefined],
  ['multipart/form-data; boundary=b',                  MULTIPART,    { a: 'ä' }],
  ['multipart/form-data',                              MULTIPART,    undefined],
  ['text/plain',                                       'a=1',        undefined],
])('echo shows what stands in a body of %s: %j', async (type, body, shown) => {
  const { exit } = await answer({ echo: true }, { headers: [['Content-Type', type]], body })
  expect(JSON.parse(String(exit?.body)).request.body).toEqual(shown)
})

// prettier-ignore
test.each([[100], [103], [199]])('status %i would end no request: it is warned of, and 503 is sent', async (status_code) => {
  expect((await answer({ status_code })).exit?.status).toBe(503)
  expect((await answer({ status_code, echo: true })).exit?.status).toBe(503)
  const warnings = (code: number) => {
    const { value } = check(requestTermination.schema, { status_code: code })
    return value && requestTermination.warnings?.(value)
  }
  expect(warnings(status_code)).toMatchObject([{ fields: ['status_code'] }])
  expect(warnings(200)).toEqual([])
})

// prettier-ignore
test.each([
  [{ message: 'a', body: 'b' },            'message cannot be used with content_type or body'],
  [{ content_type: 'text/plain' },         'content_type requires a body'],
  [{ echo: true, body: 'b' },              'echo cannot be used with content_type and body'],
  [{ status_code: 600 },                   'value should be between 100 and 599'],
  [{ trigger: 'a b' },                     "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"],
])('%j is refused: %s', (config, message) => {
  expect(faultsOf(config)).toEqual([message])
})
