import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPublicKey, verify, type webcrypto } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import {
  CLIENT,
  type DevelopmentProvider,
  startProvider,
  USER,
} from '../../../src/quickstart/provider.ts'

const TOKEN = '/protocol/openid-connect/token'
const INTROSPECTION = '/protocol/openid-connect/token/introspect'
const POST = { client_id: CLIENT.id, client_secret: CLIENT.secret }
const PASSWORD = { grant_type: 'password', username: USER.name, password: USER.password }

let provider: DevelopmentProvider
let rotating: DevelopmentProvider
beforeAll(async () => {
  provider = await startProvider({ port: 0, rotate: false })
  rotating = await startProvider({ port: 0, rotate: true })
})
afterAll(() => Promise.all([provider.stop(), rotating.stop()]))

test('discovery names Keycloak’s endpoints below the issuer', async () => {
  const issuer = `http://localhost:${provider.port}/realms/master`
  expect(provider.issuer).toBe(issuer)
  expect((await get('/.well-known/openid-configuration')).body).toMatchObject({
    issuer,
    authorization_endpoint: `${issuer}/protocol/openid-connect/auth`,
    token_endpoint: `${issuer}/protocol/openid-connect/token`,
    userinfo_endpoint: `${issuer}/protocol/openid-connect/userinfo`,
    jwks_uri: `${issuer}/protocol/openid-connect/certs`,
    introspection_endpoint: `${issuer}/protocol/openid-connect/token/introspect`,
    revocation_endpoint: `${issuer}/protocol/openid-connect/revoke`,
    grant_types_supported: ['refresh_token', 'client_credentials', 'password'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
  })
})

describe('the password', () => {
  test('gives a JWT of five minutes that the published key verifies', async () => {
    const { status, body } = await post(TOKEN, { ...POST, ...PASSWORD })
    expect(status).toBe(200)
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'profile email' })
    const { head, claims } = await verified(body.access_token)
    expect(head).toMatchObject({ alg: 'RS256', typ: 'at+jwt' })
    expect(claims).toMatchObject({
      iss: provider.issuer,
      sub: 'alex',
      aud: 'kong',
      azp: 'kong',
      client_id: 'kong',
      preferred_username: 'alex',
      scope: 'profile email',
    })
    expect(Number(claims.exp) - Number(claims.iat)).toBe(300)
  })

  test('gives a refresh token that looks as Keycloak’s does', async () => {
    const { body } = await post(TOKEN, { ...POST, ...PASSWORD })
    expect(body.refresh_token).toMatch(/^ey/)
    expect((await verified(body.refresh_token)).claims).toMatchObject({ typ: 'Refresh' })
  })

  test('gives an ID token only for the scope openid', async () => {
    const { body } = await post(TOKEN, { ...POST, ...PASSWORD, scope: 'openid' })
    expect(body.scope).toBe('openid profile email')
    expect((await verified(body.id_token)).claims).toMatchObject({
      iss: provider.issuer,
      sub: 'alex',
      aud: 'kong',
      preferred_username: 'alex',
    })
    expect((await post(TOKEN, { ...POST, ...PASSWORD })).body).not.toHaveProperty('id_token')
  })

  test('is taken from a client that authenticates by Basic as well', async () => {
    const authorization = `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}`
    expect((await post(TOKEN, PASSWORD, { authorization })).status).toBe(200)
  })

  // prettier-ignore
  const refusals: [what: string, change: Record<string, string>, status: number, error: string][] = [
    ['a wrong password',      { password: 'dough' },       400, 'invalid_grant'],
    ['an unknown user',       { username: 'sasha' },       400, 'invalid_grant'],
    ['an unknown scope',      { scope: 'openid nothing' }, 400, 'invalid_scope'],
    ['a wrong client secret', { client_secret: 'wrong' },  401, 'invalid_client'],
    ['an unknown client',     { client_id: 'sasha' },      401, 'invalid_client'],
    ['another grant',         { grant_type: 'other' },     400, 'unsupported_grant_type'],
  ]
  test.each(refusals)('%s is refused', async (_what, change, status, error) => {
    const answer = await post(TOKEN, { ...POST, ...PASSWORD, ...change })
    expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error })
    expect(answer.body).not.toHaveProperty('access_token')
  })

  test('that is missing is refused', async () => {
    const answer = await post(TOKEN, { ...POST, grant_type: 'password', username: 'alex' })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })
})

