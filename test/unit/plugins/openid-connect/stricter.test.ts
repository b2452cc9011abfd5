import { expect, test } from 'bun:test'
import type { OutboundRequest } from '../../../../src/pdk.ts'
import { bearer, create, HOW_TO } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'
import { send, testGateway } from '../context.ts'

const SECURE = 'https://provider.test/realms/master'
const key = await signingKey('one')

/** Asks once with a bearer token; gives the code of the log and whatever was asked for. */
async function ask(answer: (url: URL) => Response) {
  const provider = new ScriptedProvider(key)
  const asked: string[] = []
  const fetch = async (url: string, _: OutboundRequest) => {
    asked.push(url)
    return answer(new URL(url))
  }
  const gateway = testGateway({ fetch, now: () => provider.now })
  const handler = create(provider, { ...HOW_TO, issuer: SECURE, auth_methods: ['bearer'] }, gateway)
  const token = await provider.accessToken({ iss: SECURE })
  const { exit } = await send(handler, { headers: [bearer(token)] })
  return { status: exit?.status ?? 200, code: exit?.reason?.code, asked }
}

const document = (jwks_uri: string) => Response.json({ issuer: SECURE, jwks_uri })
const DISCOVERY = `${SECURE}/.well-known/openid-configuration`

test('the keys of a provider with TLS are asked for there, and make its tokens good', async () => {
  const keys = Response.json({ keys: [key.jwk] })
  const { status, asked } = await ask((url) =>
    url.pathname.endsWith('/keys') ? keys : document(`${SECURE}/keys`),
  )
  expect([status, asked]).toEqual([200, [DISCOVERY, `${SECURE}/keys`]])
})

test.each([
  'http://provider.test/keys',
  'http://169.254.169.254/keys',
  'file:///etc/passwd',
  'ftp://provider.test/keys',
  'javascript:alert(1)',
])('a provider with TLS sends nobody to %s for its keys', async (jwks_uri) => {
  const { status, code, asked } = await ask(() => document(jwks_uri))
  expect(status).toBe(401)
  expect(code).toMatch(/^provider_/)
  expect(asked).toEqual([DISCOVERY])
})

test.each([
  'http://provider.test/other',
  'https://169.254.169.254/other',
  'https://localhost/other',
  'https://provider.test/other',
])('no redirect to %s is followed, neither for the document nor for the keys', async (location) => {
  const redirected = () => new Response('', { status: 302, headers: { location } })
  const first = await ask(redirected)
  expect([first.status, first.code]).toEqual([401, 'provider_invalid_response'])
  expect(first.asked).toEqual([DISCOVERY])
  const second = await ask((url) =>
    url.pathname.endsWith('/keys') ? redirected() : document(`${SECURE}/keys`),
  )
  expect([second.status, second.code]).toEqual([401, 'provider_invalid_response'])
  expect(second.asked).toEqual([DISCOVERY, `${SECURE}/keys`])
})
