import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createSelfSigned } from '../../src/front/self_signed.ts'
import type { ListenAddress } from '../../src/listen.ts'
import { startStatus } from '../../src/status.ts'
import { gateway, proxied } from './gateway.ts'
import { answering, ok, service } from './service.ts'

/** A gateway with a service, and its status listener. */
async function started(yaml = '', address: ListenAddress = { host: '127.0.0.1', port: 0 }) {
  const target = await service(answering(ok()))
  const running = await gateway(`${proxied(target.port)}${yaml}`)
  let isReady = true
  const status = await startStatus(address, {
    certificate: createSelfSigned(Date.now()),
    isReady: () => isReady,
    drain: () => void (isReady = false),
    gateway: running.running,
  })
  return {
    port: status.port,
    running,
    proxied: (path = '/') => fetch(`http://127.0.0.1:${running.port}${path}`),
    ask: (path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${status.port}${path}`, init),
    async [Symbol.asyncDispose]() {
      await status.stop()
      await running.stop(0)
      target[Symbol.dispose]()
    },
  }
}

test('/status tells of connections, of memory and of the configuration', async () => {
  await using node = await started()
  await node.proxied()
  const response = await node.ask('/status')
  expect(response.headers.get('Content-Type')).toBe('application/json; charset=utf-8')
  const told = (await response.json()) as Record<string, unknown>
  expect(told).toEqual({
    server: {
      connections_accepted: 1,
      connections_active: 1,
      connections_handled: 1,
      connections_reading: 0,
      connections_waiting: 1,
      connections_writing: 0,
      total_requests: 1,
    },
    memory: {
      workers_lua_vms: [
        { pid: process.pid, http_allocated_gc: expect.stringMatching(/^\d+\.\d\d MiB$/) },
      ],
      lua_shared_dicts: {},
    },
    configuration_hash: expect.stringMatching(/^[0-9a-f]{32}$/),
  })
  expect(await (await node.ask('/status')).json()).toMatchObject({
    configuration_hash: told.configuration_hash,
  })
  node.running.reload('services: []')
  expect(await (await node.ask('/status')).json()).not.toMatchObject({
    configuration_hash: told.configuration_hash,
  })
})

// prettier-ignore
test.each([
  ['unit=k&scale=0', /^\d+ KiB$/],
  ['unit=G&scale=4', /^0\.\d{4} GiB$/],
])('the unit of memory can be chosen: %s', async (query, form) => {
  await using node = await started()
  const told = await (await node.ask(`/status?${query}`)).json()
  expect(told).toMatchObject({ memory: { workers_lua_vms: [{ http_allocated_gc: expect.stringMatching(form) }] } })
})

// prettier-ignore
test.each([
  ['/status?unit=x',   'GET',  400, "invalid unit 'x' (expected 'k/K', 'm/M', or 'g/G')"],
  ['/status?scale=-1', 'GET',  400, 'scale must be equal or greater than 0'],
  ['/nothing',         'GET',  404, 'Not found'],
  ['/status',          'POST', 405, 'Method not allowed'],
  ['/status/dns',      'GET',  501, 'not implemented with the legacy DNS client'],
  ['/upstreams/x/health', 'GET', 404, 'Not found'],
  ['/upstreams/%/health', 'GET', 404, 'Not found'],
  ['/upstreams/x/health', 'POST', 405, 'Method not allowed'],
  ['/metrics',         'POST', 405, 'Method not allowed'],
  ['/status/ready',    'PUT',  405, 'Method not allowed'],
  ['/nothing',         'PUT',  404, 'Not found'],
])('%s by %s is %i', async (path, method, status, message) => {
  await using node = await started()
  const response = await node.ask(path, { method })
  expect(response.status).toBe(status)
  expect(await response.json()).toEqual({ message })
})

// prettier-ignore
test.each([
  ['a form', { body: new URLSearchParams({ status: 'draining' }) }],
  ['JSON',   { body: '{"status":"draining"}', headers: { 'Content-Type': 'application/json' } }],
])('a node says that it drains once it was told so by %s', async (_, init) => {
  await using node = await started()
  expect(await (await node.ask('/status/ready')).json()).toEqual({ message: 'ready' })
  expect((await node.ask('/status/ready', { method: 'POST', body: 'status=other' })).status).toBe(400)
  const page = { method: 'POST', body: 'status=draining', headers: { Origin: 'https://a.test' } }
  expect((await node.ask('/status/ready', page)).status).toBe(403)
  expect((await node.ask('/status/ready')).status).toBe(200)
  expect((await node.ask('/status/ready', { method: 'POST', ...init })).status).toBe(204)
  const response = await node.ask('/status/ready')
  expect([response.status, await response.json()]).toEqual([503, { message: 'draining' }])
  expect((await node.proxied()).status).toBe(200)
})

test('requests that are broken off are over, however far they came', async () => {
  using silent = await service(() => {})
  using broken = await service((wire) => wire.close())
  const yaml = `services:
  - { name: silent, url: "http://127.0.0.1:${silent.port}", retries: 0, routes: [{ name: a, paths: ["/silent"] }] }
  - { name: broken, url: "http://127.0.0.1:${broken.port}", retries: 0, routes: [{ name: b, paths: ["/broken"] }] }
`
  await using running = await gateway(yaml)
  const { node } = running.running
  const at = (path: string) => `http://127.0.0.1:${running.port}${path}`
  for (const path of ['/broken', '/nowhere']) await (await fetch(at(path))).text()
  const end = new AbortController()
  const waiting = Array.from({ length: 5 }, () => fetch(at('/silent'), { signal: end.signal }))
  await until(() => node.statistics().connections_writing === 5)
  end.abort()
  await Promise.allSettled(waiting)
  await until(() => node.statistics().connections_writing === 0)
  expect(node.statistics().total_requests).toBe(7)
})

async function until(done: () => boolean): Promise<void> {
  const limit = performance.now() + 3_000
  while (!done()) {
    if (performance.now() > limit) throw new Error('waited in vain')
    await Bun.sleep(5)
  }
}

const UPSTREAM = '11111111-2222-3333-4444-555555555555'
const TARGET = '66666666-7777-8888-9999-000000000000'

test('the health of an upstream is told as Kong does, by its name and its id', async () => {
  await using node = await started(
    `upstreams:\n- id: ${UPSTREAM}\n  name: many.test\n  targets:\n` +
      `  - { id: ${TARGET}, target: "127.0.0.1:9", weight: 7 }\n`,
  )
  const weight = { total: 7, available: 7, unavailable: 0 }
  const host = {
    host: '127.0.0.1',
    port: 9,
    nodeWeight: 7,
    weight,
    addresses: [{ ip: '127.0.0.1', port: 9, weight: 7, health: 'HEALTHCHECKS_OFF' }],
  }
  const around = { next: null, node_id: node.running.running.node.id }
  for (const asked of ['many.test', UPSTREAM]) {
    expect(await (await node.ask(`/upstreams/${asked}/health`)).json()).toEqual({
      ...around,
      data: [
        {
          id: TARGET,
          target: '127.0.0.1:9',
          weight: 7,
          upstream: { id: UPSTREAM },
          health: 'HEALTHCHECKS_OFF',
          data: host,
        },
      ],
    })
  }
  const whole = await node.ask('/upstreams/many.test/health?balancer_health=1')
  expect(await whole.json()).toEqual({
    ...around,
    data: {
      id: UPSTREAM,
      health: 'HEALTHCHECKS_OFF',
      balancer_health: 'HEALTHY',
      details: { healthy: true, weight, hosts: [host] },
    },
  })
})

const CURL = ['curl', '-sk', '-m', '5', '-w', ' %{http_code} %{http_version}']

const SPOKEN: [name: string, flags: Partial<ListenAddress>, option: string, expected: string][] = [
  ['TLS, HTTP/2 and HTTP/1.1', { ssl: true, http2: true }, '--http2', '200 2'],
  ['TLS alone', { ssl: true }, '--http2', '200 1.1'],
  ['HTTP/2 by prior knowledge', { http2: true }, '--http2-prior-knowledge', '200 2'],
]

test.each(SPOKEN)('the status listener speaks %s', async (_, flags, option, expected) => {
  await using node = await started('', { host: '127.0.0.1', port: 0, ...flags })
  const url = `${flags.ssl ? 'https' : 'http'}://127.0.0.1:${node.port}/status/ready`
  expect(await outputOf([...CURL, option, url])).toBe(`{"message":"ready"} ${expected}`)
})

test('a Unix socket has the status, by TLS too, and goes with its listener', async () => {
  const path = `${mkdtempSync(join(tmpdir(), 'status-'))}/a.sock`
  for (const ssl of [false, true]) {
    await using _ = await started('', { host: '', port: 0, unix: path, ssl })
    const url = `${ssl ? 'https' : 'http'}://localhost/status/ready`
    expect(statSync(path).mode & 0o777).toBe(0o666)
    expect(await outputOf([...CURL, '--unix-socket', path, url])).toBe(
      '{"message":"ready"} 200 1.1',
    )
  }
  expect(existsSync(path)).toBe(false)
  rmSync(dirname(path), { recursive: true })
})

test('what a killed process has left behind of a Unix socket is taken over, and nothing else', async () => {
  const path = `${mkdtempSync(join(tmpdir(), 'status-'))}/a.sock`
  const address = { host: '', port: 0, unix: path }
  const url = 'http://localhost/status/ready'
  const left = Bun.spawn([
    process.execPath,
    '-e',
    `Bun.serve({ unix: ${JSON.stringify(path)}, fetch: () => new Response() }); process.kill(process.pid, 'SIGKILL')`,
  ])
  await left.exited
  expect(existsSync(path)).toBe(true)
  {
    await using node = await started('', address)
    const second = startStatus(address, {
      isReady: () => false,
      drain() {},
      gateway: node.running.running,
    })
    expect(await second.catch(({ code }: NodeJS.ErrnoException) => code)).toBe('EADDRINUSE')
    expect(await outputOf([...CURL, '--unix-socket', path, url])).toStartWith('{"message":"ready"}')
  }
  rmSync(dirname(path), { recursive: true })
})

async function outputOf(command: string[]): Promise<string> {
  return new Response(Bun.spawn(command).stdout).text()
}
