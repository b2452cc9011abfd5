import { expect, test } from 'bun:test'
import { createPublicKey } from 'node:crypto'
import { createSigner } from '../../unit/plugins/jwt/tokens.ts'
import { ok, service, answering } from '../service.ts'
import { guarded } from './guarded.ts'

const CONSUMERS = `
consumer_groups: [{ name: gold }]
consumers:
  - username: ann
    keyauth_credentials: [{ key: a }]
    acls: [{ group: admin }, { group: dev }]
    groups: [{ name: gold }]
  - { username: bob, keyauth_credentials: [{ key: b }] }
  - { username: nobody, acls: [{ group: guest }] }
`
const withPlugins = (acl: string, keyAuth = '{}') =>
  guarded(
    `plugins: [{ name: key-auth, config: ${keyAuth} }, { name: acl, config: ${acl} }]\n${CONSUMERS}`,
  )

test('those in a group of the list pass, and the service is told their groups', async () => {
  await using gate = await withPlugins('{ allow: [dev] }')
  const ann = await gate.send('apikey: a\r\nX-Consumer-Groups: root\r\nX_Consumer_Groups: root\r\n')
  expect([ann.status, ann.told('x-consumer-groups')]).toEqual([200, 'admin, dev'])
  expect(ann.told('x_consumer_groups')).toBeUndefined()
  const bob = await gate.send('apikey: b\r\n')
  expect([bob.status, bob.target]).toEqual([403, undefined])
  expect(bob.header('content-type')).toBe('application/json; charset=utf-8')
  expect(bob.body).toMatch(
    /^\{\n {2}"message":"You cannot consume this service",\n {2}"request_id":"[0-9a-f]{32}"\n\}$/,
  )
})

test('those in a group of a deny list do not pass, others do', async () => {
  await using gate = await withPlugins('{ deny: [admin], hide_groups_header: true }')
  expect((await gate.send('apikey: a\r\n')).status).toBe(403)
  const bob = await gate.send('apikey: b\r\nX-Consumer-Groups: root\r\n')
  expect([bob.status, bob.told('x-consumer-groups')]).toEqual([200, undefined])
})

test('who is in no group passes a deny list, and the service is told so', async () => {
  await using gate = await withPlugins('{ deny: [admin] }')
  const bob = await gate.send('apikey: b\r\nX-Consumer-Groups: root\r\n')
  expect([bob.status, bob.told('x-consumer-groups')]).toEqual([200, ''])
})

test('consumer groups count where they are included', async () => {
  await using gate = await withPlugins('{ allow: [gold], include_consumer_groups: true }')
  const ann = await gate.send('apikey: a\r\n')
  expect([ann.status, ann.told('x-consumer-groups')]).toEqual([200, 'admin, dev, gold'])
  expect((await gate.send('apikey: b\r\n')).status).toBe(403)
})

test('the anonymous consumer has groups of its own; without the right one callers are asked who they are', async () => {
  await using guests = await withPlugins('{ allow: [guest] }', '{ anonymous: nobody }')
  const guest = await guests.send()
  expect([guest.status, guest.told('x-consumer-groups')]).toEqual([200, 'guest'])
  await using denied = await withPlugins('{ allow: [guest] }', '{ anonymous: bob }')
  const unknown = await denied.send()
  expect([unknown.status, unknown.header('www-authenticate')]).toEqual([401, undefined])
  expect(unknown.body).toContain('"message":"Unauthorized"')
})

test('without a plugin that authenticates nobody passes', async () => {
  await using gate = await guarded(
    `plugins: [{ name: acl, config: { allow: [admin] } }]\n${CONSUMERS}`,
  )
  const outcome = await gate.send('X-Consumer-Groups: admin\r\nX-Consumer-Username: ann\r\n')
  expect([outcome.status, outcome.target]).toEqual([401, undefined])
})

test('groups of a token count as well', async () => {
  const signer = await createSigner('RS256')
  const jwk = createPublicKey(signer.rsa_public_key).export({ format: 'jwk' })
  using provider = await service(
    answering(({ line }) =>
      ok(
        JSON.stringify(
          line.includes('/keys')
            ? { keys: [{ ...jwk, alg: 'RS256' }] }
            : { issuer: issuer(), jwks_uri: `${issuer()}/keys` },
        ),
      ),
    ),
  )
  const issuer = () => `http://127.0.0.1:${provider.port}`
  await using gate = await guarded(`
plugins:
  - { name: openid-connect, config: { issuer: "${issuer()}", auth_methods: [bearer], authenticated_groups_claim: [groups] } }
  - { name: acl, config: { allow: [dev] } }
`)
  const send = async (groups: unknown) => {
    const exp = Math.floor(Date.now() / 1000) + 60
    const token = await signer.sign({ iss: issuer(), exp, sub: 'ann', groups })
    return gate.send(`Authorization: Bearer ${token}\r\n`)
  }
  const dev = await send(['dev', 'ops'])
  expect([dev.status, dev.told('x-authenticated-groups')]).toEqual([200, 'dev, ops'])
  for (const groups of [['ops'], [], undefined]) {
    const outcome = await send(groups)
    expect([outcome.status, outcome.target]).toEqual([403, undefined])
  }
  expect((await gate.send('X-Authenticated-Groups: dev\r\n')).status).toBe(401)
})
