import { expect, test } from 'bun:test'
import { printFaults } from '../../src/declarative/faults.ts'
import type { ConfigurationError } from '../../src/gateway.ts'
import { gateway } from './gateway.ts'
import { echo, service } from './service.ts'
import { ask, field, statusOf } from './wire.ts'

const CONSUMERS = `
consumer_groups: [{ name: gold }]
consumers:
- { username: alex, custom_id: a-1, tags: [vip], groups: [{ name: gold }], keyauth_credentials: [{ key: alex }] }
- { username: bo, keyauth_credentials: [{ key: bo }] }
`

const TEAPOT = 'name: request-termination, config: { status_code: 418, message: stopped }'

/** A gateway with two routes before a service, and these plugins. */
async function conditioned(plugins: string) {
  const upstream = await service(echo)
  const running = await gateway(`services:
- url: http://127.0.0.1:${upstream.port}
  name: s
  tags: [inner]
  routes: [{ name: open, paths: [/open] }, { name: shut, paths: [/shut], strip_path: false, tags: [internal] }]
${CONSUMERS}plugins:
${plugins}`)
  return {
    log: running.log,
    upstream,
    async send(path: string, fields = '', method = 'GET') {
      const head = `${method} ${path} HTTP/1.1\r\nHost: gateway.test:8000\r\n${fields}\r\n`
      const answer = await ask(running.port, head)
      return {
        status: statusOf(answer),
        body: String(answer?.body),
        header: (name: string) => field(answer, name),
      }
    },
    async status(path: string, fields = '', method = 'GET') {
      return (await this.send(path, fields, method)).status
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      upstream[Symbol.dispose]()
    },
  }
}

test("Kong's own example: a plugin that answers only requests with a header", async () => {
  await using a = await conditioned(
    `- { ${TEAPOT}, route: open, condition: 'http.headers.x_block == "true"' }\n`,
  )
  const stopped = await a.send('/open', 'X-Block: true\r\n')
  expect([stopped.status, JSON.parse(stopped.body)]).toEqual([418, { message: 'stopped' }])
  expect(await a.status('/open', 'X-Block: false\r\n')).toBe(200)
  expect(await a.status('/open')).toBe(200)
})

test('a plugin for all requests leaves out a route', async () => {
  await using a = await conditioned(
    `- { name: key-auth, condition: 'route.name != "open"', config: { key_names: [key] } }\n`,
  )
  expect(await a.status('/open')).toBe(200)
  expect(await a.status('/shut')).toBe(401)
  expect(await a.status('/shut', 'key: bo\r\n')).toBe(200)
})

test('what a client says of itself does not pass where a condition has left out the authentication', async () => {
  await using a = await conditioned(
    `- { name: key-auth, condition: 'route.name != "open"', config: { key_names: [key] } }\n`,
  )
  expect(await a.status('/open', 'X-Consumer-Username: alex\r\n')).toBe(200)
  expect(field(a.upstream.requests[0]!, 'x-consumer-username')).toBeUndefined()
})

test('a condition on the consumer knows whom a plugin before it has authenticated', async () => {
  const conditions = [
    'consumer.username == "alex"',
    'consumer.custom_id == "a-1"',
    'consumer.tags != null && "vip" in consumer.tags',
    'consumer_group.names != null && "gold" in consumer_group.names',
    'consumer_group.ids.exists(id, size(id) == 36)',
  ]
  for (const condition of conditions) {
    await using a = await conditioned(
      `- { name: key-auth, config: { key_names: [key] } }\n- { ${TEAPOT}, condition: 'default(${condition}, false)' }\n`,
    )
    expect([condition, await a.status('/open', 'key: alex\r\n')]).toEqual([condition, 418])
    expect([condition, await a.status('/open', 'key: bo\r\n')]).toEqual([condition, 200])
  }
})

