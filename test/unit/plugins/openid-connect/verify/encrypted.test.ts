import { beforeEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { ClientKey } from '../../../../../src/plugins/openid-connect/clients.ts'
import { createDecrypt } from '../../../../../src/plugins/openid-connect/verify/jwe.ts'
import { send } from '../../context.ts'
import { basic, bearer, create, HOW_TO } from '../plugin.ts'
import { ISSUER, ScriptedProvider, signingKey } from '../provider.ts'
import { encrypted } from './jwe.ts'
import { vectorsOf } from './vectors.ts'

const key = await signingKey('one')
const stranger = await signingKey('one')
let provider: ScriptedProvider
beforeEach(() => {
  provider = new ScriptedProvider(key)
})

/** A key for decryption, private. */
async function keyFor(alg: string, options: { crv?: string } = {}): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options })
  return exportJWK(privateKey)
}

const secretKey = (bytes: number): JWK => ({
  kty: 'oct',
  k: randomBytes(bytes).toString('base64url'),
})

const rsa = { ...(await keyFor('RSA-OAEP')), kid: 'enc', use: 'enc' }
const other = { ...(await keyFor('RSA-OAEP')), kid: 'enc', use: 'enc' }
const curve = await keyFor('ECDH-ES', { crv: 'P-256' })

async function judge(token: string, jwk: JWK, config: object = {}): Promise<string> {
  const { exit } = await send(
    create(provider, {
      auth_methods: ['bearer'],
      client_id: ['kong'],
      client_jwk: [jwk],
      ...config,
    }),
    { headers: [bearer(token)] },
  )
  return exit?.reason?.code ?? 'ok'
}

describe('an encrypted bearer token is decrypted with the key of the client and verified', () => {
  // prettier-ignore
  test.each([
    ['RSA-OAEP',       rsa], ['RSA-OAEP-256', rsa], ['RSA-OAEP-384', rsa], ['RSA-OAEP-512', rsa],
    ['ECDH-ES',        curve], ['ECDH-ES+A128KW', curve], ['ECDH-ES+A192KW', curve], ['ECDH-ES+A256KW', curve],
    ['A128KW',         secretKey(16)], ['A192KW', secretKey(24)], ['A256KW', secretKey(32)],
    ['A128GCMKW',      secretKey(16)], ['A192GCMKW', secretKey(24)], ['A256GCMKW', secretKey(32)],
    ['dir',            secretKey(32)],
  ])('%s', async (alg, jwk) => {
    const good = await encrypted(await provider.accessToken(), alg, jwk)
    expect(await judge(good, jwk)).toBe('ok')
    const forged = await encrypted(await provider.accessToken({}, stranger), alg, jwk)
    expect(await judge(forged, jwk)).toBe('invalid_signature')
    const late = await encrypted(await provider.accessToken({ exp: 1 }), alg, jwk)
    expect(await judge(late, jwk)).toBe('token_expired')
    // Whoever has the public key can encrypt: what is within has to be signed.
    const bare = await encrypted(JSON.stringify({ iss: ISSUER, exp: 9e9 }), alg, jwk)
    expect(await judge(bare, jwk)).toBe('invalid_token')
  })

  test('and goes to the service as it came', async () => {
    const token = await encrypted(await provider.accessToken(), 'RSA-OAEP', rsa)
    const config = { auth_methods: ['bearer'], client_id: ['kong'], client_jwk: [rsa] }
    const { upstream } = await send(create(provider, config), { headers: [bearer(token)] })
    expect(upstream.get('authorization')).toBe(`Bearer ${token}`)
  })

  test('by the key of any client, by its kid if it has one', async () => {
    const token = await encrypted(await provider.accessToken(), 'ECDH-ES', curve, { kid: 'c' })
    const two = { client_id: ['a', 'b'] }
    expect(await judge(token, rsa, { ...two, client_jwk: [rsa, curve] })).toBe('ok')
    expect(await judge(token, { ...curve, kid: 'd' })).toBe('invalid_token')
    expect(await judge(token, { ...curve, kid: 'c' })).toBe('ok')
  })
})