test('a client gets a JWT of its own, and no refresh token', async () => {
  const { body } = await post(TOKEN, { ...POST, grant_type: 'client_credentials', scope: 'openid' })
  const { claims } = await verified(body.access_token)
  expect(claims).toMatchObject({ sub: 'service-account-kong', azp: 'kong', scope: 'openid' })
  expect(body).not.toHaveProperty('refresh_token')
})

describe('a refresh token', () => {
  test('works again and again', async () => {
    const first = await login(provider)
    const second = (await refresh(provider, first.refresh_token)).body
    const third = (await refresh(provider, first.refresh_token)).body
    expect(new Set([first, second, third].map((set) => set.access_token)).size).toBe(3)
    expect(third.refresh_token).toBe(first.refresh_token)
  })

  test('works once with rotation, and using it again revokes its successor', async () => {
    const first = await login(rotating)
    const second = (await refresh(rotating, first.refresh_token)).body
    expect(second.refresh_token).toMatch(/^ey/)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    const refused = { status: 400, body: { error: 'invalid_grant' } }
    expect(await refresh(rotating, first.refresh_token)).toMatchObject(refused)
    expect(await refresh(rotating, second.refresh_token)).toMatchObject(refused)
  })

  test('works once in each generation with rotation', async () => {
    let { refresh_token } = await login(rotating)
    for (let generation = 0; generation < 3; generation++) {
      const { status, body } = await refresh(rotating, refresh_token)
      expect(status).toBe(200)
      refresh_token = body.refresh_token
    }
  })

  const broken: [what: string, spoil: (set: Tokens) => string][] = [
    ['null', () => 'null'],
    ['a token with one letter more', (set) => `${set.refresh_token}A`],
    ['a token with another signature', (set) => spoilt(set.refresh_token, 2)],
    ['a token with other claims', (set) => spoilt(set.refresh_token, 1)],
    ['an access token in its place', (set) => set.access_token],
  ]
  test.each(broken)('%s is refused', async (_what, spoil) => {
    const set = await login(provider)
    expect(await refresh(provider, spoil(set))).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    expect((await refresh(provider, set.refresh_token)).status).toBe(200)
  })

  test('of another provider is refused', async () => {
    const { refresh_token } = await login(rotating)
    expect((await refresh(provider, refresh_token)).status).toBe(400)
  })
})

describe('the tokens are taken at', () => {
  test('userinfo', async () => {
    const { access_token } = (await post(TOKEN, { ...POST, ...PASSWORD, scope: 'openid' })).body
    const path = '/protocol/openid-connect/userinfo'
    expect(await get(path, { authorization: `Bearer ${access_token}` })).toMatchObject({
      status: 200,
      body: { sub: 'alex', preferred_username: 'alex', email: 'alex@example.com' },
    })
    expect((await get(path, { authorization: `Bearer ${spoilt(access_token, 2)}` })).status).toBe(
      401,
    )
  })

  test('introspection and revocation', async () => {
    const { access_token, refresh_token } = await login(provider)
    for (const token of [access_token, refresh_token]) {
      expect((await post(INTROSPECTION, { ...POST, token })).body).toMatchObject({
        active: true,
        sub: 'alex',
      })
      const spoiled = { ...POST, token: spoilt(token, 2) }
      expect((await post(INTROSPECTION, spoiled)).body as unknown).toEqual({ active: false })
    }
    expect(
      (await post('/protocol/openid-connect/revoke', { ...POST, token: refresh_token })).status,
    ).toBe(200)
    expect((await post(INTROSPECTION, { ...POST, token: refresh_token })).body).toMatchObject({
      active: false,
    })
    expect((await refresh(provider, refresh_token)).status).toBe(400)
  })
})

