import { expect, test } from 'bun:test'
import { gateway, proxied } from '../gateway.ts'
import { answering, service } from '../service.ts'
import { ask, field, type Message, statusOf } from '../wire.ts'

const PREFLIGHT = 'Origin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\n'
const SERVICE_ANSWER =
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://theirs\r\nVary: Accept\r\n\r\nok'

async function send(config: string, method: string, fields: string) {
  using upstream = await service(answering(SERVICE_ANSWER))
  await using running = await gateway(
    `${proxied(upstream.port)}plugins: [{ name: cors, config: ${config} }]`,
  )
  const answer = await ask(running.port, `${method} / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`)
  return { answer, asked: upstream.requests.length }
}

/** What an answer says of cross-origin requests, its names in lower case and without `access-control-`. */
function corsFields(answer: Message | undefined): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const [name, value] of answer?.fields ?? []) {
    const key = name.toLowerCase().replace('access-control-', '')
    if (/^access-control-|^vary$/i.test(name)) (found[key] ??= []).push(value)
  }
  return found
}

const ALL = 'GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT'

// prettier-ignore
test.each([
  ['{}',                                              PREFLIGHT,
    { 'allow-origin': ['*'], 'allow-methods': [ALL] }],
  ['{ methods: ~ }',                                  `${PREFLIGHT}Access-Control-Request-Headers: x-a, x-b\r\n`,
    { 'allow-origin': ['*'], 'allow-methods': [ALL], 'allow-headers': ['x-a, x-b'] }],
  ['{ headers: [x-c, x-d], methods: [GET], max_age: 23 }', `${PREFLIGHT}Access-Control-Request-Headers: x-a\r\n`,
    { 'allow-origin': ['*'], 'allow-methods': ['GET'], 'allow-headers': ['x-c,x-d'], 'max-age': ['23'] }],
  ['{ credentials: true }',                           PREFLIGHT,
    { 'allow-origin': ['https://a.test'], 'allow-methods': [ALL], 'allow-credentials': ['true'], vary: ['Origin'] }],
  ['{ origins: ["https://a.test"], credentials: true }', PREFLIGHT,
    { 'allow-origin': ['https://a.test'], 'allow-methods': [ALL], 'allow-credentials': ['true'], vary: ['Origin'] }],
  ['{ origins: ["https://b.test", "https://c.test"] }', PREFLIGHT,
    { 'allow-methods': [ALL], vary: ['Origin'] }],
  ['{ private_network: true }',                       `${PREFLIGHT}Access-Control-Request-Private-Network: true\r\n`,
    { 'allow-origin': ['*'], 'allow-methods': [ALL], 'allow-private-network': ['true'] }],
  ['{ private_network: true }',                       PREFLIGHT,
    { 'allow-origin': ['*'], 'allow-methods': [ALL] }],
])('a preflight request with %s is answered without the service', async (config, fields, expected) => {
  const { answer, asked } = await send(config, 'OPTIONS', fields)
  expect([statusOf(answer), String(answer?.body), asked]).toEqual([200, '', 0])
  expect(field(answer, 'content-length')).toBe('0')
  expect(corsFields(answer)).toEqual(expected as Record<string, string[]>)
})

// prettier-ignore
test.each([
  ['{}',                                        'Origin: https://a.test\r\n', { 'allow-origin': ['*'], vary: ['Accept'] }],
  ['{}',                                        '',                           { 'allow-origin': ['*'], vary: ['Accept'] }],
  ['{ allow_origin_absent: false }',            '',                           { 'allow-origin': ['https://theirs'], vary: ['Accept'] }],
  ['{ allow_origin_absent: false }',            'Origin:\r\n',                { 'allow-origin': ['https://theirs'], vary: ['Accept'] }],
  ['{ credentials: true }',                     'Origin: https://a.test\r\n', { 'allow-origin': ['https://a.test'], 'allow-credentials': ['true'], vary: ['Accept', 'Origin'] }],
  ['{ credentials: true }',                     '',                           { 'allow-origin': ['*'], vary: ['Accept'] }],
  ['{ origins: [a.test], exposed_headers: ["x-a, x-b", x-c] }', 'Origin: https://b.test\r\n', { 'allow-origin': ['a.test'], 'expose-headers': ['x-a, x-b,x-c'], vary: ['Accept', 'Origin'] }],
  ['{ origins: ["https://b.test", "https://c.test"] }', 'Origin: https://a.test\r\n', { vary: ['Accept', 'Origin'] }],
])('an answer with %s to %j', async (config, fields, expected) => {
  const { answer, asked } = await send(config, 'GET', fields)
  expect([statusOf(answer), String(answer?.body), asked]).toEqual([200, 'ok', 1])
  expect(corsFields(answer)).toEqual(expected as Record<string, string[]>)
})

test("with preflight_continue a preflight request is the service's alone", async () => {
  const { answer, asked } = await send('{ preflight_continue: true }', 'OPTIONS', PREFLIGHT)
  expect(asked).toBe(1)
  expect(corsFields(answer)).toEqual({ 'allow-origin': ['https://theirs'], vary: ['Accept'] })
})

// prettier-ignore
test.each([
  ['without Origin',         'Access-Control-Request-Method: PUT\r\n'],
  ['without its method',     'Origin: https://a.test\r\n'],
])('OPTIONS %s is no preflight request', async (_, fields) => {
  const { answer, asked } = await send('{}', 'OPTIONS', fields)
  expect(asked).toBe(1)
  expect(corsFields(answer)['allow-origin']).toEqual(['*'])
})

test('a refusal of another plugin can be read by the page too', async () => {
  await using running = await gateway(`
services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]
plugins: [{ name: cors }, { name: key-auth }]
`)
  const answer = await ask(
    running.port,
    'GET / HTTP/1.1\r\nHost: h\r\nOrigin: https://a.test\r\n\r\n',
  )
  expect(statusOf(answer)).toBe(401)
  expect(corsFields(answer)).toEqual({ 'allow-origin': ['*'] })
})
