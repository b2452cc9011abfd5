import { expect, test } from 'bun:test'
import { keyAuth } from '../../../src/plugins/key-auth/index.ts'
import { check } from '../../../src/schema/check.ts'
import {
  headerOf,
  keyOwner,
  messageOf,
  send,
  type Sent,
  TestContext,
  testGateway,
} from './context.ts'

const JSON_TYPE = ['Content-Type', 'application/json'] as const
const FORM_TYPE = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'] as const
const alex = keyOwner('alex')
const nobody = keyOwner('nobody').consumer

function create(config: Record<string, unknown>) {
  const checked = check(keyAuth.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  const gateway = testGateway({
    consumers: {
      find: (name) => (name === 'nobody' ? nobody : undefined),
      findByKey: (key) => (key === 'secret' || key === 'schlüssel' ? alex : undefined),
    },
  })
  return keyAuth.create(checked.value, gateway)
}

const ask = (config: Record<string, unknown>, sent: Sent = {}) => send(create(config), sent)

// prettier-ignore
test.each([
  ['a header',                    {},                       { headers: [['apikey', 'secret']] as const }],
  ['a header in capitals',        {},                       { headers: [['APIKEY', 'secret']] as const }],
  ['another spelling',            { key_names: ['my_key'] },{ headers: [['My-Key', 'secret']] as const }],
  ['the query',                   {},                       { query: 'a=1&apikey=secret' }],
  ['an escaped query',            {},                       { query: '%61pikey=s%65cret' }],
  ['the second name',             { key_names: ['a', 'b'] },{ query: 'b=secret' }],
  ['a form',                      { key_in_body: true },    { headers: [FORM_TYPE], body: 'x=1&apikey=secret' }],
  ['JSON',                        { key_in_body: true },    { headers: [JSON_TYPE], body: '{"apikey":"secret"}' }],
])('a key in %s lets its owner in', async (_, config, sent) => {
  const { ctx, exit } = await ask(config, sent)
  expect(exit).toBeUndefined()
  expect([ctx.consumer, ctx.credential]).toEqual([alex.consumer, alex.credential])
})

// prettier-ignore
test.each([
  ['nothing',             {},                         {},                                          'No API key found in request'],
  ['an empty key',        {},                         { query: 'apikey=' },                        'No API key found in request'],
  ['a header not read',   { key_in_header: false },   { headers: [['apikey', 'secret']] as const },'No API key found in request'],
  ['a query not read',    { key_in_query: false },    { query: 'apikey=secret' },                  'No API key found in request'],
  ['a body not read',     {},                         { headers: [FORM_TYPE], body: 'apikey=secret' }, 'No API key found in request'],
  ['JSON null',           { key_in_body: true },      { headers: [JSON_TYPE], body: 'null' },      'No API key found in request'],
  ['a number',            { key_in_body: true },      { headers: [JSON_TYPE], body: '{"apikey":1}' }, 'No API key found in request'],
  ['a wrong key',         {},                         { query: 'apikey=other' },                   'Unauthorized'],
  ['two keys',            {},                         { query: 'apikey=secret&apikey=secret' },    'Duplicate API key found'],
  ['two headers',         {},                         { headers: [['apikey', 'secret'], ['ApiKey', 'x']] as const }, 'Duplicate API key found'],
  ['a list',              { key_in_body: true },      { headers: [JSON_TYPE], body: '{"apikey":["secret"]}' }, 'Duplicate API key found'],
])('%s is answered 401', async (_, config, sent, message) => {
  const { ctx, exit } = await ask(config, sent)
  expect([exit?.status, messageOf(exit)]).toEqual([401, message])
  expect(headerOf(exit, 'www-authenticate')).toBe('Key')
  expect(ctx.credential).toBeUndefined()
})

test('the answer carries the request id, as kong.response.error does', async () => {
  const { exit } = await ask({ realm: 'mine' })
  expect(exit?.body).toBe(
    '{\n  "message":"No API key found in request",\n  "request_id":"00000000000000000000000000000000"\n}',
  )
  expect(headerOf(exit, 'www-authenticate')).toBe('Key realm="mine"')
})

test('the key is hidden from the service in the query and in every spelling of the header', async () => {
  const sent = {
    query: 'a=1&apikey=secret&b=%20',
    headers: [['ApiKey', 'secret']] as const,
  }
  const { ctx, upstream } = await ask({}, sent)
  expect(upstream.has('apikey')).toBe(false)
  expect(ctx.upstream.query).toBe('a=1&b=%20')
})

test('a key of the body is hidden from the service there', async () => {
  const sent = { headers: [FORM_TYPE], body: 'x=1&apikey=secret&y=%C3%A4' }
  expect((await ask({ key_in_body: true }, sent)).ctx.body).toBe('x=1&y=%C3%A4')
})

const MULTIPART_TYPE = ['Content-Type', 'multipart/form-data; boundary=b1'] as const

test.each([
  ['multipart', MULTIPART_TYPE],
  ['a form', FORM_TYPE],
])('a body that is %s is not waited for where the key stands in a header', (_, type) => {
  const ctx = new TestContext({ headers: [type, ['apikey', 'secret']], body: 'unread' })
  ctx.request.body = () => Promise.reject(new Error('the body was read'))
  expect(create({ key_in_body: true }).access?.(ctx)).toBeUndefined()
  expect(ctx.consumer).toEqual(alex.consumer)
})

test('an upload that is too long to look into is refused for its missing key', async () => {
  const headers = [MULTIPART_TYPE, ['Content-Length', '2000000']] as const
  const { exit } = await ask({ key_in_body: true }, { headers, body: '--b1--\r\n' })
  expect([exit?.status, messageOf(exit)]).toEqual([401, 'No API key found in request'])
})

test('a wrong key is hidden as well, where its request goes on', async () => {
  const { ctx, upstream } = await ask(
    { anonymous: 'nobody' },
    {
      query: 'apikey=wrong&a=1',
      headers: [
        ['ApiKey', 'x'],
        ['apikey', 'y'],
      ] as const,
    },
  )
  expect([ctx.isAnonymous, ctx.upstream.query, upstream.has('apikey')]).toEqual([
    true,
    'a=1',
    false,
  ])
})

test('a key in a header is UTF-8', async () => {
  const bytes = Buffer.from('schlüssel').toString('latin1')
  expect((await ask({}, { headers: [['apikey', bytes]] })).exit).toBeUndefined()
})

test('hide_credentials: false leaves the key', async () => {
  const { ctx } = await ask({ hide_credentials: false }, { query: 'apikey=secret' })
  expect(ctx.upstream.query).toBe('apikey=secret')
})

test('the rest of a JSON body keeps its digits', async () => {
  const body = '{"apikey":"secret","id":12345678901234567890,"price":1.10}'
  const { ctx } = await ask({ key_in_body: true }, { headers: [JSON_TYPE], body })
  expect(ctx.body).toBe('{"id":12345678901234567890,"price":1.10}')
})

test('a multipart body gives the key and keeps its other parts byte for byte', async () => {
  const part = (name: string, value: string) =>
    `--b1\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const headers = [['Content-Type', 'multipart/form-data; boundary=b1']] as const
  const body = `${part('file', 'a\r\n--b')}${part('apikey', 'secret')}--b1--\r\n`
  const { ctx, exit } = await ask({ key_in_body: true }, { headers, body })
  expect(exit).toBeUndefined()
  expect(ctx.body).toBe(`${part('file', 'a\r\n--b')}--b1--\r\n`)
})

test('preflight requests need a key unless run_on_preflight is false', async () => {
  expect((await ask({}, { method: 'OPTIONS' })).exit?.status).toBe(401)
  expect((await ask({ run_on_preflight: false }, { method: 'OPTIONS' })).exit).toBeUndefined()
})

test('anonymous lets strangers pass as the named consumer', async () => {
  const { ctx, exit } = await ask({ anonymous: 'nobody' }, { query: 'apikey=wrong' })
  expect(exit).toBeUndefined()
  expect([ctx.consumer, ctx.credential, ctx.isAnonymous]).toEqual([nobody, undefined, true])
})

test('an anonymous consumer that does not exist is a 500', async () => {
  const { exit } = await ask({ anonymous: 'ghost' })
  expect([exit?.status, messageOf(exit)]).toEqual([
    500,
    "anonymous consumer ghost is configured but doesn't exist",
  ])
})

test('the access log is told the names of the arguments that hold keys', () => {
  expect(create({ key_names: ['x-api-key', 'k'] }).secretArguments).toEqual(['x-api-key', 'k'])
})

test('Kong Identity is refused at load, never silently open', () => {
  const { faults } = check(keyAuth.schema, { principals: { enabled: true } })
  expect(faults?.[0]?.path).toEqual(['principals', 'enabled'])
})
