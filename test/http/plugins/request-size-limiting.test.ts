import { expect, test } from 'bun:test'
import { type GatewaySettings } from '../../../src/gateway.ts'
import { exit, type Plugin } from '../../../src/pdk.ts'
import { plugins } from '../../../src/plugins/index.ts'
import { record } from '../../../src/schema/field.ts'
import { gateway, proxied } from '../gateway.ts'
import { answering, ok, service } from '../service.ts'
import { ask, eventually, field, statusOf, Wire } from '../wire.ts'

const CHUNKED = 'Transfer-Encoding: chunked\r\n'

function withLength(size: number): string {
  return `Content-Length: ${size}\r\n\r\n${'x'.repeat(size)}`
}

function inChunks(size: number): string {
  return `${CHUNKED}\r\n${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`
}

async function start(config: string, settings?: Partial<GatewaySettings>) {
  const upstream = await service(answering(ok()))
  const running = await gateway(
    `${proxied(upstream.port)}plugins: [{ name: request-size-limiting, config: ${config} }]`,
    settings && { settings },
  )
  return {
    port: running.port,
    log: running.log,
    upstream,
    async [Symbol.asyncDispose]() {
      upstream[Symbol.dispose]()
      await running[Symbol.asyncDispose]()
    },
  }
}

const TEN = '{ allowed_payload_size: 10, size_unit: bytes }'
const STRICT = '{ allowed_payload_size: 10, size_unit: bytes, require_content_length: true }'

// prettier-ignore
test.each([
  [TEN,                                                   withLength(10)],
  [TEN,                                                   inChunks(10)],
  [TEN,                                                   '\r\n'],
  [STRICT,                                                withLength(0)],
  [STRICT,                                                inChunks(10)],
  ['{ allowed_payload_size: 2, size_unit: kilobytes }',   withLength(2048)],
  ['{ allowed_payload_size: 1 }',                         withLength(1024 * 1024)],
  ['{ allowed_payload_size: 2 }',                         inChunks(1024)],
])('%s lets a body pass that is not too large', async (config, rest) => {
  await using scene = await start(config)
  const answer = await ask(scene.port, `POST / HTTP/1.1\r\nHost: h\r\n${rest}`)
  expect(statusOf(answer)).toBe(200)
})

// prettier-ignore
test.each([
  [TEN,                                                   withLength(11),                              413, 'Request size limit exceeded'],
  [TEN,                                                   inChunks(11),                                413, 'Request size limit exceeded'],
  ['{ allowed_payload_size: 1, size_unit: kilobytes }',   withLength(1025),                            413, 'Request size limit exceeded'],
  ['{ allowed_payload_size: 1 }',                         'Content-Length: 1048577\r\n\r\n',           413, 'Request size limit exceeded'],
  [TEN,                                                   'Expect: 100-Continue\r\nContent-Length: 11\r\n\r\n', 417, 'Request size limit exceeded'],
  [STRICT,                                                '\r\n',                                      411, 'A valid Content-Length header is required'],
])('%s refuses a body', async (config, rest, status, message) => {
  await using scene = await start(config)
  const answer = await ask(scene.port, `POST / HTTP/1.1\r\nHost: h\r\n${rest}`)
  expect(statusOf(answer)).toBe(status)
  const id = field(answer, 'x-kong-request-id')
  expect(String(answer?.body)).toBe(`{\n  "message":"${message}",\n  "request_id":"${id}"\n}`)
  expect(scene.upstream.connections).toBe(0)
})

test('a body that another plugin has read is measured as well', async () => {
  using upstream = await service(answering(ok()))
  await using running = await gateway(
    `${proxied(upstream.port)}consumers: [{ username: nobody }]
plugins:
- { name: key-auth, config: { key_in_body: true, anonymous: nobody } }
- { name: request-size-limiting, config: ${TEN} }
`,
  )
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n'
  const post = (size: number) =>
    ask(running.port, `POST / HTTP/1.1\r\nHost: h\r\n${form}${inChunks(size)}`)
  expect([statusOf(await post(10)), statusOf(await post(11))]).toEqual([200, 413])
  expect(upstream.requests).toHaveLength(1)
})

