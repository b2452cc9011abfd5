import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Certificate } from '../../src/entities/index.ts'
import type { Calls } from '../../src/plugins/openid-connect/calls.ts'
import { createIdentityProvider } from '../../src/plugins/openid-connect/provider.ts'
import { Refusal } from '../../src/plugins/openid-connect/refusal.ts'
import { schema, withDefaults } from '../../src/plugins/openid-connect/schema.ts'
import { check } from '../../src/schema/check.ts'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { createFetch } from '../../src/upstream/fetch.ts'
import { testGateway } from '../unit/plugins/context.ts'
import { keycloak } from './keycloak.ts'
import { SECRET, tokensOf } from './realm.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const client = new UpstreamClient({ poolSize: 16, idleTimeout: 60, maxRequests: 1_000 })
afterAll(() => client.close())

/** The calls of one configuration, made by the gateway's own client. */
function callsOf(
  config: Record<string, unknown>,
  certificate?: Pick<Certificate, 'cert' | 'key'>,
): Calls {
  const gateway = testGateway({
    fetch: createFetch(client, readFileSync(keycloak!.ca, 'utf8')),
    findCertificate: () => certificate as Certificate | undefined,
  })
  const { value, faults } = check(schema, config)
  if (faults) throw new Error(JSON.stringify(faults))
  return createIdentityProvider(withDefaults(value), gateway).calls
}

const issuerOf = (realm: string) => `${keycloak!.url}/realms/${realm}`
const kong = (more: object = {}) => ({
  issuer: issuerOf('kong'),
  client_id: ['kong'],
  client_secret: [SECRET],
  ...more,
})
const alex = { name: 'alex', secret: 'doe' }
const codeOf = (asking: Promise<unknown>) =>
  asking.then(
    () => 'no refusal',
    (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
  )

const tokenOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>

/** Everything that a client can do with tokens. */
async function useTokens(calls: Calls) {
  const { access_token, refresh_token } = await calls.password(alex)
  // Keycloak tells a client of tokens that name it as their audience; of others it says that they are not active.
  const told = await calls.introspect(access_token)
  const { aud, azp } = tokenOf(access_token)
  const isForClient = [aud].flat().includes(azp)
  expect(told.claims).toMatchObject(
    isForClient ? { active: true, username: 'alex' } : { active: false },
  )
  const renewed = await calls.refresh_token(refresh_token!)
  await calls.revoke(renewed.refresh_token!, 'refresh_token')
  expect(await codeOf(calls.refresh_token(renewed.refresh_token!))).toBe('invalid_grant')
  const { request_uri, expires_in } = await calls.pushAuthorizationRequest(
    new URLSearchParams({
      response_type: 'code',
      redirect_uri: 'http://localhost:8000/',
      scope: 'openid',
      state: 's',
    }),
  )
  expect(request_uri).toStartWith('urn:ietf:params:oauth:request_uri:')
  expect(expires_in).toBeGreaterThan(0)
}

describe.skipIf(!keycloak)('Keycloak takes what the client says of itself', () => {
  test.each(['client_secret_basic', 'client_secret_post'])('%s', (method) =>
    useTokens(callsOf(kong({ client_auth: [method] }))),
  )

  test('client_secret_jwt', () =>
    useTokens(
      callsOf(kong({ client_id: ['kong-secret-jwt'], client_auth: ['client_secret_jwt'] })),
    ))

  const pem = join(import.meta.dir, '../../../shared/keycloak/realms/keys/kong-jwt.key.pem')
  const jwtClient = (jwk: object) =>
    kong({
      client_id: ['kong-jwt'],
      client_secret: null,
      client_auth: ['private_key_jwt'],
      client_jwk: [jwk],
    })

  test('private_key_jwt', async () => {
    const jwk = createPrivateKey(readFileSync(pem)).export({ format: 'jwk' })
    await useTokens(callsOf(jwtClient({ ...jwk, kid: 'kong-jwt-1', alg: 'RS256' })))
  })

  test('and not a key of somebody else', async () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      format: 'jwk',
    })
    const calls = callsOf(jwtClient({ ...jwk, kid: 'kong-jwt-1', alg: 'RS256' }))
    expect(await codeOf(calls.password(alex))).toMatch(/invalid_client|unauthorized_client/)
  })

  test('tls_client_auth, and nothing without the certificate', async () => {
    const at = (name: string) => readFileSync(keycloak!.ca.replace(/ca\.crt$/, name), 'utf8')
    const config = {
      issuer: `${keycloak!.httpsUrl}/realms/kong`,
      client_id: ['kong-x509'],
      client_auth: ['tls_client_auth'],
      tls_client_auth_cert_id: '11111111-1111-4111-8111-111111111111',
    }
    await useTokens(callsOf(config, { cert: at('client.crt'), key: at('client.key') }))
    expect(await codeOf(callsOf({ ...config, client_auth: ['none'] }).password(alex))).toMatch(
      /_client$/,
    )
  })
})

describe.skipIf(!keycloak)('Keycloak answers', () => {
  test('user info as JSON, and as a JWT to a client that has it signed', async () => {
    const plain = callsOf(kong())
    const { access_token } = await plain.password(alex)
    expect((await plain.userInfo(access_token)).claims).toMatchObject({
      preferred_username: 'alex',
    })
    expect(await codeOf(plain.userInfo(`${access_token}x`))).toBe('invalid_token')
    const signed = callsOf(kong({ client_id: ['kong-es256'], userinfo_accept: 'application/jwt' }))
    const tokens = await signed.password(alex)
    const told = await signed.userInfo(tokens.access_token)
    expect(told.jwt!.split('.')).toHaveLength(3)
    expect(told.claims).toMatchObject({ preferred_username: 'alex' })
  })

  test('introspection of what it does not know with active: false', async () => {
    expect((await callsOf(kong()).introspect('unknown')).claims).toMatchObject({ active: false })
  })

  test('token exchange with a token for the audience that was asked for (RFC 8693)', async () => {
    const { access_token } = await tokensOf(issuerOf('kong'), {
      grant_type: 'password',
      client_id: 'client-1',
      client_secret: SECRET,
      username: 'alex',
      password: 'doe',
      scope: 'openid add-client-2-as-audience',
    })
    const calls = callsOf(
      kong({
        client_id: ['client-2'],
        token_exchange: {
          subject_token_issuers: [
            { issuer: issuerOf('kong'), conditions: { missing_audience: ['x'] } },
          ],
        },
      }),
    )
    const answer = await calls.token_exchange(access_token)
    expect(tokenOf(answer.access_token)).toMatchObject({ azp: 'client-2' })
    expect(await codeOf(calls.token_exchange('no-token'))).toMatch(/invalid|refused/)
  })
})