test('calls counts each endpoint by its name', async () => {
  const fresh = await startProvider({ port: 0, rotate: false })
  expect(fresh.calls()).toEqual({})
  await fetch(`${fresh.issuer}/.well-known/openid-configuration`)
  await fetch(`${fresh.issuer}/protocol/openid-connect/certs?x=1`)
  await login(fresh)
  await fetch(`http://localhost:${fresh.port}/`)
  expect(fresh.calls()).toEqual({ discovery: 1, jwks: 1, token: 1, other: 1 })
  await fresh.stop()
})

test('each start has keys of its own', async () => {
  const keys = await Promise.all(
    [provider, rotating].map(async ({ issuer }) => {
      return (await (await fetch(`${issuer}/protocol/openid-connect/certs`)).json()) as {
        keys: object[]
      }
    }),
  )
  expect(keys[0]?.keys[0]).not.toEqual(keys[1]?.keys[0])
  for (const key of keys.flatMap(({ keys }) => keys)) expect(key).not.toHaveProperty('d')
})

test('nothing outside the realm is served, and nobody logs in by browser', async () => {
  expect((await fetch(`http://localhost:${provider.port}/`)).status).toBe(404)
  expect(
    (await fetch(`http://localhost:${provider.port}/protocol/openid-connect/certs`)).status,
  ).toBe(404)
  const login = await fetch(
    `${provider.issuer}/protocol/openid-connect/auth?client_id=kong&response_type=code`,
  )
  expect({ status: login.status, text: await login.text() }).toEqual({
    status: 400,
    text: 'unsupported_response_type: unsupported response_type requested\n',
  })
})

test('the provider is open to this machine only', async () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (!outside) return console.log('skipped: this machine has no address but loopback')
  const attempt = fetch(`http://${outside.address}:${provider.port}/`, {
    signal: AbortSignal.timeout(2000),
  })
  await expect(attempt).rejects.toThrow()
})

test('it says nothing on the console, whatever it is asked', async () => {
  const script = join(import.meta.dir, 'provider.silent.ts')
  const child = Bun.spawn([process.execPath, script], { stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ])
  expect({ out, err, code }).toEqual({ out: '', err: '', code: 0 })
})

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
}

interface Answer {
  readonly status: number
  readonly body: Tokens & Record<string, unknown>
}

async function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return read(await fetch(provider.issuer + path, { headers }))
}

async function post(
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
  { issuer } = provider,
): Promise<Answer> {
  const body = new URLSearchParams(form)
  return read(await fetch(issuer + path, { method: 'POST', body, headers }))
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  return { status: response.status, body: text ? JSON.parse(text) : {} }
}

async function login(at: DevelopmentProvider): Promise<Tokens> {
  return (await post(TOKEN, { ...POST, ...PASSWORD }, {}, at)).body
}

function refresh(at: DevelopmentProvider, refresh_token: string): Promise<Answer> {
  return post(TOKEN, { ...POST, grant_type: 'refresh_token', refresh_token }, {}, at)
}

/** A JWT's parts, after its signature was checked against the provider's published keys. */
async function verified(jwt: string) {
  const [head = '', claims = '', signature = ''] = jwt.split('.')
  const { keys } = (await get('/protocol/openid-connect/certs')).body as unknown as {
    keys: (webcrypto.JsonWebKey & { kid: string })[]
  }
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>
  const jwk = keys.find(({ kid }) => kid === header.kid)
  const key = createPublicKey({ key: jwk ?? {}, format: 'jwk' })
  const bytes = Buffer.from(signature, 'base64url')
  expect(verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), key, bytes)).toBe(true)
  return {
    head: header,
    claims: JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>,
  }
}

/** The token with one letter of a part changed. */
function spoilt(jwt: string, part: number): string {
  const parts = jwt.split('.')
  const text = parts[part] ?? ''
  parts[part] = `${text.slice(0, 20)}${text[20] === 'A' ? 'B' : 'A'}${text.slice(21)}`
  return parts.join('.')
}
