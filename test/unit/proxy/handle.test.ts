import { expect, test } from 'bun:test'
import { FixedPeer, peerAt } from '../../../src/balancer/peers.ts'
import { ClientConnection } from '../../../src/front/connection.ts'
import { DEFAULT_SETTINGS } from '../../../src/gateway.ts'
import { createLog } from '../../../src/log.ts'
import { exit, type Handler } from '../../../src/pdk.ts'
import { AccessLog } from '../../../src/proxy/access_log.ts'
import { ClientAddress } from '../../../src/proxy/client_address.ts'
import { createErrorWriter } from '../../../src/error_body.ts'
import { RequestHandler } from '../../../src/proxy/handle.ts'
import type { Instance } from '../../../src/proxy/plan.ts'
import type { Snapshot } from '../../../src/proxy/snapshot.ts'
import { Tracing } from '../../../src/tracing.ts'
import { Router } from '../../../src/router/router.ts'
import { UpstreamClient } from '../../../src/upstream/client.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** A gateway in memory with one route that has these handlers; its service is never reached. */
function proxyWith(
  handlers: readonly Handler[],
  router?: Snapshot['router'],
  client = new UpstreamClient(DEFAULT_SETTINGS),
) {
  const log: string[] = []
  const instances = handlers.map(
    (handler, i) =>
      ({
        handler,
        plugin: { name: `plugin-${i}` },
        entity: {},
        place: () => `kong.yaml:${i}`,
      }) as unknown as Instance,
  )
  const plan = {
    slots: instances.map((always) => ({
      always,
      alwaysRank: 0,
      byConsumer: undefined,
      byGroup: undefined,
    })),
    memberships: new Map(),
    authenticates: false,
    remembersRan: true,
    watchesAnswer: true,
    filtersBody: handlers.some(({ body_filter }) => body_filter),
  }
  const route = { id: 'r', paths: ['/'], protocols: ['http'] }
  const prepared = {
    route,
    service: undefined,
    plan,
    target: {
      peers: new FixedPeer(peerAt({ protocol: 'http', tls: undefined }, '127.0.0.1', 1, 'a')),
      timeouts: { connect: 1, write: 1, read: 1 },
      retries: 0,
    },
    pathRule: { base: '/', strip: false },
  }
  const handler = new RequestHandler(
    {
      client,
      log: createLog('debug', (line) => void log.push(line)),
      accessLog: new AccessLog(),
      fields: DEFAULT_SETTINGS.fields,
      clientAddress: new ClientAddress(DEFAULT_SETTINGS),
      nextRequestId: () => 'id',
      maxBodySize: 0,
      errorType: 'text/plain',
      writeError: createErrorWriter(),
      showsRoutes: false,
      tracing: new Tracing(
        {},
        createLog('debug', () => {}),
      ),
    },
    {
      router: router ?? (new Router([[route, prepared]]) as unknown as Snapshot['router']),
      routes: [],
      routerFlavor: 'traditional_compatible',
      globalPlan: { ...plan, slots: [] },
      instances: [],
      secretArguments: new Set(),
      secretNames: new Set(),
    },
  )
  let sent = ''
  let isBroken = false
  const socket = {
    remoteAddress: '127.0.0.1',
    localPort: 8000,
    write(bytes: Uint8Array, from = 0, length = bytes.length - from) {
      sent += Buffer.from(bytes.subarray(from, from + length)).toString('latin1')
      return length
    },
    pause() {},
    resume() {},
    shutdown() {},
    terminate: () => (isBroken = true),
  }
  const connection = new ClientConnection(
    socket as unknown as ConstructorParameters<typeof ClientConnection>[0],
    {
      deadlines: { add() {}, delete() {} } as never,
      isDraining: false,
      handle: (exchange) => handler.handle(exchange),
      refuse() {},
    },
  )
  return {
    log,
    receive: (text: string) => connection.data(Buffer.from(text)),
    leave: () => connection.closed(),
    status: () => Number(/^HTTP\/1\.1 (\d+)/.exec(sent)?.[1] ?? 0),
    sent: () => sent,
    isBroken: () => isBroken,
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isSo(); i++) await Bun.sleep(0)
}

