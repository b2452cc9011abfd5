import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { networkInterfaces } from 'node:os'
import { type Echo, startEcho } from '../../../src/quickstart/echo.ts'

let echo: Echo
beforeAll(async () => {
  echo = await startEcho()
})
afterAll(() => echo.stop())

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${echo.port}${path}`, init)
const askJson = async (path: string, init?: RequestInit) =>
  (await (await ask(path, init)).json()) as Record<string, unknown>

test('a GET comes back as httpbin lays it out: members in order, two spaces, a line feed at the end', async () => {
  const headers = {
    accept: 'a/b',
    'user-agent': 'test',
    'x-kong-request-id': '1',
    connection: 'close',
  }
  const answer = await ask('/anything?b=1&a=x&b=2', {
    headers: { ...headers, 'accept-encoding': 'br' },
  })
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(await answer.text()).toBe(`{
  "args": {
    "a": "x",
    "b": [
      "1",
      "2"
    ]
  },
  "data": "",
  "files": {},
  "form": {},
  "headers": {
    "Accept": "a/b",
    "Accept-Encoding": "br",
    "Connection": "close",
    "Host": "127.0.0.1:${echo.port}",
    "User-Agent": "test",
    "X-Kong-Request-Id": "1"
  },
  "json": null,
  "method": "GET",
  "origin": "127.0.0.1",
  "url": "http://127.0.0.1:${echo.port}/anything?b=1&a=x&b=2"
}
`)
})

describe('bodies', () => {
  const form = new FormData()
  form.append('name', 'alex')
  form.append('file', new File(['contents'], 'a.txt'))

  // prettier-ignore
  const cases: [what: string, body: RequestInit['body'], type: string | undefined, expected: Record<string, unknown>][] = [
    ['text',            'hello',                          'text/plain',                        { data: 'hello' }],
    ['JSON',            '{"a":[1]}',                      'application/json',                  { data: '{"a":[1]}', json: { a: [1] } }],
    ['a form',          'a=1&b=2&a=3',                    'application/x-www-form-urlencoded', { form: { a: ['1', '3'], b: '2' } }],
    ['a form of parts', form,                             undefined,                           { form: { name: 'alex' }, files: { file: 'contents' } }],
    ['broken parts',    'junk',                           'multipart/form-data; boundary=x',   { data: 'junk' }],
    ['bytes',           new Uint8Array([0xff, 0x00]),     'application/octet-stream',          { data: 'data:application/octet-stream;base64,/wA=' }],
  ]
  test.each(cases)('%s', async (_what, body, type, expected) => {
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    const { data, files, form, json } = await askJson('/anything', {
      method: 'POST',
      body: body ?? null,
      headers,
    })
    expect({ data, files, form, json }).toEqual({
      data: '',
      files: {},
      form: {},
      json: null,
      ...expected,
    })
  })
})

test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
  '%s is echoed, below /anything too',
  async (method) => {
    expect(await askJson('/anything/a/b', { method })).toMatchObject({ method })
  },
)

test('origin and url are those of the client of the gateway', async () => {
  const headers = {
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'api.example',
  }
  expect(await askJson('/anything?a=1', { headers })).toMatchObject({
    origin: '192.0.2.1',
    url: 'https://api.example/anything?a=1',
  })
})

test.each(['/', '/anythingelse', '/other'])('%s is not found', async (path) => {
  expect((await ask(path)).status).toBe(404)
})

test('the echo is open to this machine only', async () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (!outside) return console.log('skipped: this machine has no address but loopback')
  const attempt = fetch(`http://${outside.address}:${echo.port}/anything`, {
    signal: AbortSignal.timeout(2000),
  })
  await expect(attempt).rejects.toThrow()
})
