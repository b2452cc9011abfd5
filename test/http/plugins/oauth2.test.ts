import { expect, test } from 'bun:test'
import { pbkdf2Sync } from 'node:crypto'
import { signingKey } from '../../unit/plugins/openid-connect/provider.ts'
import { eventually } from '../wire.ts'
import { bearerField, identified, plugin, type Scene } from './identified.ts'

const key = await signingKey('one')

const consumers = (secret = 'client_secret: secret, hash_secret: true') => `consumers:
  - username: alex
    oauth2_credentials:
      - { name: app, client_id: client, ${secret}, redirect_uris: ["https://app.test/back"] }
`
const oauth2 = (config: Record<string, unknown> = {}) =>
  `  - { name: oauth2, config: ${JSON.stringify({
    enable_client_credentials: true,
    enable_authorization_code: true,
    provision_key: 'provision',
    accept_http_if_already_terminated: true,
    ...config,
  })} }\n`

/** The proxy in front of the gateways ends TLS. */
const settings = { trusted_ips: ['127.0.0.1'] }
const HTTPS = 'X-Forwarded-Proto: https\r\n'

const secretArguments = 'client_id=client&client_secret=secret'

/** Posts parameters in the query, where no log may show them either. */
async function post(scene: Scene, path: string, query: string) {
  const outcome = await scene.send(
    `${HTTPS}Content-Length: 0\r\n`,
    `POST ${path}?${query} HTTP/1.1`,
  )
  expect(outcome.target).toBeUndefined()
  return { ...outcome, json: JSON.parse(outcome.body) as Record<string, string> }
}

async function tokenOf(scene: Scene): Promise<string> {
  const query = `grant_type=client_credentials&${secretArguments}`
  const { status, header, json } = await post(scene, '/any/oauth2/token', query)
  expect(status).toBe(200)
  expect(header('content-type')).toBe('application/json; charset=utf-8')
  expect(header('cache-control')).toBe('no-store')
  expect(header('pragma')).toBe('no-cache')
  return json.access_token ?? ''
}

test('a token that was given lets in, and neither log holds it or the secret', async () => {
  const yaml = `plugins:\n${oauth2()}${consumers()}`
  await using scene = await identified(yaml, key, { settings })
  const token = await tokenOf(scene)
  const spoofed = 'X-Authenticated-Userid: root\r\nX-Authenticated-Scope: all\r\n'
  const outcome = await scene.send(bearerField(token) + spoofed)
  expect(outcome.status).toBe(200)
  expect(outcome.told('x-consumer-username')).toBe('alex')
  expect(outcome.told('x-credential-identifier')).toBe('client')
  expect(outcome.told('authorization')).toBeUndefined()
  expect(outcome.told('x-authenticated-userid')).toBeUndefined()
  expect(outcome.told('x-authenticated-scope')).toBeUndefined()
  const inQuery = await scene.send('', `GET /x?access_token=${token}&a=1 HTTP/1.1`)
  expect([inQuery.status, inQuery.target]).toEqual([200, '/x?a=1'])
  const bad = await scene.send(bearerField('x'))
  expect([bad.status, bad.target, JSON.parse(bad.body)]).toEqual([
    401,
    undefined,
    {
      error: 'invalid_token',
      error_description: 'The access token is invalid or has expired',
    },
  ])
  const [gateway] = scene.gateways
  await eventually(() => gateway!.access.some((line) => line.includes('/x?access_token=')))
  const lines = [...gateway!.log, ...gateway!.access].join('\n')
  expect(lines).toContain('/any/oauth2/token')
  expect(lines).not.toContain(token)
  expect(lines).not.toContain('client_secret=secret')
})

test('tokens and codes outlive a reload, and end with their application', async () => {
  const yaml = (more = consumers()) => `plugins:\n${oauth2()}${more}`
  await using scene = await identified(yaml(), key, { settings })
  const [gateway] = scene.gateways
  const reload = (more?: string) =>
    gateway!.reload(
      `services: [{ name: service, url: "http://127.0.0.1:1", routes: [{ name: route, paths: ["/"] }] }]\n${yaml(more)}`,
    )
  const token = await tokenOf(scene)
  const asked = `provision_key=provision&authenticated_userid=u&response_type=code&client_id=client`
  const { json } = await post(scene, '/oauth2/authorize', asked)
  const code = new URL(json.redirect_uri ?? '').searchParams.get('code')
  reload()
  // 502: it was let in, and nobody is behind.
  expect((await scene.send(bearerField(token))).status).toBe(502)
  const redeem = `grant_type=authorization_code&code=${code}&${secretArguments}`
  expect((await post(scene, '/oauth2/token', redeem)).status).toBe(200)
  expect((await post(scene, '/oauth2/token', redeem)).status).toBe(400)
  reload('consumers: [{ username: alex }]\n')
  expect((await scene.send(bearerField(token))).status).toBe(401)
})

test('openid-connect takes the tokens too, on the same route and on another one', async () => {
  const both = `plugins:\n${oauth2({ global_credentials: true, hide_credentials: false })}${plugin({
    auth_methods: ['kong_oauth2'],
  })}`
  await using scene = await identified(`${both}${consumers()}`, key, { settings })
  const token = await tokenOf(scene)
  const outcome = await scene.send(bearerField(token))
  expect(outcome.status).toBe(200)
  expect(outcome.told('x-consumer-username')).toBe('alex')
  expect(outcome.told('authorization')).toBe(`Bearer ${token}`)
  const [gateway] = scene.gateways
  gateway!.reload(
    `services: [{ name: service, url: "http://127.0.0.1:1", routes: [{ name: route, paths: ["/"] }] }]\nplugins:\n${plugin({ auth_methods: ['kong_oauth2'] })}${consumers()}`,
  )
  expect((await scene.send(bearerField(token))).status).toBe(502)
  expect((await scene.send(bearerField('x'))).status).toBe(401)
  expect(scene.provider.calls).toBe(0)
})

test('secrets may stand in the file as Kong’s database keeps them', async () => {
  const [salt, hash] = [
    Buffer.from('0123456789abcdef'),
    pbkdf2Sync('secret', '0123456789abcdef', 10_000, 32, 'sha512'),
  ].map((bytes) => bytes.toString('base64').replace(/=+$/, ''))
  const kept = `client_secret: "$pbkdf2-sha512$i=10000,l=32$${salt}$${hash}", hash_secret: true`
  const yaml = `_transform: false\nplugins:\n${oauth2()}${consumers(kept)}`
  await using scene = await identified(yaml, key, { settings })
  expect((await scene.send(bearerField(await tokenOf(scene)))).status).toBe(200)
})

test('a body that is too long is not read for a token', async () => {
  await using scene = await identified(`plugins:\n${oauth2()}${consumers()}`, key, { settings })
  const type = 'Content-Type: application/x-www-form-urlencoded\r\n'
  const length = `Content-Length: ${300 * 1024}\r\n`
  const refused = await scene.send(`${type}${length}`, 'POST / HTTP/1.1')
  expect(refused.status).toBe(401)
})

test('a plugin without a grant is a fault, and one for a consumer too', async () => {
  const faults = (yaml: string) =>
    identified(yaml, key).then(
      () => '',
      (error: Error) => JSON.stringify(error),
    )
  expect(await faults('plugins: [{ name: oauth2 }]\n')).toContain(
    'at least one of these fields must be true',
  )
  expect(
    await faults(
      'consumers: [{ username: a }]\nplugins: [{ name: oauth2, consumer: a, config: { enable_implicit_grant: true } }]\n',
    ),
  ).toContain('value must be null')
})
