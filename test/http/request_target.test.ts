import { expect, test } from 'bun:test'
import { gateway } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { ask, field, statusOf } from './wire.ts'

/** What the service is asked, and for which host. */
const asked = answering((request) => ok(`${request.line} for ${field(request, 'host')}`))

// prettier-ignore
const TARGETS: [bytes: string, answer: string][] = [
  // The host of a whole URI is the one that is routed and that the service is told of (RFC 9112 §3.2.2).
  ['GET http://b.test/x HTTP/1.1\r\nHost: a.test',          'GET /b/x HTTP/1.1 for b.test'],
  ['GET http://b.test:81/x HTTP/1.1\r\nHost: a.test',       'GET /b/x HTTP/1.1 for b.test:81'],
  ['GET /x HTTP/1.1\r\nHost: a.test',                       'GET /a/x HTTP/1.1 for a.test'],
  // Raw bytes are what their escapes are.
  ['GET /caf\xc3\xa9/\xc3\xbc?\xc3\xa4 HTTP/1.1\r\nHost: a.test', 'GET /e/%C3%BC?%C3%A4 HTTP/1.1 for a.test'],
  ['GET /caf%C3%A9/%c3%bc?%C3%A4 HTTP/1.1\r\nHost: a.test', 'GET /e/%C3%BC?%C3%A4 HTTP/1.1 for a.test'],
]

test('the target of a request is routed and sent on in one reading', async () => {
  using upstream = await service(asked)
  const on = (path: string) => `url: "http://127.0.0.1:${upstream.port}${path}"`
  await using running = await gateway(`services:
  - { name: a, ${on('/a')}, routes: [{ name: a, hosts: [a.test], preserve_host: true }] }
  - { name: b, ${on('/b')}, routes: [{ name: b, hosts: [b.test], preserve_host: true }] }
  - { name: e, ${on('/e')}, routes: [{ name: e, hosts: [a.test], paths: [/café], preserve_host: true }] }
`)
  const send = (bytes: string) => ask(running.port, `${bytes}\r\nConnection: close\r\n\r\n`)
  for (const [bytes, answer] of TARGETS) {
    const got = await send(bytes)
    expect([statusOf(got), got?.body.toString()]).toEqual([200, answer])
  }
  // What is no UTF-8, such as an overlong slash, has no route.
  expect(statusOf(await send('GET /..\xc0\xaf HTTP/1.1\r\nHost: a.test'))).toBe(404)
})