test('a body whose length nobody knew is cut off where it gets too large', async () => {
  using upstream = await service(answering(ok()))
  await using running = await gateway(
    `${proxied(upstream.port)}plugins:
- { name: request-size-limiting, config: { allowed_payload_size: 2 } }
- { name: response-transformer, config: { add: { headers: ["X-Seen:yes"] } } }
`,
  )
  using wire = await Wire.to(running.port)
  wire.send(`POST / HTTP/1.1\r\nHost: h\r\n${CHUNKED}\r\n`)
  const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
  wire.send(chunk).send(chunk).send(chunk)
  const answer = await wire.message()
  const id = field(answer, 'x-kong-request-id')
  expect(statusOf(answer)).toBe(413)
  expect(String(answer?.body)).toBe(
    `{\n  "message":"Request size limit exceeded",\n  "request_id":"${id}"\n}`,
  )
  expect([field(answer, 'x-seen'), field(answer, 'connection')]).toEqual(['yes', 'close'])
  await eventually(() => running.access.length > 0)
  expect(running.access).toEqual([expect.stringContaining(` 413 ${answer?.body.length} `)])
  expect(running.access[0]).toContain(`"${id}"`)
  expect(running.log.filter((line) => line.includes(id!))).toEqual([
    expect.stringContaining('code=request_too_large'),
  ])
  await wire.rest()
  await eventually(() => upstream.requests.every(({ isWhole }) => !isWhole))
})

test('a body that gets too large when the service has begun to answer breaks the connection', async () => {
  using upstream = await service(async (wire) => {
    await wire.until((text) => text.includes('x'))
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly')
  })
  await using running = await gateway(
    `${proxied(upstream.port)}plugins: [{ name: request-size-limiting, config: { allowed_payload_size: 2 } }]`,
  )
  using wire = await Wire.to(running.port)
  const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
  wire.send(`POST / HTTP/1.1\r\nHost: h\r\n${CHUNKED}\r\n${chunk}`)
  await wire.until((text) => text.includes('early'))
  wire.send(chunk).send(chunk)
  const answer = await wire.message()
  expect([statusOf(answer), String(answer?.body), answer?.isWhole]).toEqual([200, 'early', false])
  await eventually(() => running.access.length > 0)
  expect(running.access).toEqual([expect.stringContaining(' 200 5 ')])
})

test('a body that gets too large while another plugin is at work does not reach the service', async () => {
  using upstream = await service(answering(ok()))
  let go: (() => void) | undefined
  let isTooLong: (() => boolean) | undefined
  const slow: Plugin = {
    name: 'slow',
    priority: 1,
    schema: record('Waits.', {}, { required: true }),
    create: () => ({
      access({ request }) {
        isTooLong = () => !request.limitBody(10, () => exit(500, {}))
        return new Promise((resolve) => (go = () => resolve(undefined)))
      },
    }),
  }
  await using running = await gateway(
    `${proxied(upstream.port)}plugins:
- { name: request-size-limiting, config: { allowed_payload_size: 2 } }
- { name: slow }
`,
    { plugins: new Map([...plugins, ['slow', slow]]), settings: { maxBodySize: 10 } },
  )
  using wire = await Wire.to(running.port)
  wire.send(`POST / HTTP/1.1\r\nHost: h\r\n${CHUNKED}\r\n`)
  await eventually(() => go !== undefined)
  wire.send(`b\r\n${'x'.repeat(11)}\r\n0\r\n\r\n`)
  await eventually(() => isTooLong!())
  go!()
  const answer = await wire.message()
  expect([statusOf(answer), upstream.connections]).toEqual([413, 0])
  expect(String(answer?.body)).toContain('Payload too large')
})

test("the node's own limit counts as well, where it is the smaller one", async () => {
  await using scene = await start('{ allowed_payload_size: 2 }', { maxBodySize: 5 })
  const answer = await ask(scene.port, `POST / HTTP/1.1\r\nHost: h\r\n${inChunks(6)}`)
  expect(statusOf(answer)).toBe(413)
})