// prettier-ignore
test.each([
  ['throws',           { access() { throw new Error('oops') } }],
  ['rejects',          { access: async () => { throw new Error('oops') } }],
] as [string, Handler][])('a plugin that %s is a 500, and a line that names it', async (_, handler) => {
  const { receive, status, log, sent } = proxyWith([handler])
  receive(GET)
  await until(() => status() > 0)
  expect(status()).toBe(500)
  expect(sent()).toContain('"An unexpected error occurred"')
  expect(sent()).not.toContain('oops')
  expect(log.join('')).toContain('a plugin failed request_id=id plugin=plugin-0 config=kong.yaml:0 route=r')
})

test('a plugin that fails over an answer does not keep the client from it', () => {
  const fail = () => {
    throw new Error('oops')
  }
  const answering: Handler = {
    access: () => exit(418, { message: 'tea' }),
    header_filter: fail,
    log: fail,
  }
  const { receive, status, log } = proxyWith([answering])
  receive(GET)
  expect(status()).toBe(418)
  expect(log.filter((line) => line.includes('cause=oops'))).toHaveLength(2)
})

test('the first plugin that answers ends it, and the ones after it still see the answer', () => {
  const seen: string[] = []
  const watching = (name: string): Handler => ({
    access: () => void seen.push(`${name} access`) as undefined,
    header_filter(ctx) {
      seen.push(`${name} ${ctx.status}`)
      ctx.headers.set('X-Seen', name)
    },
    log: ({ status }) => void seen.push(`${name} log ${status}`),
  })
  const { receive, sent } = proxyWith([
    watching('first'),
    { access: () => exit(401, { message: 'no' }) },
    watching('last'),
  ])
  receive(GET)
  expect(seen).toEqual(['first access', 'first 401', 'last 401', 'first log 401', 'last log 401'])
  expect(sent()).toContain('\r\nX-Seen: last\r\n')
})

test('a body over the limit of a plugin is 413, even if the plugin makes nothing of it', async () => {
  const post = `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n0123456789`
  const read: Handler = { access: async ({ request }) => void (await request.body(5)) as undefined }
  const careless: Handler = {
    access: async ({ request }) => void (await request.body(5).catch(() => {})) as undefined,
  }
  for (const handler of [read, careless]) {
    const { receive, status } = proxyWith([handler])
    receive(post)
    await until(() => status() > 0)
    expect(status()).toBe(413)
  }
})

test('a client that leaves while a plugin works is logged and not answered', async () => {
  let goOn = () => {}
  const logged: number[] = []
  const { receive, leave, sent } = proxyWith([
    {
      access: () => new Promise((resolve) => (goOn = () => resolve(exit(200, {})))),
      log: ({ status }) => void logged.push(status),
    },
  ])
  receive(GET)
  leave()
  goOn()
  await until(() => logged.length > 0)
  expect([logged, sent()]).toEqual([[499], ''])
})

test('a plugin whose turn comes after the client has left is not run', async () => {
  let goOn = () => {}
  let ran = 0
  const logged: number[] = []
  const { receive, leave } = proxyWith([
    {
      access: () => new Promise((resolve) => (goOn = () => resolve(undefined))),
      log: ({ status }) => void logged.push(status),
    },
    { access: () => void ran++ as undefined },
  ])
  receive(GET)
  leave()
  goOn()
  await until(() => logged.length > 0)
  expect([logged, ran]).toEqual([[499], 0])
})

test('a fault of our own breaks the connection off and is logged; nothing waits for ever', () => {
  const router = {
    match: () => {
      throw new Error('our fault')
    },
  } as unknown as Snapshot['router']
  const { receive, isBroken, log } = proxyWith([], router)
  receive(GET)
  expect(isBroken()).toBe(true)
  expect(log.join('')).toContain('code=internal_error cause="our fault"')
})

test('a fault of our own while a request is sent is a 500, and its connection is not used again', async () => {
  let isAborted = false
  const connection = {
    begin() {
      throw new Error('oops')
    },
    abort: () => (isAborted = true),
  }
  const client = { take: () => undefined, connect: async () => connection }
  const { receive, status, log } = proxyWith([], undefined, client as unknown as UpstreamClient)
  receive(GET)
  await until(() => status() > 0)
  expect([status(), isAborted]).toEqual([500, true])
  expect(log.join()).toContain('code=internal_error')
})