test.each([
  ['http.method == "POST" || http.method == "DELETE"', 418, 'DELETE /open/b?c=d'],
  ['http.method == "POST"', 200, 'GET /open/b?c=d'],
  ['http.host == "gateway.test"', 418, 'GET /open'],
  ['http.path == "/open/ä b"', 418, 'GET /open/%C3%A4%20b?c=d'],
  ['http.path_segments == ["open", "a", "b"]', 418, 'GET /open//a/x/../b/'],
  ['http.queries.c == "d e"', 418, 'GET /open?c=d+e&c=f'],
  ['http.queries_list.c == ["d", "f"]', 418, 'GET /open?c=d&c=f'],
  ['http.queries.c == null && http.queries_list.c == null', 418, 'GET /open?cc=d'],
  ['http.queries["c-d"] == ""', 418, 'GET /open?c-d'],
  ['http.headers.x_a == "1" && http.headers_list.x_a == ["1", "2"]', 418, 'GET /open'],
  ['http.headers.x_b == null && http.headers_list.x_b == null', 418, 'GET /open'],
  ['net.protocol == "http" && net.tls.sni == null', 418, 'GET /open'],
  ['net.src.ip == "127.0.0.1" && net.dst.ip == net.src.ip', 418, 'GET /open'],
  ['net.src.port > 1023 && net.dst.port > 1023 && net.src.port != net.dst.port', 418, 'GET /open'],
  ['route.tags == null && "inner" in service.tags && service.name == "s"', 418, 'GET /open'],
  ['"internal" in route.tags && size(route.id + service.id) == 72', 418, 'GET /shut'],
  ['consumer.id == null && consumer_group.ids == null && principal.id == null', 418, 'GET /open'],
  ['has(kong.ctx.shared.x) || has(principal.metadata.x)', 200, 'GET /open'],
  [
    'plugins.request_termination.is_matched && plugins.request_termination.priority == 2',
    418,
    'GET /open',
  ],
  ['plugins.request_termination.access_has_executed', 200, 'GET /open'],
  ['plugins.acl.is_matched == null && plugins.acl.priority == null', 418, 'GET /open'],
])('%s is %d for %s', async (condition, status, line) => {
  await using a = await conditioned(`- { ${TEAPOT}, condition: '${condition}' }\n`)
  const [method = '', path = ''] = line.split(' ')
  expect(await a.status(path, 'X-A: 1\r\nX_b-c: 3\r\nx-a: 2\r\n', method)).toBe(status)
})

test('a condition sees the request as the plugins before it have left it', async () => {
  await using a = await conditioned(
    `- { name: request-transformer, config: { add: { headers: ["x-new:1"], querystring: ["q:2"] } } }
- { name: correlation-id, config: { header_name: x-seen, generator: uuid, echo_downstream: true }, condition: 'http.headers.x_new != null' }
- { ${TEAPOT}, condition: 'http.headers.x_new == "1" && http.queries.q == "2"' }\n`,
  )
  const { status, header } = await a.send('/open')
  expect(status).toBe(418)
  // This one runs earlier.
  expect(header('x-seen')).toBeUndefined()
})

test('a condition knows which plugins have run, those left out by their own among them', async () => {
  await using a = await conditioned(
    `- { name: key-auth, condition: 'http.headers.key != null', config: { key_names: [key] } }
- { name: acl, route: shut, config: { allow: [x] }, enabled: false }
- { name: basic-auth, route: shut, config: { anonymous: bo } }
- { ${TEAPOT}, condition: 'plugins.key_auth.access_has_executed && plugins.basic_auth.is_matched == false && plugins.acl.is_matched == null' }\n`,
  )
  expect(await a.status('/open', 'key: bo\r\n')).toBe(418)
  expect(await a.status('/open')).toBe(200)
})

test('a plugin that is left out does not see the answer', async () => {
  await using a = await conditioned(
    `- { name: response-transformer, condition: 'http.queries.see == "yes"', config: { add: { headers: ["x-seen:1"] } } }
- { ${TEAPOT}, condition: 'http.queries.stop == "yes"' }
- { name: cors, condition: 'http.queries.see == "yes"', config: { origins: ["*"] } }\n`,
  )
  const seen = async (path: string) => {
    const { status, header } = await a.send(path, 'Origin: http://o.test\r\n')
    return [status, header('x-seen'), header('access-control-allow-origin')]
  }
  expect(await seen('/open')).toEqual([200, undefined, undefined])
  expect(await seen('/open?see=yes')).toEqual([200, '1', '*'])
  // Nor one that would come behind the plugin that answers.
  expect(await seen('/open?stop=yes')).toEqual([418, undefined, undefined])
  expect(await seen('/open?stop=yes&see=yes')).toEqual([418, '1', '*'])
  // Without a route the plugins of all requests see the answer.
  expect(await seen('/nowhere')).toEqual([404, undefined, undefined])
  expect(await seen('/nowhere?see=yes')).toEqual([404, '1', '*'])
})

