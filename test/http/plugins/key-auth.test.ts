import { expect, test } from 'bun:test'
import { guarded } from './guarded.ts'

const CONSUMERS = `
consumers:
  - { username: ann, keyauth_credentials: [{ id: 00000000-0000-4000-8000-000000000001, key: secret }] }
  - { username: nobody }
`
const withPlugin = (config = '{}') =>
  guarded(`plugins: [{ name: key-auth, config: ${config} }]\n${CONSUMERS}`)

const FORM = 'Content-Type: application/x-www-form-urlencoded\r\n'

// prettier-ignore
test.each([
  ['a header',   '{}',                      'GET / HTTP/1.1',               'ApiKey: secret\r\n'],
  ['the query',  '{}',                      'GET /?a=1&apikey=secret HTTP/1.1', ''],
  ['a form',     '{ key_in_body: true }',   'POST / HTTP/1.1',              `${FORM}Content-Length: 17\r\n\r\na=1&apikey=secret`],
])('a key in %s lets its owner in, and is hidden from the service', async (_, config, line, fields) => {
  await using gate = await withPlugin(config)
  const outcome = await gate.send(fields, line)
  expect([outcome.status, outcome.told('x-consumer-username')]).toEqual([200, 'ann'])
  expect(outcome.told('x-credential-identifier')).toBe('00000000-0000-4000-8000-000000000001')
  // The service answers with what it was sent.
  expect(outcome.body).not.toContain('secret')
  expect(gate.access.join('\n')).not.toContain('secret')
})

// prettier-ignore
test.each([
  ['',                                        '{}',                'Key',                'No API key found in request'],
  ['apikey: wrong\r\n',                       '{ realm: mine }',   'Key realm="mine"',   'Unauthorized'],
  ['apikey: secret\r\nApiKey: secret\r\n',    '{}',                'Key',                'Duplicate API key found'],
])('%j is refused with Kong’s words', async (fields, config, challenge, message) => {
  await using gate = await withPlugin(config)
  const outcome = await gate.send(fields)
  expect([outcome.status, outcome.target]).toEqual([401, undefined])
  expect(outcome.header('www-authenticate')).toBe(challenge)
  expect(JSON.parse(outcome.body)).toEqual({ message, request_id: outcome.header('x-kong-request-id') })
  const inText = await gate.send(`${fields}Accept: text/plain\r\n`)
  expect(inText.body).toStartWith(`${message}\nrequest_id: `)
})

test('an argument without a value is no key: the next name is tried', async () => {
  await using gate = await withPlugin('{ key_names: [first, apikey] }')
  expect((await gate.send('', 'GET /?first&apikey=secret HTTP/1.1')).status).toBe(200)
  const empty = await gate.send('', 'GET /?first=&apikey=secret HTTP/1.1')
  expect([empty.status, empty.body]).toEqual([401, expect.stringContaining('No API key found')])
  const twice = await gate.send('', 'GET /?apikey&apikey=secret HTTP/1.1')
  expect([twice.status, twice.body]).toEqual([401, expect.stringContaining('Duplicate API key')])
})

test('nor is one without a value in a form', async () => {
  await using gate = await withPlugin('{ key_names: [first, apikey], key_in_body: true }')
  const form = 'first&apikey=secret'
  const outcome = await gate.send(
    `${FORM}Content-Length: ${form.length}\r\n\r\n${form}`,
    'POST / HTTP/1.1',
  )
  expect(outcome.status).toBe(200)
})

test('preflight requests need no key where run_on_preflight is false', async () => {
  await using gate = await withPlugin('{ run_on_preflight: false }')
  expect((await gate.send('', 'OPTIONS / HTTP/1.1')).status).toBe(200)
  expect((await gate.send()).status).toBe(401)
})