describe('an encrypted bearer token is opaque', () => {
  // prettier-ignore
  test.each([
    ['for another key',              rsa, () => encrypted('x', 'RSA-OAEP', other)],
    ['for a key for signatures',     { ...rsa, use: 'sig' }, () => signed()],
    ['for a key to sign',            { ...rsa, use: undefined, key_ops: ['sign'] }, () => signed()],
    ['for a key of another alg',     { ...rsa, alg: 'RSA-OAEP-256' }, () => signed()],
    ['for a key without its secret', { kty: 'RSA', n: rsa.n, e: rsa.e }, () => signed()],
    ['with crit',                    rsa, async () => withHeader(await signed(), { crit: ['exp'], exp: 1 })],
    ['with zip',                     rsa, async () => withHeader(await signed(), { zip: 'DEF' })],
    ['with jku',                     rsa, async () => withHeader(await signed(), { jku: 'https://evil.test' })],
    ['with RSA1_5',                  rsa, async () => withHeader(await signed(), { alg: 'RSA1_5' })],
    ['with a password',              rsa, async () => withHeader(await signed(), { alg: 'PBES2-HS256+A128KW', p2c: 1e9, p2s: 'x' })],
    ['without alg',                  rsa, async () => withHeader(await signed(), { alg: undefined })],
    ['with a header that is none',   rsa, async () => `AAAA.${(await signed()).split('.').slice(1).join('.')}`],
    ['with a changed tag',           rsa, async () => `${(await signed()).slice(0, -4)}AAAA`],
    ['with stray bits',              rsa, async () => `${await signed()}=`],
  ])('%s', async (_, jwk, make) => {
    const token = await make()
    expect(await judge(token, JSON.parse(JSON.stringify(jwk)) as JWK)).toBe('invalid_token')
    // Introspection may still know it.
    provider.instead['/introspect'] = () => ({ json: { active: true } })
    const asked = {
      auth_methods: ['bearer', 'introspection'],
      introspection_endpoint: `${ISSUER}/introspect`,
      client_secret: ['kong-secret'],
      client_auth: ['client_secret_post'],
    }
    expect(await judge(token, JSON.parse(JSON.stringify(jwk)) as JWK, asked)).toBe('ok')
  })

  const signed = async () => encrypted(await provider.accessToken(), 'RSA-OAEP', rsa)
  function withHeader(token: string, over: object): string {
    const [head, ...rest] = token.split('.')
    const header: unknown = JSON.parse(Buffer.from(head!, 'base64url').toString())
    const changed = JSON.stringify({ ...(header as object), ...over })
    return [Buffer.from(changed).toString('base64url'), ...rest].join('.')
  }
})

test('an encrypted ID token is decrypted and verified', async () => {
  const config = { ...HOW_TO, client_jwk: [rsa] }
  const codeOf = async () =>
    (await send(create(provider, config), { headers: [basic('alex', 'doe')] })).exit?.reason?.code
  provider.over = { id_token: await encrypted(await provider.idToken(), 'RSA-OAEP', rsa) }
  expect(await codeOf()).toBeUndefined()
  provider.over = {
    id_token: await encrypted(await provider.idToken({ aud: 'x' }), 'RSA-OAEP', rsa),
  }
  expect(await codeOf()).toBe('invalid_audience')
  provider.over = { id_token: await encrypted(await provider.idToken(), 'RSA-OAEP', other) }
  expect(await codeOf()).toBe('invalid_token')
})

test('an encrypted access token of a grant is decrypted, and opaque if it cannot be', async () => {
  const config = { ...HOW_TO, client_jwk: [rsa], scopes_required: ['email'] }
  const codeOf = async () =>
    (await send(create(provider, config), { headers: [basic('alex', 'doe')] })).exit?.reason?.code
  provider.over = { access_token: await encrypted(await provider.accessToken(), 'RSA-OAEP', rsa) }
  expect(await codeOf()).toBeUndefined()
  provider.over = { access_token: await encrypted(await provider.accessToken(), 'RSA-OAEP', other) }
  expect(await codeOf()).toBe('insufficient_scope')
})

const file = 'json_web_encryption_test'
const vectors = vectorsOf(file)
const name = 'what is encrypted is decrypted as the vectors of Wycheproof have it'
test.skipIf(!vectors)(vectors ? name : `${name} (skipped: ../shared is not there)`, async () => {
  let valid = 0
  const decrypted: string[] = []
  for (const { jwe, jwks, result, title, pt } of vectors ?? []) {
    const decrypt = createDecrypt(jwks.map((jwk) => ({ jwk: jwk as ClientKey })))
    const text = await decrypt(jwe ?? '')
    if (text === undefined) continue
    if (result !== 'valid') decrypted.push(title)
    if (pt !== undefined) expect([title, Buffer.from(text).toString('hex')]).toEqual([title, pt])
    valid++
  }
  expect(decrypted).toEqual([])
  expect(valid).toBeGreaterThan(20)
})