test('a condition that means nothing for a request is 500 and a line of the log, unless it says what then', async () => {
  await using a = await conditioned(
    `- { id: 11111111-1111-4111-8111-111111111111, name: key-auth, route: shut, condition: 'kong.ctx.shared.foo == "x"' }
- { name: request-termination, route: open, config: { status_code: 418 }, condition: 'default(http.headers.x_a.startsWith("b"), true)' }\n`,
  )
  const failed = await a.send('/shut')
  expect(failed.status).toBe(500)
  expect(failed.body).toContain('An unexpected error occurred')
  expect(a.upstream.requests).toEqual([])
  const line = a.log.find((each) => each.includes('[error]'))
  expect(line).toContain(
    "error evaluating plugin condition for plugin 'key-auth' (ID: 11111111-1111-4111-8111-111111111111): No such key: foo code=condition_failed",
  )
  expect(line).toMatch(/ config=kong\.yaml:\d+/)
  expect(await a.status('/open')).toBe(418)
  expect(await a.status('/open', 'X-A: a\r\n')).toBe(200)
})

test('bytes that are no text do not let a client choose what default() says', async () => {
  await using a = await conditioned(
    `- { name: key-auth, condition: 'default(http.headers.x_a != "a", false)' }\n`,
  )
  expect(await a.status('/open', 'X-A: \xff\r\n')).toBe(500)
  expect(await a.status('/open', 'X-A: a\r\n')).toBe(200)
  expect(await a.status('/open')).toBe(401)
})

test('a head as long as may be does not hold up a condition that goes through it again and again', async () => {
  const each = 'http.headers_list.a.all'
  await using a = await conditioned(
    `- { ${TEAPOT}, condition: '${each}(a, ${each}(b, ${each}(c, a + b != c)))' }\n`,
  )
  const begun = performance.now()
  expect(await a.status('/open', 'a: b\r\n'.repeat(990))).toBe(500)
  expect(performance.now() - begun).toBeLessThan(1000)
  expect(a.log.join()).toContain('the expression takes too long for this request')
  // A megabyte is refused before there is a request.
  expect(await a.status('/open', `a: ${'b'.repeat(1000)}\r\n`.repeat(1000))).toBe(400)
  expect(await a.status('/open', 'a: b\r\n')).toBe(418)
})

test('a client cannot hide a field of a proxy before us from a condition', async () => {
  await using a = await conditioned(
    `- { name: key-auth, condition: 'http.headers.x_from == "outside"' }\n`,
  )
  const fields = 'X-From: outside\r\nConnection: x-from\r\n'
  expect(await a.status('/open', fields)).toBe(401)
  expect(await a.status('/open')).toBe(200)
})

test('what came of a condition is in the log for debugging', async () => {
  await using a = await conditioned(
    `- { id: 11111111-1111-4111-8111-111111111111, ${TEAPOT}, condition: 'http.queries.a == "b"' }\n`,
  )
  await a.send('/open')
  await a.send('/open?a=b')
  const of = "for plugin 'request-termination' (ID: 11111111-1111-4111-8111-111111111111)"
  const lines = a.log.filter((line) => line.includes('plugin condition'))
  expect(lines[0]).toContain(`[debug] plugin condition not matched ${of}: skipped`)
  expect(lines[1]).toContain(`[debug] plugin condition matched ${of}`)
})

test('of several entities of a plugin the condition of the narrowest decides', async () => {
  await using a = await conditioned(
    `- { ${TEAPOT} }\n- { ${TEAPOT}, route: open, condition: 'http.queries.a == "b"' }\n`,
  )
  expect(await a.status('/open?a=b')).toBe(418)
  expect(await a.status('/open')).toBe(200)
  expect(await a.status('/shut')).toBe(418)
})

test('conditions that cannot be read are faults of the configuration, all of them', async () => {
  const starting = gateway(`services: [{ name: s, url: "http://127.0.0.1:1" }]
plugins:
- { name: key-auth, condition: 'http.metod == "GET"' }
- name: request-termination
  condition: http.path ^= "/a"
- { name: cors, condition: "${'true && '.repeat(130)}true" }
`)
  const { faults } = await starting.then(
    () => ({ faults: [] }),
    (error: ConfigurationError) => error,
  )
  expect(printFaults(faults)).toBe(
    [
      'kong.yaml:4:32 plugins[0].condition: unknown field http.metod (did you mean http.method?), at character 1 of the expression',
      'kong.yaml:6:14 plugins[1].condition: expected an operator, or the end, at character 11 of the expression',
      'kong.yaml:7:28 plugins[2].condition: length must be at most 1024',
    ].join('\n'),
  )
})
