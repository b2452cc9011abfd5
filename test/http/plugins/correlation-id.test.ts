import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gateway, proxied } from '../gateway.ts'
import { echo, service } from '../service.ts'
import { ask, eventually, field } from '../wire.ts'

async function answers(config: string, ...requests: string[]) {
  using upstream = await service(echo)
  await using running = await gateway(
    `${proxied(upstream.port)}plugins: [{ name: correlation-id, config: ${config} }]`,
  )
  const seen = []
  for (const fields of requests) {
    const answer = await ask(running.port, `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
    const told = field(upstream.requests.at(-1), 'kong-request-id')
    seen.push({ told, echoed: field(answer, 'kong-request-id') })
  }
  return seen
}

test('the service is told an id that counts, the client is not', async () => {
  const [first, second] = await answers('{}', '', '')
  expect(first?.told).toMatch(/^[0-9a-f-]{36}#1$/)
  expect(second?.told).toBe(first!.told!.replace('#1', '#2'))
  expect([first?.echoed, second?.echoed]).toEqual([undefined, undefined])
})

test('with echo_downstream the client is told the same id', async () => {
  const [answer] = await answers('{ echo_downstream: true, generator: uuid }', '')
  expect(answer?.told).toMatch(/^[0-9a-f-]{36}$/)
  expect(answer?.echoed).toBe(answer?.told)
})

test("a client's own id is kept, an empty one is not", async () => {
  const [own, empty] = await answers(
    '{ echo_downstream: true }',
    'kong-request-ID: mine\r\n',
    'Kong-Request-ID:\r\n',
  )
  expect(own).toEqual({ told: 'mine', echoed: 'mine' })
  expect(empty?.told).toEndWith('#1')
  expect(empty?.echoed).toBe(empty?.told)
})

test('an answer of another plugin carries the id as well', async () => {
  await using running = await gateway(`
services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]
plugins:
  - { name: correlation-id, config: { echo_downstream: true, header_name: X-Trace } }
  - { name: request-termination, config: { status_code: 404 } }
`)
  const answer = await ask(running.port, 'GET / HTTP/1.1\r\nHost: a\r\nx-trace: abc\r\n\r\n')
  expect(answer?.line).toContain('404')
  expect(field(answer, 'x-trace')).toBe('abc')
})

test('the logs of requests tell the id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'correlation-id-'))
  const path = join(folder, 'requests.log')
  using upstream = await service(echo)
  await using running = await gateway(`${proxied(upstream.port)}plugins:
  - { name: correlation-id }
  - { name: file-log, config: { path: "${path}" } }
`)
  await ask(running.port, 'GET / HTTP/1.1\r\nHost: a\r\nKong-Request-ID: mine\r\n\r\n')
  await eventually(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'))
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ correlation_id: 'mine' })
  rmSync(folder, { recursive: true })
})
