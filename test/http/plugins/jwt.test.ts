import { expect, test } from 'bun:test'
import { createSigner, sign } from '../../unit/plugins/jwt/tokens.ts'
import { guarded } from './guarded.ts'

const SECRET = 'a secret that is known to bob and to the gateway'
const es256 = await createSigner('ES256')
const CONSUMERS = `
consumers:
  - username: bob
    jwt_secrets:
      - { key: bobs, secret: ${SECRET} }
      - { key: bobs-ec, algorithm: ES256, rsa_public_key: ${JSON.stringify(es256.rsa_public_key)} }
  - username: nobody
`
const withPlugin = (config = '{}') =>
  guarded(`plugins: [{ name: jwt, config: ${config} }]\n${CONSUMERS}`)

const good = await sign('HS256', SECRET, { iss: 'bobs' })
const bearer = (token: string) => `Authorization: Bearer ${token}\r\n`

test('the service is told who has signed the token, and sees the token', async () => {
  await using gate = await withPlugin()
  const outcome = await gate.send(`${bearer(good)}X-Consumer-Username: admin\r\n`)
  expect([outcome.status, outcome.told('x-consumer-username')]).toEqual([200, 'bob'])
  expect(outcome.told('x-credential-identifier')).toBe('bobs')
  expect(outcome.told('authorization')).toBe(`Bearer ${good}`)
  const ec = await gate.send(bearer(await es256.sign({ iss: 'bobs-ec' })))
  expect([ec.status, ec.told('x-credential-identifier')]).toEqual([200, 'bobs-ec'])
})

const wrong = await sign('HS256', 'another secret of as many bytes as it needs', { iss: 'bobs' })

// prettier-ignore
test.each([
  ['',                                  'Bearer',                        '{"message":"Unauthorized"}'],
  [bearer('x'),                         'Bearer error="invalid_token"',  '{"message":"Bad token; invalid JSON"}'],
  [bearer(wrong),                       'Bearer error="invalid_token"',  '{"message":"Invalid signature"}'],
  [bearer(await es256.sign({ iss: 'bobs' })), 'Bearer error="invalid_token"', '{"message":"Invalid algorithm"}'],
  [bearer(await sign('HS256', SECRET, { iss: 'eve' })), 'Bearer error="invalid_token"', `{"message":"No credentials found for given 'iss'"}`],
  [bearer(await sign('HS256', SECRET, { iss: 'bobs', exp: 1 })), 'Bearer error="invalid_token"', '{"exp":"token expired"}'],
])('%p is refused as Kong does, without a request id', async (fields, challenge, body) => {
  // Not even text: Kong answers with `kong.response.exit` here.
  const accept = 'Accept: text/plain\r\n'
  await using gate = await withPlugin(body.includes('expired') ? '{ claims_to_verify: [exp] }' : '{}')
  const outcome = await gate.send(fields + accept)
  expect([outcome.status, outcome.target, outcome.body]).toEqual([401, undefined, body])
  expect(outcome.header('www-authenticate')).toBe(challenge)
  expect(outcome.header('content-type')).toBe('application/json; charset=utf-8')
})

test('a token in the query stays out of the access log', async () => {
  await using gate = await withPlugin()
  const { status } = await gate.send('', `GET /?jwt=${good} HTTP/1.1`)
  expect(status).toBe(200)
  await gate[Symbol.asyncDispose]()
  expect(gate.access.length).toBe(1)
  expect(gate.access.join('\n')).not.toContain(good.slice(-20))
})

test('anonymous stands for callers without a valid token', async () => {
  await using gate = await withPlugin('{ anonymous: nobody }')
  const outcome = await gate.send(bearer(wrong))
  expect([outcome.status, outcome.told('x-consumer-username')]).toEqual([200, 'nobody'])
  expect(outcome.told('x-anonymous-consumer')).toBe('true')
})
