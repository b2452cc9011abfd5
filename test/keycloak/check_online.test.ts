import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { gatewayOf, openidConnect } from '../e2e/entities.ts'
import { Folder } from '../e2e/folder.ts'
import { run } from '../e2e/gatehouse.ts'
import { keycloak } from './keycloak.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const METHODS = [
  'authorization_code',
  'session',
  'bearer',
  'introspection',
  'userinfo',
  'refresh_token',
  'password',
  'client_credentials',
]

interface Told {
  readonly findings: readonly { readonly level: string; readonly code: string }[]
}

/** What `gatehouse check --online` finds of the how-to's plugin with `changes`, beside what a load says too. */
async function findings(
  realm: string,
  changes: object,
  words: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  url = keycloak!.url,
) {
  const config = gatewayOf('http://127.0.0.1:9', openidConnect(`${url}/realms/${realm}`, changes))
  using folder = new Folder({ 'kong.yaml': JSON.stringify(config) })
  const around = { cwd: folder.path, env }
  const ended = await run(['check', '--online', '--json', ...words, 'kong.yaml'], around)
  const { findings } = JSON.parse(ended.stdout) as Told
  const found = findings.filter(({ code }) => code !== 'configuration')
  return { code: ended.code, found: found.map(({ level, code }) => `${level} ${code}`) }
}

describe.skipIf(!keycloak)('gatehouse check --online and Keycloak', () => {
  const everything = {
    auth_methods: METHODS,
    redirect_uri: ['http://localhost:8000/anything'],
    scopes: ['openid', 'email', 'profile'],
    consumer_claims: [['preferred_username']],
    logout_uri_suffix: '/logout',
    logout_revoke: true,
    require_proof_key_for_code_exchange: true,
  }

  test('of a file that uses everything, nothing is found', async () => {
    expect(await findings('kong', everything)).toEqual({ code: 0, found: [] })
  })

  test('the same by TLS, with its authority', async () => {
    const env = { KONG_LUA_SSL_TRUSTED_CERTIFICATE: keycloak!.ca }
    const { code, found } = await findings('kong', everything, [], env, keycloak!.httpsUrl)
    expect({ code, found }).toEqual({ code: 0, found: [] })
  })

  test('without its authority, that is what is found', async () => {
    const { code, found } = await findings('kong', everything, [], {}, keycloak!.httpsUrl)
    expect({ code, found }).toEqual({ code: 1, found: ['error certificate_trust'] })
  })

  test('a realm that is not there, and a claim that Keycloak does not announce', async () => {
    expect(await findings('nobody', everything)).toEqual({
      code: 1,
      found: ['error provider_invalid_response'],
    })
    expect(await findings('kong', { groups_required: ['a'] })).toEqual({
      code: 0,
      found: ['note claim_not_announced'],
    })
  })

  test('--try-clients tells a good secret from a wrong one', async () => {
    const words = ['--try-clients']
    expect((await findings('kong', {}, words)).found).toEqual(['note client_taken'])
    expect(await findings('kong', { client_secret: ['wrong'] }, words)).toEqual({
      code: 1,
      found: ['error unauthorized_client'],
    })
  })
})
